"""A bounded table from 64-bit hashes to fitness that forgets the least recently used entry.

Whole batches are looked up in compiled loops, in two calls. `look_up` fills in what is known and makes an entry for
each key that is new; `fill` gives these entries their values. In between they are pending: equal keys of this batch and
of the next one find them, so that a batch may be looked up while the one before it is being run. Whether an entry is
pending or not makes no difference to what is forgotten.

`azero_jax.fitness.program_cache` stores programs beside the hashes, which alone are never believed there; in
functional equivalence checking the hash is all there is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.process.state import State

BLOCK: Final = 8  # words of a cache line
TOGETHER: Final = 64  # keys that are fetched from memory together
END: Final = -1  # of a bucket or list
BEFORE: Final = -2  # and less: of a key that the look-up before has asked for
_HASH, _NEXT, _NEWER, _OLDER, _SIGHTINGS, _FITNESS = range(6)  # columns of `Table.entries`
# Of `Table.facts`; the last two are the serial numbers of the first new keys of this look-up and of the one before.
_USED, _NEWEST, _OLDEST, _FREE, CAPACITY, _FORGET_EVERY, _FIRST, _FIRST_BEFORE = range(8)
_PENDING: Final = 0x7FF8 << 48  # a NaN, in place of the fitness of a pending entry; its lower bits are a serial number
_SERIAL: Final = (1 << 48) - 1


class Table(NamedTuple):
    """The arrays of a cache.

    Attributes:
      buckets: `[2^n]` int32, the first entry of each.
      entries: `[R, 6]` int64: hash, the next entry in the bucket or among the free ones, the entries that were used
        next and last before, sightings; and the fitness, or a NaN with the serial number of the new key.
      values: the same memory as float64, for the fitness.
      keys: `[W / 8, R, 8]` uint64 words: most keys are short, and so share few pages of memory.
      facts: `_USED` to `_FIRST_BEFORE`.
    """

    buckets: NDArray[np.int32]
    entries: NDArray[np.int64]
    values: NDArray[np.float64]
    keys: NDArray[np.uint64]
    facts: NDArray[np.int64]


class Unknown(NamedTuple):
    """What a look-up did not find.

    Attributes:
      new: `[M]` positions in the batch of the keys that are new, each the first of its equals.
      place: `[N]` for each key that has no value yet, which of those it equals, or `BEFORE` less its place among the
        new keys of the look-up before; `END` for the others.
      entries: `[M]` the entries that wait for the new keys' values.
      first: serial number of the first new key.
    """

    new: NDArray[np.int64]
    place: NDArray[np.int64]
    entries: NDArray[np.int64]
    first: int


class FitnessCache:
    """Fitness by key, bounded, least recently used first out.

    Attributes:
      capacity: most entries; 0 keeps nothing.
      forget_every: an entry is deleted at its n-th sighting, after its value was given (0: never). The entry's own
        insertion counts as the first sighting, as in the original's FEC cache.
    """

    def __init__(self, capacity: int, forget_every: int = 0, key_words: int = 0) -> None:
        """An empty cache.

        Args:
          capacity: most entries.
          forget_every: see the class.
          key_words: most 64-bit words that a key has beside its hash.

        Raises:
          ValueError: a negative number.
        """
        for name, value in (("cache size", capacity), ("forget_every", forget_every)):
            if value < 0:
                raise ValueError(f"{name} is {value}; it must be 0 or more")
        self.capacity = capacity
        self.forget_every = forget_every
        rows = max(capacity, 1)
        entries = np.zeros((rows, 6), np.int64)
        self._table = Table(
            buckets=np.full(1 << max(rows - 1, 1).bit_length(), END, np.int32),
            entries=entries,
            values=entries.view(np.float64),
            keys=np.zeros((-(-key_words // BLOCK), rows, BLOCK), np.uint64),
            facts=np.array([0, END, END, END, capacity, forget_every, 0, 0], np.int64),
        )
        self._serial = 0  # of the next new key
        self._latest = np.empty(0)  # values that were filled in last

    def __len__(self) -> int:
        return int(self._table.facts[_USED])

    def look_up(self, hashes: NDArray[np.uint64], fitness: NDArray[np.float64]) -> Unknown:
        """Fills in the fitness of every hash that is known; what is found becomes the most recently used.

        Args:
          hashes: `[N]` uint64.
          fitness: `[N]` float64, NaN where it is asked for; other places are left alone.

        Returns:
          What is unknown; an entry of each new key, the most recently used, waits for `fill`. At most one look-up
          before this one may still be waiting.
        """
        place, new, entries = (np.empty(len(fitness), np.int64) for _ in range(3))
        self._begin()
        count, _ = _look_up_batch(hashes.view(np.int64), *self._table, fitness, place, new, entries)
        return self._unknown(count, new, place, entries)

    def fill(self, unknown: Unknown, values: NDArray[np.float64], fitness: NDArray[np.float64]) -> None:
        """Gives the new keys of a look-up their values, and with them the batch; look-ups are filled in their order.

        Args:
          unknown: what the look-up gave.
          values: `[M]` of the new keys, never NaN.
          fitness: `[N]` of the batch; filled in where it is still unknown.

        Raises:
          ValueError: another number of values.
        """
        if len(values) != len(unknown.new):
            raise ValueError(f"{len(values)} values; the look-up found {len(unknown.new)} new keys")
        if self.capacity > 0:
            _fill(values, unknown.entries, unknown.first, self._table.entries, self._table.values)
        _spread(values, self._latest, unknown.place, fitness)
        self._latest = values

    def _begin(self) -> None:
        """Before a look-up: from here on new keys are its own."""
        facts = self._table.facts
        facts[_FIRST_BEFORE], facts[_FIRST] = facts[_FIRST], self._serial

    def _unknown(
        self, count: int, new: NDArray[np.int64], place: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> Unknown:
        """After a look-up that has found `count` new keys."""
        first, self._serial = self._serial, self._serial + count
        return Unknown(new[:count], place, entries[:count], first)

    def state(self) -> State:
        """Hashes, fitness and sightings of the entries, `[E]` each, least recently used first."""
        table, order = self._table, self._oldest_first()
        return {
            "hashes": table.entries[order, _HASH],
            "fitness": table.values[order, _FITNESS],
            "sightings": table.entries[order, _SIGHTINGS],
        }

    def restore(self, state: State) -> None:
        """Fills an empty cache of the same sizes with what `state()` gave."""
        _restore(state["hashes"], state["fitness"], state["sightings"], *self._table)

    def _oldest_first(self) -> NDArray[np.int64]:
        """The entries, least recently used first."""
        order = np.empty(len(self), np.int64)
        _list_oldest_first(order, self._table.entries, self._table.facts)
        return order


@compiled_loop
def _spread(values, values_before, place, fitness):  # type: ignore[no-untyped-def]
    for n in range(len(place)):
        if place[n] >= 0:
            fitness[n] = values[place[n]]
        elif place[n] <= BEFORE:
            fitness[n] = values_before[BEFORE - place[n]]


@compiled_loop
def _look_up_batch(  # type: ignore[no-untyped-def]
    hashes, buckets, entries, values, keys, facts, fitness, place, new, waiting
):
    count = 0
    no_key = np.empty(0, np.uint64)
    touched = 0
    for n in range(len(fitness)):
        if n % TOGETHER == 0:
            touched += touch(hashes, n, min(n + TOGETHER, len(hashes)), buckets, entries, keys)
        place[n] = END
        if np.isnan(fitness[n]):
            place[n], waiting[count] = look_up_one(
                hashes[n], no_key, 0, 0, buckets, entries, values, keys, facts, n, count, fitness
            )
            new[count] = n
            count += place[n] == count
    return count, touched


@inlined
def look_up_one(  # type: ignore[no-untyped-def]
    hashed, key, start, words, buckets, entries, values, keys, facts, n, count, fitness
):
    """Looks up one key of a batch, and fills in its fitness.

    Args:
      hashed: its hash.
      key: `[K]` uint64, which holds the words of the key, and maybe others.
      start: its first word, at which the key begins.
      words: how many the key has; they are compared too.
      buckets: `[2^n]`, of a `Table`.
      entries: `[R, 6]`, of the `Table`.
      values: `[R, 6]`, of the `Table`.
      keys: `[W / 8, R, 8]`, of the `Table`.
      facts: `[8]`, of the `Table`.
      n: its place in the batch.
      count: how many of the keys before it are new.
      fitness: `[N]` of the batch.

    Returns:
      Its place as in `Unknown` (`count` if it is another new one), and its entry.
    """
    if facts[CAPACITY] == 0:
        return count, 0
    entry = _find(hashed, key, start, words, buckets, entries, keys)
    if entry == END:
        entry = insert(hashed, key, start, words, buckets, entries, keys, facts)
        entries[entry, _SIGHTINGS] = 1
        entries[entry, _FITNESS] = _PENDING | (facts[_FIRST] + count)
        return count, entry
    place = END
    if np.isnan(values[entry, _FITNESS]):
        serial = entries[entry, _FITNESS] & _SERIAL
        is_own = serial >= facts[_FIRST]
        place = serial - facts[_FIRST] if is_own else BEFORE - (serial - facts[_FIRST_BEFORE])
    else:
        fitness[n] = values[entry, _FITNESS]
    entries[entry, _SIGHTINGS] += 1
    _unlink(entry, entries, facts)
    if 0 < facts[_FORGET_EVERY] <= entries[entry, _SIGHTINGS]:
        _leave_bucket(entry, buckets, entries)
        entries[entry, _NEXT] = facts[_FREE]
        facts[_FREE] = entry
        facts[_USED] -= 1
    else:
        _make_newest(entry, entries, facts)
    return place, entry


@inlined
def touch(hashes, first, end, buckets, entries, keys):  # type: ignore[no-untyped-def]
    """Reads what looking up the keys from `first` to below `end` will read, so that the memory serves them together.

    Returns a number of no meaning, which the caller has to return too, or the compiler would leave all this out.
    """
    total = 0
    for n in range(first, end):
        total += buckets[_bucket(hashes[n], buckets)]
    for n in range(first, end):
        entry = np.int64(buckets[_bucket(hashes[n], buckets)])
        if entry != END:
            total += entries[entry, _HASH]
            if len(keys) > 0:
                total += np.int64(keys[0, entry, 0])
    return total


@inlined
def _find(hashed, key, start, words, buckets, entries, keys):  # type: ignore[no-untyped-def]
    """The entry of a key, or `END`."""
    entry = np.int64(buckets[_bucket(hashed, buckets)])
    while entry != END:
        if entries[entry, _HASH] == hashed:
            word = 0
            while word < words and keys[word // BLOCK, entry, word % BLOCK] == key[start + word]:
                word += 1
            if word == words:
                break
        entry = entries[entry, _NEXT]
    return entry


@inlined
def insert(hashed, key, start, words, buckets, entries, keys, facts):  # type: ignore[no-untyped-def]
    """Makes an entry for a new key, the least recently used going if there are too many, and returns it."""
    if facts[_FREE] != END:
        entry = facts[_FREE]
        facts[_FREE] = entries[entry, _NEXT]
        facts[_USED] += 1
    elif facts[_USED] < facts[CAPACITY]:
        entry = facts[_USED]
        facts[_USED] += 1
    else:
        entry = facts[_OLDEST]
        _unlink(entry, entries, facts)
        _leave_bucket(entry, buckets, entries)
    for word in range(words):
        keys[word // BLOCK, entry, word % BLOCK] = key[start + word]
    bucket = _bucket(hashed, buckets)
    entries[entry, _HASH] = hashed
    entries[entry, _NEXT] = buckets[bucket]
    buckets[bucket] = entry
    _make_newest(entry, entries, facts)
    return entry


@inlined
def _bucket(hashed, buckets):  # type: ignore[no-untyped-def]
    return hashed & (len(buckets) - 1)


@compiled_loop
def _fill(values_of_new, waiting, first, entries, values):  # type: ignore[no-untyped-def]
    for place in range(len(waiting)):
        entry = waiting[place]
        if entries[entry, _FITNESS] == _PENDING | (first + place):  # else a later key has taken the entry
            values[entry, _FITNESS] = values_of_new[place]


@inlined
def set_entry(entry, sightings, fitness, entries, values):  # type: ignore[no-untyped-def]
    """Gives an entry what it had before."""
    entries[entry, _SIGHTINGS] = sightings
    values[entry, _FITNESS] = fitness


@inlined
def _unlink(entry, entries, facts):  # type: ignore[no-untyped-def]
    newer, older = entries[entry, _NEWER], entries[entry, _OLDER]
    if newer == END:
        facts[_NEWEST] = older
    else:
        entries[newer, _OLDER] = older
    if older == END:
        facts[_OLDEST] = newer
    else:
        entries[older, _NEWER] = newer


@inlined
def _make_newest(entry, entries, facts):  # type: ignore[no-untyped-def]
    newest = facts[_NEWEST]
    entries[entry, _NEWER] = END
    entries[entry, _OLDER] = newest
    if newest == END:
        facts[_OLDEST] = entry
    else:
        entries[newest, _NEWER] = entry
    facts[_NEWEST] = entry


@inlined
def _leave_bucket(entry, buckets, entries):  # type: ignore[no-untyped-def]
    bucket = _bucket(entries[entry, _HASH], buckets)
    other = np.int64(buckets[bucket])
    if other == entry:
        buckets[bucket] = entries[entry, _NEXT]
        return
    while entries[other, _NEXT] != entry:
        other = entries[other, _NEXT]
    entries[other, _NEXT] = entries[entry, _NEXT]


@compiled_loop
def _list_oldest_first(order, entries, facts):  # type: ignore[no-untyped-def]
    entry = facts[_OLDEST]
    for n in range(len(order)):
        order[n] = entry
        entry = entries[entry, _NEWER]


@compiled_loop
def _restore(hashes, fitness, sightings, buckets, entries, values, keys, facts):  # type: ignore[no-untyped-def]
    no_key = np.empty(0, np.uint64)
    for n in range(len(hashes)):
        entry = insert(hashes[n], no_key, 0, 0, buckets, entries, keys, facts)
        set_entry(entry, sightings[n], fitness[n], entries, values)
