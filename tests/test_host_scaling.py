"""The measurement of the host alone: its engine gives recorded outcomes, and its workers make candidates."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest

from azero_jax.config.presets import load_preset


def test_workers_make_candidates_with_an_engine_that_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "experiments"))
    host_scaling = importlib.import_module("host_scaling")
    demo = load_preset("linear", candidates="any")
    config = dataclasses.replace(demo, search=dataclasses.replace(demo.search, islands=2, population=40, batch=20))
    row = host_scaling.run_workers(config, "threads", 2, 0.05)
    assert row["candidates_per_step"] == 2 * 20
    assert row["candidates_per_second"] > 0
    _, _, engine = host_scaling.make_search(config, 0)
    programs = host_scaling.random_learnable(engine.space, engine.tasks.metric, 50, np.random.default_rng(3))
    outcome = engine.evaluate(programs, record=True)
    again = engine.evaluate(programs[::-1], record=True)
    assert np.array_equal(outcome.fitness, again.fitness[::-1])
    assert outcome.errors is not None
    assert len(np.unique(outcome.errors[:, 0, 0])) > 5
    assert outcome.errors.shape == (50, engine.tasks.train_examples + engine.tasks.valid_examples, len(engine.tasks))
