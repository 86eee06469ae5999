"""Mixed work: workers that search on different data, from one configuration.

As in the paper's method "Full", in which half of the processes have CIFAR-10 and half another data set. What they find
is compared on select tasks of all the data, so that the easier data do not win.
"""

from __future__ import annotations

import dataclasses

from azero_jax.language.roles import Metric
from azero_jax.tasks.sets import MixedTasks, TaskSets
from azero_jax.tasks.tasks import Tasks


@dataclasses.dataclass(frozen=True)
class PartTasks(TaskSets):
    """Search tasks of one source of a mixture, as many as the mixture has; select and final tasks of all sources."""

    mixture: MixedTasks
    part: int

    @property
    def features(self) -> int:
        """See `TaskSets`."""
        return self.mixture.features

    @property
    def metric(self) -> Metric:
        """See `TaskSets`."""
        return self.mixture.metric

    def draw(self, stage: int, seed: int) -> Tasks:
        """See `TaskSets`."""
        if stage > 0:
            return self.mixture.draw(stage, seed)
        part, count = self.mixture.parts[self.part], sum(one.settings.search_tasks for one in self.mixture.parts)
        return dataclasses.replace(part, settings=dataclasses.replace(part.settings, search_tasks=count)).search(seed)


def check_mixed(task_sets: TaskSets, workers: int) -> None:
    """Checks that work can be mixed.

    Raises:
      ValueError: there is one source of data only, or a source that no worker would search on.
    """
    parts = len(task_sets.parts) if isinstance(task_sets, MixedTasks) else 1
    if parts < 2:
        raise ValueError("mixed is true, but there is one source of tasks; name several: --data a.zip,b.zip")
    if workers < parts:
        raise ValueError(
            f"mixed is true, but {workers} workers cannot search on {parts} sources; take at least {parts}"
        )


def tasks_of(task_sets: TaskSets, worker: int) -> TaskSets:
    """The tasks of one worker of a search whose work is mixed."""
    return PartTasks(task_sets, worker % len(task_sets.parts)) if isinstance(task_sets, MixedTasks) else task_sets
