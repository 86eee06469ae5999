"""From candidates to fitness, running only what is new and promising."""

from azero_jax.evaluate.counters import Counters
from azero_jax.evaluate.evaluator import Evaluator, EvaluatorSettings, combine_tasks

__all__ = ["Counters", "Evaluator", "EvaluatorSettings", "combine_tasks"]
