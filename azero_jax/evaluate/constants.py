"""Constant predictors: programs that, pruned, predict one number, scored without running them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.compiled import inlined
from azero_jax.program import OUT
from azero_jax.tasks import Metric, Tasks

_SET_SCALAR: Final = ops.op_number("SCALAR_CONST_SET")
_PREDICTION: Final = ops.PREDICTION_ADDRESS

NOT_CONSTANT: Final = -1  # in place of a slot: the program is no constant predictor,
ZERO: Final = -2  # or it predicts zero, but sets no constant
NO_CONSTANTS, REGRESSION, TWO_CLASSES = range(3)
METRIC_CODE: Final = {
    Metric.RMS_ERROR: REGRESSION,
    Metric.ACCURACY: TWO_CLASSES,
    Metric.MULTICLASS_ACCURACY: NO_CONSTANTS,
}


@inlined
def find_constant(program, opcodes, addresses, b, live, begin, metric):  # type: ignore[no-untyped-def]
    """The slot whose constant a program predicts on every example, `ZERO`, or `NOT_CONSTANT`.

    Recognised are programs without a live instruction, and those whose only one sets s1. In the classification metrics
    a prediction that Predict does not write changes from example to example (it is squashed again and again), so only
    Predict may set it there.

    Args:
      program: its number in the batch.
      opcodes: of the batch, `[N, L]`.
      addresses: of the batch, `[N, L, 3]`.
      b: its row in the following two.
      live: `[B, L]` live slots.
      begin: `[B, 4]` where those of Setup, Predict and Learn begin, and how many there are.
      metric: a value of `METRIC_CODE`.
    """
    if metric == NO_CONSTANTS or begin[b, 3] > 1:
        return NOT_CONSTANT
    if begin[b, 3] == 0:
        return ZERO if metric == REGRESSION else NOT_CONSTANT
    slot = live[b, 0]
    is_predict = begin[b, 2] - begin[b, 1]
    is_learn = begin[b, 3] - begin[b, 2]
    stays = not is_learn and (is_predict or metric == REGRESSION)
    if stays and opcodes[program, slot] == _SET_SCALAR and addresses[program, slot, OUT] == _PREDICTION:
        return slot
    return NOT_CONSTANT


class ConstantFitness:
    """Fitness of predicting one constant, computed in the engines' precision and order of additions."""

    def __init__(self, tasks: Tasks, precision: str, max_abs_error: float) -> None:
        """Looks at the labels once.

        Args:
          tasks: T tasks, of metric RMS_ERROR or ACCURACY.
          precision: "float32" or "float64".
          max_abs_error: an absolute error above this, or NaN, gives fitness 0.
        """
        self._accuracy = tasks.metric is Metric.ACCURACY
        self._dtype = np.dtype(precision)
        self._max_abs_error = max_abs_error
        train, valid = tasks.train_labels.astype(self._dtype), tasks.valid_labels.astype(self._dtype)
        self._positive = (valid > 0.5).mean(axis=1)
        self._valid = valid
        seen = [train] if self._accuracy else [train, valid]
        self._highest = np.max([labels.max(axis=1) for labels in seen], axis=0)
        self._lowest = np.min([labels.min(axis=1) for labels in seen], axis=0)

    def __call__(self, constants: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[N, T]` fitness of N constants `[N]`."""
        with np.errstate(over="ignore", invalid="ignore"):
            predictions = constants.astype(self._dtype)
            if self._accuracy:
                predictions = 1 / (1 + np.exp(-predictions))
                fitness = np.where(predictions[:, None] > 0.5, self._positive, 1 - self._positive)
                if self._max_abs_error < 1:  # that of a wrong class
                    fitness = np.where(fitness < 1, 0, fitness)
            else:
                losses = np.empty((len(self._valid), len(constants)), self._dtype)
                _sum_squares(predictions, self._valid, losses)
                losses = losses.T / self._dtype.type(self._valid.shape[1])
                fitness = 1 - self._dtype.type(2 / np.pi) * np.arctan(np.sqrt(losses))
            largest = np.maximum(self._highest - predictions[:, None], predictions[:, None] - self._lowest)
        return np.where(largest <= self._max_abs_error, fitness, 0.0)


@njit(cache=True, nogil=True)
def _sum_squares(predictions, labels, sums):  # type: ignore[no-untyped-def]
    """Sums `[T, N]` over the examples in their order, of N predictions side by side; `labels` are `[T, E]`."""
    for task in range(labels.shape[0]):
        sums[task] = 0
        for example in range(labels.shape[1]):
            for n in range(len(predictions)):
                error = labels[task, example] - predictions[n]
                sums[task, n] += error * error
