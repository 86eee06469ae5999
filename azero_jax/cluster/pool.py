"""Migration between workers: what they have given away is dealt out to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from azero_jax.evolve.migration import Migrants
from azero_jax.language.program import concatenate

_PURPOSE: Final = 0x6D69  # apart from other streams of random numbers with the same seed


class Pool:
    """What each worker has given away last."""

    def __init__(self, topology: str, seed: int) -> None:
        """An empty pool; see `EvolutionSettings.topology`, and the seed of the search."""
        self._topology, self._seed = topology, seed
        self._given: dict[int, Migrants] = {}
        self._all: Migrants | None = None  # put together when somebody asks

    def put(self, worker: int, migrants: Migrants) -> None:
        """Takes what a worker gives away, in place of what it gave before."""
        self._given[worker], self._all = migrants, None

    def take(self, worker: int, workers: Sequence[int], round_number: int) -> Migrants | None:
        """The programs that a worker gets; None if there are none.

        Of a pool they are as many as one gives, drawn from all together; of a ring those of the one before.

        Args:
          worker: who gets some.
          workers: all that are there, in order.
          round_number: in which they are taken in; the same number always draws the same.
        """
        if self._topology == "ring":
            before = workers[workers.index(worker) - 1]
            return self._given.get(before) if before != worker else None
        if not self._given:
            return None
        if self._all is None:
            parts = [self._given[giver] for giver in sorted(self._given)]
            niches = np.concatenate([part.niches for part in parts])
            self._all = Migrants(concatenate([part.programs for part in parts]), niches)
        count = max(len(part.niches) for part in self._given.values())
        generator = np.random.default_rng((self._seed, _PURPOSE, round_number, worker))
        drawn = np.sort(generator.choice(len(self._all.niches), count, replace=False))
        return Migrants(self._all.programs[drawn], self._all.niches[drawn])

    def remove(self, worker: int) -> None:
        """Forgets what a worker has given that is no more."""
        self._given.pop(worker, None)
        self._all = None
