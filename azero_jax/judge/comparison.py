"""What a linear model achieves on the tasks of a search: the least that an evolved program should beat."""

import math
from typing import Final, NamedTuple

from azero_jax.config.tree import Config, derive_seed
from azero_jax.judge.baseline_models import Baseline, linear_model
from azero_jax.judge.baseline_training import Hyperparameters
from azero_jax.judge.baselines import evaluate_baseline, tune_baseline
from azero_jax.language.roles import Metric
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets

TUNE_TASKS: Final = 5  # of the select tasks, for hyperparameters
COMPARISON_SECONDS: Final = 15.0  # that a search spends on it; small data take a few, most of them to compile
_TURNS: Final = (("adam", 4),)  # one kind of training only, as each takes seconds to compile
_TRIALS: Final = 32  # of hyperparameters
_MOST_NUMBERS: Final = 4_000_000  # of training features of all tasks to tune on; of larger data the first rows


class Comparison(NamedTuple):
    """A baseline, its mean fitness on the unseen tasks of a search, and how predictions were judged."""

    name: str
    final_fitness: float
    metric: Metric


def compare_with_linear(task_sets: TaskSets, config: Config) -> Comparison:
    """A (logistic) regression on a search's unseen tasks, its hyperparameters tuned on the select tasks.

    It gets as many passes over the same training examples as a program, and the best pass counts, as for programs.
    """
    epochs, model = config.tasks.epochs, linear_model()
    select = task_sets.some_select(derive_seed(config, 0, "select"), TUNE_TASKS)
    most = max(_MOST_NUMBERS // (len(select) * select.features * epochs), 1000)
    select = select.limit(most, most)
    final = task_sets.final(derive_seed(config, 0, "final"))
    hyperparameters = tune_on_few(model, select, config)
    fitness = evaluate_baseline(model, final, hyperparameters, epochs=epochs, seed=config.seed)
    return Comparison(linear_name(final.metric), float(fitness.mean()), final.metric)


def tune_on_few(model: Baseline, select: Tasks, config: Config) -> Hyperparameters:
    """Hyperparameters of a model that stands beside a search's programs, tuned on the first few of its select tasks."""
    epochs = config.tasks.epochs
    few = select.first(TUNE_TASKS)
    return tune_baseline(model, few, trials=_TRIALS, epochs=epochs, seed=config.seed, turns=_TURNS).hyperparameters


def linear_name(metric: Metric) -> str:
    """What a linear model is called on tasks of a metric."""
    return "logistic regression" if metric.is_classification else "linear regression"


def describe_fitness(fitness: float, metric: Metric) -> str:
    """A mean fitness in the metric's own terms; labels of regressions are standardised, so errors are too."""
    if metric.is_classification:
        return f"accuracy {fitness:.4f}"
    return f"root mean squared error {math.tan(math.pi / 2 * (1 - fitness)):.4f} standard deviations"
