"""How well one program does on the class pairs of a data set: accuracy of each pair, mean, standard error, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.canonical import canonicalize
from azero_jax.data.source import Progress, no_progress
from azero_jax.engines import RunSettings, make_engine
from azero_jax.programs import program_space
from azero_jax.tasks import Tasks
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.pairs import Pair
from azero_jax.tasks.projected import Projected
from azero_jax.text import parse_program


class PairAccuracy(NamedTuple):
    """One pair: mean over its projections, and standard error of that mean (NaN for one projection)."""

    pair: Pair
    mean: float
    standard_error: float
    tasks: int


class DataAccuracy(NamedTuple):
    """All pairs: mean over the pairs, standard error over the pairs (NaN for one pair), and the wall time of it all."""

    pairs: tuple[PairAccuracy, ...]
    mean: float
    standard_error: float
    seconds: float


def accuracy_by_pair(
    text: str,
    data: Projected,
    pairs: Sequence[Pair],
    *,
    projections: Sequence[int] | None = None,
    part: str = "test",
    train_examples: int | None = None,
    settings: RunSettings | None = None,
    engine: str = "auto",
    progress: Progress = no_progress,
) -> DataAccuracy:
    """Trains a program anew on every task of the pairs, and judges it.

    Args:
      text: the program, as `azero_jax.text` reads it.
      data: the projected classes.
      pairs: class pairs.
      projections: numbers of the projections; None takes all.
      part: examples to judge by, "valid" or "test".
      train_examples: training examples of a task; None takes all.
      settings: epochs, precision and seed of the random ops.
      engine: "auto", "warp" or "xla".
      progress: called after each pair.

    Raises:
      ValueError: no pair, a program that does not parse, or tasks that cannot be made.
    """
    if not pairs:
        raise ValueError("there are no pairs to judge the program on; at least one is needed")
    start = time.perf_counter()
    numbers = range(data.projections) if projections is None else projections
    rows = []
    for done, pair in enumerate(pairs, start=1):
        tasks = pair_tasks(data, [(pair, number) for number in numbers], part=part, train_examples=train_examples)
        accuracies = program_fitness(text, tasks, settings, engine)
        rows.append(PairAccuracy(pair, float(accuracies.mean()), standard_error(accuracies), len(accuracies)))
        progress("judging pairs", done, len(pairs))
    means = np.array([row.mean for row in rows])
    return DataAccuracy(tuple(rows), float(means.mean()), standard_error(means), time.perf_counter() - start)


def program_fitness(
    text: str, tasks: Tasks, settings: RunSettings | None = None, engine: str = "auto"
) -> NDArray[np.float64]:
    """`[T]`: fitness of a program, given as text, on each task, in the smallest space that it fits into.

    It is run in canonical form, as in a search, so that its random ops draw the same numbers as there.

    Raises:
      ValueError: the program does not parse.
    """
    space = program_space(text, tasks.features)
    ready = make_engine(engine, space, tasks, settings or RunSettings(batch_size=1))
    canonical = canonicalize(parse_program(text, space), space, tasks.metric).programs
    return np.asarray(ready.evaluate(canonical).fitness[0], np.float64)


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of `[n]` values; NaN for fewer than two."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
