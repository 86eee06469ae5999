"""Search algorithms: batches of candidates, and what becomes of them."""

from azero_jax.evolve.algorithm import AtOnce, Evaluate, Evaluation, Event, NewBest, Restart, SearchAlgorithm
from azero_jax.evolve.random_search import RandomSearch
from azero_jax.evolve.regularized import Evolution
from azero_jax.evolve.settings import EvolutionSettings

__all__ = [
    "AtOnce",
    "Evaluate",
    "Evaluation",
    "Event",
    "Evolution",
    "EvolutionSettings",
    "NewBest",
    "RandomSearch",
    "Restart",
    "SearchAlgorithm",
]
