"""Where a single run takes long, a limit on seconds and the first Ctrl-C do not wait for a population."""

import dataclasses
import itertools
import json
import math
import os
import signal
import time

import numpy as np
import pytest

import azero_jax as az
from azero_jax.data import make_source
from azero_jax.engines.base import Engine
from azero_jax.tasks import TableTasks, hold_out

CONFIG = dataclasses.replace(
    az.load_preset("table"),
    search=dataclasses.replace(az.load_preset("table").search, islands=2, population=40, batch=10),
    budget=az.BudgetConfig(max_candidates=200, check_every=100, sufficient_fitness=1.0),
)


@pytest.fixture(scope="module")
def table():
    x = np.random.default_rng(0).normal(size=(60, 3))
    return TableTasks(hold_out(make_source("t", x, (x[:, 0] + x[:, 1] > 0).astype(int))), CONFIG.tasks)


@pytest.fixture
def slow(monkeypatch):
    """Every call of an engine takes a while, and engines know it."""
    run = Engine._run_in_time

    def run_slowly(engine, programs, *arguments):
        if engine.patience is not None:
            time.sleep(0.01)
        return run(engine, programs, *arguments)

    monkeypatch.setattr("azero_jax.engines.base._SECONDS_A_NUMBER", 1.0)
    monkeypatch.setattr(Engine, "_run_in_time", run_slowly)


def limited(seconds):
    return dataclasses.replace(CONFIG, budget=dataclasses.replace(CONFIG.budget, max_seconds=seconds))


def test_a_limit_is_kept_in_the_initial_population(table, slow):
    result = az.search(limited(0.2), tasks=table)
    assert result.stopped_by == "max_seconds"
    assert 0 < result.candidates < 80
    assert "def Predict():" in result.program


def test_what_was_not_measured_is_none_in_json(table, slow, monkeypatch):
    monkeypatch.setattr("azero_jax.protocol.loop.FINISH_SECONDS", 0.0)
    result = az.search(limited(0.2), tasks=table)
    assert math.isnan(result.final_fitness)
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["final_fitness"] is None
    assert not result.solved


@pytest.mark.parametrize("call", [60, 120, 180])
def test_a_search_that_was_given_up_goes_on_as_if_it_never_had(table, slow, call, tmp_path, monkeypatch):
    whole = az.search(CONFIG, tasks=table)
    run, calls = Engine._run_in_time, itertools.count()

    def interrupt(engine, *arguments):
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return run(engine, *arguments)

    with monkeypatch.context() as patches:
        patches.setattr(Engine, "_run_in_time", interrupt)
        stopped = az.search(CONFIG, tasks=table, out=tmp_path / "run")
    assert stopped.stopped_by == "interrupt"
    resumed = az.search(tasks=table, resume=tmp_path / "run")
    assert (resumed.program, resumed.select_fitness) == (whole.program, whole.select_fitness)
    assert resumed.candidates == whole.candidates
