"""The tasks of a search for an estimator: all rows that `fit` was given, split anew for each task."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Examples, Source
from azero_jax.language.roles import Metric
from azero_jax.tasks.sets import TaskSets
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.tabular import HELD_OUT_SHARE, table_features, table_metric, table_tasks
from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES, Tasks, make_tasks

_MIN_ROWS = round(MIN_TRAIN_EXAMPLES / (1 - HELD_OUT_SHARE)) + 1  # that leave enough to train on


@dataclasses.dataclass(frozen=True)
class RowTasks(TaskSets):
    """Splits of the rows into training and validation rows; even the final tasks hold nothing out for good.

    What is found is to be judged by rows that `fit` has not seen. Classes that have no rows yet take no part.
    """

    source: Source
    settings: TaskConfig

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return table_features(self.source)

    @property
    def metric(self) -> Metric:
        """See `TaskSets`."""
        return table_metric(self.source)

    def draw(self, stage: int, seed: int) -> Tasks:
        """Splits of the rows."""
        count, train_examples, _, _ = self.settings.stages[stage]
        source, present = _of_present_classes(self.source)
        tasks = table_tasks(source, count, part="valid", train_examples=train_examples, seed=seed)
        return tasks if source is self.source else _with_absent_classes(tasks, present, self.features)


def row_source(x: NDArray[np.float64], y: NDArray[np.float64 | np.int64], class_names: tuple[str, ...]) -> Source:
    """A source of `[N, F]` rows and `[N]` labels that can be split: rows are repeated where they are too few.

    Args:
      x: the rows.
      y: class numbers, or numbers to predict.
      class_names: names of the classes; empty for a regression. Some may have no rows yet.

    Raises:
      ValueError: all rows are of one class.
    """
    counts = np.unique(y, return_counts=True)[1] if class_names else np.array([len(x)])
    if class_names and len(counts) < 2:
        name = class_names[int(y[0])]
        raise ValueError(f"the first rows have one class only, {name!r}; a search needs rows of two classes at least")
    if len(x) < _MIN_ROWS or counts.min() < 2:
        x, y = (np.concatenate([array] * -(-_MIN_ROWS * 2 // len(x))) for array in (x, y))
    return Source("the rows", Examples(x, y), None, class_names)


def _of_present_classes(source: Source) -> tuple[Source, NDArray[np.int64]]:
    """The source without the classes that have no rows, and the numbers that the others have in it."""
    present = np.unique(source.train.labels.astype(np.int64)) if source.class_names else np.empty(0, np.int64)
    if len(present) == len(source.class_names):
        return source, present
    train = Examples(source.train.features, np.searchsorted(present, source.train.labels))
    return dataclasses.replace(source, train=train, class_names=tuple(source.class_names[n] for n in present)), present


def _with_absent_classes(tasks: Tasks, present: NDArray[np.int64], features: int) -> Tasks:
    """Tasks of some of many classes, with one-hot labels in which all classes have their places."""
    one_hot = np.eye(features)[present]

    def padded(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.pad(x, ((0, 0), (0, 0), (0, features - x.shape[2])))

    def renumbered(y: NDArray[np.float64]) -> NDArray[np.float64]:
        return one_hot[y.argmax(axis=2) if y.ndim == 3 else y.astype(np.int64)]

    train_x, train_y, valid_x, valid_y = tasks.arrays
    metric = Metric.MULTICLASS_ACCURACY
    return make_tasks(padded(train_x), renumbered(train_y), padded(valid_x), renumbered(valid_y), metric)
