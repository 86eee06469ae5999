"""The task sets of a search on real data: sizes as asked for, and unseen data unseen."""

import dataclasses

import numpy as np
import pytest

from azero_jax.data import load_source, make_source
from azero_jax.tasks.pairs import split_pairs
from azero_jax.tasks.projected import Sizes, prepare
from azero_jax.tasks.sets import MixedTasks, MulticlassTasks, PairTasks, TableTasks
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.tabular import hold_out

COUNTS = TaskConfig.all_examples("pairs", search_tasks=4, select_tasks=3, final_tasks=5)
COUNTS = dataclasses.replace(COUNTS, train_examples=20, valid_examples=10)
TABLE = dataclasses.replace(COUNTS, kind="table", valid_examples=None)


@pytest.fixture(scope="module")
def digits():
    return prepare(load_source("digits"), 12, projections=6)


def sets_of(digits, kind):
    if kind == "pairs":
        return PairTasks(digits, split_pairs(10), COUNTS)
    if kind == "multiclass":
        return MulticlassTasks(digits, COUNTS)
    return TableTasks(hold_out(load_source("breast_cancer")), TABLE)


@pytest.mark.parametrize("kind", ["pairs", "multiclass", "table"])
def test_sizes_are_those_asked_for_whatever_the_seed(digits, kind):
    sets = sets_of(digits, kind)
    for seed in range(3):
        search, select, final = sets.search(seed), sets.select(seed), sets.final(seed)
        assert (len(search), len(select)) == (4, 3)
        assert len(final) == (1 if kind == "table" else 5)
        assert search.train_examples == 20
        assert search.features == select.features == final.features


@pytest.mark.parametrize("kind", ["pairs", "multiclass", "table"])
def test_the_seed_decides_the_tasks(digits, kind):
    sets = sets_of(digits, kind)
    np.testing.assert_array_equal(sets.search(1).train_features, sets.search(1).train_features)
    assert not np.array_equal(sets.search(1).train_features, sets.search(2).train_features)


def test_more_tasks_than_pairs_and_projections_are_not_made():
    data = prepare(load_source("iris"), None, sizes=Sizes(20, 5, 5))
    sets = PairTasks(data, split_pairs(3), TaskConfig.all_examples("pairs"))
    assert [len(part) for part in (sets.search(0), sets.select(0), sets.final(0))] == [1, 1, 1]


def test_held_out_rows_reach_only_the_final_task():
    """Changing the held-out rows changes nothing that a search sees."""
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 2
    one = TableTasks(make_source("t", x, y, x[:10], y[:10]), TABLE)
    other = TableTasks(make_source("t", x, y, x[:10] + 9, y[:10]), TABLE)
    for part in ("search", "select"):
        a, b = getattr(one, part)(0), getattr(other, part)(0)
        np.testing.assert_array_equal(a.train_features, b.train_features)
        np.testing.assert_array_equal(a.valid_features, b.valid_features)
    np.testing.assert_array_equal(one.final(0).train_features, other.final(0).train_features)
    assert not np.array_equal(one.final(0).valid_features, other.final(0).valid_features)


def test_a_mixture_has_the_tasks_of_its_parts(digits):
    other = prepare(load_source("digits"), 12, projections=4, seed=1)
    parts = tuple(PairTasks(data, split_pairs(10), COUNTS) for data in (digits, other))
    mixed = MixedTasks(parts)
    for name in ("search", "select", "final"):
        tasks, halves = getattr(mixed, name)(5), [getattr(part, name)(5) for part in parts]
        assert len(tasks) == sum(len(half) for half in halves)
        np.testing.assert_array_equal(tasks.train_features[len(halves[0]) :], halves[1].train_features)
