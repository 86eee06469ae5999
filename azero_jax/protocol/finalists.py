"""What is done with the best algorithms of a search when it ends: constants tuned, and measured on unseen tasks."""

import dataclasses
from collections.abc import Sequence
from typing import Final

from azero_jax.config.tree import Config, derive_seed
from azero_jax.judge.run_program import final_judge, select_judge
from azero_jax.judge.tune import tune_constants
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import format_program, parse_program, read_programs
from azero_jax.process.patience import Patience
from azero_jax.protocol.finalist import Finalist
from azero_jax.tasks.sets import TaskSets

_TUNING_FACTOR: Final = 10.0  # evolution has found the order of magnitude


def tune_best(
    finalists: Sequence[Finalist],
    config: Config,
    task_sets: TaskSets,
    space: SearchSpace,
    patience: Patience | None = None,
) -> tuple[Finalist, ...]:
    """The same algorithms, the first with constants that do better on the select tasks, if random search finds any.

    Its fitness on the search tasks stays that of the program as evolution left it. `finalists` are at least one, the
    best first; `budget.tune_trials` says how many constants are tried.
    """
    best, *others = finalists
    experiment = best.experiment - 1
    judge = select_judge(config, task_sets, space, experiment, "select", patience)
    program = parse_program(best.program, space)
    seed = derive_seed(config, experiment, "tuning")
    tuned = tune_constants(judge, program, config.budget.tune_trials, seed, _TUNING_FACTOR)
    if not tuned.fitness > max(tuned.trial_fitness[0], best.select_fitness):
        return tuple(finalists)
    text = format_program(tuned.program, 0, space)
    before, after = best.select_fitness, tuned.fitness
    return (dataclasses.replace(best, program=text, select_fitness=after, untuned_fitness=before), *others)


def measure_finalists(
    finalists: Sequence[Finalist],
    config: Config,
    task_sets: TaskSets,
    space: SearchSpace,
    patience: Patience | None = None,
) -> tuple[Finalist, ...]:
    """The same algorithms (at least one) with their fitness on the unseen tasks; None once patience is over."""
    programs = read_programs([finalist.program for finalist in finalists], space)
    fitness = final_judge(config, task_sets, space, patience).mean_fitness(programs).tolist()
    measured = [None if value < 0 else value for value in fitness]
    return tuple(
        dataclasses.replace(finalist, final_fitness=value) for finalist, value in zip(finalists, measured, strict=True)
    )
