"""A bounded table from keys to fitness that forgets the least recently used entry; whole batches in compiled loops.

One table serves both caches of the evaluator: fitness by canonical program, where the program itself is stored and
compared (a 64-bit hash alone is never believed), and functional equivalence checking, where the hash is all there is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.program import Programs
from azero_jax.state import State

_END: Final = -1  # of a chain or list
_NEXT_IN_BUCKET, _NEWER, _OLDER, _HITS = range(4)  # columns of `links`
_USED, _NEWEST, _OLDEST, _FREE = range(4)  # of `state`
_COUNT_SHIFT: Final = np.uint64(48)  # packed keys: bits of the first word above the sizes
_CONSTANT_SHIFT: Final = np.uint64(56)  # packed keys: bits of an instruction's word above its addresses


class FitnessCache:
    """Fitness by key, bounded, least recently used first out.

    Attributes:
      capacity: most entries; 0 keeps nothing.
      forget_every: an entry is deleted at its n-th sighting, after its value was given (0: never). The entry's own
        insertion counts as the first sighting, as in the original's FEC cache.
    """

    def __init__(self, capacity: int, key_words: int, forget_every: int = 0) -> None:
        """An empty cache.

        Args:
          capacity: most entries.
          key_words: 64-bit words of a key that are compared; 0 compares hashes only.
          forget_every: see the class.

        Raises:
          ValueError: a negative number.
        """
        for name, value in (("cache size", capacity), ("forget_every", forget_every)):
            if value < 0:
                raise ValueError(f"{name} is {value}; it must be 0 or more")
        self.capacity = capacity
        self.forget_every = forget_every
        rows = max(capacity, 1)
        self._buckets = np.full(1 << max(rows - 1, 1).bit_length(), _END, np.int32)
        self._hashes = np.zeros(rows, np.uint64)
        self._keys = np.zeros((rows, key_words), np.uint64)
        self._values = np.zeros(rows, np.float64)
        self._links = np.full((rows, 4), _END, np.int32)
        self._state = np.array([0, _END, _END, _END], np.int64)

    def __len__(self) -> int:
        return int(self._state[_USED])

    def look_up(self, hashes: NDArray[np.uint64], keys: NDArray[np.uint64], fitness: NDArray[np.float64]) -> int:
        """Fills in the fitness of every key that is known; what is found becomes the most recently used.

        Args:
          hashes: `[N]` uint64.
          keys: `[N, key_words]` uint64.
          fitness: `[N]` float64, NaN where it is asked for; other places are left alone.

        Returns:
          How many were found.
        """
        if self.capacity == 0:
            return 0
        return int(_look_up(hashes, keys, fitness, self.forget_every, *self._arrays()))

    def insert(self, hashes: NDArray[np.uint64], keys: NDArray[np.uint64], fitness: NDArray[np.float64]) -> None:
        """Stores N new keys (not in the table, no two the same), the least recently used going first."""
        if self.capacity > 0:
            _insert(hashes, keys, fitness, self.capacity, *self._arrays())

    def state(self) -> State:
        """The entries, least recently used first; keys as one stream of words without unused ones."""
        order = np.empty(len(self), np.int32)
        _list_oldest_first(order, self._links, self._state)
        words = np.empty(len(order) * self._keys.shape[1], np.uint64)
        return {
            "hashes": self._hashes[order],
            "fitness": self._values[order],
            "sightings": self._links[order, _HITS],
            "keys": words[: _pack_keys(order, self._keys, words)].copy(),
        }

    def restore(self, state: State) -> None:
        """Fills an empty cache of the same sizes with what `state()` gave."""
        count = len(state["hashes"])
        keys = np.zeros((count, self._keys.shape[1]), np.uint64)
        _unpack_keys(state["keys"], keys)
        self.insert(state["hashes"], keys, state["fitness"])
        self._links[:count, _HITS] = state["sightings"]

    def _arrays(self) -> tuple[NDArray, ...]:
        return self._buckets, self._hashes, self._keys, self._values, self._links, self._state


def program_keys(programs: Programs) -> NDArray[np.uint64]:
    """`[N, 1 + 3 L]` uint64 words that are equal exactly when two programs are, to the last bit of their constants.

    The first word holds the sizes, then come one word an instruction (op and addresses) and its constants, zeros last.
    """
    keys = np.zeros((len(programs), 1 + 3 * programs.opcodes.shape[1]), np.uint64)
    _encode(programs.opcodes, programs.addresses, programs.constants.view(np.uint64), programs.sizes, keys)
    return keys


def first_of_equals(hashes: NDArray[np.uint64], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """`[N]` for each key the position of the first equal key (same hash and same words) in the batch."""
    first = np.empty(len(hashes), np.int64)
    table = np.full(1 << max(2 * len(hashes) - 1, 1).bit_length(), _END, np.int32)
    _find_first(hashes, keys, table, first)
    return first


@njit(cache=True, nogil=True)
def _encode(opcodes, addresses, constants, sizes, keys):  # type: ignore[no-untyped-def]
    length = opcodes.shape[1]
    for n in range(opcodes.shape[0]):
        keys[n, 0] = (
            np.uint64(sizes[n, 0])
            | (np.uint64(sizes[n, 1]) << np.uint64(16))
            | (np.uint64(sizes[n, 2]) << np.uint64(32))
        )
        word = 1
        for slot in range(length):
            if opcodes[n, slot] != 0:
                keys[n, word] = (
                    np.uint64(opcodes[n, slot])
                    | (np.uint64(addresses[n, slot, 0]) << np.uint64(8))
                    | (np.uint64(addresses[n, slot, 1]) << np.uint64(24))
                    | (np.uint64(addresses[n, slot, 2]) << np.uint64(40))
                )
                keys[n, word + 1] = constants[n, slot, 0]
                keys[n, word + 2] = constants[n, slot, 1]
                word += 3


@njit(cache=True, nogil=True)
def _equal(keys, n, others, m):  # type: ignore[no-untyped-def]
    for word in range(keys.shape[1]):
        if keys[n, word] != others[m, word]:
            return False
        if word > 0 and word % 3 == 1 and keys[n, word] == 0:
            return True  # past the last instruction
    return True


@njit(cache=True, nogil=True)
def _find_first(hashes, keys, table, first):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table) - 1)
    for n in range(len(hashes)):
        place = hashes[n] & mask
        while True:
            other = table[place]
            if other == _END:
                table[place] = n
                first[n] = n
                break
            if hashes[other] == hashes[n] and _equal(keys, n, keys, other):
                first[n] = other
                break
            place = (place + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def _look_up(  # type: ignore[no-untyped-def]
    hashes, keys, found, forget_every, buckets, stored_hashes, stored_keys, values, links, state
):
    mask = np.uint64(len(buckets) - 1)
    count = 0
    for n in range(len(hashes)):
        if not np.isnan(found[n]):
            continue
        entry = buckets[hashes[n] & mask]
        while entry != _END:
            if stored_hashes[entry] == hashes[n] and _equal(keys, n, stored_keys, entry):
                break
            entry = links[entry, _NEXT_IN_BUCKET]
        if entry == _END:
            continue
        count += 1
        found[n] = values[entry]
        links[entry, _HITS] += 1
        _unlink(entry, links, state)
        if forget_every > 0 and links[entry, _HITS] >= forget_every:
            _leave_bucket(entry, buckets, stored_hashes, links)
            links[entry, _NEXT_IN_BUCKET] = state[_FREE]
            state[_FREE] = entry
            state[_USED] -= 1
        else:
            _make_newest(entry, links, state)
    return count


@njit(cache=True, nogil=True)
def _insert(  # type: ignore[no-untyped-def]
    hashes, keys, fitness, capacity, buckets, stored_hashes, stored_keys, values, links, state
):
    mask = np.uint64(len(buckets) - 1)
    for n in range(len(hashes)):
        if state[_FREE] != _END:
            entry = state[_FREE]
            state[_FREE] = links[entry, _NEXT_IN_BUCKET]
            state[_USED] += 1
        elif state[_USED] < capacity:
            entry = state[_USED]
            state[_USED] += 1
        else:
            entry = state[_OLDEST]
            _unlink(entry, links, state)
            _leave_bucket(entry, buckets, stored_hashes, links)
        stored_hashes[entry] = hashes[n]
        for word in range(keys.shape[1]):
            stored_keys[entry, word] = keys[n, word]
            if word > 0 and word % 3 == 1 and keys[n, word] == 0:
                break
        values[entry] = fitness[n]
        links[entry, _HITS] = 1
        place = hashes[n] & mask
        links[entry, _NEXT_IN_BUCKET] = buckets[place]
        buckets[place] = entry
        _make_newest(entry, links, state)


@njit(cache=True, nogil=True)
def _unlink(entry, links, state):  # type: ignore[no-untyped-def]
    newer, older = links[entry, _NEWER], links[entry, _OLDER]
    if newer == _END:
        state[_NEWEST] = older
    else:
        links[newer, _OLDER] = older
    if older == _END:
        state[_OLDEST] = newer
    else:
        links[older, _NEWER] = newer


@njit(cache=True, nogil=True)
def _make_newest(entry, links, state):  # type: ignore[no-untyped-def]
    links[entry, _NEWER] = _END
    links[entry, _OLDER] = state[_NEWEST]
    if state[_NEWEST] == _END:
        state[_OLDEST] = entry
    else:
        links[state[_NEWEST], _NEWER] = entry
    state[_NEWEST] = entry


@njit(cache=True, nogil=True)
def _leave_bucket(entry, buckets, stored_hashes, links):  # type: ignore[no-untyped-def]
    place = stored_hashes[entry] & np.uint64(len(buckets) - 1)
    if buckets[place] == entry:
        buckets[place] = links[entry, _NEXT_IN_BUCKET]
        return
    other = buckets[place]
    while links[other, _NEXT_IN_BUCKET] != entry:
        other = links[other, _NEXT_IN_BUCKET]
    links[other, _NEXT_IN_BUCKET] = links[entry, _NEXT_IN_BUCKET]


@njit(cache=True, nogil=True)
def _list_oldest_first(order, links, state):  # type: ignore[no-untyped-def]
    entry = state[_OLDEST]
    for n in range(len(order)):
        order[n] = entry
        entry = links[entry, _NEWER]


@njit(cache=True, nogil=True)
def _pack_keys(order, keys, words):  # type: ignore[no-untyped-def]
    """Writes the used words of the keys; the first word of each also counts its instructions. Returns how many."""
    length = keys.shape[1]
    place = 0
    if length == 0:
        return place
    for entry in order:
        first = place
        place += 1
        instructions = np.uint64(0)
        for word in range(1, length, 3):
            instruction = keys[entry, word]
            if instruction == 0:
                break
            here = place
            place += 1
            for number in range(2):
                constant = keys[entry, word + 1 + number]
                if constant != 0:
                    instruction |= np.uint64(1 + number) << _CONSTANT_SHIFT
                    words[place] = constant
                    place += 1
            words[here] = instruction
            instructions += np.uint64(1)
        words[first] = keys[entry, 0] | (instructions << _COUNT_SHIFT)
    return place


@njit(cache=True, nogil=True)
def _unpack_keys(words, keys):  # type: ignore[no-untyped-def]
    """Fills `keys`, which are zero, from the words that `_pack_keys` wrote."""
    place = 0
    if keys.shape[1] == 0:
        return
    instruction_mask = (np.uint64(1) << _CONSTANT_SHIFT) - np.uint64(1)
    for entry in range(keys.shape[0]):
        instructions = words[place] >> _COUNT_SHIFT
        keys[entry, 0] = words[place] & ((np.uint64(1) << _COUNT_SHIFT) - np.uint64(1))
        place += 1
        for position in range(instructions):
            word = 1 + 3 * position
            constants = words[place] >> _CONSTANT_SHIFT
            keys[entry, word] = words[place] & instruction_mask
            place += 1
            for number in range(2):
                if constants & np.uint64(1 + number):
                    keys[entry, word + 1 + number] = words[place]
                    place += 1
