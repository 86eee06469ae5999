"""The programs that a search begins with: random or empty ones, given ones, or both, with frozen functions."""

import numpy as np
from numpy.random import Generator

from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.drawing import no_op_programs, random_programs
from azero_jax.mutate.learnable import random_learnable


def initial_programs(
    space: SearchSpace,
    metric: Metric,
    settings: EvolutionSettings,
    given: Programs | None,
    island: int,
    generator: Generator,
) -> Programs:
    """A population to begin with.

    Args:
      space: what programs may look like.
      metric: how predictions are judged, which decides what is learnable.
      settings: of the search.
      given: programs to start from; None if there are none.
      island: whose population it is; it decides what has to be learned.
      generator: source of randomness.

    Raises:
      ValueError: no learnable program was found.
    """
    count, parts = settings.population, []
    if given is not None:
        share = min(count, max(1, round(settings.start_share * count))) if settings.start_share > 0 else 0
        parts.append(repeat(given, share))
        count -= share
    if count > 0:
        parts.append(_fresh_programs(count, space, metric, settings, given, island, generator))
    return concatenate(parts)


def repeat(programs: Programs, count: int) -> Programs:
    """`count` programs, one after the other and again from the first."""
    return programs[np.arange(count) % len(programs)]


def keep_frozen(programs: Programs, given: Programs, space: SearchSpace, settings: EvolutionSettings) -> None:
    """Puts the frozen functions of given programs into N programs, in place."""
    sources = repeat(given, len(programs))
    for function, is_frozen in enumerate(settings.is_frozen):
        if is_frozen:
            first = space.offsets[function]
            slots = slice(first, first + space.max_sizes[function])
            for target, source in zip(programs.arrays()[:3], sources.arrays()[:3], strict=True):
                target[:, slots] = source[:, slots]
            programs.sizes[:, function] = sources.sizes[:, function]


def _fresh_programs(
    count: int,
    space: SearchSpace,
    metric: Metric,
    settings: EvolutionSettings,
    given: Programs | None,
    island: int,
    generator: Generator,
) -> Programs:
    if settings.candidates == "learnable" and settings.initial == "random":
        frozen = None if given is None else repeat(given, count)
        kinds = settings.learned_kinds()[island]
        return random_learnable(space, metric, count, generator, kinds, frozen, settings.is_frozen)
    is_empty = settings.initial == "empty"
    programs = no_op_programs(space, count) if is_empty else random_programs(space, count, generator)
    if given is not None:
        keep_frozen(programs, given, space, settings)
    return programs
