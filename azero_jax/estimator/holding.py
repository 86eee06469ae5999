"""Whether a program does on all rows what it did in the search, where it saw fewer at a time."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.outcome import fitness_of_loss
from azero_jax.learner.learner import Learner

_MARGIN: Final = 0.05  # of fitness, by which a program may do worse
_TRIES: Final = 4  # programs


class Candidate(NamedTuple):
    """A program, and its fitness in the search; 0 if there was none."""

    program: str
    fitness: float


def first_that_holds(
    train: Callable[[str], Learner], candidates: Sequence[Candidate], x: NDArray[np.float64], y: NDArray[Any]
) -> Learner:
    """The first of the first few programs that does about as well on its training rows; the best of them if none does.

    A program may be stable for as many rows as a task of the search has, and blow up soon after.

    Args:
      train: makes a trained learner of a program.
      candidates: at least one.
      x: `[N, F]` rows that it is trained on.
      y: `[N]` their labels.
    """
    tried: dict[str, tuple[float, Learner]] = {}
    for program, expected in candidates:
        if program not in tried:
            learner = train(program)
            tried[program] = training_fitness(learner, x, y), learner
        if tried[program][0] >= expected - _MARGIN:
            return tried[program][1]
        if len(tried) == _TRIES:
            break
    return max(tried.values(), key=lambda entry: entry[0])[1]


def training_fitness(learner: Learner, x: NDArray[np.float64], y: NDArray[Any]) -> float:
    """Fitness of a learner's predictions of rows, as an engine has it."""
    with np.errstate(over="ignore", invalid="ignore"):
        predictions = learner.predict(x).astype(np.float64)
        losses = predictions != y if learner.metric.is_classification else (predictions - y) ** 2
        return float(fitness_of_loss(np.array([losses.sum(dtype=np.float64)]), len(y), learner.metric)[0])
