"""From candidates to fitness, running only what is new and promising."""

from azero_jax.evaluate.counters import Counters
from azero_jax.evaluate.evaluator import Evaluation, Evaluator
from azero_jax.evaluate.settings import EvaluatorSettings
from azero_jax.evaluate.stages import combine_tasks

__all__ = ["Counters", "Evaluation", "Evaluator", "EvaluatorSettings", "combine_tasks"]
