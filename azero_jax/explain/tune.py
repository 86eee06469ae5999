"""Constants tuned by gradients and by random search; what that gains is measured on tasks that were not used for it."""

from __future__ import annotations

import dataclasses
import time
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.config.tree import Config, derive_seed
from azero_jax.explain.ablate import Bench, common_space
from azero_jax.explain.gradients import descend
from azero_jax.explain.listing import Listing, read_listing
from azero_jax.explain.settings import TUNING_TRIALS
from azero_jax.judge.run_program import Judge, standard_error
from azero_jax.judge.tune import tune_constants
from azero_jax.language import ops
from azero_jax.language.text import format_program, parse_program
from azero_jax.tasks import Tasks
from azero_jax.tasks.classification import join_tasks
from azero_jax.tasks.sets import MixedTasks, PairTasks, TaskSets

_TASKS: Final = 32  # to tune on
_STARTS: Final = 8
_STARTS_WITH_MATRICES: Final = 3  # which take much longer
_LEAST_GAIN: Final = 1e-6  # less is rounding


class Method(NamedTuple):
    """One way of tuning.

    Attributes:
      name: of the method.
      program: with the constants that did best on the tasks that it was tuned on.
      fitness: mean on those tasks.
      gain: mean gain on other tasks.
      standard_error: of that mean; NaN for one task.
      seconds: that it took.
    """

    name: str
    program: str
    fitness: float
    gain: float
    standard_error: float
    seconds: float


class Tuning(NamedTuple):
    """What came of it.

    Attributes:
      fitness: of the program as it was, on the tasks to tune on.
      tasks: to tune on.
      other_tasks: that the gain is measured on.
      methods: gradients and random search.
      kept: the name of the method whose constants are better on the other tasks; "" if the old ones are kept.
      program: the program with the constants that are kept.
    """

    fitness: float
    tasks: int
    other_tasks: int
    methods: tuple[Method, ...]
    kept: str
    program: str


def tune(listing: Listing, task_sets: TaskSets, config: Config, trials: int = TUNING_TRIALS) -> Tuning | None:
    """Tunes the constants of a program; None if it has none that is not zero.

    Args:
      listing: the program.
      task_sets: the tasks, drawn anew to tune on, and again to see what it gains; see `tuning_tasks`.
      config: says how programs are run.
      trials: of random search.
    """
    if all(one.x == one.y == 0 for _, one in listing.places()):
        return None
    epochs = config.tasks.epochs
    seed = derive_seed(config, 0, "random ops, explained tuning")
    tasks = tuning_tasks(task_sets, derive_seed(config, 0, "explained tuning")).first(_TASKS)
    others = task_sets.select(derive_seed(config, 0, "tuned"))
    bench = Bench(tasks, config.engine, epochs=epochs, seed=seed)

    start = time.perf_counter()
    has_matrices = any(one.op.output == ops.MATRIX for _, one in listing.places())
    starts = _STARTS_WITH_MATRICES if has_matrices else _STARTS
    descent = descend(listing, tasks, starts=starts, epochs=epochs, seed=seed % 2**31)
    candidates = [listing, *descent.programs]
    fitness = bench.run(candidates)[0].mean(axis=1)
    middle = time.perf_counter()
    found = [("gradients", candidates[int(fitness.argmax())], float(fitness.max()), middle - start)]

    space = common_space([listing], tasks.features)
    judge = Judge(space, tasks, config.engine, epochs=epochs, seed=seed, batch_size=trials)
    tuned = tune_constants(judge, parse_program(listing.text(), space), trials, seed)
    random = read_listing(format_program(tuned.program, 0, space))
    found.append(("random search", random, tuned.fitness, time.perf_counter() - middle))

    gains = _gains(
        [listing, *(program for _, program, _, _ in found)],
        Bench(others, config.engine, epochs=epochs, seed=derive_seed(config, 0, "random ops, tuned")),
    )
    methods = tuple(
        Method(name, program.text(), value, float(gain.mean()), standard_error(gain), seconds)
        for (name, program, value, seconds), gain in zip(found, gains, strict=True)
    )
    best = max(methods, key=lambda method: method.gain)
    noise = 0.0 if np.isnan(best.standard_error) else best.standard_error
    is_gain = best.gain > max(noise, _LEAST_GAIN)
    return Tuning(
        fitness=float(fitness[0]),
        tasks=len(tasks),
        other_tasks=len(others),
        methods=methods,
        kept=best.name if is_gain else "",
        program=best.program if is_gain else listing.text(),
    )


def tuning_tasks(task_sets: TaskSets, seed: int) -> Tasks:
    """Tasks to tune on: as large as those to select by, but of other class pairs where tasks are of class pairs."""
    if isinstance(task_sets, MixedTasks):
        return join_tasks(*(tuning_tasks(part, seed) for part in task_sets.parts))
    if not isinstance(task_sets, PairTasks):
        return task_sets.select(seed)
    ours = task_sets.settings
    settings = dataclasses.replace(
        ours,
        search_tasks=ours.select_tasks,
        train_examples=ours.select_train_examples,
        valid_examples=ours.select_valid_examples,
    )
    return dataclasses.replace(task_sets, settings=settings).search(seed)


def _gains(listings: list[Listing], bench: Bench) -> list[NDArray[np.float64]]:
    """`[T]` gains over the first program, of each of the others."""
    fitness, _ = bench.run(listings)
    return [row - fitness[0] for row in fitness[1:]]
