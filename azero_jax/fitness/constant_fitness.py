"""The fitness of predicting one constant on every example, without running anything."""

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.language.roles import Metric
from azero_jax.tasks.tasks import Tasks


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


@compiled_loop
def _sum_squares(predictions: NDArray, labels: NDArray, sums: NDArray) -> None:
    """Sums `[T, N]` over the examples in their order, of N predictions side by side; `labels` are `[T, E]`."""
    for task in range(labels.shape[0]):
        sums[task] = 0
        for example in range(labels.shape[1]):
            for n in range(len(predictions)):
                error = labels[task, example] - predictions[n]
                sums[task, n] += error * error
