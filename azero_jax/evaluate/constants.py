"""Constant predictors: canonical programs whose prediction is one number, scored without running them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.program import OUT, Programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric, Tasks

_SET_SCALAR: Final = ops.op_number("SCALAR_CONST_SET")
_PREDICTION: Final = ops.PREDICTION_ADDRESS


def constant_predictions(canonical: Programs, space: SearchSpace, metric: Metric) -> NDArray[np.float64]:
    """`[N]` the constant that each canonical program predicts on every example, NaN where it is no constant.

    Recognised are programs without a live instruction, and those whose only one sets s1. In the classification metrics
    a prediction that Predict does not write changes from example to example (it is squashed again and again), so only
    Predict may set it there.
    """
    constants = np.full(len(canonical), np.nan)
    if metric is not Metric.MULTICLASS_ACCURACY:
        setup, predict, _ = space.offsets
        _find_constants(canonical.arrays(), setup, predict, metric is Metric.RMS_ERROR, constants)
    return constants


@njit(cache=True, nogil=True)
def _find_constants(canonical, setup, predict, regression, constants):  # type: ignore[no-untyped-def]
    opcodes, addresses, values, sizes = canonical
    for n in range(len(opcodes)):
        total = sizes[n, 0] + sizes[n, 1] + sizes[n, 2]
        if total == 0 and regression:
            constants[n] = 0.0
        elif total == 1 and sizes[n, 2] == 0 and (regression or sizes[n, 1] == 1):
            slot = setup if sizes[n, 0] == 1 else predict
            if opcodes[n, slot] == _SET_SCALAR and addresses[n, slot, OUT] == _PREDICTION:
                constants[n] = values[n, slot, 0]


def constant_fitness(
    constants: NDArray[np.float64], tasks: Tasks, precision: str, max_abs_error: float
) -> NDArray[np.float64]:
    """`[N, T]` fitness of predicting one constant, computed in the engines' precision and order of additions.

    Args:
      constants: `[N]`.
      tasks: T tasks, of metric RMS_ERROR or ACCURACY.
      precision: "float32" or "float64".
      max_abs_error: an absolute error above this, or NaN, gives fitness 0.
    """
    dtype = np.dtype(precision)
    predictions = constants.astype(dtype)
    train, valid = tasks.train_labels.astype(dtype), tasks.valid_labels.astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        if tasks.metric is Metric.ACCURACY:
            predictions = 1 / (1 + np.exp(-predictions))
            positive = (valid > 0.5).mean(axis=1)
            fitness = np.where(predictions[:, None] > 0.5, positive, 1 - positive)
            return np.where(_largest_error(predictions, train) <= max_abs_error, fitness, 0.0)
        largest = np.maximum(_largest_error(predictions, train), _largest_error(predictions, valid))
        losses = np.empty((len(constants), len(tasks)), dtype)
        _sum_squares(predictions, valid, losses)
        fitness = 1 - dtype.type(2 / np.pi) * np.arctan(np.sqrt(losses / dtype.type(valid.shape[1])))
    return np.where(largest <= max_abs_error, fitness, 0.0)


def _largest_error(predictions: NDArray, labels: NDArray) -> NDArray:
    """`[N, T]` largest absolute error of each constant on each task; NaN for NaN."""
    return np.maximum(labels.max(axis=1)[None] - predictions[:, None], predictions[:, None] - labels.min(axis=1)[None])


@njit(cache=True, nogil=True)
def _sum_squares(predictions, labels, sums):  # type: ignore[no-untyped-def]
    for n in range(len(predictions)):
        sums[n] = 0
        for task in range(labels.shape[0]):
            for example in range(labels.shape[1]):
                error = labels[task, example] - predictions[n]
                sums[n, task] += error * error
