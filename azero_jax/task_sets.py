"""The three sets of tasks of a search: search tasks, select tasks and unseen tasks."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol

import numpy as np

from azero_jax.config import Config
from azero_jax.tasks import Tasks
from azero_jax.tasks.synthetic import TEACHERS


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
