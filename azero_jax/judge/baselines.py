"""Hand-designed baselines trained with optax on the same tasks: (logistic) regression and a two-layer ReLU net.

They see what a program sees: every training example once an epoch, judged on the same examples by the same metric; the
best epoch counts, as it does for programs. Their hyperparameters are tuned by random search on other tasks, like a
program's constants: the optimizer, the batch size, the learning rate (which decays along a cosine), the weight decay
and the scale of the initial weights.
"""

import dataclasses
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
    init: Callable[[jax.Array, int, int, jax.Array], Params]  # of key, features, outputs and scale
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


def linear_model() -> Baseline:
    """Logistic regression; linear regression where the metric is RMS_ERROR. Starts from zero."""

    def init(key: jax.Array, features: int, outputs: int, scale: jax.Array) -> Params:
        del key, scale
        return {"w": jnp.zeros((features, outputs)), "b": jnp.zeros(outputs)}

    return Baseline("logistic regression", init, lambda params, x: x @ params["w"] + params["b"])


def two_layer_net(hidden: int | None = None) -> Baseline:
    """Net with `hidden` ReLUs in one layer; None makes as many as there are features, like the programs' matrices."""

    def init(key: jax.Array, features: int, outputs: int, scale: jax.Array) -> Params:
        width = hidden or features
        first, last = jax.random.split(key)
        return {
            "w1": jax.random.normal(first, (features, width)) * (scale / np.sqrt(features)),
            "b1": jnp.zeros(width),
            "w2": jax.random.normal(last, (width, outputs)) * (scale / np.sqrt(width)),
            "b2": jnp.zeros(outputs),
        }

    def apply(params: Params, x: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    return Baseline("two-layer net", init, apply)


def evaluate_baseline(
    baseline: Baseline, tasks: Tasks, hyperparameters: Hyperparameters, *, epochs: int = 1, seed: int = 0
) -> NDArray[np.float32]:
    """`[T]`: fitness of the baseline on each task, trained anew on each."""
    return _train_group(baseline, tasks, [hyperparameters], epochs, seed)[0]


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

    Trials that share an optimizer and a batch size (those in `turns` take turns) are trained side by side in one jitted
    call, so that each of `turns` costs one compilation a round.

    Args:
      baseline: the model.
      tasks: the tasks to tune on.
      trials: number of random hyperparameters.
      rounds: of successive halving; see `azero_jax.judge.halving`.
      epochs: passes over the training examples.
      seed: decides the hyperparameters, initial weights and the order of examples.
      turns: optimizers and batch sizes.
      progress: called after each jitted call.

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
    baseline: Baseline, tasks: Tasks, group: list[Hyperparameters], epochs: int, seed: int
) -> NDArray[np.float32]:
    """`[H, T]` fitness; the hyperparameters of a group share optimizer and batch size."""
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; it must be at least 1")
    batch_size = min(group[0].batch_size, tasks.train_examples)
    settings = _Settings(baseline, tasks.metric, group[0].optimizer, batch_size, epochs)
    with jax_settings():
        numbers = jnp.asarray([[h.learning_rate, h.weight_decay, h.init_scale] for h in group], jnp.float32)
        data = tuple(jnp.asarray(array, jnp.float32) for array in tasks.arrays)
        keys = jax.random.split(jax.random.key(seed), len(tasks))
        return np.asarray(_train_all(settings, data, keys, numbers))


class _Settings(NamedTuple):
    """What a training is compiled for."""

    baseline: Baseline
    metric: Metric
    optimizer: str
    batch_size: int
    epochs: int


@partial(jax.jit, static_argnums=0)
def _train_all(settings: _Settings, data: tuple[jax.Array, ...], keys: jax.Array, numbers: jax.Array) -> jax.Array:
    """`[H, T]`: fitness of every training; as many side by side as fit into the processor's cache."""
    trials, tasks, features = len(numbers), len(keys), data[0].shape[-1]
    outputs = settings.metric.outputs(features)
    params = jax.eval_shape(lambda: settings.baseline.init(keys[0], features, outputs, numbers[0, 0]))
    size = sum(leaf.size for leaf in jax.tree.leaves(params))

    def fitness(run: jax.Array) -> jax.Array:
        return _train(settings, data, run % tasks, keys[run % tasks], numbers[run // tasks])

    side_by_side = min(trials * tasks, max(1, _CACHED_WEIGHTS // size))
    return lax.map(fitness, jnp.arange(trials * tasks), batch_size=side_by_side).reshape(trials, tasks)


def _train(
    settings: _Settings, data: tuple[jax.Array, ...], task: jax.Array, key: jax.Array, numbers: jax.Array
) -> jax.Array:
    """Fitness (a scalar) of one training on one task; `numbers` are learning rate, weight decay and initial scale."""
    x, y, valid_x, valid_y = data
    examples, features = x.shape[1:]
    outputs = settings.metric.outputs(features)
    batches = examples // settings.batch_size
    learning_rate, weight_decay, scale = numbers
    optimizer = _optimizer(settings.optimizer, learning_rate, weight_decay, batches * settings.epochs)
    init_key, order_key = jax.random.split(key)
    params = settings.baseline.init(init_key, features, outputs, scale)

    def loss(params: Params, rows: jax.Array) -> jax.Array:
        return _loss(settings.metric, settings.baseline.apply(params, x[task, rows]), y[task, rows])

    def step(state: tuple[Params, Any], rows: jax.Array) -> tuple[tuple[Params, Any], None]:
        params, memory = state
        updates, memory = optimizer.update(jax.grad(loss)(params, rows), memory, params)
        new_params: Any = optax.apply_updates(params, updates)
        return (new_params, memory), None

    def epoch(state: tuple[Params, Any], key: jax.Array) -> tuple[tuple[Params, Any], jax.Array]:
        order = jax.random.permutation(key, examples)[: batches * settings.batch_size]
        state, _ = lax.scan(step, state, order.reshape(batches, settings.batch_size))
        return state, _fitness(settings.metric, settings.baseline.apply(state[0], valid_x[task]), valid_y[task])

    keys = jax.random.split(order_key, settings.epochs)
    _, fitness = lax.scan(epoch, (params, optimizer.init(params)), keys)
    return fitness.max()


def _optimizer(name: str, rate: jax.Array, weight_decay: jax.Array, steps: int) -> optax.GradientTransformation:
    return optax.chain(
        optax.scale_by_adam() if name == "adam" else optax.trace(decay=_MOMENTUM, nesterov=True),
        optax.add_decayed_weights(weight_decay),
        optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, steps)),
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
