"""Hand-designed baselines trained with optax on the same tasks: (logistic) regression and a two-layer ReLU net.

They see what a program sees: every training example once an epoch, judged on the same examples by the same metric; the
best epoch counts, as it does for programs. Their hyperparameters are tuned by random search on other tasks, like a
program's constants: the optimizer, the batch size, the learning rate (which decays along a cosine), the weight decay
and the scale of the initial weights.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.judge.baseline_models import Baseline
from azero_jax.judge.baseline_training import Hyperparameters, train_group
from azero_jax.judge.halving import halve, share_of_examples
from azero_jax.process.progress import Progress, no_progress
from azero_jax.tasks import Tasks

Turns = tuple[tuple[str, int], ...]

# What the random search draws from: log-uniform ranges, and the choices that need a compilation of their own.
LEARNING_RATES: Final = (1e-4, 1.0)
WEIGHT_DECAYS: Final = (1e-6, 1e-1)
INIT_SCALES: Final = (1e-1, 3.0)  # times 1 / sqrt(inputs of the unit)
OPTIMIZERS: Final = ("adam", "momentum")
BATCH_SIZES: Final = (4, 16, 64)
TURNS: Final[Turns] = tuple((optimizer, size) for size in BATCH_SIZES for optimizer in OPTIMIZERS)


class TunedBaseline(NamedTuple):
    """The outcome of a search for hyperparameters: the best, and their mean fitness on the tasks to tune on."""

    hyperparameters: Hyperparameters
    fitness: float


def evaluate_baseline(
    baseline: Baseline,
    tasks: Tasks,
    hyperparameters: Hyperparameters,
    *,
    examples: int | None = None,
    epochs: int = 1,
    seed: int = 0,
) -> NDArray[np.float32]:
    """`[T]`: fitness of the baseline on each task, trained anew on each.

    Args:
      baseline: the model.
      tasks: the tasks.
      hyperparameters: how it is trained.
      examples: it is trained on the first so many; None: on all. Numbers of at least a batch share a compilation.
      epochs: passes over them.
      seed: decides initial weights and the order of examples; not negative.

    Raises:
      ValueError: fewer than one epoch or example, or more examples than there are.
    """
    return train_group(baseline, tasks, [hyperparameters], epochs, seed, examples)[0]


def tune_baseline(
    baseline: Baseline,
    tasks: Tasks,
    *,
    trials: int = 120,
    rounds: int = 1,
    epochs: int = 1,
    seed: int = 0,
    turns: Turns = TURNS,
    progress: Progress = no_progress,
) -> TunedBaseline:
    """The best of `trials` random hyperparameters by the mean fitness over `tasks`.

    Trials that share an optimizer and a batch size (those in `turns` take turns) are trained side by side in jitted
    calls, one an epoch, so that each of `turns` costs one compilation a round.

    Args:
      baseline: the model.
      tasks: the tasks to tune on.
      trials: number of random hyperparameters.
      rounds: of successive halving; see `azero_jax.judge.halving`.
      epochs: passes over the training examples.
      seed: decides the hyperparameters, initial weights and the order of examples.
      turns: optimizers and batch sizes.
      progress: called after each turn.

    Raises:
      ValueError: fewer than one trial or round.
    """
    drawn = sample_hyperparameters(trials, seed, turns)
    done, most = 0, rounds * min(trials, len(turns))

    def evaluate(numbers: NDArray[np.int64], share: float) -> NDArray[np.float64]:
        nonlocal done
        part = tasks.limit(*share_of_examples(tasks.train_examples, tasks.valid_examples, share))
        fitness = np.zeros(len(numbers))
        for turn in turns:
            group = [n for n, trial in enumerate(numbers) if (drawn[trial].optimizer, drawn[trial].batch_size) == turn]
            if group:
                hyperparameters = [drawn[trial] for trial in numbers[group]]
                fitness[group] = train_group(baseline, part, hyperparameters, epochs, seed).mean(axis=1)
                done += 1
                progress(f"tuning {baseline.name}", done, most)
        return fitness

    best, fitness = halve(trials, rounds, evaluate)
    return TunedBaseline(drawn[best], float(fitness[best]))


def sample_hyperparameters(trials: int, seed: int = 0, turns: Turns = TURNS) -> list[Hyperparameters]:
    """Random hyperparameters; the combinations of optimizer and batch size take turns.

    Raises:
      ValueError: fewer than one trial.
    """
    if trials < 1:
        raise ValueError(f"trials is {trials}; at least one is needed")
    generator = np.random.default_rng(seed)
    ranges = (LEARNING_RATES, WEIGHT_DECAYS, INIT_SCALES)
    drawn = np.stack([np.exp(generator.uniform(np.log(low), np.log(high), trials)) for low, high in ranges], axis=1)
    return [Hyperparameters(*turns[i % len(turns)], *(float(x) for x in row)) for i, row in enumerate(drawn)]
