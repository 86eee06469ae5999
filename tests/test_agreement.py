"""The Warp engine gives what the XLA engine gives, on random programs of the whole op table.

In float64 two engines differ in the last bits only (libm, order of additions), but a program may blow that up: it may
divide by a difference that should be zero, or step over a heaviside's edge. A program counts as chaotic on a task if
its outcome moves by more than 1e-12 when the features are perturbed by 1e-14 relative. All others must agree.

The suite runs a sample. The full comparison: `AGREEMENT_PROGRAMS=2000 pytest tests/test_agreement.py` (10,000 in all).
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from azero_jax import ops
from azero_jax.engines.base import Outcome, RunSettings
from azero_jax.engines.xla import XlaEngine
from azero_jax.program import IN1, Programs
from azero_jax.tasks import Metric, Tasks, make_tasks
from tests.engines import ENGINES
from tests.spaces import full_space, some_programs

PROGRAMS = int(os.environ.get("AGREEMENT_PROGRAMS", "40"))
PERTURBATION = 1e-14  # relative, of every feature
CALM = 1e-12  # a fitness that moves by more is chaotic
TOLERANCE = 1e-9
TRAIN, VALID = 12, 6


def random_tasks(features: int, tasks: int, metric: Metric) -> Tasks:
    generator = np.random.default_rng(features)
    x = generator.standard_normal((tasks, TRAIN + VALID, features))
    labels = {
        Metric.RMS_ERROR: x.sum(axis=2),
        Metric.ACCURACY: x[..., 0] > 0,
        Metric.MULTICLASS_ACCURACY: x.argmax(axis=2),
    }[metric]
    return make_tasks(x[:, :TRAIN], labels[:, :TRAIN], x[:, TRAIN:], labels[:, TRAIN:], metric)


def number_streams(programs: Programs) -> Programs:
    """Every random instruction draws from a stream of its own."""
    is_random = np.array([op.random for op in ops.OPS])[programs.opcodes]
    addresses = programs.addresses.copy()
    slots = np.broadcast_to(np.arange(programs.opcodes.shape[1]), is_random.shape)
    addresses[..., IN1][is_random] = slots[is_random]
    return dataclasses.replace(programs, addresses=addresses)


def perturb(tasks: Tasks) -> Tasks:
    def move(features: np.ndarray) -> np.ndarray:
        signs = np.random.default_rng(0).choice([-1, 1], features.shape)
        return features * (1 + PERTURBATION * signs)

    return dataclasses.replace(
        tasks, train_features=move(tasks.train_features), valid_features=move(tasks.valid_features)
    )


def find_calm(outcome: Outcome, perturbed: Outcome) -> np.ndarray:
    """`[N, T]`: runs whose outcome a small perturbation of the features does not move."""
    same = (outcome.stop == perturbed.stop) & (outcome.train_steps == perturbed.train_steps)
    moves = np.abs(outcome.errors - perturbed.errors) > CALM * np.maximum(1, np.abs(outcome.errors))
    return same & (np.abs(outcome.fitness - perturbed.fitness) <= CALM) & ~moves.any(axis=2)


@pytest.mark.skipif("warp" not in ENGINES, reason="Warp is not installed")
@pytest.mark.parametrize(
    ("features", "task_count", "epochs", "metric"),
    [
        (2, 1, 3, Metric.RMS_ERROR),
        (4, 40, 2, Metric.ACCURACY),
        (8, 7, 1, Metric.MULTICLASS_ACCURACY),
        (16, 17, 2, Metric.RMS_ERROR),
        (32, 3, 1, Metric.RMS_ERROR),
    ],
)
def test_engines_agree_on_random_programs(features: int, task_count: int, epochs: int, metric: Metric) -> None:
    space = full_space(features, (3, 6, 7))
    programs = number_streams(some_programs(space, PROGRAMS, seed=features))
    tasks = random_tasks(features, task_count, metric)
    settings = RunSettings(precision="float64", epochs=epochs, seed=7, batch_size=min(PROGRAMS, 256))
    xla = XlaEngine(space, tasks, settings).evaluate(programs, record=True)
    warp, perturbed = (
        ENGINES["warp"](space, t, settings).evaluate(programs, record=True) for t in (tasks, perturb(tasks))
    )
    calm = find_calm(warp, perturbed)
    print(f"{calm.sum()} of {calm.size} runs are not chaotic, {(warp.stop != 0).sum()} stop early")
    assert calm.mean() > 0.7
    assert (xla.stop != 0).any()
    for name in ("stop", "stop_reason", "train_steps"):
        assert_array_equal(getattr(warp, name)[calm], getattr(xla, name)[calm], err_msg=name)
    assert_allclose(warp.fitness[calm], xla.fitness[calm], rtol=0, atol=TOLERANCE)
    assert_allclose(warp.errors[calm], xla.errors[calm], rtol=TOLERANCE, atol=TOLERANCE)
