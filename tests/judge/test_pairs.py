"""Accuracy of a program by class pair."""

import numpy as np
import pytest

from azero_jax.data import load_source
from azero_jax.engines.settings import EngineConfig
from azero_jax.judge.pairs import accuracy_by_pair
from azero_jax.judge.run_program import judge_program, standard_error
from azero_jax.language.library import load_program
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.projected import prepare

XLA = EngineConfig(engine="xla")
LOGISTIC = load_program("logistic_regressor").text


@pytest.fixture(scope="module")
def digits():
    return prepare(load_source("digits"), 8, projections=3)


def test_each_pair_is_the_mean_of_its_projections(digits):
    calls = []
    result = accuracy_by_pair(LOGISTIC, digits, [(0, 1), (3, 8)], engine=XLA, progress=lambda *call: calls.append(call))
    assert [row.pair for row in result.pairs] == [(0, 1), (3, 8)]
    for row in result.pairs:
        tasks = pair_tasks(digits, [(row.pair, number) for number in range(3)], part="test")
        expected = judge_program(LOGISTIC, tasks, XLA)
        assert row.tasks == 3
        np.testing.assert_allclose(row.mean, expected.mean())
        np.testing.assert_allclose(row.standard_error, standard_error(expected))
        assert row.mean > 0.7
    np.testing.assert_allclose(result.mean, np.mean([row.mean for row in result.pairs]))
    assert calls[-1] == ("judging pairs", 2, 2)


def test_a_program_that_never_learns_is_right_half_the_time(digits):
    result = accuracy_by_pair("def Predict():\n  s1 = dot(v0, v1)\n", digits, [(2, 5)], engine=XLA)
    assert result.mean == 0.5
    assert np.isnan(result.standard_error)


def test_standard_error_is_over_the_values_given():
    assert standard_error(np.array([1.0, 2.0, 3.0])) == pytest.approx(1 / np.sqrt(3))


def test_bad_input(digits):
    with pytest.raises(ValueError, match="no pairs"):
        accuracy_by_pair(LOGISTIC, digits, [])
    with pytest.raises(ValueError, match="line 2"):
        accuracy_by_pair("def Predict():\n  s1 = nonsense(v0)\n", digits, [(0, 1)])
