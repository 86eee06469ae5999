"""Breeders: each makes the children of some islands, with a random generator of its own, maybe in a thread of its own.

How islands are dealt out depends on the settings alone, so that a search finds the same programs on any number of
cores.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.analysis.learnable import flow_rules, kind_bits
from azero_jax.compiled.tables import SpaceTables, space_tables
from azero_jax.evolve.breeding import breed, breed_learnable
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import ProgramArrays, Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.policy import MutationOdds
from azero_jax.process.cores import usable_cores
from azero_jax.process.state import State, generator_state, restore_generator
from azero_jax.process.threads import work_together

MOST_CHILDREN: Final = {"any": 6400, "learnable": 800}
"""Of a breeder, about two milliseconds of work: less is not worth a thread. But islands stay whole."""


class Breeder(NamedTuple):
    """Who makes the children of some neighbouring islands.

    Attributes:
      parents: `[i * P]` the islands' populations, a view.
      fitness: `[i, P]` of these, a view.
      children: `[i * batch]`, a view.
      origins: `[i * batch, 2]` of these, a view: the parent's place among all programs of the half, and the `Mutation`.
      first: the place of the first of `parents` among the programs of the half.
      kinds: `[i]` what each island's programs must learn, as bits.
      generator: source of randomness.
    """

    parents: ProgramArrays
    fitness: NDArray[np.float64]
    children: ProgramArrays
    origins: NDArray[np.int64]
    first: int
    kinds: NDArray[np.int64]
    generator: Generator


class Breeding:
    """Breeds as the settings of a search say, by several threads.

    Attributes:
      threads: most that breed at the same time.
    """

    def __init__(self, space: SearchSpace, metric: Metric, settings: EvolutionSettings, generator: Generator) -> None:
        """Prepares the tables; `generator` is the search's, which breeds where one breeder is enough."""
        self._settings, self._generator = settings, generator
        self._spawned: list[Generator] = []
        self.threads = max(1, usable_cores() - 1)  # of a pool that they share with an engine on the CPU
        self._tables: SpaceTables = space_tables(space, metric)
        self._rules = flow_rules(space)
        self._odds: MutationOdds = settings.mutation_policy().odds()
        self._frozen = np.array(settings.is_frozen)
        self._kinds = np.array([kind_bits(kinds) for kinds in settings.learned_kinds()])

    def deal_out(
        self,
        islands: slice,
        parents: Programs,
        fitness: NDArray[np.float64],
        children: Programs,
        origins: NDArray[np.int64],
    ) -> list[Breeder]:
        """Deals out the islands of a half, whose arrays these are (see `Breeder`), to new breeders.

        Halves are dealt out once each, in their order, on which the generators depend.
        """
        population, batch = fitness.shape[1], self._settings.batch
        each = max(1, MOST_CHILDREN[self._settings.candidates] // batch)
        shares = [slice(begin, min(begin + each, len(fitness))) for begin in range(0, len(fitness), each)]
        own = [self._generator] if len(shares) == 1 else self._generator.spawn(len(shares))
        self._spawned += own if len(shares) > 1 else []
        kinds = self._kinds[islands]
        breeders = []
        for share, generator in zip(shares, own, strict=True):
            old = slice(share.start * population, share.stop * population)
            new = slice(share.start * batch, share.stop * batch)
            views = parents[old].arrays(), fitness[share], children[new].arrays(), origins[new]
            breeders.append(Breeder(*views, old.start, kinds[share], generator))
        return breeders

    def breed(self, breeders: Sequence[Breeder]) -> None:
        """Makes the next children of all breeders' islands."""
        numbers = itertools.count()  # whose `next` gives no two threads the same

        def work() -> None:
            while (number := next(numbers)) < len(breeders):
                self._breed(breeders[number])

        work_together([work] * min(self.threads, len(breeders)))

    def _breed(self, breeder: Breeder) -> None:
        parents, fitness, children, origins, first, kinds, generator = breeder
        tournament, tables, odds, frozen = self._settings.tournament, self._tables, self._odds, self._frozen
        if self._settings.candidates == "learnable":
            rules = self._rules
            breed_learnable(
                parents, fitness, tournament, tables, odds, frozen, rules, kinds, generator, children, origins
            )
        else:
            breed(parents, fitness, tournament, tables, odds, frozen, generator, children, origins)
        origins[:, 0] += first

    def state(self) -> State:
        """Where the breeders' own generators stand."""
        return {str(number): generator_state(generator) for number, generator in enumerate(self._spawned)}

    def restore(self, state: State) -> None:
        """Sets them to where `state` found them."""
        for number, generator in enumerate(self._spawned):
            restore_generator(generator, state[str(number)])
