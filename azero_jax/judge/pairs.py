"""How well one program does on the class pairs of a data set: accuracy of each pair, mean, standard error."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from azero_jax.engines.settings import EngineConfig
from azero_jax.judge.run_program import judge_program, standard_error
from azero_jax.process.progress import Progress, no_progress
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.pairs import Pair
from azero_jax.tasks.projected import Projected


class PairAccuracy(NamedTuple):
    """One pair: mean over its projections, and standard error of that mean (NaN for one projection)."""

    pair: Pair
    mean: float
    standard_error: float
    tasks: int


class DataAccuracy(NamedTuple):
    """All pairs: mean over the pairs, and standard error of that mean (NaN for one pair)."""

    pairs: tuple[PairAccuracy, ...]
    mean: float
    standard_error: float


def accuracy_by_pair(
    text: str,
    data: Projected,
    pairs: Sequence[Pair],
    *,
    projections: Sequence[int] | None = None,
    part: str = "test",
    train_examples: int | None = None,
    engine: EngineConfig | None = None,
    epochs: int = 1,
    seed: int = 0,
    progress: Progress = no_progress,
) -> DataAccuracy:
    """Trains a program anew on every task of the pairs, and judges it.

    Args:
      text: the program, as `azero_jax.language.text` reads it.
      data: the projected classes.
      pairs: class pairs.
      projections: numbers of the projections; None takes all.
      part: examples to judge by, "valid" or "test".
      train_examples: training examples of a task; None takes all.
      engine: what runs the program; None takes the defaults.
      epochs: passes over the training examples.
      seed: of the random ops.
      progress: called after each pair.

    Raises:
      ValueError: no pair, a program that does not parse, or tasks that cannot be made.
    """
    if not pairs:
        raise ValueError("there are no pairs to judge the program on; at least one is needed")
    numbers = range(data.projections) if projections is None else projections
    rows = []
    for done, pair in enumerate(pairs, start=1):
        tasks = pair_tasks(data, [(pair, number) for number in numbers], part=part, train_examples=train_examples)
        accuracies = judge_program(text, tasks, engine, epochs=epochs, seed=seed)
        rows.append(PairAccuracy(pair, float(accuracies.mean()), standard_error(accuracies), len(accuracies)))
        progress("judging pairs", done, len(pairs))
    means = np.array([row.mean for row in rows])
    return DataAccuracy(tuple(rows), float(means.mean()), standard_error(means))
