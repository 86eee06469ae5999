from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.evaluate.cache import FitnessCache, first_of_equals, program_keys
from tests.spaces import full_space, some_programs

NO_KEYS = np.empty((1, 0), np.uint64)


def look_up(cache: FitnessCache, hashes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    fitness = np.full(len(hashes), np.nan)
    found = cache.look_up(hashes, keys, fitness)
    assert found == (~np.isnan(fitness)).sum()
    return fitness


class ReferenceCache:
    """The same in plain Python."""

    def __init__(self, capacity: int, forget_every: int) -> None:
        self.capacity, self.forget_every = capacity, forget_every
        self.entries: OrderedDict[int, list[float]] = OrderedDict()

    def look_up(self, key: int) -> float:
        if key not in self.entries:
            return np.nan
        entry = self.entries[key]
        entry[1] += 1
        self.entries.move_to_end(key)
        if self.forget_every and entry[1] >= self.forget_every:
            del self.entries[key]
        return entry[0]

    def insert(self, key: int, value: float) -> None:
        if len(self.entries) == self.capacity:
            self.entries.popitem(last=False)
        self.entries[key] = [value, 1]


@given(
    keys=st.lists(st.integers(0, 12), max_size=200),
    capacity=st.integers(1, 8),
    forget_every=st.integers(0, 4),
    spread=st.sampled_from([1, 16, 2**40]),  # in the first two cases many keys share a bucket
)
def test_it_forgets_the_least_recently_used_entry(
    keys: list[int], capacity: int, forget_every: int, spread: int
) -> None:
    cache, reference = FitnessCache(capacity, 0, forget_every), ReferenceCache(capacity, forget_every)
    for step, key in enumerate(keys):
        hashes = np.array([key * spread], np.uint64)
        found, expected = look_up(cache, hashes, NO_KEYS)[0], reference.look_up(key)
        assert found == expected or (np.isnan(found) and np.isnan(expected))
        if np.isnan(found):
            cache.insert(hashes, NO_KEYS, np.array([float(step)]))
            reference.insert(key, float(step))
        assert len(cache) == len(reference.entries)


def test_programs_with_the_same_hash_are_told_apart() -> None:
    programs = some_programs(full_space(), 300, seed=0)
    keys = program_keys(programs)
    collisions = np.zeros(300, np.uint64)
    cache = FitnessCache(1000, keys.shape[1])
    cache.insert(collisions[:200], keys[:200], np.arange(200.0))
    found = look_up(cache, collisions, keys)
    assert np.array_equal(found[:200], np.arange(200.0))
    assert np.isnan(found[200:]).all()


def test_keys_differ_where_programs_do() -> None:
    programs = some_programs(full_space(), 1, seed=1)[np.zeros(1, int)]
    for array in programs.arrays():
        for place in np.ndindex(array.shape):
            other = programs.copy()
            changed = other.arrays()[[a is array for a in programs.arrays()].index(True)]
            slot_in_use = array is programs.sizes or programs.opcodes[place[0], place[1]] != 0
            if slot_in_use:
                changed[place] = np.nextafter(changed[place], 2) if changed.dtype == np.float64 else changed[place] + 1
                assert not np.array_equal(program_keys(other), program_keys(programs))


def test_a_constant_of_minus_zero_is_not_zero() -> None:
    programs = some_programs(full_space(), 2, seed=2)[np.zeros(2, int)]
    programs.constants[:, 0] = 0.0
    programs.constants[1, 0, 0] = -0.0
    keys = program_keys(programs)
    assert not np.array_equal(keys[0], keys[1])


def test_equal_keys_of_a_batch_are_found() -> None:
    programs = some_programs(full_space(), 5, seed=3)[np.array([0, 1, 0, 2, 1, 1])]
    for hashes in (np.zeros(6, np.uint64), np.array([7, 8, 7, 9, 8, 8], np.uint64)):
        assert first_of_equals(hashes, program_keys(programs)).tolist() == [0, 1, 0, 3, 1, 1]


def test_what_is_known_already_is_left_alone() -> None:
    cache = FitnessCache(5, 0)
    cache.insert(np.array([1, 2], np.uint64), np.empty((2, 0), np.uint64), np.array([0.1, 0.2]))
    fitness = np.array([0.9, np.nan])
    assert cache.look_up(np.array([1, 2], np.uint64), np.empty((2, 0), np.uint64), fitness) == 1
    assert fitness.tolist() == [0.9, 0.2]


def test_a_cache_of_size_zero_keeps_nothing() -> None:
    cache = FitnessCache(0, 0)
    cache.insert(np.array([1], np.uint64), NO_KEYS, np.array([0.5]))
    assert np.isnan(look_up(cache, np.array([1], np.uint64), NO_KEYS)).all()


@pytest.mark.parametrize("arguments", [(-1, 0), (5, 0, -2)])
def test_negative_numbers_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="it must be 0 or more"):
        FitnessCache(*arguments)
