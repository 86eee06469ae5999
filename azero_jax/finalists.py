"""What is done with the best algorithms of a search when it ends: constants tuned, and measured on unseen tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np

from azero_jax.canonical import canonicalize
from azero_jax.config import Config, run_settings
from azero_jax.engines import make_engine
from azero_jax.evaluate import combine_tasks
from azero_jax.experiment import derive_seed, make_judge
from azero_jax.program import Programs, check_programs, concatenate
from azero_jax.result import Finalist
from azero_jax.space import SearchSpace
from azero_jax.task_sets import TaskSets
from azero_jax.text import format_program, parse_program
from azero_jax.tune import tune_constants

_TUNING_FACTOR: Final = 10.0  # evolution has found the order of magnitude


def tune_best(
    finalists: Sequence[Finalist], config: Config, task_sets: TaskSets, space: SearchSpace
) -> tuple[Finalist, ...]:
    """The same algorithms, the first with constants that do better on the select tasks, if random search finds any.

    Its fitness on the search tasks stays that of the program as evolution left it.

    Args:
      finalists: at least one, the best first.
      config: of the search; `budget.tune_trials` says how many constants are tried.
      task_sets: where its tasks come from.
      space: what its programs may look like.
    """
    best, *others = finalists
    experiment = best.experiment - 1
    engine = make_judge(config, task_sets, space, experiment, "select")
    program = parse_program(best.program, space)
    seed = derive_seed(config, experiment, "tuning")
    tuned = tune_constants(engine, program, config.budget.tune_trials, seed, _TUNING_FACTOR)
    if not tuned.fitness > max(tuned.trial_fitness[0], best.select_fitness):
        return tuple(finalists)
    text = format_program(tuned.program, 0, space)
    return (dataclasses.replace(best, program=text, select_fitness=tuned.fitness), *others)


def measure_finalists(
    finalists: Sequence[Finalist], config: Config, task_sets: TaskSets, space: SearchSpace
) -> tuple[Finalist, ...]:
    """The same algorithms with their fitness on the unseen tasks, which are the same in all experiments of a search.

    Args:
      finalists: at least one.
      config: of the search.
      task_sets: where its tasks come from.
      space: what its programs may look like.
    """
    programs = concatenate([parse_program(finalist.program, space) for finalist in finalists])
    tasks = task_sets.final(derive_seed(config, 0, "final"))
    settings = run_settings(config, derive_seed(config, 0, "random ops, final"), config.output.hall_of_fame)
    engine = make_engine(config.engine.engine, space, tasks, settings)
    outcome = engine.evaluate(canonicalize(programs, space, tasks.metric).programs)
    fitness = combine_tasks(np.asarray(outcome.fitness), "mean")
    return tuple(
        dataclasses.replace(finalist, final_fitness=float(value))
        for finalist, value in zip(finalists, fitness, strict=True)
    )


def read_programs(texts: Sequence[str], space: SearchSpace) -> Programs:
    """`[N]` programs from N texts, at least one.

    Raises:
      ValueError: a text is not a program of the search space.
    """
    programs = concatenate([parse_program(text, space) for text in texts])
    check_programs(programs, space)
    return programs
