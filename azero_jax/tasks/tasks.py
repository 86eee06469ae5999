"""The one form in which every task reaches an engine: arrays with a task axis."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.language.roles import Metric

MIN_TRAIN_EXAMPLES: Final = 10  # the original refuses tasks with fewer


@dataclasses.dataclass(frozen=True)
class Tasks:
    """T tasks of the same size; make them with `make_tasks`, which checks them.

    Attributes:
      train_features: `[T, N, F]` float64.
      train_labels: `[T, N]` float64; one-hot `[T, N, F]` for MULTICLASS_ACCURACY.
      valid_features: `[T, V, F]` float64.
      valid_labels: `[T, V]` float64; one-hot `[T, V, F]` for MULTICLASS_ACCURACY.
      metric: how predictions are judged.

    >>> tasks = make_tasks(np.ones((2, 20, 3)), np.ones((2, 20)), np.ones((2, 5, 3)), np.ones((2, 5)))
    >>> len(tasks), tasks.train_examples, tasks.valid_examples, tasks.features
    (2, 20, 5, 3)
    """

    train_features: NDArray[np.float64]
    train_labels: NDArray[np.float64]
    valid_features: NDArray[np.float64]
    valid_labels: NDArray[np.float64]
    metric: Metric

    def __len__(self) -> int:
        return len(self.train_features)

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The four arrays, in the order of the attributes."""
        return self.train_features, self.train_labels, self.valid_features, self.valid_labels

    def first(self, count: int) -> Tasks:
        """The first `count` tasks."""
        train_features, train_labels, valid_features, valid_labels = (array[:count] for array in self.arrays)
        return Tasks(train_features, train_labels, valid_features, valid_labels, self.metric)

    def limit(self, train: int, valid: int) -> Tasks:
        """The same tasks with their first `train` training and `valid` validation examples."""
        train_features, train_labels = self.train_features[:, :train], self.train_labels[:, :train]
        valid_features, valid_labels = self.valid_features[:, :valid], self.valid_labels[:, :valid]
        return Tasks(train_features, train_labels, valid_features, valid_labels, self.metric)

    @property
    def features(self) -> int:
        """F, the length of a feature vector."""
        return self.train_features.shape[2]

    @property
    def train_examples(self) -> int:
        """N, the training examples of each task."""
        return self.train_features.shape[1]

    @property
    def valid_examples(self) -> int:
        """V, the validation examples of each task."""
        return self.valid_features.shape[1]


def make_tasks(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    valid_features: ArrayLike,
    valid_labels: ArrayLike,
    metric: Metric | str = Metric.RMS_ERROR,
) -> Tasks:
    """Tasks from any arrays; a missing task axis means one task.

    Args:
      train_features: `[T, N, F]`, or `[N, F]` for one task.
      train_labels: `[T, N]` or `[N]`; for MULTICLASS_ACCURACY class numbers, or one-hot in the shape of the features.
      valid_features: `[T, V, F]` or `[V, F]`.
      valid_labels: `[T, V]` or `[V]`, like the training labels.
      metric: how predictions are judged.

    Raises:
      ValueError: shapes that disagree, no task, too few examples, NaN, infinity, or labels that do not fit the metric.

    >>> x, y = np.arange(30.0).reshape(10, 3), np.arange(10) % 2
    >>> make_tasks(x, y, x, y, "accuracy").train_labels.shape
    (1, 10)
    """
    try:
        metric = Metric(metric)
    except ValueError:
        raise ValueError(f"unknown metric {metric!r}; allowed: {', '.join(Metric)}") from None
    arrays = {
        "train_features": _with_task_axis(train_features, "train_features", 3),
        "valid_features": _with_task_axis(valid_features, "valid_features", 3),
    }
    features = arrays["train_features"].shape[2]
    for name, labels in (("train_labels", train_labels), ("valid_labels", valid_labels)):
        given = {"train_labels": train_features, "valid_labels": valid_features}[name]
        arrays[name] = _read_labels(labels, name, metric, features, np.ndim(given))
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(f"{name}{list(where)} is {array[where]}; every value must be finite")
    _check_shapes(arrays)
    return Tasks(metric=metric, **arrays)


def _with_task_axis(values: ArrayLike, name: str, rank: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in a rectangular array") from None
    if array.ndim == rank - 1:
        array = array[None]
    if array.ndim != rank:
        raise ValueError(f"{name} has shape {array.shape}; it must have {rank} axes, or {rank - 1} for one task")
    return array


def _read_labels(values: ArrayLike, name: str, metric: Metric, features: int, axes: int) -> NDArray[np.float64]:
    """Labels `[T, N]`, or one-hot `[T, N, F]` for MULTICLASS_ACCURACY; labels of as many `axes` as the features are."""
    if not metric.is_one_hot:
        labels = _with_task_axis(values, name, 2)
        if metric is Metric.ACCURACY and not np.isin(labels, (0, 1)).all():
            raise ValueError(f"{name} must be 0 or 1 for the metric {metric}")
        return labels
    if np.ndim(values) == axes:
        one_hot = _with_task_axis(values, name, 3)
        if not np.isin(one_hot, (0, 1)).all() or not (one_hot.sum(axis=2) == 1).all():
            raise ValueError(f"{name} must be class numbers, or one-hot: a 1 for the class and 0 for all others")
        return one_hot
    classes = _with_task_axis(values, name, 2)
    if not (np.isin(classes, np.arange(features))).all():
        raise ValueError(f"{name} must be class numbers from 0 to {features - 1} (the number of features less one)")
    return np.eye(features)[classes.astype(int)]


def _check_shapes(arrays: dict[str, NDArray[np.float64]]) -> None:
    tasks, train, features = arrays["train_features"].shape
    shape = arrays["valid_features"].shape
    valid = shape[1]
    if tasks == 0:
        raise ValueError("there are no tasks; at least one is needed")
    if features == 0:
        raise ValueError("train_features has 0 features; at least one is needed")
    if train < MIN_TRAIN_EXAMPLES:
        raise ValueError(f"a task has {train} training examples; at least {MIN_TRAIN_EXAMPLES} are needed")
    if valid < 1:
        raise ValueError("a task has no validation example; at least one is needed")
    if shape != (tasks, valid, features):
        fits = f"({tasks}, any, {features})"
        raise ValueError(f"valid_features has shape {shape}; to fit train_features it must be {fits}")
    for part, count in (("train", train), ("valid", valid)):
        shape = arrays[f"{part}_labels"].shape
        if shape[:2] != (tasks, count) or shape[2:] not in ((), (features,)):
            fits = f"({tasks}, {count})"
            raise ValueError(f"{part}_labels has shape {shape}; to fit {part}_features it must be {fits}")
