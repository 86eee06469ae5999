"""The tasks of a search for an estimator: all rows that `fit` was given, split anew for each task."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Examples, Source
from azero_jax.language.roles import Metric
from azero_jax.tasks.sets import TaskSets
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.tabular import HELD_OUT_SHARE, table_features, table_metric, table_tasks
from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES, Tasks

_MIN_ROWS = round(MIN_TRAIN_EXAMPLES / (1 - HELD_OUT_SHARE)) + 1  # that leave enough to train on


@dataclasses.dataclass(frozen=True)
class RowTasks(TaskSets):
    """Splits of the rows into training and validation rows; even the final tasks hold nothing out for good.

    What is found is to be judged by rows that `fit` has not seen.
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
        return table_tasks(self.source, count, part="valid", train_examples=train_examples, seed=seed)


def row_source(x: NDArray[np.float64], y: NDArray[np.float64 | np.int64], class_names: tuple[str, ...]) -> Source:
    """A source of `[N, F]` rows and `[N]` labels that can be split: rows are repeated where they are too few.

    Args:
      x: the rows.
      y: class numbers, or numbers to predict.
      class_names: names of the classes; empty for a regression.
    """
    counts = np.bincount(y.astype(np.int64), minlength=len(class_names)) if class_names else np.array([len(x)])
    if len(x) < _MIN_ROWS or counts.min() < 2:
        x, y = (np.concatenate([array] * -(-_MIN_ROWS * 2 // len(x))) for array in (x, y))
    return Source("the rows", Examples(x, y), None, class_names)
