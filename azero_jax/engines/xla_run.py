"""The run of programs on tasks: Setup, then epochs of training and validation, with early stops (lanes last)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from azero_jax import ops
from azero_jax.engines.base import Stop, StopReason
from azero_jax.engines.xla_step import Code, Draw, Registers, zero_registers
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric

LABEL_VECTOR = 1  # MULTICLASS_ACCURACY: v1 holds the one-hot label,
PREDICTION_VECTOR = 2  # v2 the logits


class Data(NamedTuple):
    """Tasks on the device, example first and lanes last, and the order of the training examples.

    Attributes:
      train_features: `[N, F, T]`.
      train_labels: `[N, T]`, or one-hot `[N, F, T]`.
      valid_features: `[V, F, T]`.
      valid_labels: `[V, T]`, or one-hot `[V, F, T]`.
      order: `[epochs, N]` int32.
    """

    train_features: jax.Array
    train_labels: jax.Array
    valid_features: jax.Array
    valid_labels: jax.Array
    order: jax.Array


class Limits(NamedTuple):
    """What may differ from call to call without a new compilation.

    Attributes:
      train: int32, training examples over all epochs.
      valid: int32, validation examples of each epoch.
      divisor: by what the summed validation loss is divided.
      max_abs_error: an absolute error above this stops the run.
      seed: uint32, of the random ops.
    """

    train: jax.Array
    valid: jax.Array
    divisor: jax.Array
    max_abs_error: jax.Array
    seed: jax.Array


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a run is compiled for.

    Attributes:
      space: the search space.
      metric: of the tasks.
      dtype: of the registers.
      step: executes one instruction: (ops of the function, registers, instruction, draw) -> registers.
      recorded: (training, validation) errors of the first epoch to keep.
      exact_memory: whether a lane's memory stays as it was when the lane stopped, as `trace` needs.
    """

    space: SearchSpace
    metric: Metric
    dtype: jnp.dtype
    step: Callable[[tuple[int, ...], Registers, Code, Draw], Registers]
    recorded: tuple[int, int] = (0, 0)
    exact_memory: bool = False


class State(NamedTuple):
    """Everything that changes while the lanes run.

    Attributes:
      registers: memory.
      training: `[lanes]` bool, not stopped in any training.
      valid: `[lanes]` bool, not stopped in this epoch's validation either.
      stop: `[lanes]` int8, the first `Stop`.
      reason: `[lanes]` int8, its `StopReason`.
      steps: `[lanes]` int32, training examples attempted.
      loss: `[lanes]`, summed over this epoch's validation examples.
      fitness: `[lanes]`, of the best epoch so far.
      errors: `[n + v, lanes]` recorded absolute errors.
    """

    registers: Registers
    training: jax.Array
    valid: jax.Array
    stop: jax.Array
    reason: jax.Array
    steps: jax.Array
    loss: jax.Array
    fitness: jax.Array
    errors: jax.Array


def run(
    machine: Machine, code: Code, sizes: jax.Array, data: Data, limits: Limits, registers: Registers | None = None
) -> tuple[Registers, State]:
    """Runs the lanes' programs; lane l works on task l modulo T.

    Args:
      machine: what to compile for.
      code: the instructions, as `machine.step` takes them.
      sizes: `[3]` int32, instructions of Setup, Predict and Learn to execute (those of the longest program).
      data: the tasks.
      limits: how many examples, and when to stop.
      registers: memory before Setup; None means zeros.

    Returns:
      Memory after Setup, and the final state.
    """
    tasks = data.train_features.shape[-1]
    lanes = code.branch.shape[1] if code.branch.ndim > 1 else tasks
    if registers is None:
        registers = zero_registers(machine.space, lanes, machine.dtype)
    context = _Context(
        machine, code, sizes, data, limits, jnp.tile(jnp.arange(tasks, dtype=jnp.uint32), lanes // tasks)
    )
    registers = context.execute(0, registers, jnp.uint32(0))
    zeros = jnp.zeros(lanes, machine.dtype)
    state = State(
        registers=registers,
        training=jnp.ones(lanes, bool),
        valid=jnp.ones(lanes, bool),
        stop=jnp.full(lanes, Stop.NONE, jnp.int8),
        reason=jnp.full(lanes, StopReason.NONE, jnp.int8),
        steps=jnp.zeros(lanes, jnp.int32),
        loss=zeros,
        fitness=zeros,
        errors=jnp.full((sum(machine.recorded), lanes), -1, machine.dtype),
    )
    train_examples = data.train_features.shape[0]
    last = -(-limits.train // train_examples) - 1

    def more_epochs(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] <= last) & carry[1].training.any()

    def one_epoch(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        epoch, state = carry
        return epoch + 1, _epoch(context, epoch, epoch == last, state)

    return registers, lax.while_loop(more_epochs, one_epoch, (jnp.int32(0), state))[1]


@dataclasses.dataclass(frozen=True)
class _Context:
    """What stays the same during a run; `task` is the task number of each lane."""

    machine: Machine
    code: Code
    sizes: jax.Array
    data: Data
    limits: Limits
    task: jax.Array

    def execute(self, function: int, registers: Registers, step: jax.Array) -> Registers:
        """Executes Setup (0), Predict (1) or Learn (2)."""
        space = self.machine.space
        numbers = tuple(number for number in space.functions[function].ops if number != ops.NO_OP.number)
        if not numbers or not space.max_sizes[function]:
            return registers
        first = space.offsets[function]
        draw = Draw(self.limits.seed, self.task, step)

        def instruction(slot: jax.Array, registers: Registers) -> Registers:
            return self.machine.step(numbers, registers, self.code.at(slot), draw)

        return lax.fori_loop(first, first + self.sizes[function], instruction, registers)

    def example(self, features: jax.Array, labels: jax.Array, number: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features `[F, lanes]` and label `[lanes]` or `[F, lanes]` of an example, repeated for every program."""
        repeats = self.task.shape[0] // features.shape[-1]
        return _tile(features[number], repeats), _tile(labels[number], repeats)


def _tile(array: jax.Array, repeats: int) -> jax.Array:
    return jnp.tile(array, (*(1 for _ in array.shape[:-1]), repeats))


def _epoch(context: _Context, epoch: jax.Array, is_last: jax.Array, state: State) -> State:
    """One pass over the training examples, and the validation that follows."""
    train_examples, valid_examples = context.data.train_features.shape[0], context.data.valid_features.shape[0]
    first_step = 1 + epoch * (train_examples + valid_examples)
    count = jnp.minimum(context.limits.train - epoch * train_examples, train_examples)

    def more_training(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] < count) & carry[1].training.any()

    def train_one(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        position, state = carry
        return position + 1, _train_one(context, epoch, position, first_step + position, state)

    state = lax.while_loop(more_training, train_one, (jnp.int32(0), state))[1]
    state = state._replace(valid=state.training, loss=jnp.zeros_like(state.loss))
    # A trace shows the memory when training ended: the last epoch's validation is left out.
    valid_count = jnp.where(is_last, 0, context.limits.valid) if context.machine.exact_memory else context.limits.valid

    def more_validation(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] < valid_count) & carry[1].valid.any()

    def validate_one(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        position, state = carry
        step = first_step + train_examples + position
        return position + 1, _validate_one(context, epoch, position, step, state)

    state = lax.while_loop(more_validation, validate_one, (jnp.int32(0), state))[1]
    fitness = jnp.where(state.valid, _fitness(context, state.loss), 0)
    return state._replace(fitness=jnp.maximum(state.fitness, fitness))


def _train_one(context: _Context, epoch: jax.Array, position: jax.Array, step: jax.Array, state: State) -> State:
    data, metric = context.data, context.machine.metric
    features, label = context.example(data.train_features, data.train_labels, data.order[epoch, position])
    step = step.astype(jnp.uint32)
    registers = context.execute(1, _before_predict(metric, state.registers, features), step)
    registers, error = _train_error(metric, registers, label)
    stop = jnp.where(epoch == 0, Stop.TRAIN, Stop.LATER_TRAIN)
    before = state.training
    passed, state = _note_error(context, epoch, position, error, before, stop, state)
    learned = context.execute(2, _before_learn(metric, registers, features, label), step)
    if context.machine.exact_memory:
        stopped = _select(before, registers, state.registers)
        learned = _select(passed, learned, stopped)
    return state._replace(registers=learned, training=passed, steps=state.steps + before)


def _validate_one(context: _Context, epoch: jax.Array, position: jax.Array, step: jax.Array, state: State) -> State:
    data, metric = context.data, context.machine.metric
    features, label = context.example(data.valid_features, data.valid_labels, position)
    step = step.astype(jnp.uint32)
    registers = context.execute(1, _before_predict(metric, state.registers, features), step)
    error = _valid_error(metric, registers, label)
    before = state.valid
    passed, state = _note_error(
        context, epoch, position + context.machine.recorded[0], error, before, Stop.VALID, state
    )
    if data.order.shape[0] > 1:  # a later epoch goes on with the memory that a stopped validation left
        registers = _select(before, registers, state.registers)
    loss = error * error if metric is Metric.RMS_ERROR else error
    return state._replace(registers=registers, valid=passed, loss=state.loss + loss)


def _note_error(
    context: _Context,
    epoch: jax.Array,
    row: jax.Array,
    error: jax.Array,
    running: jax.Array,
    stop: jax.Array | Stop,
    state: State,
) -> tuple[jax.Array, State]:
    """Which of the running lanes go on after this error, and the state with the stops of the others noted."""
    is_nan = jnp.isnan(error)
    passed = running & ~is_nan & (error <= context.limits.max_abs_error)
    first_stop = running & ~passed & (state.stop == Stop.NONE)
    reason = jnp.where(is_nan, StopReason.NAN, StopReason.MAX_ABS_ERROR)
    state = state._replace(
        stop=jnp.where(first_stop, stop, state.stop).astype(jnp.int8),
        reason=jnp.where(first_stop, reason, state.reason).astype(jnp.int8),
    )
    if sum(context.machine.recorded):
        old = lax.dynamic_index_in_dim(state.errors, row, keepdims=False)
        new = jnp.where(passed & (epoch == 0), error, old)  # the original leaves out the error that stops
        state = state._replace(errors=lax.dynamic_update_index_in_dim(state.errors, new, row, 0))
    return passed, state


def _select(chosen: jax.Array, new: Registers, old: Registers) -> Registers:
    return Registers(*(jnp.where(chosen, a, b) for a, b in zip(new, old, strict=True)))


def _before_predict(metric: Metric, registers: Registers, features: jax.Array) -> Registers:
    vectors = registers.v.at[ops.FEATURES_ADDRESS].set(features)
    if metric is Metric.MULTICLASS_ACCURACY:
        vectors = vectors.at[LABEL_VECTOR].set(0)
    return registers._replace(s=registers.s.at[ops.LABEL_ADDRESS].set(0), v=vectors)


def _before_learn(metric: Metric, registers: Registers, features: jax.Array, label: jax.Array) -> Registers:
    vectors = registers.v.at[ops.FEATURES_ADDRESS].set(features)
    if metric is Metric.MULTICLASS_ACCURACY:
        return registers._replace(s=registers.s.at[ops.LABEL_ADDRESS].set(0), v=vectors.at[LABEL_VECTOR].set(label))
    return registers._replace(s=registers.s.at[ops.LABEL_ADDRESS].set(label), v=vectors)


def _train_error(metric: Metric, registers: Registers, label: jax.Array) -> tuple[Registers, jax.Array]:
    """Memory with the prediction squashed in place, and the absolute error."""
    if metric is Metric.MULTICLASS_ACCURACY:
        prediction = _softmax(registers.v[PREDICTION_VECTOR])
        error = _largest(jnp.abs(label - prediction))
        return registers._replace(v=registers.v.at[PREDICTION_VECTOR].set(prediction)), error
    prediction = registers.s[ops.PREDICTION_ADDRESS]
    if metric is Metric.ACCURACY:
        prediction = _sigmoid(prediction)
        registers = registers._replace(s=registers.s.at[ops.PREDICTION_ADDRESS].set(prediction))
    return registers, jnp.abs(label - prediction)


def _valid_error(metric: Metric, registers: Registers, label: jax.Array) -> jax.Array:
    if metric is Metric.MULTICLASS_ACCURACY:
        prediction = _softmax(registers.v[PREDICTION_VECTOR])
        # The first of the largest; where there is a NaN all are NaN, and the first class is taken.
        return (jnp.argmax(prediction, axis=0) != jnp.argmax(label, axis=0)).astype(label.dtype)
    prediction = registers.s[ops.PREDICTION_ADDRESS]
    if metric is Metric.ACCURACY:
        return ((_sigmoid(prediction) > 0.5) != (label > 0.5)).astype(label.dtype)
    return jnp.abs(label - prediction)


def _sigmoid(x: jax.Array) -> jax.Array:
    return 1 / (1 + jnp.exp(-x))


def _softmax(logits: jax.Array) -> jax.Array:
    """Over the first axis; NaN everywhere where a logit is NaN or the largest is infinite."""
    exponentials = jnp.exp(logits - _largest(logits))
    return exponentials / exponentials.sum(axis=0)


def _largest(x: jax.Array) -> jax.Array:
    """Largest of the first axis, NaN if there is one."""
    return jnp.where(jnp.isnan(x).any(axis=0), jnp.nan, x.max(axis=0))


def _fitness(context: _Context, loss: jax.Array) -> jax.Array:
    mean = loss / context.limits.divisor
    fitness = 1 - mean
    if context.machine.metric is Metric.RMS_ERROR:
        fitness = 1 - (2 / jnp.pi) * jnp.arctan(jnp.sqrt(mean))
    return jnp.where(jnp.isfinite(mean), fitness, 0)
