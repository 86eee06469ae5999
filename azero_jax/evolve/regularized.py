"""Regularized evolution (Real et al. 2019, arXiv 1802.01548), over islands, whole batches at once.

Every island has its own population, in slots in order of age. A child's parent is the best of a tournament, drawn with
replacement; the child, mutated, takes the slot of the island's oldest program, whatever their fitnesses. With one
island and a batch of one child a step this is the original's loop; larger batches draw all their parents from the
population before any of their children is in it.

The islands work in two halves: while the children of one are evaluated, those of the other are bred. An island sees
nothing of the others, but for the best of all being spared from restarts, and for migration, where that is on. Programs
only change islands while no children are on their way.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from azero_jax.evolve.algorithm import Evaluate, Evaluation, Event, NewBest, Restart, mean_of_run, median_of_run
from azero_jax.evolve.ancestry import Ancestor, Ancestry
from azero_jax.evolve.breeders import Breeder, Breeding
from azero_jax.evolve.breeding import replace_oldest
from azero_jax.evolve.initial import initial_programs
from azero_jax.evolve.migration import Migrants, draw_emigrants, exchange, niches_of, slots_for
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.evolve.stagnation import Stagnation
from azero_jax.language.program import Programs, concatenate, empty_programs, programs_state, restore_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.policy import Mutation
from azero_jax.process.state import State, generator_state, restore_generator, with_prefix, without_prefix
from azero_jax.process.timings import Timings


class Evolution:
    """Regularized evolution of all islands at once.

    Attributes:
      programs: `[I * P]` programs, island by island, slot by slot.
      fitness: `[I, P]` float64.
      oldest: the slot that each island's next child takes.
      candidates: programs evaluated so far, the initial ones included.
      restarts: how many islands have started again.
      timings: where the time of evolution itself goes.
    """

    def __init__(
        self,
        space: SearchSpace,
        evaluate: Evaluate,
        settings: EvolutionSettings,
        generator: np.random.Generator,
        seeds: Programs | None = None,
        state: State | None = None,
        metric: Metric = Metric.RMS_ERROR,
    ) -> None:
        """Evaluates the initial population, or goes on from a state.

        Args:
          space: what programs may look like.
          evaluate: gives batches their fitness; `AtOnce` makes one of a function.
          settings: islands, populations, tournaments, mutations and restarts.
          generator: the only source of randomness.
          seeds: programs to start from; every island repeats them until its share of them is full. None starts from
            random or empty programs, as the settings say.
          state: what `state()` of a search with the same space, settings and seeds gave.
          metric: how predictions are judged, which decides what is learnable.
        """
        self._space, self._metric = space, metric
        self._evaluate = evaluate
        self._settings = settings
        self._generator = generator
        self._seeds = seeds
        self._breeding = Breeding(space, metric, settings, generator)
        self._niches = niches_of(settings.learned_kinds())
        self._immigrants: Migrants | None = None
        self.timings = Timings()
        self._events: list[Event] = []
        start = self._begin() if state is None else _restore(state, generator)
        self.programs, self.fitness = start.programs, start.fitness
        self.oldest, self.candidates, self.restarts, self._since_migration = start.counts
        self._stagnation, self._record = Stagnation(settings, start.fitness.max(axis=1), state), start.record
        self._halves = self._make_halves()
        slots = len(self.programs)
        self._ancestry = Ancestry(space, slots, None if state is None else without_prefix("ancestry", state))
        if state is None:
            self._ancestry.begin(slice(0, slots), self.programs, self.fitness.reshape(-1), 0)
            self._note_new_best(self.programs, self.fitness.reshape(-1))
            if len(self._halves) > 1:
                self._breed(self._halves[0])
            return
        self._breeding.restore(without_prefix("breeders", state))
        if "origins" in state:
            self._resume(self._halves[0], state)

    def _begin(self) -> _Start:
        """The initial populations, evaluated."""
        islands, population = self._settings.islands, self._settings.population
        programs = concatenate([self._initial_programs(island) for island in range(islands)])
        fitness = self._evaluate.submit(programs).take().reshape(islands, population)
        return _Start(programs, fitness, -np.inf, [0, islands * population, 0, 0])

    def step(self) -> None:
        """One batch on every island: each half is bred while the other one's children are evaluated."""
        *ahead, last = self._halves
        self._since_migration += self._settings.batch
        is_due = 0 < self._settings.migration_every <= self._since_migration
        migrates = is_due or self._immigrants is not None
        self._breed(last)
        for half in ahead:
            self._age(half)
            if not migrates:
                self._breed(half)
        self._age(last)
        self.oldest = (self.oldest + self._settings.batch) % self._settings.population
        if migrates:
            self._migrate(is_due)
            for half in ahead:
                self._breed(half)

    def emigrants(self, count: int) -> Migrants:
        """Copies of `count` programs of all islands, for another search with the same space and settings."""
        return draw_emigrants(self.programs, self._niches, count, self._generator)

    def take_in(self, immigrants: Migrants) -> None:
        """Takes in programs of another search at the end of the next step, after which `state` may be asked again.

        They are evaluated, which counts, and take the place of programs drawn at random.
        """
        self._immigrants = immigrants

    def leaders(self) -> tuple[Programs, NDArray[np.float64]]:
        """The best current program of each island, `[I]`, and their fitnesses."""
        slots = self.fitness.argmax(axis=1)
        islands = np.arange(len(slots))
        return self.programs[islands * self._settings.population + slots], self.fitness[islands, slots]

    def take_ancestors(self, island: int) -> tuple[int, list[Ancestor]]:
        """Ancestors of an island's best program: see `Ancestry.take`."""
        return self._ancestry.take(island * self._settings.population + int(self.fitness[island].argmax()))

    def mean_fitness(self) -> float:
        """Mean fitness of the current programs of all islands."""
        return mean_of_run(self.fitness)

    def median_fitness(self) -> float:
        """Median fitness of the current programs of all islands."""
        return median_of_run(self.fitness)

    def take_events(self) -> list[Event]:
        """New best programs and restarts since the last call."""
        events, self._events = self._events, []
        return events

    def state(self) -> State:
        """Populations, children on their way, random generators and counts; the arrays are not copied."""
        state = {
            **with_prefix("programs", programs_state(self.programs)),
            "fitness": self.fitness,
            **self._stagnation.state(),
            "record": np.array(self._record),
            "counts": np.array([self.oldest, self.candidates, self.restarts, self._since_migration]),
            "generator": generator_state(self._generator),
            **with_prefix("breeders", self._breeding.state()),
            **with_prefix("ancestry", self._ancestry.state()),
        }
        first = self._halves[0]
        if first.evaluation is not None:
            state |= with_prefix("children", programs_state(first.children))
            state |= with_prefix("ahead", first.evaluation.state())
            state["origins"] = first.origins
        return state

    def _resume(self, half: _Half, state: State) -> None:
        """Takes the children that were on their way when the state was made."""
        half.children.put(slice(None), restore_programs(without_prefix("children", state)))
        half.origins[:] = state["origins"]
        half.evaluation = self._evaluate.resume(without_prefix("ahead", state))

    def _make_halves(self) -> list[_Half]:
        middle = self._settings.islands // 2
        bounds = ((0, middle), (middle, self._settings.islands))
        return [self._make_half(slice(begin, end)) for begin, end in bounds if end > begin]

    def _make_half(self, islands: slice) -> _Half:
        population, count = self._settings.population, (islands.stop - islands.start) * self._settings.batch
        programs = self.programs[islands.start * population : islands.stop * population]
        fitness, children = self.fitness[islands], empty_programs(count, self._space)
        origins = np.zeros((count, 2), np.int64)
        breeders = self._breeding.deal_out(islands, programs, fitness, children, origins)
        return _Half(islands, programs, fitness, children, origins, breeders)

    def _breed(self, half: _Half) -> None:
        """Makes the next children of one half of the islands, and submits them."""
        with self.timings.phase("breed"):
            self._breeding.breed(half.breeders)
            copies = half.origins[:, 1] < 0
            known = np.where(copies, half.fitness.reshape(-1)[half.origins[:, 0]], np.nan)
        are_learnable = self._settings.candidates == "learnable"
        half.evaluation = self._evaluate.submit(half.children, known, are_learnable=are_learnable)

    def _age(self, half: _Half) -> None:
        """Replaces the oldest programs of one half of the islands by its children; islands that are stuck restart."""
        assert half.evaluation is not None
        fitness = half.evaluation.take()
        half.evaluation = None
        with self.timings.phase("age"):
            self._note_new_best(half.children, fitness, half)
            newest = fitness.reshape(-1, self._settings.batch)
            self._note_ancestry(half, fitness)
            replace_oldest(half.programs.arrays(), half.fitness, half.children.arrays(), newest, self.oldest)
        self.candidates += len(fitness)
        if self._settings.restart_after > 0:
            self._stagnation.note(half.islands, newest.max(axis=1), self._settings.batch)
            for island in self._stagnation.stuck(half.islands):
                self._restart(island)

    def _note_ancestry(self, half: _Half, fitness: NDArray[np.float64]) -> None:
        """Notes where the children of a half come from, before they replace the oldest programs."""
        population = self._settings.population
        first = half.islands.start * population
        places = (self.oldest + np.arange(self._settings.batch)) % population
        slots = (np.arange(first, half.islands.stop * population, population)[:, None] + places).reshape(-1)
        parents, mutations = half.origins[:, 0] + first, half.origins[:, 1]
        self._ancestry.replace(slots, parents, half.children, fitness, mutations, self.programs, self.candidates)

    def _note_new_best(self, programs: Programs, fitness: NDArray[np.float64], half: _Half | None = None) -> None:
        """Notes the best of N programs with fitness `[N]`, a half's children or initial programs, if it is a record."""
        winner = int(fitness.argmax())
        best = float(fitness[winner])
        if not best > self._record:
            return
        self._record = best
        event = NewBest(self.candidates, best, programs[winner : winner + 1].copy())
        if half is not None:
            parent, mutation = half.origins[winner].tolist()
            name = Mutation(mutation).name.lower() if mutation >= 0 else ""
            event = event._replace(parent=half.programs[parent : parent + 1].copy(), mutation=name)
        self._events.append(event)

    def _initial_programs(self, island: int) -> Programs:
        return initial_programs(self._space, self._metric, self._settings, self._seeds, island, self._generator)

    def _migrate(self, is_due: bool) -> None:
        """Moves programs between the islands if that is due, and takes in those that have come from elsewhere."""
        population, generator = self._settings.population, self._generator
        if is_due:
            self._since_migration = 0
            share, topology = self._settings.migration_share, self._settings.topology
            slots, sources = exchange(self._niches, population, share, topology, generator)
            self.programs.put(slots, self.programs[sources])
            self.fitness.reshape(-1)[slots] = self.fitness.reshape(-1)[sources]
            self._ancestry.move(slots, sources)
        if self._immigrants is not None:
            programs, niches = self._immigrants
            self._immigrants = None
            fitness = self._evaluate.submit(programs).take()
            slots = slots_for(niches, self._niches, population, generator)
            slots[fitness < 0] = -1  # they cannot learn here, or were not run
            programs, fitness, slots = programs[slots >= 0], fitness[slots >= 0], slots[slots >= 0]
            self.programs.put(slots, programs)
            self.fitness.reshape(-1)[slots] = fitness
            self._ancestry.begin(slots, programs, fitness, self.candidates)
            if len(slots):
                self._note_new_best(programs, fitness)
            self.candidates += len(niches)
        self._stagnation.note(slice(0, len(self._niches)), self.fitness.max(axis=1), 0)

    def _restart(self, island: int) -> None:
        self._events.append(Restart(self.candidates, island, float(self._stagnation.best[island])))
        population = self._settings.population
        fresh = self._initial_programs(island)
        self.programs.put(slice(island * population, (island + 1) * population), fresh)
        self.fitness[island] = self._evaluate.submit(fresh).take()
        slots = slice(island * population, (island + 1) * population)
        self._ancestry.begin(slots, fresh, self.fitness[island], self.candidates)
        self.candidates += population
        self._note_new_best(fresh, self.fitness[island])
        self._stagnation.begin(island, self.fitness[island].max())
        self.restarts += 1


@dataclasses.dataclass(frozen=True)
class _Start:
    """Where a search starts or goes on.

    Attributes:
      programs: `[I * P]`.
      fitness: `[I, P]`.
      record: the best fitness so far.
      counts: `oldest`, `candidates`, `restarts`, and candidates of each island since it took part in migration.
    """

    programs: Programs
    fitness: NDArray[np.float64]
    record: float
    counts: list[int]


def _restore(state: State, generator: np.random.Generator) -> _Start:
    """Where the search that gave a state goes on; the generator goes on too."""
    restore_generator(generator, state["generator"])
    return _Start(
        restore_programs(without_prefix("programs", state)),
        fitness=state["fitness"].copy(),
        record=float(state["record"]),
        counts=state["counts"].tolist(),
    )


@dataclasses.dataclass
class _Half:
    """Some islands, whose children are bred, evaluated and taken in together.

    Attributes:
      islands: which.
      programs: their populations, a view of all.
      fitness: `[i, P]` of these, a view of all.
      children: `[i * batch]` the latest.
      origins: `[i * batch, 2]` of each child, its parent's place in `programs`, and its `Mutation`.
      breeders: who makes the children.
      evaluation: of the children; None once it has been taken.
    """

    islands: slice
    programs: Programs
    fitness: NDArray[np.float64]
    children: Programs
    origins: NDArray[np.int64]
    breeders: list[Breeder]
    evaluation: Evaluation | None = None
