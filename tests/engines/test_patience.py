"""Patience: what was not run when it ended is told from what was, and what was run is as without it."""

import time

import numpy as np
import pytest

from azero_jax.engines.make import make_engine
from azero_jax.engines.outcome import NOT_RUN
from azero_jax.engines.settings import RunSettings
from azero_jax.mutate.drawing import random_programs
from azero_jax.process.patience import Patience
from azero_jax.tasks import linear_tasks
from tests.support.spaces import DEMO


@pytest.fixture
def engine():
    made = make_engine("auto", DEMO, linear_tasks(4, 4, 30, 10, 0), RunSettings())
    made.patience = Patience()
    return made


@pytest.fixture
def programs():
    return random_programs(DEMO, 20, np.random.default_rng(0))


@pytest.mark.parametrize("seconds_a_number", [1e-9, 1e-5, 1.0])
def test_patience_changes_no_result(engine, programs, seconds_a_number, monkeypatch):
    monkeypatch.setattr("azero_jax.engines.base._SECONDS_A_NUMBER", seconds_a_number)
    patient = engine.evaluate(programs, record=True)
    engine.patience = None
    for one, other in zip(engine.evaluate(programs, record=True), patient, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_not_run_in_time_says_so(engine, programs, monkeypatch):
    monkeypatch.setattr("azero_jax.engines.base._SECONDS_A_NUMBER", 1.0)
    whole = engine.evaluate(programs).fitness
    calls = iter(range(7))
    engine.patience.until(lambda: time.monotonic() + (1 if next(calls, None) is not None else -1))
    cut = engine.evaluate(programs)
    ran = cut.fitness[:, 0] != NOT_RUN
    assert 0 < ran.sum() < len(programs)
    np.testing.assert_array_equal(cut.fitness[ran], whole[ran])
    assert (cut.fitness[~ran] == NOT_RUN).all()
    assert engine.patience.gave_up


def test_a_call_that_does_not_come_back_is_left_behind():
    patience = Patience()
    patience.for_seconds(0.1)
    assert patience.call(lambda: time.sleep(1.0)) == (False, None)


def test_an_error_in_a_call_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        Patience().call(lambda: 1 / 0)
