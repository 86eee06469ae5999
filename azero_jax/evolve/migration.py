"""Migration: islands give programs to one another, through a common pool or along a ring.

In the paper (arXiv 2003.03384) each process, with its population of 100, exchanges 50 programs through a common pool
every 100 to 10,000 candidates. Here what is given is drawn at random, and takes the place of what was given away, so
that all programs together stay the same; islands that have to learn other kinds of registers exchange nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.language.program import Programs

TOPOLOGIES: Final = ("pool", "ring")


class Migrants(NamedTuple):
    """Programs on their way from one search to another.

    Attributes:
      programs: `[M]`.
      niches: `[M]` for which islands, see `niches_of`.
    """

    programs: Programs
    niches: NDArray[np.int64]


def niches_of(kinds: Sequence[str]) -> NDArray[np.int64]:
    """`[I]` numbers of the islands' niches; islands whose programs must learn the same kinds share one.

    >>> niches_of(["", "m", "", "m"]).tolist()
    [0, 1, 0, 1]
    """
    return np.unique(np.array(kinds), return_inverse=True)[1].astype(np.int64)


def exchange(
    niches: NDArray[np.int64], population: int, share: float, topology: str, generator: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which programs change places.

    Args:
      niches: `[I]` of the islands.
      population: P, programs of each.
      share: of these, those that each island gives away; at least one.
      topology: "pool" deals all that are given out again at random, "ring" gives an island's to the next one.
      generator: source of randomness.

    Returns:
      `[M]` slots, and `[M]` the slots whose programs they get, a permutation; slot `i * P + p` is island i's.
    """
    count = max(1, round(share * population))
    slots, sources = [], []
    for niche in np.unique(niches):
        islands = np.flatnonzero(niches == niche)
        if len(islands) < 2:
            continue
        given = np.stack([island * population + _some(population, count, generator) for island in islands])
        slots.append(given.reshape(-1))
        sources.append(
            generator.permutation(slots[-1]) if topology == "pool" else np.roll(given, 1, axis=0).reshape(-1)
        )
    if not slots:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return np.concatenate(slots), np.concatenate(sources)


def draw_emigrants(
    programs: Programs, niches: NDArray[np.int64], count: int, generator: np.random.Generator
) -> Migrants:
    """Copies of some of the `[I * P]` programs of all islands, with `niches` `[I]`."""
    slots = _some(len(programs), min(count, len(programs)), generator)
    return Migrants(programs[slots], niches[slots // (len(programs) // len(niches))])


def slots_for(
    migrants: NDArray[np.int64], niches: NDArray[np.int64], population: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """`[M]` different slots of islands of the niches that migrants `[M]` need; -1 where there are not so many."""
    slots = np.full(len(migrants), -1)
    for niche in np.unique(migrants):
        wanted, islands = np.flatnonzero(migrants == niche), np.flatnonzero(niches == niche)
        there = min(len(wanted), len(islands) * population)
        places = _some(len(islands) * population, there, generator)
        slots[wanted[:there]] = islands[places // population] * population + places % population
    return slots


def _some(among: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """`count` different numbers below `among`."""
    return generator.choice(among, count, replace=False).astype(np.int64)
