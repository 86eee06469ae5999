"""Hand-designed baselines trained with optax on the same tasks: (logistic) regression and a two-layer ReLU net.

They see what a program sees: every training example once an epoch, judged on the same examples by the same metric; the
best epoch counts, as it does for programs. Their hyperparameters are tuned by random search on other tasks, like a
program's constants: the optimizer, the batch size, the learning rate (which decays along a cosine), the weight decay
and the scale of the initial weights.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from numpy.typing import NDArray

from azero_jax.judge.halving import halve, share_of_examples
from azero_jax.language.roles import Metric
from azero_jax.process.jax_settings import jax_settings
from azero_jax.process.progress import Progress, no_progress
from azero_jax.tasks import Tasks

Params = dict[str, jax.Array]
Weights = dict[str, NDArray[np.float32]]
Turns = tuple[tuple[str, int], ...]

# What the random search draws from: log-uniform ranges, and the choices that need a compilation of their own.
LEARNING_RATES: Final = (1e-4, 1.0)
WEIGHT_DECAYS: Final = (1e-6, 1e-1)
INIT_SCALES: Final = (1e-1, 3.0)  # times 1 / sqrt(inputs of the unit)
OPTIMIZERS: Final = ("adam", "momentum")
BATCH_SIZES: Final = (4, 16, 64)
TURNS: Final[Turns] = tuple((optimizer, size) for size in BATCH_SIZES for optimizer in OPTIMIZERS)

_MOMENTUM: Final = 0.9
_CACHED_WEIGHTS: Final = 1 << 16  # with their gradients and the optimizer's memory about 1 MiB


class Baseline(NamedTuple):
    """One model."""

    name: str
    init: Callable[[np.random.Generator, int, int], Weights]  # of features and outputs; for a scale of 1
    apply: Callable[[Params, jax.Array], jax.Array]  # makes `[B, outputs]` of parameters and `[B, F]`


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """How a baseline is trained; see the module's ranges."""

    optimizer: str
    batch_size: int
    learning_rate: float
    weight_decay: float
    init_scale: float


class TunedBaseline(NamedTuple):
    """The outcome of a search for hyperparameters: the best, and their mean fitness on the tasks to tune on."""

    hyperparameters: Hyperparameters
    fitness: float


@functools.cache  # so that what is compiled for a model is compiled once
def linear_model() -> Baseline:
    """Logistic regression; linear regression where the metric is RMS_ERROR. Starts from zero."""

    def init(generator: np.random.Generator, features: int, outputs: int) -> Weights:
        del generator
        return {"w": np.zeros((features, outputs), np.float32), "b": np.zeros(outputs, np.float32)}

    return Baseline("logistic regression", init, lambda params, x: x @ params["w"] + params["b"])


@functools.cache
def two_layer_net(hidden: int | None = None) -> Baseline:
    """Net with `hidden` ReLUs in one layer; None makes as many as there are features, like the programs' matrices."""

    def init(generator: np.random.Generator, features: int, outputs: int) -> Weights:
        def draw(inputs: int, units: int) -> NDArray[np.float32]:
            return (generator.standard_normal((inputs, units)) / math.sqrt(inputs)).astype(np.float32)

        width = hidden or features
        return {
            "w1": draw(features, width),
            "b1": np.zeros(width, np.float32),
            "w2": draw(width, outputs),
            "b2": np.zeros(outputs, np.float32),
        }

    def apply(params: Params, x: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    return Baseline("two-layer net", init, apply)


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
      seed: decides initial weights and the order of examples.

    Raises:
      ValueError: fewer than one epoch or example, or more examples than there are.
    """
    return _train_group(baseline, tasks, [hyperparameters], epochs, seed, examples)[0]


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
                fitness[group] = _train_group(baseline, part, hyperparameters, epochs, seed).mean(axis=1)
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


def _train_group(
    baseline: Baseline, tasks: Tasks, group: list[Hyperparameters], epochs: int, seed: int, examples: int | None = None
) -> NDArray[np.float32]:
    """`[H, T]` fitness; the hyperparameters of a group share optimizer and batch size."""
    count = tasks.train_examples if examples is None else examples
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; it must be at least 1")
    if not 1 <= count <= tasks.train_examples:
        raise ValueError(f"examples is {count}; allowed is 1 to {tasks.train_examples}")
    batch_size = min(group[0].batch_size, count)
    batches = count // batch_size
    settings = _Settings(baseline, tasks.metric, group[0].optimizer)
    generators = np.random.default_rng(seed).spawn(len(tasks))
    most_batches = tasks.train_examples // batch_size
    progress = np.arange(epochs * batches) / (epochs * batches)
    rates = np.zeros((epochs, most_batches), np.float32)
    rates[:, :batches] = (1 + np.cos(math.pi * progress)).reshape(epochs, batches) / 2
    with jax_settings():
        data = tuple(jnp.asarray(array, jnp.float32) for array in tasks.arrays)
        trainings = _start(settings, tasks, group, generators)
        for epoch in range(epochs):
            # JAX may use the memory of an array instead of a copy, so each epoch has one of its own.
            rows = np.zeros((len(tasks), most_batches * batch_size), np.int32)
            for order, generator in zip(rows, generators, strict=True):
                order[: batches * batch_size] = generator.permutation(count)[: batches * batch_size]
            batched = jnp.asarray(rows.reshape(len(tasks), most_batches, batch_size))
            trainings = _train_epoch(settings, data, batched, jnp.asarray(rates[epoch]), batches, trainings)
        runs = len(group) * len(tasks)
        return np.asarray(trainings.fitness).ravel()[:runs].reshape(len(group), len(tasks))


class _Settings(NamedTuple):
    """What a training is compiled for, besides the shapes of its arguments."""

    baseline: Baseline
    metric: Metric
    optimizer: str


class _Trainings(NamedTuple):
    """Trainings side by side: arrays are `[C, R, ...]`, C chunks of which each fits into the processor's cache."""

    task: jax.Array
    learning_rate: jax.Array
    weight_decay: jax.Array
    params: Params
    memory: Any  # of the optimizer
    fitness: jax.Array  # after the best epoch so far


def _start(
    settings: _Settings, tasks: Tasks, group: list[Hyperparameters], generators: list[np.random.Generator]
) -> _Trainings:
    """The trainings of each of a group on each of the tasks, in this order, before the first epoch."""
    outputs = settings.metric.outputs(tasks.features)
    drawn = [settings.baseline.init(generator, tasks.features, outputs) for generator in generators]
    size = sum(weights.size for weights in drawn[0].values())
    runs = len(group) * len(tasks)
    chunks = -(-runs * size // _CACHED_WEIGHTS)
    run = np.arange(chunks * -(-runs // chunks)).reshape(chunks, -1) % runs  # all chunks alike: some run twice
    task = run % len(tasks)
    numbers = np.array([(h.learning_rate, h.weight_decay, h.init_scale) for h in group], np.float32)
    learning_rate, weight_decay, scale = np.moveaxis(numbers[run // len(tasks)], -1, 0)
    weights = {name: np.stack([one[name] for one in drawn])[task] for name in drawn[0]}
    params = {
        name: jnp.asarray(value * scale.reshape(*run.shape, *[1] * (value.ndim - 2))) for name, value in weights.items()
    }
    return _Trainings(
        task=jnp.asarray(task),
        learning_rate=jnp.asarray(learning_rate),
        weight_decay=jnp.asarray(weight_decay),
        params=params,
        memory=jax.vmap(jax.vmap(_optimizer(settings.optimizer, 0.0, 0.0).init))(params),
        fitness=jnp.zeros(run.shape, jnp.float32),
    )


@partial(jax.jit, static_argnums=0)
def _train_epoch(
    settings: _Settings,
    data: tuple[jax.Array, ...],
    rows: jax.Array,
    rates: jax.Array,
    batches: jax.Array,
    trainings: _Trainings,
) -> _Trainings:
    """Trains on the first `batches` of the `[T, B, batch size]` rows, at `[B]` rates relative to the learning rate."""
    x, y, valid_x, valid_y = data
    metric, apply = settings.metric, settings.baseline.apply

    def train(training: _Trainings) -> _Trainings:
        task = training.task

        def step(batch: jax.Array, state: tuple[Params, Any]) -> tuple[Params, Any]:
            params, memory = state
            chosen = rows[task, batch]
            gradients = jax.grad(lambda p: _loss(metric, apply(p, x[task, chosen]), y[task, chosen]))(params)
            rate = training.learning_rate * rates[batch]
            updates, memory = _optimizer(settings.optimizer, rate, training.weight_decay).update(
                gradients, memory, params
            )
            new_params: Any = optax.apply_updates(params, updates)
            return new_params, memory

        params, memory = lax.fori_loop(0, batches, step, (training.params, training.memory))
        fitness = _fitness(metric, apply(params, valid_x[task]), valid_y[task])
        return training._replace(params=params, memory=memory, fitness=jnp.maximum(training.fitness, fitness))

    return lax.map(jax.vmap(train), trainings)


def _optimizer(name: str, rate: jax.Array | float, weight_decay: jax.Array | float) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam() if name == "adam" else optax.trace(decay=_MOMENTUM, nesterov=True),
        optax.add_decayed_weights(weight_decay),
        optax.scale(-rate),
    )


def _loss(metric: Metric, outputs: jax.Array, labels: jax.Array) -> jax.Array:
    if metric.is_one_hot:
        return optax.softmax_cross_entropy(outputs, labels).mean()
    if metric.is_classification:
        return optax.sigmoid_binary_cross_entropy(outputs[:, 0], labels).mean()
    return optax.l2_loss(outputs[:, 0], labels).mean()


def _fitness(metric: Metric, outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Fitness as engines define it; a training that diverged has fitness 0."""
    if metric.is_one_hot:
        fitness = (outputs.argmax(-1) == labels.argmax(-1)).mean()
    elif metric.is_classification:
        fitness = ((outputs[:, 0] > 0) == (labels > 0.5)).mean()
    else:
        fitness = 1 - 2 / jnp.pi * jnp.arctan(jnp.sqrt(((outputs[:, 0] - labels) ** 2).mean()))
    return jnp.where(jnp.isfinite(outputs).all(), fitness, 0.0)
