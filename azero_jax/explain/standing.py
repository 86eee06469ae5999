"""How a program does on select and on unseen tasks, beside a linear model and a net that are tuned on the former."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.config.tree import Config, derive_seed
from azero_jax.judge.baseline_models import Baseline, linear_model, two_layer_net
from azero_jax.judge.baselines import evaluate_baseline
from azero_jax.judge.comparison import linear_name, tune_on_few
from azero_jax.judge.run_program import judge_program, standard_error
from azero_jax.language.roles import Metric
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets

_MOST_TASKS: Final = 100  # of a set, for baselines


class Standing(NamedTuple):
    """One contestant: mean fitness and standard error (NaN for one task) on select and on unseen tasks."""

    name: str
    select: float
    select_error: float
    unseen: float
    unseen_error: float


def compare(text: str, task_sets: TaskSets, config: Config) -> tuple[Standing, ...]:
    """The program, a (logistic) regression and a two-layer net, in this order.

    Every contestant is trained anew on each task, with as many passes over the same examples.
    """
    select = task_sets.select(derive_seed(config, 0, "select")).first(_MOST_TASKS)
    final = task_sets.final(derive_seed(config, 0, "final")).first(_MOST_TASKS)
    seed = derive_seed(config, 0, "random ops, final")
    own = (
        judge_program(text, tasks, config.engine, epochs=config.tasks.epochs, seed=seed) for tasks in (select, final)
    )
    rows = [_standing("the program", *own)]
    for name, model in ((linear_name(final.metric), linear_model()), ("two-layer net", two_layer_net())):
        rows.append(_standing(name, *_baseline(model, select, final, config)))
    return tuple(rows)


def describe_metric(metric: Metric) -> str:
    """What fitness is, in a few words."""
    return "accuracy" if metric.is_classification else "1 - (2 / pi) arctan(root mean squared error)"


def metric_label(metric: Metric) -> str:
    """What an axis of fitness is called."""
    return "accuracy" if metric.is_classification else "fitness (1: no error)"


def _baseline(
    model: Baseline, select: Tasks, final: Tasks, config: Config
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hyperparameters = tune_on_few(model, select, config)
    fitness = (
        evaluate_baseline(model, tasks, hyperparameters, epochs=config.tasks.epochs, seed=config.seed)
        for tasks in (select, final)
    )
    first, second = (np.asarray(values, np.float64) for values in fitness)
    return first, second


def _standing(name: str, select: NDArray[np.float64], final: NDArray[np.float64]) -> Standing:
    return Standing(name, float(select.mean()), standard_error(select), float(final.mean()), standard_error(final))
