"""How programs learn: their fitness on unseen tasks after the first so many training examples, beside baselines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.config.tree import Config, derive_seed
from azero_jax.explain.drawing import BLUE, GREEN, INK, RED, Drawing, count_axis, finish, new_figure, plain_axes
from azero_jax.explain.standing import metric_label
from azero_jax.judge.baseline_models import linear_model, two_layer_net
from azero_jax.judge.baselines import evaluate_baseline
from azero_jax.judge.comparison import TUNE_TASKS, linear_name, tune_on_few
from azero_jax.judge.run_program import Judge, standard_error
from azero_jax.language.library import program_space
from azero_jax.language.roles import Metric
from azero_jax.language.text import parse_program
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets
from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES

_POINTS: Final = 12
_MOST_TASKS: Final = 50


class LearningCurve(NamedTuple):
    """One contestant: `[K, T]` fitness on T tasks after each of K numbers of training examples."""

    name: str
    fitness: NDArray[np.float64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """`[K]` standard errors of the mean over tasks; 0 for one task."""
        return np.nan_to_num([standard_error(row) for row in self.fitness])


class LearningCurves(NamedTuple):
    """Contestants on the same unseen tasks.

    Attributes:
      metric: how predictions are judged.
      examples: `[K]` numbers of training examples.
      curves: one for each contestant.

    >>> curve = LearningCurve("toy", np.array([[0.5, 0.7], [0.9, 0.9]]))
    >>> print(LearningCurves(Metric.ACCURACY, np.array([10, 100]), (curve,)))
    examples                   toy
          10                0.6000
         100                0.9000
    """

    metric: Metric
    examples: NDArray[np.int64]
    curves: tuple[LearningCurve, ...]

    def plot(self) -> Drawing:
        """Fitness over training examples.

        Raises:
          ValueError: matplotlib is not installed.
        """
        figure, axes = new_figure(2.8)
        looks = zip(self.curves, (BLUE, RED, GREEN), ("-", "--", ":"), ("o", "s", "^"), strict=False)
        for curve, colour, dashes, marker in looks:
            mean, error = curve.fitness.mean(axis=1), curve.errors
            axes.plot(self.examples, mean, color=colour, ls=dashes, marker=marker, ms=3.5, label=curve.name)
            axes.fill_between(self.examples, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
        count_axis(axes)
        plain_axes(axes, "training examples", metric_label(self.metric))
        axes.legend(fontsize=8, frameon=False, loc="best", labelcolor=INK)
        tasks = self.curves[0].fitness.shape[1]
        return finish(
            figure, "learning", f"How it learns: mean over {tasks} unseen task(s), the standard error as a band."
        )

    def __repr__(self) -> str:
        """The same table."""
        return str(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return self.plot()._repr_png_()

    def __str__(self) -> str:
        """A table of mean fitness, a column a contestant."""
        lines = ["examples  " + "  ".join(f"{curve.name:>20}" for curve in self.curves)]
        for n, count in enumerate(self.examples):
            lines.append(f"{count:8,}  " + "  ".join(f"{curve.fitness[n].mean():20.4f}" for curve in self.curves))
        return "\n".join(lines)


def learning_curves(
    programs: Mapping[str, str], task_sets: TaskSets, config: Config, *, baselines: bool = False
) -> LearningCurves:
    """Trains programs on the first so many examples of unseen tasks, and judges them.

    Args:
      programs: texts, by name.
      task_sets: where tasks come from; baselines are tuned on the select tasks, all are judged on the unseen ones.
      config: says how programs are run.
      baselines: whether a linear model and a net are trained as well, with as many passes over the same examples.

    Raises:
      ValueError: a program does not parse, or does not fit the tasks.
    """
    tasks = task_sets.final(derive_seed(config, 0, "final")).first(_MOST_TASKS)
    epochs = config.tasks.epochs
    counts = np.geomspace(MIN_TRAIN_EXAMPLES, tasks.train_examples, _POINTS)
    examples = np.unique(counts.round().astype(np.int64))
    seed = derive_seed(config, 0, "random ops, final")
    curves = [LearningCurve(name, _learn(text, tasks, examples, config, seed)) for name, text in programs.items()]
    if baselines:
        select = task_sets.some_select(derive_seed(config, 0, "select"), TUNE_TASKS)
        for name, model in ((linear_name(tasks.metric), linear_model()), ("two-layer net", two_layer_net())):
            hyperparameters = tune_on_few(model, select, config)
            train = partial(evaluate_baseline, model, tasks, hyperparameters, epochs=epochs, seed=config.seed)
            rows = [train(examples=int(count)) for count in examples]
            curves.append(LearningCurve(name, np.array(rows, np.float64)))
    return LearningCurves(tasks.metric, examples, tuple(curves))


def _learn(text: str, tasks: Tasks, counts: NDArray[np.int64], config: Config, seed: int) -> NDArray[np.float64]:
    """`[K, T]` fitness of a program after each count of training examples."""
    space = program_space(text, tasks.features)
    program, epochs, rows = parse_program(text, space), config.tasks.epochs, []
    judge = Judge(space, tasks, config.engine, seed=seed)
    for count in map(int, counts):
        if epochs > 1:  # the engine counts examples over all epochs
            limited = tasks.limit(count, tasks.valid_examples)
            judge = Judge(space, limited, config.engine, epochs=epochs, seed=seed)
        rows.append(judge.fitness(program, (count * epochs, tasks.valid_examples))[0])
    return np.stack(rows)
