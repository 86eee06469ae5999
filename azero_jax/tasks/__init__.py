"""Tasks: batches of small learning problems, each with training and validation examples."""

from azero_jax.tasks.tasks import Metric, Tasks, make_tasks

__all__ = ["Metric", "Tasks", "make_tasks"]
