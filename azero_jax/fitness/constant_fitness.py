"""The fitness of predicting one constant on every example, without running anything."""

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.engines.outcome import fitness_of_loss
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
        self._metric = tasks.metric
        self._dtype = np.dtype(precision)
        self._max_abs_error = max_abs_error
        train, valid = tasks.train_labels.astype(self._dtype), tasks.valid_labels.astype(self._dtype)
        self._valid = valid
        seen = [train] if self._metric is Metric.ACCURACY else [train, valid]
        self._highest = np.max([labels.max(axis=1) for labels in seen], axis=0)
        self._lowest = np.min([labels.min(axis=1) for labels in seen], axis=0)

    def __call__(self, constants: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[N, T]` fitness of N constants `[N]`."""
        with np.errstate(over="ignore", invalid="ignore"):
            predictions = constants.astype(self._dtype)
            if self._metric is Metric.ACCURACY:
                predictions = 1 / (1 + np.exp(-predictions))
                losses = self._count_wrong(predictions > 0.5)
            else:
                losses = np.empty((len(self._valid), len(constants)), self._dtype)
                _sum_squares(predictions, self._valid, losses)
                losses = losses.T
            fitness = fitness_of_loss(losses, self._valid.shape[1], self._metric)
            largest = np.maximum(self._highest - predictions[:, None], predictions[:, None] - self._lowest)
        return np.where(largest <= float(self._max_abs_error), fitness, 0)

    def _count_wrong(self, is_positive: NDArray[np.bool_]) -> NDArray:
        """`[N, T]` validation examples of the other class; infinite if there are any and their error ends the run."""
        positive = (self._valid > 0.5).sum(axis=1)
        wrong = np.where(is_positive[:, None], self._valid.shape[1] - positive, positive).astype(self._dtype)
        if self._max_abs_error < 1:
            wrong[wrong > 0] = np.inf
        return wrong


@compiled_loop
def _sum_squares(predictions: NDArray, labels: NDArray, sums: NDArray) -> None:
    """Sums `[T, N]` over the examples in their order, of N predictions side by side; `labels` are `[T, E]`."""
    for task in range(labels.shape[0]):
        sums[task] = 0
        for example in range(labels.shape[1]):
            for n in range(len(predictions)):
                error = labels[task, example] - predictions[n]
                sums[task, n] += error * error
