"""Gradients of a program's validation loss with respect to its constants, through the whole training.

The program is straight-line code (see `azero_jax.engines.xla.straight_line`); training is a scan over examples whose
steps are computed again on the way back, so that only some of the registers between them are kept. Constants are
searched by the logarithm of their size, with the sign that they have; what is zero stays so.
"""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from numpy.typing import NDArray

from azero_jax.analysis.canonical.form import number_streams
from azero_jax.engines.base import make_order
from azero_jax.engines.xla.run import squash
from azero_jax.engines.xla.step import Draw
from azero_jax.engines.xla.straight_line import Memory, StraightLine, read_straight_line
from azero_jax.explain.listing import Listing
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import FEATURES, Metric
from azero_jax.tasks import Tasks

STEPS: Final = 80  # of the optimizer
LEARNING_RATE: Final = 0.2  # of the logarithms: a factor of 1.2 a step
SPREAD: Final = 1e2  # starts are the constants times factors from 1 / SPREAD to SPREAD
_CHUNK: Final = 64  # examples between registers that are kept for the way back
_MOST_EXAMPLES: Final = (1000, 500)  # to train on, to judge by
_MOST_WORK: Final = 3e9  # numbers in registers, over examples, tasks, starts and steps
_FEWEST_TASKS: Final = 4


class Descent(NamedTuple):
    """What became of S starts.

    Attributes:
      programs: the program with the constants of the lowest loss that each start came to.
      losses: `[S]` these losses.
    """

    programs: tuple[Listing, ...]
    losses: NDArray[np.float64]


class _Data(NamedTuple):
    """Examples, lanes last: `[n, F, T]` features, `[n, T]` or `[n, F, T]` labels, `[n]` numbers of their steps."""

    features: jax.Array
    labels: jax.Array
    steps: jax.Array


class _Problem(NamedTuple):
    """What a loss is compiled for."""

    code: StraightLine
    metric: Metric
    places: tuple[tuple[int, int], ...]  # line and column of the constants that are searched


def descend(
    listing: Listing, tasks: Tasks, *, starts: int = 8, epochs: int = 1, seed: int = 0, steps: int = STEPS
) -> Descent:
    """Tunes constants by Adam from several starts at once, on all tasks at once; the first start is the program.

    Args:
      listing: the program; it needs a constant that is not zero.
      tasks: the tasks to tune on; of long ones only the first 1000 training and 500 validation examples are used, and
        the fewer tasks, the larger the program's registers are.
      starts: how many there are.
      epochs: passes over the training examples.
      seed: of the random ops, and of the starts.
      steps: of the optimizer.

    Raises:
      ValueError: there is no constant to tune.
    """
    programs, space = listing.programs(tasks.features), listing.space(tasks.features)
    code, constants = read_straight_line(number_streams(programs, space, tasks.metric), 0, space)
    places = tuple((int(line), int(column)) for line, column in np.argwhere(constants != 0))
    if not places:
        raise ValueError("the program has no constant that could be tuned")
    tasks = tasks.limit(*_MOST_EXAMPLES)
    size = sum(np.prod(code.shape(name, 1), dtype=int) for name in code.registers)
    work = size * (tasks.train_examples * epochs + tasks.valid_examples) * starts * steps
    tasks = tasks.first(max(int(_MOST_WORK // work), _FEWEST_TASKS))
    train, valid = _data(tasks, epochs, seed)
    problem = _Problem(code, tasks.metric, places)
    values = np.array([constants[place] for place in places])
    generator = np.random.default_rng(seed)
    shifts = generator.uniform(-np.log(SPREAD), np.log(SPREAD), (starts, len(values)))
    shifts[0] = 0
    logs = jnp.asarray(np.log(np.abs(values)) + shifts, jnp.float32)
    base = jnp.asarray(constants, jnp.float32)
    best, losses = _optimize(problem, steps, logs, base, jnp.uint32(seed), train, valid)
    found = np.sign(values) * np.exp(np.asarray(best, np.float64))
    found[0] = np.where(np.isclose(found[0], values, rtol=1e-6), values, found[0])
    return Descent(tuple(_with_constants(listing, places, row) for row in found), np.asarray(losses, np.float64))


def _data(tasks: Tasks, epochs: int, seed: int) -> tuple[_Data, _Data]:
    """Training examples of all epochs, and the validation examples after the last epoch."""
    order = make_order(tasks.train_examples, epochs, seed)
    count, valid = tasks.train_examples + tasks.valid_examples, tasks.valid_examples
    numbers = order.reshape(-1)
    steps = 1 + np.add.outer(np.arange(epochs) * count, np.arange(tasks.train_examples)).reshape(-1)
    valid_steps = 1 + (epochs - 1) * count + tasks.train_examples + np.arange(valid)

    def lanes_last(array: NDArray[np.float64]) -> jax.Array:
        return jnp.asarray(np.moveaxis(array, 0, -1), jnp.float32)

    train = (lanes_last(tasks.train_features[:, numbers]), lanes_last(tasks.train_labels[:, numbers]))
    judged = (lanes_last(tasks.valid_features), lanes_last(tasks.valid_labels))
    return _Data(*train, jnp.asarray(steps, jnp.uint32)), _Data(*judged, jnp.asarray(valid_steps, jnp.uint32))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _optimize(
    problem: _Problem, steps: int, logs: jax.Array, base: jax.Array, seed: jax.Array, train: _Data, valid: _Data
) -> tuple[jax.Array, jax.Array]:
    """`[S, C]` the best logarithms that each start came to, and `[S]` their losses."""
    optimizer = optax.adam(LEARNING_RATE)
    gradient = jax.vmap(jax.value_and_grad(functools.partial(_loss, problem)), (0, None, None, None, None))

    def step(state: tuple[jax.Array, Any, jax.Array, jax.Array], _: None) -> tuple[Any, None]:
        logs, memory, best, lowest = state
        losses, slopes = gradient(logs, base, seed, train, valid)
        losses = jnp.where(jnp.isfinite(losses), losses, jnp.inf)
        is_better = losses < lowest
        best, lowest = jnp.where(is_better[:, None], logs, best), jnp.where(is_better, losses, lowest)
        # Where training overflows, its gradient is no number: the way back is towards smaller constants.
        slopes = jnp.where(jnp.isfinite(slopes), slopes, 1.0)
        slopes /= jnp.maximum(jnp.linalg.norm(slopes, axis=1, keepdims=True), 1e-12)
        updates, memory = optimizer.update(slopes, memory)
        moved: Any = optax.apply_updates(logs, updates)
        return (moved, memory, best, lowest), None

    state = (logs, optimizer.init(logs), logs, jnp.full(len(logs), jnp.inf))
    (_, _, best, lowest), _ = lax.scan(step, state, None, length=steps)
    return best, lowest


def _loss(
    problem: _Problem, logs: jax.Array, base: jax.Array, seed: jax.Array, train: _Data, valid: _Data
) -> jax.Array:
    """Mean over the tasks: 1 - fitness of regressions, the cross-entropy of classifications."""
    code, metric = problem.code, problem.metric
    lines, columns = (jnp.array(axis) for axis in zip(*problem.places, strict=True))
    signs = jnp.sign(base[lines, columns])
    constants = base.at[lines, columns].set(signs * jnp.exp(logs))
    lanes = train.features.shape[-1]
    tasks = jnp.arange(lanes, dtype=jnp.uint32)

    def predict(memory: Memory, features: jax.Array, step: jax.Array) -> Memory:
        given = {str(register): jnp.zeros_like(memory[str(register)]) for register in metric.given}
        before = memory | given | {str(FEATURES): features}
        return code.execute(1, before, constants, Draw(seed, tasks, step), True)

    def learn(memory: Memory, example: _Data) -> tuple[Memory, None]:
        memory = predict(memory, example.features, example.steps)
        name = str(metric.prediction)
        memory |= {name: squash(metric, memory[name]), str(metric.label): example.labels}
        return code.execute(2, memory, constants, Draw(seed, tasks, example.steps), True), None

    def judge(memory: Memory, example: _Data) -> tuple[Memory, jax.Array]:
        memory = predict(memory, example.features, example.steps)
        return memory, memory[str(metric.prediction)]

    memory = code.execute(0, code.zeros(lanes, base.dtype), constants, Draw(seed, tasks, jnp.uint32(0)), True)

    @jax.checkpoint
    def learn_chunk(memory: Memory, examples: _Data) -> tuple[Memory, None]:
        return lax.scan(jax.checkpoint(learn), memory, examples)

    whole = len(train.steps) // _CHUNK * _CHUNK
    chunks = jax.tree.map(lambda array: array[:whole].reshape(-1, _CHUNK, *array.shape[1:]), train)
    memory, _ = lax.scan(learn_chunk, memory, chunks)
    memory, _ = learn_chunk(memory, jax.tree.map(lambda array: array[whole:], train))
    _, predictions = lax.scan(judge, memory, valid)
    if metric.is_one_hot:
        return optax.softmax_cross_entropy(predictions, valid.labels, axis=1).mean()
    if metric.is_classification:
        return optax.sigmoid_binary_cross_entropy(predictions, valid.labels).mean()
    mean = ((predictions - valid.labels) ** 2).mean(axis=0)
    return (jnp.arctan(jnp.sqrt(mean + 1e-30)) * 2 / jnp.pi).mean()


def _with_constants(listing: Listing, places: tuple[tuple[int, int], ...], values: NDArray[np.float64]) -> Listing:
    """The program with other constants, by number of the line and column."""
    where = [place for place, _ in listing.places()]
    for (line, column), value in zip(places, values.tolist(), strict=True):
        one = listing.at(where[line])
        changed = Instruction(**(one._asdict() | {"xy"[column]: value}))
        listing = listing.with_instruction(where[line], changed)
    return listing
