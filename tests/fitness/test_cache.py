from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azero_jax.analysis.pruning import prune
from azero_jax.fitness.cache import FitnessCache
from azero_jax.fitness.program_cache import ProgramCache
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import parse_program
from tests.support.spaces import DEMO, full_space, same, some_programs

SPACE = full_space()


def look_up(cache: FitnessCache, hashes: list[int]) -> list[float]:
    fitness = np.full(len(hashes), np.nan)
    cache.look_up(np.array(hashes, np.uint64), fitness)
    return fitness.tolist()


def insert(cache: FitnessCache, hashes: list[int], values: list[float]) -> None:
    unknown = cache.look_up(np.array(hashes, np.uint64), np.full(len(hashes), np.nan))
    assert unknown.new.tolist() == list(range(len(hashes)))
    cache.fill(unknown, np.array(values), np.empty(len(hashes)))


def program_cache(capacity: int = 1000) -> ProgramCache:
    return ProgramCache(capacity, SPACE, Metric.RMS_ERROR, find_constants=False)


def are_one_entry(one: Programs, other: Programs, space: SearchSpace = SPACE) -> bool:
    cache = ProgramCache(10, space, Metric.RMS_ERROR, find_constants=False)
    cache.fill(cache.screen(one, np.full(1, np.nan)).unknown, np.ones(1), np.empty(1))
    fitness = np.full(1, np.nan)
    cache.screen(other, fitness)
    return bool(fitness[0] == 1)


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
    cache, reference = FitnessCache(capacity, forget_every), ReferenceCache(capacity, forget_every)
    for step, key in enumerate(keys):
        fitness = np.full(1, np.nan)
        unknown = cache.look_up(np.array([key * spread], np.uint64), fitness)
        expected = reference.look_up(key)
        assert fitness[0] == expected or (np.isnan(fitness[0]) and np.isnan(expected))
        if len(unknown.new):
            cache.fill(unknown, np.array([float(step)]), fitness)
            reference.insert(key, float(step))
        assert len(cache) == len(reference.entries)


@given(keys=st.lists(st.integers(0, 30), max_size=100), capacity=st.integers(0, 40))
def test_a_batch_gives_every_key_the_value_of_its_first_equal(keys: list[int], capacity: int) -> None:
    cache = FitnessCache(capacity)
    for _ in range(2):
        fitness = np.full(len(keys), np.nan)
        unknown = cache.look_up(np.array(keys, np.uint64), fitness)
        values = np.array([float(keys[n]) for n in unknown.new])
        cache.fill(unknown, values, fitness)
        assert fitness.tolist() == keys
        if capacity >= 31:
            assert len(unknown.new) == len(set(keys)) or len(unknown.new) == 0


@given(
    first=st.lists(st.integers(0, 12), max_size=40),
    second=st.lists(st.integers(0, 12), max_size=40),
    capacity=st.integers(0, 16),
    forget_every=st.integers(0, 4),
)
def test_a_batch_may_be_looked_up_before_the_one_before_it_is_filled(
    first: list[int], second: list[int], capacity: int, forget_every: int
) -> None:
    batches = [np.array(keys, np.uint64) for keys in (first, second, first)]
    early, late = FitnessCache(capacity, forget_every), FitnessCache(capacity, forget_every)
    early_fitness, late_fitness = ([np.full(len(keys), np.nan) for keys in batches] for _ in range(2))
    for keys, fitness in zip(batches, early_fitness, strict=True):
        unknown = early.look_up(keys, fitness)
        early.fill(unknown, keys[unknown.new].astype(np.float64), fitness)
    waiting = []
    for n, keys in enumerate(batches):
        waiting.append(late.look_up(keys, late_fitness[n]))
        if n > 0:
            late.fill(waiting[n - 1], batches[n - 1][waiting[n - 1].new].astype(np.float64), late_fitness[n - 1])
    late.fill(waiting[-1], batches[-1][waiting[-1].new].astype(np.float64), late_fitness[-1])
    for keys, one, other in zip(batches, early_fitness, late_fitness, strict=True):
        assert one.tolist() == other.tolist() == keys.tolist()
    for name, array in early.state().items():
        assert np.array_equal(array, late.state()[name])


def test_programs_with_the_same_hash_are_told_apart() -> None:
    pruned = program_cache().screen(some_programs(SPACE, 300, seed=0), np.full(300, np.nan)).programs
    cache = program_cache()
    fitness = np.full(len(pruned), np.nan)
    cache.fill(cache.screen(pruned, fitness).unknown, np.arange(float(len(pruned))), fitness)
    state = cache.state()
    state["hashes"] = np.full(len(state["hashes"]), state["hashes"][0])  # as if all of them collided
    collided = program_cache()
    collided.restore(state)
    fitness = np.full(len(pruned), np.nan)
    collided.screen(pruned, fitness)
    assert fitness[0] == 0.0  # found among all that have its hash
    assert np.isnan(fitness[1:]).all()


def test_programs_that_differ_anywhere_have_entries_of_their_own() -> None:
    programs = prune(some_programs(SPACE, 20, seed=1), SPACE, Metric.RMS_ERROR)
    programs = programs[[programs.sizes.sum(axis=1).argmax()]]
    assert programs.sizes.sum() > 5
    assert are_one_entry(programs, programs)
    for array_number, array in enumerate(programs.arrays()):
        for place in np.ndindex(array.shape):
            other = programs.copy()
            changed = other.arrays()[array_number]
            if array is programs.sizes or programs.opcodes[place[0], place[1]] == 0:
                continue
            changed[place] = np.nextafter(changed[place], 2) if changed.dtype == np.float64 else changed[place] + 1
            assert not are_one_entry(programs, other)


def test_a_constant_of_minus_zero_is_not_zero() -> None:
    space = DEMO
    zero, minus_zero = (parse_program(f"def Predict():\n  s1 = {text}\n", space) for text in ("0.0", "-0.0"))
    assert zero.constants.tobytes() != minus_zero.constants.tobytes()
    assert not are_one_entry(zero, minus_zero, space)


def test_dead_code_makes_no_difference() -> None:
    raw = some_programs(SPACE, 200, seed=3)
    assert sum(are_one_entry(raw[[n]], prune(raw[[n]], SPACE, Metric.RMS_ERROR)) for n in range(200)) == 200


def test_new_programs_come_out_pruned_each_once() -> None:
    raw = some_programs(SPACE, 200, seed=4)[np.repeat(np.arange(200), 2)]
    cache = program_cache()
    for programs in (raw, some_programs(SPACE, 100, seed=5), raw[::-1]):  # the rows are used again
        unknown, new, *_ = cache.screen(programs, np.full(len(programs), np.nan))
        assert same(new, prune(programs[unknown.new], SPACE, Metric.RMS_ERROR))
        cache.fill(unknown, np.zeros(len(new)), np.empty(len(programs)))
    assert len(unknown.new) == 0


def test_instructions_are_counted() -> None:
    raw = some_programs(SPACE, 100, seed=6)
    asked = np.where(np.arange(100) < 60, np.nan, 0.5)
    screened = program_cache().screen(raw, asked)
    assert (screened.asked, screened.instructions) == (60, raw.sizes[:60].sum())
    assert screened.live_instructions == prune(raw[:60], SPACE, Metric.RMS_ERROR).sizes.sum()


def test_what_is_known_already_is_left_alone() -> None:
    cache = FitnessCache(5)
    insert(cache, [1, 2], [0.1, 0.2])
    fitness = np.array([0.9, np.nan])
    assert len(cache.look_up(np.array([1, 2], np.uint64), fitness).new) == 0
    assert fitness.tolist() == [0.9, 0.2]


def test_a_cache_of_size_zero_keeps_nothing() -> None:
    cache = FitnessCache(0)
    insert(cache, [1, 1], [0.5, 0.5])
    assert np.isnan(look_up(cache, [1])).all()


@pytest.mark.parametrize("arguments", [(-1, 0), (5, -2)])
def test_negative_numbers_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="it must be 0 or more"):
        FitnessCache(*arguments)
