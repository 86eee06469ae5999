"""Random learnable programs."""

from typing import Final

from numpy.random import Generator

from azero_jax.analysis.learnable import learnable
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.drawing import random_programs

_TOGETHER: Final = 100_000  # programs drawn at once
_MOST_DRAWS: Final = 1000  # in a row without a learnable program


def random_learnable(space: SearchSpace, metric: Metric, count: int, generator: Generator) -> Programs:
    """`count` programs of the initial sizes, each as likely as any other that is learnable.

    Raises:
      ValueError: of very many random programs none can learn.
    """
    found: list[Programs] = []
    missing, draws = count, 0
    while missing > 0:
        if draws == _MOST_DRAWS:
            raise ValueError(f"of {_MOST_DRAWS * _TOGETHER:,} random programs none can learn; take candidates any")
        programs = random_programs(space, _TOGETHER, generator)
        programs = programs[learnable(programs, space, metric)][:missing]
        draws = 0 if len(programs) else draws + 1
        missing -= len(programs)
        found.append(programs)
    return concatenate(found)
