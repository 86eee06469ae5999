"""The same seed gives the same result wherever a search runs; and memory stays flat over experiments."""

import dataclasses
import gc
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

import azero_jax as az
from azero_jax.engines.make import make_engine
from azero_jax.engines.settings import RunSettings
from azero_jax.mutate.drawing import random_programs
from tests.support.spaces import DEMO
from tests.support.tiny import tiny

SCRIPT = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import azero_jax as az
from tests.support.tiny import tiny
result = az.search(tiny())
print(result.program, result.select_fitness, result.candidates)
"""


def summary(result):
    return f"{result.program} {result.select_fitness} {result.candidates}"


@pytest.fixture(scope="module")
def expected():
    return summary(az.search(tiny()))


@pytest.mark.parametrize("overlap", [False, True])
def test_on_one_core_and_on_two(overlap, expected, monkeypatch):
    monkeypatch.setattr("azero_jax.fitness.evaluator._overlap_pays", lambda: overlap)
    assert summary(az.search(tiny())) == expected


def test_in_a_thread(expected):
    found = []
    thread = threading.Thread(target=lambda: found.append(summary(az.search(tiny()))))
    thread.start()
    thread.join()
    assert found == [expected]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_in_a_process_with_one_core_and_another_hash_seed(expected):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(az.__file__).parents[1],
        env=os.environ | {"PYTHONHASHSEED": "123"},
    )
    assert done.stdout.strip() == expected.strip()


def test_a_closed_engine_is_gone_at_once():
    engine = make_engine("auto", DEMO, az.linear_tasks(4, 4, 30, 10, 0), RunSettings())
    engine.evaluate(random_programs(DEMO, 5, np.random.default_rng(0)))
    gone = weakref.ref(engine)
    gc.disable()
    try:
        engine.close()
        del engine
        assert gone() is None
    finally:
        gc.enable()


def test_experiments_leave_nothing_behind():
    config = tiny()
    budget = dataclasses.replace(config.budget, experiment_candidates=200, max_candidates=2400, sufficient_fitness=1.0)
    alive: list[int] = []  # as each experiment begins; to look takes seconds where much has been compiled

    def report(progress: az.Progress) -> None:
        if progress.experiment > len(alive):
            kinds = "WarpEngine", "Evaluator", "Arena"
            alive.append(sum(type(thing).__name__ in kinds for thing in gc.get_objects()))

    gc.collect()
    az.search(dataclasses.replace(config, budget=budget), report=report, report_seconds=0.0)
    assert len(alive) == 12
    assert max(alive[6:]) <= max(alive[:6])
