"""Tasks: batches of small learning problems, each with training and validation examples."""

from azero_jax.tasks.synthetic import affine_tasks, linear_tasks, teacher_tasks
from azero_jax.tasks.tasks import Metric, Tasks, make_tasks

__all__ = ["Metric", "Tasks", "affine_tasks", "linear_tasks", "make_tasks", "teacher_tasks"]
