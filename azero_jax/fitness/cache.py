"""A bounded table from 64-bit hashes to fitness that forgets the least recently used entry.

Whole batches are looked up in compiled loops, in two calls. `look_up` fills in what is known and makes an entry for
each key that is new; `fill` gives these entries their values. In between they are pending: equal keys of this batch and
of the next one find them, so that a batch may be looked up while the one before it is being run. Whether an entry is
pending or not makes no difference to what is forgotten.

`azero_jax.fitness.program_cache` stores programs beside the hashes, which alone are never believed there; in
functional equivalence checking the hash is all there is.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.fitness.table import (
    BEFORE,
    END,
    FIRST,
    FIRST_BEFORE,
    FITNESS,
    HASH,
    SIGHTINGS,
    USED,
    Answers,
    CacheTable,
    Keys,
    fill_entries,
    insert,
    list_oldest_first,
    look_up_one,
    make_table,
    set_entry,
    touch,
)
from azero_jax.process.state import State

TOGETHER: Final = 64  # keys that are fetched from memory together


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
        insertion counts as the first sighting, as in the original's FEC cache, and does not delete it.
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
        self._table = make_table(capacity, forget_every, key_words)
        self._serial = 0  # of the next new key
        self._latest = np.empty(0)  # values that were filled in last

    def __len__(self) -> int:
        return int(self._table.facts[USED])

    def look_up(self, hashes: NDArray[np.uint64], fitness: NDArray[np.float64]) -> Unknown:
        """Fills in the fitness of every hash that is known; what is found becomes the most recently used.

        Args:
          hashes: `[N]` uint64.
          fitness: `[N]` float64, NaN where it is asked for; other places are left alone.

        Returns:
          What is unknown; an entry of each new key, the most recently used, waits for `fill`. At most one look-up
          before this one may still be waiting.
        """
        answers = self._ask(fitness)
        return self._unknown(answers, _look_up_batch(self._table, _keys(hashes), answers))

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
            fill_entries(self._table, unknown.entries, unknown.first, values)
        _spread(values, self._latest, unknown.place, fitness)
        self._latest = values

    def _ask(self, fitness: NDArray[np.float64]) -> Answers:
        """Before a look-up: room for what it finds. From here on new keys are its own."""
        facts = self._table.facts
        facts[FIRST_BEFORE], facts[FIRST] = facts[FIRST], self._serial
        new, entries = (np.empty(len(fitness), np.int64) for _ in range(2))
        return Answers(fitness, np.full(len(fitness), END), new, entries)

    def _unknown(self, answers: Answers, count: int) -> Unknown:
        """After a look-up that has found `count` new keys."""
        first, self._serial = self._serial, self._serial + count
        return Unknown(answers.new[:count], answers.place, answers.entries[:count], first)

    def state(self) -> State:
        """Hashes, fitness and sightings of the entries, `[E]` each, least recently used first."""
        table, order = self._table, self._oldest_first()
        return {
            "hashes": table.entries[order, HASH],
            "fitness": table.values[order, FITNESS],
            "sightings": table.entries[order, SIGHTINGS],
        }

    def restore(self, state: State) -> None:
        """Fills an empty cache of the same sizes with what `state()` gave."""
        _restore(self._table, _keys(state["hashes"]), state["fitness"], state["sightings"])

    def _oldest_first(self) -> NDArray[np.int64]:
        """The entries, least recently used first."""
        order = np.empty(len(self), np.int64)
        list_oldest_first(self._table, order)
        return order


def _keys(hashes: NDArray[np.uint64]) -> Keys:
    """Keys that are nothing but hashes."""
    return Keys(hashes.view(np.int64), np.zeros(len(hashes), np.int64), np.empty((0, 0), np.uint64))


@compiled_loop
def _look_up_batch(table: CacheTable, keys: Keys, answers: Answers) -> int:
    """Looks up the keys at all places; returns how many are new."""
    count = 0
    for n in range(len(keys.hashes)):
        if n % TOGETHER == 0:
            touch(table, keys.hashes, n, min(n + TOGETHER, len(keys.hashes)))
        if np.isnan(answers.fitness[n]):
            count += look_up_one(table, keys, n, answers, n, count)
    return count


@compiled_loop
def _spread(
    values: NDArray[np.float64],
    values_before: NDArray[np.float64],
    place: NDArray[np.int64],
    fitness: NDArray[np.float64],
) -> None:
    for n in range(len(place)):
        if place[n] >= 0:
            fitness[n] = values[place[n]]
        elif place[n] <= BEFORE:
            fitness[n] = values_before[BEFORE - place[n]]


@compiled_loop
def _restore(table: CacheTable, keys: Keys, fitness: NDArray[np.float64], sightings: NDArray[np.int64]) -> None:
    for n in range(len(fitness)):
        set_entry(table, insert(table, keys, n), sightings[n], fitness[n])
