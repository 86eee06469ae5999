"""Migration between workers: what they have given away is dealt out to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from azero_jax.evolve.migration import Migrants
from azero_jax.language.program import concatenate

_PURPOSE: Final = 0x6D69  # apart from other streams of random numbers with the same seed


def deal(
    given: Mapping[int, Migrants], worker: int, workers: Sequence[int], topology: str, seed: int, round_number: int
) -> Migrants | None:
    """The programs that a worker gets.

    Args:
      given: by each worker, in its latest round; not all may have given something.
      worker: who gets some.
      workers: all that are there, in order.
      topology: "pool" draws as many as a worker gives from all together, "ring" takes those of the one before.
      seed: of the search.
      round_number: in which they are taken in; the same numbers always draw the same.

    Returns:
      The programs; None if there are none.
    """
    if topology == "ring":
        before = workers[workers.index(worker) - 1]
        return given.get(before) if before != worker else None
    if not given:
        return None
    everything = [given[giver] for giver in sorted(given)]
    niches = np.concatenate([migrants.niches for migrants in everything])
    generator = np.random.default_rng((seed, _PURPOSE, round_number, worker))
    drawn = np.sort(generator.choice(len(niches), len(everything[0].niches), replace=False))
    return Migrants(concatenate([migrants.programs for migrants in everything])[drawn], niches[drawn])
