"""State as arrays: what is taken apart is put together again, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from azero_jax.fitness.cache import FitnessCache, Unknown
from azero_jax.fitness.counters import Counters
from azero_jax.fitness.hurdles import Hurdle
from azero_jax.fitness.program_cache import ProgramCache
from azero_jax.language.program import programs_state, restore_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.mutate.drawing import random_programs
from azero_jax.process.state import State, generator_state, restore_generator, with_prefix, without_prefix

SPACE = make_space(features=4, scalars=5, vectors=4, matrices=2, setup=(0, 4, 7), predict=(0, 2, 5), learn=(0, 3, 6))


def assert_same_state(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert_array_equal(one[name], other[name], err_msg=name)


def fill(cache: FitnessCache, unknown: Unknown, value: float) -> None:
    """Gives all new keys of a look-up values near this one."""
    count = len(unknown.new)
    cache.fill(unknown, value + np.linspace(0, 1, count), np.empty(len(unknown.place)))


def filled_cache(seed: int, forget_every: int) -> FitnessCache:
    """A cache of 50 after many look-ups of hashes."""
    generator = np.random.default_rng(seed)
    cache = FitnessCache(50, forget_every)
    hashes = np.arange(120, dtype=np.uint64) * np.uint64(64)  # many in one bucket
    for n in generator.integers(0, 120, 400):
        fill(cache, cache.look_up(hashes[n : n + 1], np.full(1, np.nan)), n / 7)
    return cache


def filled_program_cache(seed: int) -> ProgramCache:
    """A cache of 50 after many look-ups of programs."""
    generator = np.random.default_rng(seed)
    cache = ProgramCache(50, SPACE, Metric.RMS_ERROR)
    programs = random_programs(SPACE, 120, generator)
    for n in generator.integers(0, 120, 400):
        fill(cache, cache.screen(programs[n : n + 1], np.full(1, np.nan)).unknown, n / 7)
    return cache


def test_prefixes_come_and_go() -> None:
    state = {"a": np.arange(2), "b.c": np.arange(3)}
    both = with_prefix("x", state) | with_prefix("y", {"a": np.arange(4)})
    assert_same_state(without_prefix("x", both), state)


@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_programs_come_back(seed: int, count: int) -> None:
    programs = random_programs(SPACE, count, np.random.default_rng(seed))
    restored = restore_programs(programs_state(programs))
    for one, other in zip(programs.arrays(), restored.arrays(), strict=True):
        assert one.dtype == other.dtype
        assert_array_equal(one.view(np.uint8), other.view(np.uint8))


@pytest.mark.parametrize("value", [-0.0, np.nan, np.inf, 5e-324])
def test_every_constant_comes_back_bit_for_bit(value: float) -> None:
    programs = random_programs(SPACE, 3, np.random.default_rng(0))
    programs.constants[1, 2, 1] = value
    restored = restore_programs(programs_state(programs))
    assert_array_equal(restored.constants.view(np.uint64), programs.constants.view(np.uint64))


def test_a_generator_goes_on_where_it_stood() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(2)
    one.integers(0, 10, 3, dtype=np.int32)  # leaves half a word behind
    restore_generator(other, generator_state(one))
    assert_array_equal(one.integers(0, 1000, 9, dtype=np.int32), other.integers(0, 1000, 9, dtype=np.int32))
    assert one.standard_normal() == other.standard_normal()


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 4]))
def test_a_cache_forgets_the_same_after_it_came_back(seed: int, forget_every: int) -> None:
    cache = filled_cache(seed, forget_every)
    restored = FitnessCache(50, forget_every)
    restored.restore(cache.state())
    assert_same_state(restored.state(), cache.state())
    hashes = np.arange(1000, 1030, dtype=np.uint64)
    for each in (cache, restored):
        for some in (hashes, hashes[::2].copy()):
            fill(each, each.look_up(some, np.full(len(some), np.nan)), 0.5)
    assert_same_state(restored.state(), cache.state())


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_a_cache_of_programs_forgets_the_same_after_it_came_back(seed: int) -> None:
    cache = filled_program_cache(seed)
    restored = ProgramCache(50, SPACE, Metric.RMS_ERROR)
    restored.restore(cache.state())
    assert_same_state(restored.state(), cache.state())
    programs = random_programs(SPACE, 30, np.random.default_rng(seed + 1))
    for each in (cache, restored):
        for some in (programs, programs[::2]):
            fill(each, each.screen(some, np.full(len(some), np.nan)).unknown, 0.5)
    assert_same_state(restored.state(), cache.state())


def test_the_state_of_a_cache_holds_only_what_is_used() -> None:
    cache = ProgramCache(100_000, SPACE, Metric.RMS_ERROR)
    programs = random_programs(SPACE, 10, np.random.default_rng(0))
    fill(cache, cache.screen(programs, np.full(10, np.nan)).unknown, 0.0)
    assert sum(array.nbytes for array in cache.state().values()) < 10 * (24 + 8 * (1 + 3 * SPACE.length))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 100))
def test_a_hurdle_goes_on_with_the_same_threshold(fitness: list[float], percentile: float) -> None:
    hurdle, restored = Hurdle(percentile, window=20), Hurdle(percentile, window=20)
    hurdle.passes(np.array(fitness))
    restored.restore(hurdle.state())
    for each in (hurdle, restored):
        each.passes(np.array(fitness[::-1]))
    assert restored.threshold == hurdle.threshold
    assert_same_state(restored.state(), hurdle.state())


def test_counters_come_back_and_add_up() -> None:
    counters, restored = Counters(candidates=5, stopped_at_hurdle=[1, 2]), Counters()
    restored.restore(counters.state())
    assert restored == counters
    restored.add(Counters(candidates=1, stopped_at_hurdle=[10], train_steps=7))
    assert restored == Counters(candidates=6, stopped_at_hurdle=[11, 2], train_steps=7)
    total = Counters()
    total.add(restored)
    assert total == restored
