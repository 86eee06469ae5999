"""Tasks: batches of small learning problems, each with training and validation examples."""

from azero_jax.language.roles import Metric
from azero_jax.tasks.sets import FixedTasks, MixedTasks, MulticlassTasks, PairTasks, TableTasks, TaskSets
from azero_jax.tasks.settings import TaskConfig
from azero_jax.tasks.synthetic import affine_tasks, linear_tasks, teacher_tasks
from azero_jax.tasks.tabular import hold_out
from azero_jax.tasks.tasks import Tasks, make_tasks

__all__ = [
    "FixedTasks",
    "Metric",
    "MixedTasks",
    "MulticlassTasks",
    "PairTasks",
    "TableTasks",
    "TaskConfig",
    "TaskSets",
    "Tasks",
    "affine_tasks",
    "hold_out",
    "linear_tasks",
    "make_tasks",
    "teacher_tasks",
]
