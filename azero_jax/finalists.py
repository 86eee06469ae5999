"""The best algorithms of a search on the unseen tasks, once, when it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from azero_jax.canonical import canonicalize
from azero_jax.config import Config, run_settings
from azero_jax.engines import make_engine
from azero_jax.evaluate import combine_tasks
from azero_jax.experiment import derive_seed
from azero_jax.program import Programs, check_programs, concatenate
from azero_jax.result import Finalist
from azero_jax.space import SearchSpace
from azero_jax.task_sets import TaskSets
from azero_jax.text import parse_program


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
    programs = read_programs([finalist.raw_program for finalist in finalists], space)
    tasks = task_sets.final(derive_seed(config, 0, "final"))
    settings = run_settings(config, derive_seed(config, 0, "random ops"), config.output.hall_of_fame)
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
