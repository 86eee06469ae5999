"""Ancestry: through which programs each program of a population has come about.

Of a program's ancestors only those are kept that were fitter than all of their own, its *steps*, and the first one.
Most children are no fitter than their ancestors, so that little is noted of them: which step their parent came from.
Steps that no program of the population comes from are forgotten when room is needed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.language.program import Programs, empty_programs, programs_state, restore_programs
from azero_jax.language.space import SearchSpace
from azero_jax.process.state import State, with_prefix, without_prefix

NO_STEP: Final = -1
_NUMBER, _BEFORE, _BORN, _MUTATION, _IS_TOLD = range(5)  # columns of `_facts`
_ROOM: Final = 64  # steps that there is always room for


class Ancestor(NamedTuple):
    """One step.

    Attributes:
      number: by which it is known, ascending in a search.
      before: the number of the step that it comes from; `NO_STEP` of an initial program.
      born: programs that had been evaluated before it.
      fitness: its fitness.
      mutation: the number of the `Mutation` that made it; -1 of an initial program.
      program: the program, `[1]`.
      parent: its parent, `[1]`, which may be a later descendant of `before`; None of an initial program.
    """

    number: int
    before: int
    born: int
    fitness: float
    mutation: int
    program: Programs
    parent: Programs | None


@compiled_loop
def _inherit(
    step: NDArray[np.int64],
    peak: NDArray[np.float64],
    parents: NDArray[np.int64],
    fitness: NDArray[np.float64],
    steps: NDArray[np.int64],
    peaks: NDArray[np.float64],
) -> bool:
    """Gives children the steps and peaks of their parents; whether a child is fitter than that."""
    is_any = False
    for child in range(len(parents)):
        steps[child], peaks[child] = step[parents[child]], peak[parents[child]]
        is_any |= fitness[child] > peaks[child]
    return is_any


@compiled_loop
def _settle(
    step: NDArray[np.int64],
    peak: NDArray[np.float64],
    slots: NDArray[np.int64],
    steps: NDArray[np.int64],
    peaks: NDArray[np.float64],
) -> None:
    """Puts the steps and peaks of children into their slots."""
    for child in range(len(slots)):
        step[slots[child]], peak[slots[child]] = steps[child], peaks[child]


class Ancestry:
    """The steps of all programs in S slots."""

    def __init__(self, space: SearchSpace, slots: int, state: State | None = None) -> None:
        """Nothing yet, or what `state()` gave."""
        self._space = space
        self._step = np.full(slots, NO_STEP)  # of each slot: the row of the latest step
        self._peak = np.full(slots, -np.inf)  # the best fitness in its line
        self._count, self._next_number = 0, 0
        self._make_room(slots + _ROOM)
        if state is not None:
            self._restore(state)

    def move(self, slots: NDArray[np.int64], sources: NDArray[np.int64]) -> None:
        """Takes note that programs have changed places: slots `[n]` get what was in `sources` `[n]`, a permutation."""
        self._step[slots], self._peak[slots] = self._step[sources], self._peak[sources]

    def begin(
        self, slots: slice | NDArray[np.int64], programs: Programs, fitness: NDArray[np.float64], born: int
    ) -> None:
        """Takes in initial programs `[n]` of fitness `[n]`, which fill some slots."""
        self._step[slots] = NO_STEP
        facts = np.tile(np.array([NO_STEP, born, -1]), (len(programs), 1))
        self._step[slots] = self._add(programs, None, fitness, facts)
        self._peak[slots] = fitness

    def replace(
        self,
        slots: NDArray[np.int64],
        parents: NDArray[np.int64],
        children: Programs,
        fitness: NDArray[np.float64],
        mutations: NDArray[np.int64],
        population: Programs,
        born: int,
    ) -> None:
        """Takes in children `[n]`, before they replace the programs in their slots.

        Args:
          slots: `[n]` that they get.
          parents: `[n]` slots of their parents.
          children: the programs.
          fitness: `[n]` theirs.
          mutations: `[n]` that made them, -1 of copies.
          population: `[S]` the programs in all slots, the parents among them.
          born: programs that were evaluated before them.
        """
        steps, peaks = np.empty(len(fitness), np.int64), np.empty(len(fitness))
        if _inherit(self._step, self._peak, parents, fitness, steps, peaks):
            fitter = np.flatnonzero(fitness > peaks)
            if self._count + len(fitter) > len(self._fitness):
                self._forget(len(fitter))
                steps = self._step[parents]
            before = self._facts[steps[fitter], _NUMBER]
            facts = np.empty((len(fitter), 3), np.int64)
            facts[:, 0], facts[:, 1], facts[:, 2] = before, born, mutations[fitter]
            rows = self._add(children[fitter], population[parents[fitter]], fitness[fitter], facts, steps[fitter])
            steps[fitter], peaks[fitter] = rows, fitness[fitter]
        _settle(self._step, self._peak, slots, steps, peaks)

    def take(self, slot: int) -> tuple[int, list[Ancestor]]:
        """The number of a slot's latest step, and those of its steps, oldest first, that were not taken before."""
        row, taken = int(self._step[slot]), []
        last = int(self._facts[row, _NUMBER])
        while row != NO_STEP and not self._facts[row, _IS_TOLD]:
            self._facts[row, _IS_TOLD] = 1
            number, before, born, mutation, _ = self._facts[row].tolist()
            parent = None if before == NO_STEP else self._parents[row : row + 1].copy()
            program = self._programs[row : row + 1].copy()
            taken.append(Ancestor(number, before, born, float(self._fitness[row]), mutation, program, parent))
            row = int(self._rows_before[row])
        return last, taken[::-1]

    def state(self) -> State:
        """Everything, as arrays; what nothing comes from is forgotten first."""
        self._forget(0)
        kept = slice(0, self._count)
        return {
            "step": self._step,
            "peak": self._peak,
            "facts": self._facts[kept],
            "rows_before": self._rows_before[kept],
            "fitness": self._fitness[kept],
            "next_number": np.array(self._next_number),
            **with_prefix("programs", programs_state(self._programs[kept])),
            **with_prefix("parents", programs_state(self._parents[kept])),
        }

    def _restore(self, state: State) -> None:
        self._step, self._peak = state["step"].copy(), state["peak"].copy()
        count = len(state["fitness"])
        self._make_room(count + len(self._step) + _ROOM)
        kept = slice(0, count)
        self._facts[kept], self._rows_before[kept] = state["facts"], state["rows_before"]
        self._fitness[kept] = state["fitness"]
        self._programs.put(kept, restore_programs(without_prefix("programs", state)))
        self._parents.put(kept, restore_programs(without_prefix("parents", state)))
        self._count, self._next_number = count, int(state["next_number"])

    def _make_room(self, capacity: int) -> None:
        """Empty tables for so many steps."""
        self._programs, self._parents = (empty_programs(capacity, self._space) for _ in range(2))
        self._facts = np.zeros((capacity, 5), np.int64)
        self._rows_before = np.full(capacity, NO_STEP)
        self._fitness = np.zeros(capacity)

    def _add(
        self,
        programs: Programs,
        parents: Programs | None,
        fitness: NDArray[np.float64],
        facts: NDArray[np.int64],
        rows_before: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Adds steps `[n]`; `facts` are `before`, `born` and `mutation`. Returns their rows."""
        count = len(programs)
        if self._count + count > len(self._fitness):
            self._forget(count)
        rows = slice(self._count, self._count + count)
        self._programs.put(rows, programs)
        self._parents.put(rows, empty_programs(count, self._space) if parents is None else parents)
        self._facts[rows, _NUMBER] = self._next_number + np.arange(count)
        self._facts[rows, _BEFORE : _MUTATION + 1] = facts
        self._facts[rows, _IS_TOLD] = 0
        self._rows_before[rows] = NO_STEP if rows_before is None else rows_before
        self._fitness[rows] = fitness
        self._count += count
        self._next_number += count
        return np.arange(rows.start, rows.stop)

    def _forget(self, wanted: int) -> None:
        """Keeps only steps that a program comes from, and makes room for as many again, and for those `wanted`."""
        kept = np.zeros(len(self._fitness) + 1, np.bool_)  # the last row is that of `NO_STEP`
        frontier = np.unique(self._step)
        while len(frontier):
            kept[frontier] = True
            frontier = np.unique(self._rows_before[frontier[frontier != NO_STEP]])
            frontier = frontier[~kept[frontier]]
        rows = np.flatnonzero(kept[:-1])
        places = np.append(np.cumsum(kept[:-1]) - 1, NO_STEP)
        self._step = places[self._step]
        old = (self._facts[rows], places[self._rows_before[rows]], self._fitness[rows])
        programs, parents = self._programs[rows], self._parents[rows]
        room = max(2 * len(rows), len(rows) + wanted) + _ROOM
        if room > len(self._fitness):
            self._make_room(room)
        self._count = len(rows)
        now = slice(0, self._count)
        self._facts[now], self._rows_before[now], self._fitness[now] = old
        self._programs.put(now, programs)
        self._parents.put(now, parents)
