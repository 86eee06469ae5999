"""The compiled parts of a fitness cache: a hash table, whose entries are also in a list, least recently used first.

An entry that waits for its value is pending: it holds a serial number instead.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop, inlined

BLOCK: Final = 8  # words of a cache line
END: Final = -1  # of a bucket or list
BEFORE: Final = -2  # and less: of a key that the look-up before has asked for
HASH, NEXT, _NEWER, _OLDER, SIGHTINGS, FITNESS = range(6)  # columns of `CacheTable.entries`
# Of `CacheTable.facts`: FIRST and FIRST_BEFORE are the serial numbers of the first new keys of this look-up and of the
# one before; TOUCHED has no meaning: without a place for what `touch` reads, the compiler would leave the reads out.
USED, _NEWEST, _OLDEST, _FREE, CAPACITY, _FORGET_EVERY, FIRST, FIRST_BEFORE, _TOUCHED = range(9)
_PENDING: Final = 0x7FF8 << 48  # a NaN, in place of the fitness of a pending entry; its lower bits are a serial number
_SERIAL: Final = (1 << 48) - 1


class CacheTable(NamedTuple):
    """The memory of a cache.

    Attributes:
      buckets: `[2^n]` int32, the first entry of each.
      entries: `[R, 6]` int64: hash, the next entry in the bucket or among the free ones, the entries that were used
        next and last before, sightings; and the fitness, or a NaN with the serial number of the new key.
      values: the same memory as float64, for the fitness.
      words: `[W / 8, R, 8]` uint64, of the keys: most are short, and so share few pages of memory.
      facts: `[9]` int64, `USED` to `_TOUCHED`.
    """

    buckets: NDArray[np.int32]
    entries: NDArray[np.int64]
    values: NDArray[np.float64]
    words: NDArray[np.uint64]
    facts: NDArray[np.int64]


class Keys(NamedTuple):
    """K keys.

    Attributes:
      hashes: `[K]` int64.
      sizes: `[K]` int64, how many words each has beside its hash; they are compared too.
      words: `[K, W]` uint64.
    """

    hashes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    words: NDArray[np.uint64]


class Answers(NamedTuple):
    """What looking up a batch of N keys finds.

    Attributes:
      fitness: `[N]` float64, NaN of what is asked for.
      place: `[N]` int64, see `Unknown`.
      new: `[N]` int64, whose first M become `Unknown.new`.
      entries: `[N]` int64, whose first M become `Unknown.entries`.
    """

    fitness: NDArray[np.float64]
    place: NDArray[np.int64]
    new: NDArray[np.int64]
    entries: NDArray[np.int64]


def make_table(capacity: int, forget_every: int, key_words: int) -> CacheTable:
    """An empty table; see `FitnessCache`."""
    rows = max(capacity, 1)
    entries = np.zeros((rows, 6), np.int64)
    return CacheTable(
        buckets=np.full(1 << max(rows - 1, 1).bit_length(), END, np.int32),
        entries=entries,
        values=entries.view(np.float64),
        words=np.zeros((-(-key_words // BLOCK), rows, BLOCK), np.uint64),
        facts=np.array([0, END, END, END, capacity, forget_every, 0, 0, 0], np.int64),
    )


@inlined
def look_up_one(table: CacheTable, keys: Keys, b: int, answers: Answers, n: int, count: int) -> bool:
    """Looks up key `b`, the one at place `n` of a batch, of whose keys before it `count` are new; whether it is too."""
    entries, facts = table.entries, table.facts
    answers.new[count] = n
    answers.place[n] = count
    if facts[CAPACITY] == 0:
        answers.entries[count] = 0
        return True
    entry = _find(table, keys, b)
    if entry == END:
        entry = insert(table, keys, b)
        entries[entry, SIGHTINGS] = 1
        entries[entry, FITNESS] = _PENDING | (facts[FIRST] + count)
        answers.entries[count] = entry
        return True
    answers.place[n] = END
    if np.isnan(table.values[entry, FITNESS]):
        serial = entries[entry, FITNESS] & _SERIAL
        is_own = serial >= facts[FIRST]
        answers.place[n] = serial - facts[FIRST] if is_own else BEFORE - (serial - facts[FIRST_BEFORE])
    else:
        answers.fitness[n] = table.values[entry, FITNESS]
    entries[entry, SIGHTINGS] += 1
    _unlink(table, entry)
    if 0 < facts[_FORGET_EVERY] <= entries[entry, SIGHTINGS]:
        _leave_bucket(table, entry)
        entries[entry, NEXT] = facts[_FREE]
        facts[_FREE] = entry
        facts[USED] -= 1
    else:
        _make_newest(table, entry)
    return False


@inlined
def touch(table: CacheTable, hashes: NDArray[np.int64], first: int, end: int) -> None:
    """Reads what looking up the keys from `first` to below `end` will read, so that the memory serves them together."""
    total = 0
    for n in range(first, end):
        total += table.buckets[_bucket(table, hashes[n])]
    for n in range(first, end):
        entry = np.int64(table.buckets[_bucket(table, hashes[n])])
        if entry != END:
            total += table.entries[entry, HASH]
            if len(table.words) > 0:
                total += np.int64(table.words[0, entry, 0])
    table.facts[_TOUCHED] = total


@inlined
def _find(table: CacheTable, keys: Keys, b: int) -> int:
    """The entry of a key, or `END`."""
    hashed, size = keys.hashes[b], keys.sizes[b]
    entry = int(table.buckets[_bucket(table, hashed)])
    while entry != END:
        if table.entries[entry, HASH] == hashed:
            word = 0
            while word < size and table.words[word // BLOCK, entry, word % BLOCK] == keys.words[b, word]:
                word += 1
            if word == size:
                break
        entry = table.entries[entry, NEXT]
    return entry


@inlined
def insert(table: CacheTable, keys: Keys, b: int) -> int:
    """Makes an entry for a new key, the least recently used going if there are too many, and returns it."""
    entries, facts = table.entries, table.facts
    if facts[_FREE] != END:
        entry = facts[_FREE]
        facts[_FREE] = entries[entry, NEXT]
        facts[USED] += 1
    elif facts[USED] < facts[CAPACITY]:
        entry = facts[USED]
        facts[USED] += 1
    else:
        entry = facts[_OLDEST]
        _unlink(table, entry)
        _leave_bucket(table, entry)
    for word in range(keys.sizes[b]):
        table.words[word // BLOCK, entry, word % BLOCK] = keys.words[b, word]
    bucket = _bucket(table, keys.hashes[b])
    entries[entry, HASH] = keys.hashes[b]
    entries[entry, NEXT] = table.buckets[bucket]
    table.buckets[bucket] = entry
    _make_newest(table, entry)
    return entry


@inlined
def set_entry(table: CacheTable, entry: int, sightings: int, fitness: float) -> None:
    """Gives an entry what it had before."""
    table.entries[entry, SIGHTINGS] = sightings
    table.values[entry, FITNESS] = fitness


@compiled_loop
def fill_entries(table: CacheTable, waiting: NDArray[np.int64], first: int, values: NDArray[np.float64]) -> None:
    """Gives new keys their values `[M]`, in the entries `[M]` that wait for them; `first`: see `Unknown`."""
    for place in range(len(waiting)):
        entry = waiting[place]
        if table.entries[entry, FITNESS] == _PENDING | (first + place):  # else a later key has taken the entry
            table.values[entry, FITNESS] = values[place]


@compiled_loop
def list_oldest_first(table: CacheTable, order: NDArray[np.int64]) -> None:
    """Lists the entries, least recently used first, in `order`, which has room for all."""
    entry = table.facts[_OLDEST]
    for n in range(len(order)):
        order[n] = entry
        entry = table.entries[entry, _NEWER]


@inlined
def _bucket(table: CacheTable, hashed: int) -> int:
    return hashed & (len(table.buckets) - 1)


@inlined
def _unlink(table: CacheTable, entry: int) -> None:
    entries, facts = table.entries, table.facts
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
def _make_newest(table: CacheTable, entry: int) -> None:
    entries, facts = table.entries, table.facts
    newest = facts[_NEWEST]
    entries[entry, _NEWER] = END
    entries[entry, _OLDER] = newest
    if newest == END:
        facts[_OLDEST] = entry
    else:
        entries[newest, _NEWER] = entry
    facts[_NEWEST] = entry


@inlined
def _leave_bucket(table: CacheTable, entry: int) -> None:
    entries, buckets = table.entries, table.buckets
    bucket = _bucket(table, entries[entry, HASH])
    other = np.int64(buckets[bucket])
    if other == entry:
        buckets[bucket] = entries[entry, NEXT]
        return
    while entries[other, NEXT] != entry:
        other = entries[other, NEXT]
    entries[other, NEXT] = entries[entry, NEXT]
