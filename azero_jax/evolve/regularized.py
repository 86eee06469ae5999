"""Regularized evolution (Real et al. 2019, arXiv 1802.01548), over islands, whole batches at once.

Every island has its own population, in slots in order of age. A child's parent is the best of a tournament, drawn with
replacement; the child, mutated, takes the slot of the island's oldest program, whatever their fitnesses. With one
island and a batch of one child a step this is the original's loop; larger batches draw all their parents from the
population before any of their children is in it.

The islands work in two halves: while the children of one are evaluated, those of the other are bred. An island sees
nothing of the others, but for the best of all being spared from restarts.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import space_tables
from azero_jax.evolve.algorithm import Evaluate, Evaluation, Event, NewBest, Restart
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.language.program import Programs, concatenate, empty_programs, programs_state, restore_programs
from azero_jax.language.space import SearchSpace
from azero_jax.mutate import Mutation, no_op_programs, random_programs
from azero_jax.mutate.mutations import mutate_one
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
    ) -> None:
        """Evaluates the initial population, or goes on from a state.

        Args:
          space: what programs may look like.
          evaluate: gives batches their fitness; `AtOnce` makes one of a function.
          settings: islands, populations, tournaments, mutations and restarts.
          generator: the only source of randomness.
          seeds: programs to start from; every island repeats them until its population is full. None starts from
            random or empty programs, as the settings say.
          state: what `state()` of a search with the same space, settings and seeds gave.
        """
        self._space = space
        self._evaluate = evaluate
        self._settings = settings
        self._generator = generator
        self._seeds = seeds
        self._arrays = space_tables(space)
        self._policy = settings.mutation_policy()
        self._cumulative = self._policy.cumulative()
        self.timings = Timings()
        self._events: list[Event] = []
        if state is None:
            self._begin()
        else:
            self._restore(state)

    def _begin(self) -> None:
        islands, population = self._settings.islands, self._settings.population
        self.programs = concatenate([self._initial_programs() for _ in range(islands)])
        self.fitness = self._evaluate.submit(self.programs).take().reshape(islands, population)
        self.oldest = 0
        self.candidates = islands * population
        self.restarts = 0
        self._best = self.fitness.max(axis=1)
        self._since_gain = np.zeros(islands, np.int64)  # candidates of each island since its last gain
        self._record = -np.inf
        self._note_new_best(self.programs, self.fitness.reshape(-1))
        self._halves = self._make_halves()
        if len(self._halves) > 1:
            self._breed(self._halves[0])

    def step(self) -> None:
        """One batch on every island: each half is bred while the other one's children are evaluated."""
        *ahead, last = self._halves
        self._breed(last)
        for half in ahead:
            self._age(half)
            self._breed(half)
        self._age(last)
        self.oldest = (self.oldest + self._settings.batch) % self._settings.population

    def leaders(self) -> tuple[Programs, NDArray[np.float64]]:
        """The best current program of each island, `[I]`, and their fitnesses."""
        slots = self.fitness.argmax(axis=1)
        islands = np.arange(len(slots))
        return self.programs[islands * self._settings.population + slots], self.fitness[islands, slots]

    def mean_fitness(self) -> float:
        """Mean fitness of the current programs of all islands."""
        return float(self.fitness.mean())

    def median_fitness(self) -> float:
        """Median fitness of the current programs of all islands."""
        return float(np.median(self.fitness))

    def take_events(self) -> list[Event]:
        """New best programs and restarts since the last call."""
        events, self._events = self._events, []
        return events

    def state(self) -> State:
        """Populations, children on their way, random generator and counts; the arrays are not copied."""
        state = {
            **with_prefix("programs", programs_state(self.programs)),
            "fitness": self.fitness,
            "best": self._best,
            "since_gain": self._since_gain,
            "record": np.array(self._record),
            "counts": np.array([self.oldest, self.candidates, self.restarts]),
            "generator": generator_state(self._generator),
        }
        first = self._halves[0]
        if first.evaluation is not None:
            state |= with_prefix("children", programs_state(first.children))
            state |= with_prefix("ahead", first.evaluation.state())
            state["origins"] = first.origins
        return state

    def _restore(self, state: State) -> None:
        self.programs = restore_programs(without_prefix("programs", state))
        self.fitness, self._best, self._since_gain = (state[name].copy() for name in ("fitness", "best", "since_gain"))
        self._record = float(state["record"])
        self.oldest, self.candidates, self.restarts = state["counts"].tolist()
        restore_generator(self._generator, state["generator"])
        self._halves = self._make_halves()
        if "origins" in state:
            first = self._halves[0]
            first.children.put(slice(None), restore_programs(without_prefix("children", state)))
            first.origins[:] = state["origins"]
            first.evaluation = self._evaluate.resume(without_prefix("ahead", state))

    def _make_halves(self) -> list[_Half]:
        islands, batch = self._settings.islands, self._settings.batch
        middle = islands // 2
        return [
            _Half(
                islands=slice(begin, end),
                programs=self.programs[begin * self._settings.population : end * self._settings.population],
                fitness=self.fitness[begin:end],
                children=empty_programs((end - begin) * batch, self._space),
                origins=np.zeros(((end - begin) * batch, 2), np.int64),
            )
            for begin, end in ((0, middle), (middle, islands))
            if end > begin
        ]

    def _breed(self, half: _Half) -> None:
        """Makes the next children of one half of the islands, and submits them."""
        with self.timings.phase("breed"):
            _breed(
                half.programs.arrays(),
                half.fitness,
                half.children.arrays(),
                self._settings.tournament,
                self._arrays,
                self._policy.probability,
                self._cumulative,
                self._generator,
                half.origins,
            )
            copies = half.origins[:, 1] < 0
            known = np.where(copies, half.fitness.reshape(-1)[half.origins[:, 0]], np.nan)
        half.evaluation = self._evaluate.submit(half.children, known)

    def _age(self, half: _Half) -> None:
        """Replaces the oldest programs of one half of the islands by its children; islands that are stuck restart."""
        assert half.evaluation is not None
        fitness = half.evaluation.take()
        half.evaluation = None
        with self.timings.phase("age"):
            self._note_new_best(half.children, fitness, half)
            newest = fitness.reshape(-1, self._settings.batch)
            _replace_oldest(half.programs.arrays(), half.fitness, half.children.arrays(), newest, self.oldest)
        self.candidates += len(fitness)
        if self._settings.restart_after > 0:
            self._restart_stuck(half.islands, newest.max(axis=1))

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

    def _initial_programs(self) -> Programs:
        count = self._settings.population
        if self._seeds is not None:
            return self._seeds[np.arange(count) % len(self._seeds)]
        if self._settings.initial == "empty":
            return no_op_programs(self._space, count)
        return random_programs(self._space, count, self._generator)

    def _restart_stuck(self, islands: slice, newest: NDArray[np.float64]) -> None:
        best = self._best[islands]
        gained = newest > best + (1 - best) * self._settings.restart_gain
        self._best[islands] = np.where(gained, newest, best)
        self._since_gain[islands] = np.where(gained, 0, self._since_gain[islands] + self._settings.batch)
        stuck = self._since_gain >= self._settings.restart_after
        stuck[self._best.argmax()] = False
        for island in range(islands.start, islands.stop):
            if stuck[island]:
                self._restart(island)

    def _restart(self, island: int) -> None:
        self._events.append(Restart(self.candidates, island, float(self._best[island])))
        population = self._settings.population
        fresh = self._initial_programs()
        self.programs.put(slice(island * population, (island + 1) * population), fresh)
        self.fitness[island] = self._evaluate.submit(fresh).take()
        self.candidates += population
        self._note_new_best(fresh, self.fitness[island])
        self._best[island] = self.fitness[island].max()
        self._since_gain[island] = 0
        self.restarts += 1


@dataclasses.dataclass
class _Half:
    """Some islands, whose children are bred, evaluated and taken in together.

    Attributes:
      islands: which.
      programs: their populations, a view of all.
      fitness: `[i, P]` of these, a view of all.
      children: `[i * batch]` the latest.
      origins: `[i * batch, 2]` of each child, its parent's place in `programs`, and its `Mutation`.
      evaluation: of the children; None once it has been taken.
    """

    islands: slice
    programs: Programs
    fitness: NDArray[np.float64]
    children: Programs
    origins: NDArray[np.int64]
    evaluation: Evaluation | None = None


@compiled_loop
def _replace_oldest(programs, fitness, children, child_fitness, oldest):  # type: ignore[no-untyped-def]
    islands, population = fitness.shape
    batch = child_fitness.shape[1]
    program_rows, child_rows = _rows(programs), _rows(children)
    for island in range(islands):
        for child in range(batch):
            slot = (oldest + child) % population
            _copy(child_rows, island * batch + child, program_rows, island * population + slot)
            fitness[island, slot] = child_fitness[island, child]


@njit(nogil=True, forceinline=True)
def _rows(programs):  # type: ignore[no-untyped-def]
    """The arrays of programs with one axis after the first, whose rows are copied fastest."""
    count = len(programs.opcodes)
    return (
        programs.opcodes,
        programs.addresses.reshape(count, -1),
        programs.constants.reshape(count, -1),
        programs.sizes,
    )


@inlined
def _copy(sources, n, targets, m):  # type: ignore[no-untyped-def]
    _copy_row(sources[0], n, targets[0], m)
    _copy_row(sources[1], n, targets[1], m)
    _copy_row(sources[2], n, targets[2], m)
    _copy_row(sources[3], n, targets[3], m)


@inlined
def _copy_row(source, n, target, m):  # type: ignore[no-untyped-def]
    for column in range(source.shape[1]):
        target[m, column] = source[n, column]


@compiled_loop
def _breed(  # type: ignore[no-untyped-def]
    programs, fitness, children, tournament, space, probability, cumulative, generator, origins
):
    islands, population = fitness.shape
    batch = len(children.opcodes) // islands
    parent_rows, child_rows = _rows(programs), _rows(children)
    for island in range(islands):
        scores = fitness[island]
        first = island * batch
        for child in range(first, first + batch):
            winner = int(generator.random() * population)
            best = scores[winner]
            for _ in range(tournament - 1):
                rival = int(generator.random() * population)
                if scores[rival] > best:
                    winner, best = rival, scores[rival]
            origins[child, 0] = island * population + winner
        for child in range(first, first + batch):  # by themselves, so that the memory serves many at the same time
            _copy(parent_rows, origins[child, 0], child_rows, child)
        for child in range(first, first + batch):
            origins[child, 1] = mutate_one(children, child, space, probability, cumulative, generator)
