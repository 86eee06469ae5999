"""The three sets of tasks of a search: search tasks, select tasks and unseen tasks."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Final, NamedTuple, Protocol

import numpy as np

from azero_jax.config import Config
from azero_jax.tasks import Tasks
from azero_jax.tasks.synthetic import TEACHERS

_MORE_TASKS: Final = 10  # times as many
_MOST_NUMBERS: Final = 10_000_000  # of all their features


class TaskSets(Protocol):
    """The three sets of tasks of a search; the numbers of tasks and examples must not depend on the seed."""

    def search(self, seed: int) -> Tasks:
        """Tasks on which every candidate is tried; a new seed for each experiment."""

    def select(self, seed: int) -> Tasks:
        """Tasks on which the best candidates are compared; a new seed for each experiment."""

    def final(self, seed: int) -> Tasks:
        """Unseen tasks on which the result is measured."""


class FixedTasks(NamedTuple):
    """Task sets that are the same whatever the seed: the user's own data."""

    search_tasks: Tasks
    select_tasks: Tasks
    final_tasks: Tasks

    def search(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.search_tasks

    def select(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.select_tasks

    def final(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        del seed
        return self.final_tasks


class GeneratedTasks(NamedTuple):
    """Task sets drawn from random teachers, as the configuration says."""

    config: Config

    def search(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.search_tasks, tasks.train_examples, tasks.valid_examples, seed)

    def select(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.select_tasks, tasks.select_train_examples, tasks.select_valid_examples, seed)

    def final(self, seed: int) -> Tasks:
        """See `TaskSets`."""
        tasks = self.config.tasks
        return self._draw(tasks.final_tasks, tasks.select_train_examples, tasks.select_valid_examples, seed)

    def with_more_select_tasks(self) -> GeneratedTasks:
        """The same with up to ten times as many select tasks, as long as they fit easily into memory."""
        tasks = self.config.tasks
        examples = (tasks.select_train_examples or 0) + (tasks.select_valid_examples or 0)
        size = tasks.select_tasks * examples * (tasks.features or 0)
        more = tasks.select_tasks * min(max(_MOST_NUMBERS // size, 1), _MORE_TASKS)
        return GeneratedTasks(dataclasses.replace(self.config, tasks=dataclasses.replace(tasks, select_tasks=more)))

    def _draw(self, count: int, train_examples: int | None, valid_examples: int | None, seed: int) -> Tasks:
        tasks = self.config.tasks
        return TEACHERS[tasks.kind](
            tasks=count,
            features=tasks.features,
            train_examples=train_examples,
            valid_examples=valid_examples,
            seed=seed,
        )


def fingerprint(task_sets: TaskSets) -> str:
    """A SHA-256 of all numbers of the three sets (of seed 0), by which a resumed search knows its tasks again."""
    digest = hashlib.sha256()
    for tasks in (task_sets.search(0), task_sets.select(0), task_sets.final(0)):
        digest.update(str(tasks.metric).encode())
        for array in (tasks.train_features, tasks.train_labels, tasks.valid_features, tasks.valid_labels):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
