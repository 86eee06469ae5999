"""Trainings of hand-designed models with optax, as many side by side as fit into the processor's cache.

An epoch is what is compiled. The random numbers, initial weights and the order of the examples, are NumPy's: drawn by
JAX they would take most of the time to compile.
"""

import dataclasses
import math
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from numpy.typing import NDArray

from azero_jax.judge.baseline_models import Baseline, Params
from azero_jax.language.roles import Metric
from azero_jax.process.jax_settings import jax_settings
from azero_jax.tasks import Tasks

_MOMENTUM: Final = 0.9
_STREAM: Final = 1  # keeps the draws apart from those of tasks of the same seed
_NO_EXAMPLE: Final = -1  # what fills the last batch
_CACHED_WEIGHTS: Final = 1 << 16  # with their gradients and the optimizer's memory about 1 MiB


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """How a baseline is trained; see `azero_jax.judge.baselines` for their ranges."""

    optimizer: str
    batch_size: int
    learning_rate: float
    weight_decay: float
    init_scale: float


def train_group(
    baseline: Baseline, tasks: Tasks, group: list[Hyperparameters], epochs: int, seed: int, examples: int | None = None
) -> NDArray[np.float32]:
    """Trains a model anew on each task, with each of several hyperparameters.

    Args:
      baseline: the model.
      tasks: T tasks.
      group: H hyperparameters, which share optimizer and batch size.
      epochs: passes over the examples.
      seed: of initial weights and the order of examples.
      examples: it is trained on the first so many; None: on all.

    Returns:
      `[H, T]` fitness after the best epoch.

    Raises:
      ValueError: fewer than one epoch or example, or more examples than there are.
    """
    count = tasks.train_examples if examples is None else examples
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; it must be at least 1")
    if not 1 <= count <= tasks.train_examples:
        raise ValueError(f"examples is {count}; allowed is 1 to {tasks.train_examples}")
    settings = _Settings(baseline, tasks.metric, group[0].optimizer)
    course = _make_course(count, tasks.train_examples, min(group[0].batch_size, count), epochs)
    runs = len(group) * len(tasks)
    weights = baseline.init(np.random.default_rng(0), tasks.features, tasks.metric.outputs(tasks.features))
    side_by_side = max(1, _CACHED_WEIGHTS // sum(array.size for array in weights.values()))
    chunk = -(-runs // -(-runs // side_by_side))
    fitness = np.zeros(runs, np.float32)
    with jax_settings():
        data = tuple(jnp.asarray(array, jnp.float32) for array in tasks.arrays)
        for first in range(0, runs, chunk):
            chosen = np.arange(first, first + chunk) % runs  # the last chunk is as long as the others: some run again
            fitness[chosen] = _train_chunk(settings, course, tasks, data, group, chosen, seed)
    return fitness.reshape(len(group), len(tasks))


class _Settings(NamedTuple):
    """What a training is compiled for, besides the shapes of its arguments."""

    baseline: Baseline
    metric: Metric
    optimizer: str


class _Course(NamedTuple):
    """How long trainings are.

    Attributes:
      examples: it is trained on the first so many.
      batch_size: of them in a batch.
      batches: in an epoch; the last may have fewer.
      rates: `[epochs, B]` of each batch, relative to the learning rate; B is how many batches all examples would make.
    """

    examples: int
    batch_size: int
    batches: int
    rates: NDArray[np.float32]


class _Trainings(NamedTuple):
    """R trainings side by side, which fit into the processor's cache, or one that does not."""

    task: jax.Array  # `[R]`, as the others
    learning_rate: jax.Array
    weight_decay: jax.Array
    params: Params
    memory: Any  # of the optimizer
    fitness: jax.Array  # after the best epoch so far


def _make_course(examples: int, most_examples: int, batch_size: int, epochs: int) -> _Course:
    """Learning rates fall along a cosine over all epochs."""
    batches = math.ceil(examples / batch_size)
    done = np.arange(epochs * batches) / (epochs * batches)
    rates = np.zeros((epochs, math.ceil(most_examples / batch_size)), np.float32)
    rates[:, :batches] = (1 + np.cos(math.pi * done)).reshape(epochs, batches) / 2
    return _Course(examples, batch_size, batches, rates)


def _train_chunk(
    settings: _Settings,
    course: _Course,
    tasks: Tasks,
    data: tuple[jax.Array, ...],
    group: list[Hyperparameters],
    chosen: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float32]:
    """`[R]` fitness of the chosen of the H x T trainings."""
    hyperparameters, task = np.divmod(chosen, len(tasks))
    generators = {int(number): np.random.default_rng([seed, _STREAM, number]) for number in np.unique(task)}
    trainings = _start(settings, tasks.features, [group[h] for h in hyperparameters], task, generators)
    for rates in course.rates:
        # JAX may use the memory of an array instead of a copy, so each epoch has one of its own.
        rows = np.full((len(tasks), len(rates) * course.batch_size), _NO_EXAMPLE, np.int32)
        for number, generator in generators.items():
            rows[number, : course.examples] = generator.permutation(course.examples)
        batched = jnp.asarray(rows.reshape(len(tasks), len(rates), course.batch_size))
        trainings = _train_epoch(settings, data, batched, jnp.asarray(rates), jnp.int32(course.batches), trainings)
    return np.asarray(trainings.fitness)


def _start(
    settings: _Settings,
    features: int,
    hyperparameters: list[Hyperparameters],
    task: NDArray[np.int64],
    generators: dict[int, np.random.Generator],
) -> _Trainings:
    """Trainings with `[R]` hyperparameters on `[R]` tasks before the first epoch; each task has a generator."""
    outputs = settings.metric.outputs(features)
    drawn = {number: settings.baseline.init(generator, features, outputs) for number, generator in generators.items()}
    numbers = np.array([(h.learning_rate, h.weight_decay, h.init_scale) for h in hyperparameters], np.float32)
    learning_rate, weight_decay, scale = numbers.T
    params = {}
    for name, first in drawn[int(task[0])].items():
        weights = np.stack([drawn[number][name] for number in task.tolist()])
        params[name] = jnp.asarray(weights * scale.reshape(-1, *[1] * first.ndim))
    return _Trainings(
        task=jnp.asarray(task),
        learning_rate=jnp.asarray(learning_rate),
        weight_decay=jnp.asarray(weight_decay),
        params=params,
        memory=jax.vmap(_optimizer(settings.optimizer, 0.0, 0.0).init)(params),
        fitness=jnp.zeros(len(task), jnp.float32),
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
            counts = chosen != _NO_EXAMPLE
            gradients = jax.grad(lambda p: _loss(metric, apply(p, x[task, chosen]), y[task, chosen], counts))(params)
            rate = training.learning_rate * rates[batch]
            updates, memory = _optimizer(settings.optimizer, rate, training.weight_decay).update(
                gradients, memory, params
            )
            new_params: Any = optax.apply_updates(params, updates)
            return new_params, memory

        params, memory = lax.fori_loop(0, batches, step, (training.params, training.memory))
        fitness = _fitness(metric, apply(params, valid_x[task]), valid_y[task])
        return training._replace(params=params, memory=memory, fitness=jnp.maximum(training.fitness, fitness))

    return jax.vmap(train)(trainings)


def _optimizer(name: str, rate: jax.Array | float, weight_decay: jax.Array | float) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam() if name == "adam" else optax.trace(decay=_MOMENTUM, nesterov=True),
        optax.add_decayed_weights(weight_decay),
        optax.scale(-rate),
    )


def _loss(metric: Metric, outputs: jax.Array, labels: jax.Array, counts: jax.Array) -> jax.Array:
    """Mean loss of the examples of a batch that count."""
    if metric.is_one_hot:
        losses = optax.softmax_cross_entropy(outputs, labels)
    elif metric.is_classification:
        losses = optax.sigmoid_binary_cross_entropy(outputs[:, 0], labels)
    else:
        losses = optax.l2_loss(outputs[:, 0], labels)
    return losses.mean(where=counts)


def _fitness(metric: Metric, outputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Fitness as engines define it; a training that diverged has fitness 0."""
    if metric.is_one_hot:
        fitness = (outputs.argmax(-1) == labels.argmax(-1)).mean()
    elif metric.is_classification:
        fitness = ((outputs[:, 0] > 0) == (labels > 0.5)).mean()
    else:
        fitness = 1 - 2 / jnp.pi * jnp.arctan(jnp.sqrt(((outputs[:, 0] - labels) ** 2).mean()))
    return jnp.where(jnp.isfinite(outputs).all(), fitness, 0.0)
