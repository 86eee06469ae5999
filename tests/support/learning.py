"""What the engine makes of programs on one task, to compare learners and exports with."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.form import number_streams
from azero_jax.engines.outcome import Outcome
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.engines.xla.forms import Branch
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import make_tasks

TRAIN, VALID, FEATURES, SEED = 12, 6, 4, 7
CALM, TOLERANCE = 1e-12, 1e-9
PERTURBATION = 1e-14  # relative, of every feature and constant: what it moves by more than CALM is chaotic
LIBRARY: Final = {
    "evolved_cifar10": Metric.ACCURACY,
    "evolved_cifar10_as_listed": Metric.ACCURACY,
    "evolved_net": Metric.RMS_ERROR,
    "linear_regressor": Metric.RMS_ERROR,
    "logistic_regressor": Metric.ACCURACY,
    "softmax_regressor": Metric.MULTICLASS_ACCURACY,
    "two_layer_net": Metric.RMS_ERROR,
}


class Rows(NamedTuple):
    """Training and validation rows: `[N, F]` features, `[N]` labels."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    valid_x: NDArray[np.float64]
    valid_y: NDArray[np.float64]


def some_rows(metric: Metric, seed: int = 0) -> Rows:
    x = np.random.default_rng(seed).standard_normal((TRAIN + VALID, FEATURES))
    labels = {
        Metric.RMS_ERROR: x.sum(axis=1),
        Metric.ACCURACY: (x[:, 0] > 0).astype(float),
        Metric.MULTICLASS_ACCURACY: x.argmax(axis=1).astype(float),
    }
    y = labels[metric]
    return Rows(x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])


class Trained(NamedTuple):
    """What the engine makes of N programs.

    Attributes:
      memory: of each, registers by name after training.
      outcome: on the validation rows too.
      calm: which of them a small perturbation does not move.
    """

    memory: list[dict[str, NDArray[np.float64]]]
    outcome: Outcome
    calm: list[bool]


def engine_results(
    programs: Programs, space: SearchSpace, metric: Metric, rows: Rows, *, perturb: bool = True
) -> Trained:
    memory, outcome = _run(programs, space, metric, rows)
    if not perturb:
        return Trained(memory, outcome, [True] * len(programs))
    signs = np.random.default_rng(1).choice([-1, 1], rows.x.shape)
    moved_rows = rows._replace(x=rows.x * (1 + PERTURBATION * signs))
    signs = np.random.default_rng(2).choice([-1, 1], programs.constants.shape)
    moved = dataclasses.replace(programs, constants=programs.constants * (1 + PERTURBATION * signs))
    moved_memory, moved_outcome = _run(moved, space, metric, moved_rows)
    calm = [
        same_memory(memory[n], moved_memory[n], CALM)
        and np.allclose(outcome.errors[n], moved_outcome.errors[n], rtol=CALM, atol=CALM)
        for n in range(len(programs))
    ]
    return Trained(memory, outcome, calm)


def _run(
    programs: Programs, space: SearchSpace, metric: Metric, rows: Rows
) -> tuple[list[dict[str, NDArray[np.float64]]], Outcome]:
    tasks = make_tasks(*rows, metric)
    engine = XlaEngine(space, tasks, RunSettings(precision="float64", seed=SEED), form=Branch())
    programs = number_streams(programs, space, metric)
    traced = engine.trace(programs, examples=(len(rows.y), 1))[1]
    memory = [
        {
            f"{kind}{i}": file[n, 0, i]
            for kind, file in zip(ops.KINDS, traced, strict=True)
            for i in range(file.shape[2])
        }
        for n in range(len(programs))
    ]
    return memory, engine.evaluate(programs, record=True)


def same_memory(actual: dict[str, Any], expected: dict[str, Any], tolerance: float = TOLERANCE) -> bool:
    """Whether the registers that both have are equal to the tolerance."""
    shared = actual.keys() & expected.keys()
    return bool(shared) and all(
        np.allclose(actual[name], expected[name], rtol=tolerance, atol=tolerance, equal_nan=True) for name in shared
    )


def load(text: str) -> Any:
    """A Python file as a module, the one that is called `exported` from now on."""
    module = sys.modules["exported"] = types.ModuleType("exported")
    exec(compile(text, "exported.py", "exec"), module.__dict__)
    return module
