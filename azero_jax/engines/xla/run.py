"""The run of programs on tasks: Setup, then epochs of training and validation, with early stops (lanes last)."""

import dataclasses
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from azero_jax.engines.outcome import NO_ERROR, Stop, StopReason
from azero_jax.engines.xla.forms import Form
from azero_jax.engines.xla.groups import function_ops
from azero_jax.engines.xla.step import Draw, Registers, zero_registers
from azero_jax.language.roles import FEATURES, Metric
from azero_jax.language.space import FUNCTION_NAMES, SearchSpace

# Names of the loops in the compiled program, by which its readers know them; see `hlo`.
BLOCKS: Final = "blocks"
EPOCHS: Final = "epochs"
EXAMPLES: Final = "examples"
INSTRUCTIONS: Final = FUNCTION_NAMES


class Data(NamedTuple):
    """Tasks on the device, example first and lanes last, and the order of the training examples.

    Attributes:
      features: `[N + V, F, T]`, the training examples, then the validation examples.
      labels: `[N + V, T]`, or one-hot `[N + V, F, T]`.
      order: `[epochs, N]` int32.
    """

    features: jax.Array
    labels: jax.Array
    order: jax.Array


class Limits(NamedTuple):
    """What may differ from call to call without a new compilation.

    Attributes:
      train: int32, training examples over all epochs.
      valid: int32, validation examples of each epoch.
      max_abs_error: an absolute error above this stops the run.
      seed: uint32, of the random ops.
    """

    train: jax.Array
    valid: jax.Array
    max_abs_error: jax.Array
    seed: jax.Array


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a run is compiled for.

    Attributes:
      space: the search space.
      metric: of the tasks.
      dtype: of the registers.
      form: how programs are interpreted.
      recorded: (training, validation) errors of the first epoch to keep.
      exact_memory: whether a lane's memory stays as it was when the lane stopped, as `trace` needs.
    """

    space: SearchSpace
    metric: Metric
    dtype: jnp.dtype
    form: Form
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
      best: `[lanes]`, loss of the best epoch so far; infinite if none was finished.
      errors: `[n + v, lanes]` recorded absolute errors.
    """

    registers: Registers
    training: jax.Array
    valid: jax.Array
    stop: jax.Array
    reason: jax.Array
    steps: jax.Array
    loss: jax.Array
    best: jax.Array
    errors: jax.Array


def run(
    machine: Machine, code: Any, sizes: jax.Array, data: Data, limits: Limits, registers: Registers | None = None
) -> tuple[Registers, State]:
    """Runs the lanes' programs; lanes are one axis or several, as the form has them.

    Args:
      machine: what to compile for.
      code: the instructions, as the step of `machine.form` takes them.
      sizes: `[3]` int32, instructions, or entries of a schedule, of Setup, Predict and Learn to execute.
      data: the tasks.
      limits: how many examples, and when to stop.
      registers: memory before Setup; None means zeros.

    Returns:
      Memory after Setup, and the final state.
    """
    tasks = data.features.shape[-1]
    lanes = machine.form.lanes(tasks)
    if registers is None:
        registers = zero_registers(machine.space, lanes, machine.dtype)
    context = _Context(machine, code, sizes, data, limits, machine.form.spread(jnp.arange(tasks, dtype=jnp.uint32)))
    registers = context.execute(0, registers, jnp.uint32(0))
    state = State(
        registers=registers,
        training=jnp.ones(lanes, bool),
        valid=jnp.ones(lanes, bool),
        stop=jnp.full(lanes, Stop.NONE, jnp.int8),
        reason=jnp.full(lanes, StopReason.NONE, jnp.int8),
        steps=jnp.zeros(lanes, jnp.int32),
        loss=jnp.zeros(lanes, machine.dtype),
        best=jnp.full(lanes, jnp.inf, machine.dtype),
        errors=jnp.full((sum(machine.recorded), *lanes), NO_ERROR, machine.dtype),
    )
    last = -(-limits.train // context.train_examples) - 1

    def more_epochs(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] <= last) & carry[1].training.any()

    def one_epoch(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        epoch, state = carry
        return epoch + 1, _epoch(context, epoch, epoch == last, state)

    with jax.named_scope(EPOCHS):
        return registers, lax.while_loop(more_epochs, one_epoch, (jnp.int32(0), state))[1]


@dataclasses.dataclass(frozen=True)
class _Context:
    """What stays the same during a run; `task` is the task number of each lane."""

    machine: Machine
    code: Any
    sizes: jax.Array
    data: Data
    limits: Limits
    task: jax.Array

    @property
    def train_examples(self) -> int:
        """N, the training examples of each task."""
        return self.data.order.shape[1]

    def execute(
        self, function: int, registers: Registers, step: jax.Array, enabled: jax.Array | bool = True
    ) -> Registers:
        """Executes Setup (0), Predict (1) or Learn (2), or nothing where not `enabled`."""
        space = self.machine.space
        numbers = function_ops(space, function)
        if not numbers or not space.max_sizes[function]:
            return registers
        first = self.machine.form.offsets(space)[function]
        size = jnp.where(enabled, self.sizes[function], 0)
        draw = Draw(self.limits.seed, self.task, step)

        def instruction(slot: jax.Array, registers: Registers) -> Registers:
            return self.machine.form.step(numbers, registers, self.code, slot, draw)

        with jax.named_scope(INSTRUCTIONS[function]):
            return lax.fori_loop(first, first + size, instruction, registers)

    def example(self, number: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features `[F, lanes]` and label `[lanes]` or `[F, lanes]` of an example, the same for every program."""
        spread = self.machine.form.spread
        return spread(self.data.features[number]), spread(self.data.labels[number])


def _epoch(context: _Context, epoch: jax.Array, is_last: jax.Array, state: State) -> State:
    """One pass over the training examples, and the validation that follows.

    Both are one loop, in which Learn runs for training examples only, so that Predict is compiled once.
    """
    train_count = jnp.minimum(context.limits.train - epoch * context.train_examples, context.train_examples)
    valid_count = context.limits.valid
    if context.machine.exact_memory:  # a trace shows the memory when training ended
        valid_count = jnp.where(is_last, 0, valid_count)

    def more(carry: tuple[jax.Array, State]) -> jax.Array:
        return (carry[0] < train_count + valid_count) & carry[1].valid.any()

    def one(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        position, state = carry
        return position + 1, _run_example(context, epoch, position, train_count, state)

    state = state._replace(valid=state.training, loss=jnp.zeros_like(state.loss))
    with jax.named_scope(EXAMPLES):
        state = lax.while_loop(more, one, (jnp.int32(0), state))[1]
    is_best = state.valid & (state.loss < state.best)
    return state._replace(best=jnp.where(is_best, state.loss, state.best))


def _run_example(
    context: _Context, epoch: jax.Array, position: jax.Array, train_count: jax.Array, state: State
) -> State:
    """Predicts one example and, in training, learns from it.

    Args:
      context: of the run.
      epoch: number of the epoch.
      position: of the example in the epoch: `train_count` training examples, then the validation.
      train_count: training examples of this epoch.
      state: before.
    """
    metric, train_examples = context.machine.metric, context.train_examples
    is_training = position < train_count
    place = jnp.where(is_training, position, train_examples + position - train_count)  # as if no example were left out
    number = jnp.where(is_training, context.data.order[epoch, jnp.minimum(place, train_examples - 1)], place)
    step = (1 + epoch * context.data.labels.shape[0] + place).astype(jnp.uint32)
    features, label = context.example(number)

    predicted = context.execute(1, _before_predict(metric, state.registers, features), step)
    if context.machine.exact_memory or context.data.order.shape[0] > 1:
        # A later epoch's training goes on with the memory that a stopped validation left.
        predicted = _select(state.valid, predicted, state.registers)
    registers, error, loss = _judge(metric, predicted, label, is_training)
    if context.machine.exact_memory:
        registers = _select(state.valid, registers, predicted)
    row = jnp.where(is_training, position, context.machine.recorded[0] + position - train_count)
    first_epoch = epoch == 0
    stop = jnp.where(is_training, jnp.where(first_epoch, Stop.TRAIN, Stop.LATER_TRAIN), Stop.VALID)
    steps = state.steps + (state.valid & is_training)
    passed, state = _note_error(context, error, row, first_epoch, stop, state)

    # The features are still there, since no program writes v0.
    learned = context.execute(2, registers.write(metric.label, label), step, is_training)
    if context.machine.exact_memory:
        learned = _select(passed, learned, registers)
    return state._replace(
        registers=learned,
        training=jnp.where(is_training, passed, state.training),
        valid=passed,
        steps=steps,
        loss=jnp.where(is_training, state.loss, state.loss + loss),
    )


def _note_error(
    context: _Context, error: jax.Array, row: jax.Array, first_epoch: jax.Array, stop: jax.Array, state: State
) -> tuple[jax.Array, State]:
    """Which lanes go on after this error, and the state with the stops of the others, and the error, noted."""
    is_nan = jnp.isnan(error)
    passed = state.valid & ~is_nan & (error <= context.limits.max_abs_error)
    first_stop = state.valid & ~passed & (state.stop == Stop.NONE)
    reason = jnp.where(is_nan, StopReason.NAN, StopReason.MAX_ABS_ERROR)
    state = state._replace(
        stop=jnp.where(first_stop, stop, state.stop).astype(jnp.int8),
        reason=jnp.where(first_stop, reason, state.reason).astype(jnp.int8),
    )
    if sum(context.machine.recorded):
        old = lax.dynamic_index_in_dim(state.errors, row, keepdims=False)
        new = jnp.where(passed & first_epoch, error, old)  # the original leaves out the error that stops
        state = state._replace(errors=lax.dynamic_update_index_in_dim(state.errors, new, row, 0))
    return passed, state


def _select(chosen: jax.Array, new: Registers, old: Registers) -> Registers:
    return Registers(*(jnp.where(chosen, a, b) for a, b in zip(new, old, strict=True)))


def _before_predict(metric: Metric, registers: Registers, features: jax.Array) -> Registers:
    """Memory with the features, and without the label."""
    for register in metric.given:
        registers = registers.write(register, features if register == FEATURES else 0)
    return registers


def _judge(
    metric: Metric, registers: Registers, label: jax.Array, is_training: jax.Array
) -> tuple[Registers, jax.Array, jax.Array]:
    """Memory with the prediction squashed in place (in training), the absolute error, and the loss in validation."""
    prediction = registers.read(metric.prediction)
    squashed = squash(metric, prediction)
    error = absolute_error(metric, squashed, label)
    if not metric.is_classification:
        return registers, error, error * error
    if metric.is_one_hot:
        # The first of the largest; where there is a NaN all are NaN, and the first class is taken.
        is_wrong = jnp.argmax(squashed, axis=0) != jnp.argmax(label, axis=0)
    else:
        is_wrong = (squashed > 0.5) != (label > 0.5)
    wrong = is_wrong.astype(label.dtype)
    registers = registers.write(metric.prediction, jnp.where(is_training, squashed, prediction))
    return registers, jnp.where(is_training, error, wrong), wrong


def squash(metric: Metric, prediction: jax.Array) -> jax.Array:
    """What is compared with the label: the prediction `[lanes]`, or probabilities `[lanes]` or `[F, lanes]`."""
    if metric.is_one_hot:
        return _softmax(prediction)
    return _sigmoid(prediction) if metric.is_classification else prediction


def absolute_error(metric: Metric, squashed: jax.Array, label: jax.Array) -> jax.Array:
    """`[lanes]` absolute error in training, the largest of a vector's; NaN if there is one."""
    error = jnp.abs(label - squashed)
    return _largest(error) if metric.is_one_hot else error


def _sigmoid(x: jax.Array) -> jax.Array:
    return 1 / (1 + jnp.exp(-x))


def _softmax(logits: jax.Array) -> jax.Array:
    """Over the first axis; NaN everywhere where a logit is NaN or the largest is infinite."""
    exponentials = jnp.exp(logits - _largest(logits))
    return exponentials / exponentials.sum(axis=0)


def _largest(x: jax.Array) -> jax.Array:
    """Largest of the first axis, NaN if there is one."""
    return jnp.where(jnp.isnan(x).any(axis=0), jnp.nan, x.max(axis=0))
