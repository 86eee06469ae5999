"""From candidates to fitness, running only what is new and promising."""

from azero_jax.fitness.counters import Counters
from azero_jax.fitness.evaluator import Evaluation, Evaluator
from azero_jax.fitness.settings import EvaluatorSettings

__all__ = ["Counters", "Evaluation", "Evaluator", "EvaluatorSettings"]
