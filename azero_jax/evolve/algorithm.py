"""What every search algorithm takes and gives, and what it tells of itself."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from azero_jax.evolve.ancestry import Ancestor
from azero_jax.language.program import Programs
from azero_jax.process.state import State
from azero_jax.process.timings import Timings


class Evaluation(Protocol):
    """A batch of N candidates on its way to its fitness."""

    def take(self) -> NDArray[np.float64]:
        """`[N]` fitness, once it is there; to be called once."""

    def state(self) -> State:
        """What `Evaluate.resume` makes an evaluation of that is still to be taken; waits for the fitness."""


class Evaluate(Protocol):
    """What gives candidates their fitness, maybe while the search makes the next ones."""

    def submit(
        self, programs: Programs, known: NDArray[np.float64] | None = None, /, *, are_learnable: bool = False
    ) -> Evaluation:
        """Starts the evaluation of N programs, which may be overwritten from then on.

        `known` `[N]` is the fitness of exact copies of evaluated programs, NaN elsewhere; `are_learnable` tells that
        all others are. Evaluations are taken in the order in which they were submitted; at most two are on their way.
        """

    def resume(self, state: State) -> Evaluation:
        """The evaluation that gave this state."""


class AtOnce:
    """Evaluates with a plain function of programs, on the spot."""

    def __init__(self, function: Callable[[Programs], NDArray[np.float64]]) -> None:
        """`function` gives N programs their fitness `[N]`."""
        self._function = function

    def submit(
        self, programs: Programs, known: NDArray[np.float64] | None = None, /, *, are_learnable: bool = False
    ) -> Evaluation:
        """The fitness of N programs; see `Evaluate`."""
        fitness = self._function(programs)
        return _Evaluated(fitness if known is None else np.where(np.isnan(known), fitness, known))

    def resume(self, state: State) -> Evaluation:
        """The evaluation that gave this state."""
        return _Evaluated(state["fitness"].copy())


class _Evaluated:
    def __init__(self, fitness: NDArray[np.float64]) -> None:
        self._fitness = fitness

    def take(self) -> NDArray[np.float64]:
        return self._fitness

    def state(self) -> State:
        return {"fitness": self._fitness}


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
        """Takes the fitness of one batch of candidates, after the next ones have been made and submitted."""

    def leaders(self) -> tuple[Programs, NDArray[np.float64]]:
        """The best current program of each island (one of random search), and their fitnesses."""

    def take_ancestors(self, leader: int) -> tuple[int, list[Ancestor]]:
        """Where one of the leaders comes from.

        Returns:
          The number of its latest step, itself or an ancestor, and those of its steps, oldest first, that have not been
          taken yet.
        """

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
        """Everything that the following steps depend on, apart from what `evaluate` remembers.

        It waits for the fitness of what is on its way.
        """


def mean_of_run(fitness: NDArray[np.float64]) -> float:
    """Mean fitness of the programs that were run; those that were refused have less than 0. 0 if all were refused."""
    run = fitness[fitness >= 0]
    return float(run.mean()) if run.size else 0.0


def median_of_run(fitness: NDArray[np.float64]) -> float:
    """The same, the median."""
    run = fitness[fitness >= 0]
    return float(np.median(run)) if run.size else 0.0
