"""What every search algorithm takes and gives, and what it tells of itself."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from azero_jax.program import Programs
from azero_jax.state import State
from azero_jax.timings import Timings


class Evaluate(Protocol):
    """What gives candidates their fitness."""

    def __call__(self, programs: Programs, known: NDArray[np.float64] | None = None, /) -> NDArray[np.float64]:
        """`[N]` fitness of N programs; `known` `[N]` is that of exact copies of evaluated programs, NaN elsewhere."""


class NewBest(NamedTuple):
    """A program that is fitter than all before it on the same tasks.

    Attributes:
      candidates: programs evaluated when it was found.
      fitness: its fitness.
      program: the program, `[1]`.
      parent: what it was bred from, `[1]`; None of an initial program.
      mutation: the `Mutation` that made it, in lower case; "" of a copy or an initial program.
    """

    candidates: int
    fitness: float
    program: Programs
    parent: Programs | None = None
    mutation: str = ""


class Restart(NamedTuple):
    """An island that started again.

    Attributes:
      candidates: programs evaluated until then.
      island: its number, from 0.
      best_fitness: the best fitness that it had reached.
    """

    candidates: int
    island: int
    best_fitness: float


Event = NewBest | Restart


class SearchAlgorithm(Protocol):
    """What a search driver needs: one batch of candidates a step, and the best programs at hand.

    Attributes:
      candidates: programs evaluated so far.
      timings: where the time of the search itself goes.
    """

    candidates: int
    timings: Timings

    def step(self) -> None:
        """Makes and evaluates one batch of candidates."""

    def leaders(self) -> tuple[Programs, NDArray[np.float64]]:
        """The best current program of each island (one of random search), and their fitnesses."""

    def mean_fitness(self) -> float:
        """Mean fitness of the current programs."""

    @property
    def restarts(self) -> int:
        """How many islands have started again."""

    def median_fitness(self) -> float:
        """Median fitness of the current programs."""

    def take_events(self) -> list[Event]:
        """What happened since the last call."""

    def state(self) -> State:
        """Everything that the following steps depend on, apart from what `evaluate` remembers."""
