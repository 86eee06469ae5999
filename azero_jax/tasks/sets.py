"""The three sets of tasks of a search: to search on, to select by, and unseen.

Every kind of task has a class of its own, a `TaskSets`, which a search asks for tasks. On real data nothing that
is judged by in `final` (the pairs where there are enough of them, the examples always) is used by the other two.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
from typing import Final

import numpy as np

from azero_jax.data.source import Source
from azero_jax.language.roles import Metric
from azero_jax.tasks.classification import join_tasks, multiclass_tasks, pair_tasks
from azero_jax.tasks.pairs import PairSplit, choose_tasks
from azero_jax.tasks.projected import Projected
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.synthetic import TEACHERS
from azero_jax.tasks.tabular import table_features, table_metric, table_tasks
from azero_jax.tasks.tasks import Tasks

_MORE_TASKS: Final = 10  # times as many
_MOST_NUMBERS: Final = 10_000_000  # of all their features


class TaskSets(abc.ABC):
    """The three sets of tasks of a search; the numbers of tasks and examples must not depend on the seed.

    >>> sets: TaskSets = GeneratedTasks(TaskConfig(kind="affine", final_tasks=7))
    >>> str(sets.metric), len(sets.final(0))
    ('rms_error', 7)
    """

    @property
    @abc.abstractmethod
    def features(self) -> int:
        """F, the length of a feature vector, the same in all tasks."""

    @property
    @abc.abstractmethod
    def metric(self) -> Metric:
        """How predictions are judged, the same in all tasks."""

    @abc.abstractmethod
    def draw(self, stage: int, seed: int) -> Tasks:
        """The tasks of one stage: 0 to search on, 1 to select by, 2 the unseen ones."""

    def search(self, seed: int) -> Tasks:
        """Tasks on which every candidate is tried; a new seed for each experiment."""
        return self.draw(0, seed)

    def select(self, seed: int) -> Tasks:
        """Tasks on which the best candidates are compared; a new seed for each experiment."""
        return self.draw(1, seed)

    def some_select(self, seed: int, count: int) -> Tasks:
        """The first `count` of the tasks to select by."""
        return self.select(seed).first(count)

    def final(self, seed: int) -> Tasks:
        """Unseen tasks on which the result is measured."""
        return self.draw(2, seed)


@dataclasses.dataclass(frozen=True)
class FixedTasks(TaskSets):
    """Task sets that are the same whatever the seed: the user's own data.

    >>> sets = FixedTasks(*(GeneratedTasks(TaskConfig()).search(seed) for seed in (1, 2, 3)))
    >>> sets.features, sets.search(0) is sets.search(1)
    (4, True)
    """

    search_tasks: Tasks
    select_tasks: Tasks
    final_tasks: Tasks

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.search_tasks.features

    @property
    def metric(self) -> Metric:
        """See `TaskSets`."""
        return self.search_tasks.metric

    def draw(self, stage: int, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return (self.search_tasks, self.select_tasks, self.final_tasks)[stage]


@dataclasses.dataclass(frozen=True)
class GeneratedTasks(TaskSets):
    """Task sets drawn from random teachers."""

    settings: TaskConfig
    metric = Metric.RMS_ERROR

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.settings.features or 0

    def with_more_select_tasks(self) -> GeneratedTasks:
        """The same with up to ten times as many select tasks, as long as they fit easily into memory."""
        settings = self.settings
        examples = (settings.select_train_examples or 0) + (settings.select_valid_examples or 0)
        size = settings.select_tasks * examples * self.features
        more = settings.select_tasks * min(max(_MOST_NUMBERS // size, 1), _MORE_TASKS)
        return GeneratedTasks(dataclasses.replace(settings, select_tasks=more))

    def draw(self, stage: int, seed: int) -> Tasks:
        """Fresh teachers."""
        count, train_examples, valid_examples, _ = self.settings.stages[stage]
        return TEACHERS[self.settings.kind](count, self.features, train_examples, valid_examples, seed)


@dataclasses.dataclass(frozen=True)
class PairTasks(TaskSets):
    """Binary tasks of class pairs, each under a projection: other pairs to search on, to select by and to judge by.

    There are fewer tasks than the settings say where there are not as many pairs and projections.

    >>> from azero_jax.data import load_source
    >>> from azero_jax.tasks.pairs import split_pairs
    >>> from azero_jax.tasks.projected import prepare
    >>> data = prepare(load_source("digits"), 4, projections=2)
    >>> len(PairTasks(data, split_pairs(10), TaskConfig.all_examples("pairs", search_tasks=5)).search(0))
    5
    """

    data: Projected
    pairs: PairSplit
    settings: TaskConfig
    metric = Metric.ACCURACY

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.data.features.shape[-1]

    def draw(self, stage: int, seed: int) -> Tasks:
        """Pairs and projections."""
        count, train_examples, valid_examples, part = self.settings.stages[stage]
        pairs, projections = self.pairs[stage], self.data.projections
        chosen = choose_tasks(pairs, projections, min(count, len(pairs) * projections), seed)
        return pair_tasks(self.data, chosen, part, train_examples, valid_examples)


@dataclasses.dataclass(frozen=True)
class MulticlassTasks(TaskSets):
    """Tasks of all classes at once, each under another projection; fewer where there are not as many projections.

    >>> from azero_jax.data import load_source
    >>> from azero_jax.tasks.projected import prepare
    >>> data = prepare(load_source("iris"), 3, projections=2)
    >>> MulticlassTasks(data, TaskConfig.all_examples("multiclass")).search(0).train_labels.shape
    (2, 120, 3)
    """

    data: Projected
    settings: TaskConfig
    metric = Metric.MULTICLASS_ACCURACY

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.data.features.shape[-1]

    def draw(self, stage: int, seed: int) -> Tasks:
        """Projections."""
        count, train_examples, valid_examples, part = self.settings.stages[stage]
        chosen = np.random.default_rng(seed).permutation(self.data.projections)[:count].tolist()
        return multiclass_tasks(self.data, chosen, part, train_examples, valid_examples)


@dataclasses.dataclass(frozen=True)
class TableTasks(TaskSets):
    """Tasks of a table whose test rows have been held out (`azero_jax.tasks.hold_out`).

    To search and to select, training and validation rows are split anew for each task. There is one final task: every
    row that was not held out is for training, those that were to judge by.

    >>> from azero_jax.data import load_source
    >>> from azero_jax.tasks import hold_out
    >>> str(TableTasks(hold_out(load_source("iris"))).metric)
    'multiclass_accuracy'
    """

    source: Source
    settings: TaskConfig = TaskConfig.all_examples("table")

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
        count, train_examples, _, part = self.settings.stages[stage]
        count = 1 if part == "test" else count
        return table_tasks(self.source, count, part=part, train_examples=train_examples, seed=seed)

    def some_select(self, seed: int, count: int) -> Tasks:
        """See `TaskSets`; each task has a draw of its own, so that no others have to be made."""
        settings = dataclasses.replace(self.settings, select_tasks=min(count, self.settings.select_tasks))
        return TableTasks(self.source, settings).select(seed)


@dataclasses.dataclass(frozen=True)
class MixedTasks(TaskSets):
    """Tasks of several sets side by side, such as half CIFAR-10 and half MNIST (the paper's "Full" method).

    The parts' own numbers of tasks add up; they must agree in features and examples.

    >>> from azero_jax.data import load_source
    >>> from azero_jax.tasks.pairs import split_pairs
    >>> from azero_jax.tasks.projected import prepare
    >>> part = PairTasks(prepare(load_source("iris"), None), split_pairs(3), TaskConfig.all_examples("pairs"))
    >>> len(part.search(0)), len(MixedTasks((part, part)).search(0))
    (1, 2)
    """

    parts: tuple[PairTasks, ...]

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.parts[0].features

    @property
    def metric(self) -> Metric:
        """See `TaskSets`."""
        return self.parts[0].metric

    def draw(self, stage: int, seed: int) -> Tasks:
        """The tasks of all parts."""
        return join_tasks(*(part.draw(stage, seed) for part in self.parts))


def fingerprint(task_sets: TaskSets) -> str:
    """A SHA-256 of all numbers of the three sets (of seed 0), by which a resumed search knows its tasks again."""
    digest = hashlib.sha256()
    for tasks in (task_sets.search(0), task_sets.select(0), task_sets.final(0)):
        digest.update(str(tasks.metric).encode())
        for array in tasks.arrays:
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
