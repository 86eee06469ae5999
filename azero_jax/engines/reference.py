"""The reference engine: `jit(vmap(vmap(run)))`, one `lax.switch` an instruction, to be read rather than to be fast.

`run` is the life of one program on one task, from zeroed memory to fitness. The outer `vmap` makes it many programs,
the inner one many tasks. The other engines are compared with it. It is far slower than they are: under `vmap` every
branch of the switch runs, every branch copies the whole memory, and nothing ends before the longest run.
"""

import functools
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike, NDArray

from azero_jax.engines.base import Engine, count_compilations
from azero_jax.engines.outcome import NO_ERROR, Memory, RawOutcome, Stop, StopReason
from azero_jax.engines.random_bits import random_words
from azero_jax.engines.settings import RunSettings
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.roles import FEATURES, Metric, Register
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

_SETUP, _PREDICT, _LEARN = range(3)
_MOST_PROGRAMS: Final = 64  # of one call: each has the memory of all of its branches at the same time


class Registers(NamedTuple):
    """Memory of one program on one task; the last axis of 1 is what `Op.compute` calls lanes.

    Attributes:
      s: `[NS, 1]` scalars.
      v: `[NV, F, 1]` vectors.
      m: `[NM, F, F, 1]` matrices.
    """

    s: jax.Array
    v: jax.Array
    m: jax.Array


class Code(NamedTuple):
    """One program: opcodes `[L]`, addresses `[L, 3]` and constants `[L, 2]`."""

    opcodes: jax.Array
    addresses: jax.Array
    constants: jax.Array


class Task(NamedTuple):
    """One task: N training, then V validation examples.

    Attributes:
      features: `[N + V, F]`.
      labels: `[N + V]`, or one-hot `[N + V, F]`.
      number: which task it is, for the random ops.
    """

    features: jax.Array
    labels: jax.Array
    number: jax.Array


class Limits(NamedTuple):
    """What may differ from call to call.

    Attributes:
      train: training examples to use, over all epochs.
      valid: validation examples to use in each epoch.
      max_abs_error: an absolute error above this stops the run.
      seed: of the random ops.
      leaves_last_validation_out: whether the run ends with the last epoch's training.
    """

    train: jax.Array
    valid: jax.Array
    max_abs_error: jax.Array
    seed: jax.Array
    leaves_last_validation_out: jax.Array


class State(NamedTuple):
    """What changes while a program runs on a task; the fields that are not named here are those of `RawOutcome`.

    Attributes:
      registers: memory.
      training: whether no training example has stopped the run.
      valid: whether no validation example of this epoch has, either.
      epoch_loss: summed over this epoch's validation examples.
    """

    registers: Registers
    training: jax.Array
    valid: jax.Array
    epoch_loss: jax.Array
    loss: jax.Array
    stop: jax.Array
    stop_reason: jax.Array
    train_steps: jax.Array


class ReferenceEngine(Engine):
    """Runs programs on tasks as it is said, literally."""

    name = "reference"

    def __init__(
        self, space: SearchSpace, tasks: Tasks, settings: RunSettings | None = None, *, order: ArrayLike | None = None
    ) -> None:
        """Puts the tasks on the device; see `Engine`."""
        super().__init__(space, tasks, settings, order=order)
        self.device = jax.devices()[0].device_kind
        self.capacity = min(self.settings.batch_size, _MOST_PROGRAMS)
        self._run = _compiled_run(space, tasks.metric)
        self._compiled_before = count_compilations(self._run)
        features = np.concatenate([tasks.train_features, tasks.valid_features], axis=1)
        labels = np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1)
        with self._x64():
            numbers = jnp.arange(len(tasks), dtype=jnp.uint32)
            self._tasks = Task(jnp.asarray(features, self._dtype), jnp.asarray(labels, self._dtype), numbers)

    @property
    def compilations(self) -> int:
        """How many times the jitted function has been compiled so far."""
        return count_compilations(self._run) - self._compiled_before

    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        n = self.tasks.train_examples
        (_, state), errors = self._call(programs, self.capacity, self._zeros(), train, valid)
        loss, stop, reason, steps = (np.asarray(field)[: len(programs)] for field in state[-4:])
        used = np.concatenate([np.arange(min(train, n)), n + np.arange(valid)]) if record else np.arange(0)
        first_epoch = np.asarray(errors)[: len(programs), :, 0]
        return RawOutcome(loss, stop, reason, steps, np.moveaxis(first_epoch[..., used], 1, 2))

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        with self._x64():
            start = Registers(*(jnp.asarray(array[..., None]) for array in memory))
        (after_setup, state), _ = self._call(program, 1, start, train, valid, leaves_last_validation_out=True)
        return _to_memory(after_setup), _to_memory(state.registers)

    def _zeros(self) -> Registers:
        space, f, tasks = self.space, self.space.features, len(self.tasks)
        shapes = ((space.scalars,), (space.vectors, f), (space.matrices, f, f))
        with self._x64():
            return Registers(*(jnp.zeros((tasks, *shape, 1), self._dtype) for shape in shapes))

    def _call(
        self,
        programs: Programs,
        rows: int,
        start: Registers,
        train: int,
        valid: int,
        leaves_last_validation_out: bool = False,
    ) -> Any:
        """The jitted call; programs are padded with empty ones to `rows`, so that it is compiled once."""
        fields = ((programs.opcodes, np.int32), (programs.addresses, np.int32), (programs.constants, self._dtype))
        with self._x64(), np.errstate(over="ignore"):  # a constant beyond float32 is infinite
            code = Code(*(jnp.asarray(_pad(array.astype(dtype), rows)) for array, dtype in fields))
            limits = Limits(
                train=jnp.int32(train),
                valid=jnp.int32(valid),
                max_abs_error=jnp.asarray(self.settings.error_limit),
                seed=jnp.uint32(self.settings.seed),
                leaves_last_validation_out=jnp.array(leaves_last_validation_out),
            )
            return jax.block_until_ready(self._run(code, self._tasks, self._order, limits, start))


@functools.cache
def _compiled_run(space: SearchSpace, metric: Metric) -> Any:
    """The jitted call, one for all engines of the same make."""
    run_tasks = jax.vmap(partial(run, space, metric), in_axes=(None, 0, None, None, 0))
    return jax.jit(jax.vmap(run_tasks, in_axes=(0, None, None, None, None)))


def run(
    space: SearchSpace, metric: Metric, code: Code, task: Task, order: jax.Array, limits: Limits, registers: Registers
) -> tuple[tuple[Registers, State], jax.Array]:
    """The life of one program on one task.

    Args:
      space: the search space.
      metric: how predictions are judged.
      code: the program.
      task: the task.
      order: `[epochs, N]` training example numbers of each epoch.
      limits: how many examples, and when to stop.
      registers: memory before Setup.

    Returns:
      Memory after Setup and the final state; and `[epochs, N + V]` absolute errors, -1 where the run had stopped.
    """
    train_examples = order.shape[1]
    last_epoch = -(-limits.train // train_examples) - 1

    def execute(function: int, registers: Registers, step: jax.Array) -> Registers:
        first = space.offsets[function]
        if space.max_sizes[function] == 0:
            return registers

        def instruction(slot: jax.Array, registers: Registers) -> Registers:
            return _execute_instruction(space.ops, jax.tree.map(lambda field: field[slot], code), draw, registers)

        draw = partial(random_words, limits.seed, task.number[None], step)
        return lax.fori_loop(first, first + space.max_sizes[function], instruction, registers)

    def example(state: State, position: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        epoch, place = position
        is_training = place < train_examples
        number = jnp.where(is_training, order[epoch, jnp.minimum(place, train_examples - 1)], place)
        features, label = task.features[number], task.labels[number]
        step = (1 + epoch * len(task.labels) + place).astype(jnp.uint32)

        registers = execute(_PREDICT, _give(state.registers, metric, features), step)
        registers, error, loss = _judge(metric, registers, label, is_training)
        passed = error <= limits.max_abs_error  # not if it is NaN
        learned = execute(_LEARN, _write(registers, metric.label, label), step)
        new = state._replace(
            registers=_choose(is_training & passed, learned, registers),
            training=jnp.where(is_training, passed, state.training),
            valid=passed,
            epoch_loss=state.epoch_loss + jnp.where(is_training, 0, loss),
            train_steps=state.train_steps + is_training,
        )
        why_stopped = jnp.where(is_training, jnp.where(epoch == 0, Stop.TRAIN, Stop.LATER_TRAIN), Stop.VALID)
        reason = jnp.where(jnp.isnan(error), StopReason.NAN, StopReason.MAX_ABS_ERROR)
        is_first_stop = ~passed & (state.stop == Stop.NONE)
        new = new._replace(
            stop=jnp.where(is_first_stop, why_stopped, state.stop).astype(jnp.int8),
            stop_reason=jnp.where(is_first_stop, reason, state.stop_reason).astype(jnp.int8),
        )
        valid = jnp.where((epoch == last_epoch) & limits.leaves_last_validation_out, 0, limits.valid)
        is_used = jnp.where(is_training, epoch * train_examples + place < limits.train, place - train_examples < valid)
        goes_on = is_used & state.valid & (epoch <= last_epoch)
        return _choose(goes_on, new, state), jnp.where(goes_on & passed, error, NO_ERROR)

    def one_epoch(state: State, epoch: jax.Array) -> tuple[State, jax.Array]:
        state = state._replace(valid=state.training, epoch_loss=jnp.zeros_like(state.loss))
        places = jnp.arange(len(task.labels), dtype=jnp.int32)
        state, errors = lax.scan(example, state, (jnp.full_like(places, epoch), places))
        is_best = state.valid & (state.epoch_loss < state.loss) & (epoch <= last_epoch)
        return state._replace(loss=jnp.where(is_best, state.epoch_loss, state.loss)), errors

    registers = execute(_SETUP, registers, jnp.uint32(0))
    zero, true, none = jnp.zeros((), registers.s.dtype), jnp.array(True), jnp.int8(Stop.NONE)
    state = State(registers, true, true, zero, zero + jnp.inf, none, none, jnp.int32(0))
    final, errors = lax.scan(one_epoch, state, jnp.arange(len(order), dtype=jnp.int32))
    return (registers, final), errors


def _execute_instruction(numbers: tuple[int, ...], code: Code, draw: Any, registers: Registers) -> Registers:
    """Memory after one instruction: a switch over the ops of the space, and NO_OP."""
    numbers = (ops.NO_OP.number, *(number for number in numbers if number != ops.NO_OP.number))
    branch_of = np.zeros(len(ops.OPS), np.int32)
    branch_of[list(numbers)] = np.arange(len(numbers))
    branches = [partial(_execute_op, ops.OPS[number], draw) for number in numbers]
    return lax.switch(jnp.asarray(branch_of)[code.opcodes], branches, code, registers)


def _execute_op(op: ops.Op, draw: Any, code: Code, registers: Registers) -> Registers:
    """Memory after one instruction of a known op."""
    if op is ops.NO_OP:
        return registers
    file, out = getattr(registers, op.output), code.addresses[OUT]
    first, second = code.addresses[IN1], code.addresses[IN2]
    values = {"i": first, "j": second, "x": code.constants[0], "y": code.constants[1], "old": file[out]}
    for name, kind, address in zip("ab", op.inputs, (first, second), strict=False):
        values[name] = getattr(registers, kind)[address]
    if op.random:
        values["words"] = draw(first, file.shape[1:-1])
    result = jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), file.shape[1:])
    return registers._replace(**{op.output: file.at[out].set(result)})


def _write(registers: Registers, register: Register, value: jax.Array) -> Registers:
    """Memory with another value, `[]` or `[F]`, in one register."""
    file = getattr(registers, register.kind)
    return registers._replace(**{register.kind: file.at[register.address].set(value[..., None])})


def _give(registers: Registers, metric: Metric, features: jax.Array) -> Registers:
    """Memory with what Predict is given: features, and no label."""
    for register in metric.given:
        value = (
            features
            if register == FEATURES
            else jnp.zeros_like(features[0] if register.kind == ops.SCALAR else features)
        )
        registers = _write(registers, register, value)
    return registers


def _judge(
    metric: Metric, registers: Registers, label: jax.Array, is_training: jax.Array
) -> tuple[Registers, jax.Array, jax.Array]:
    """Memory with the prediction made a probability (in training), the absolute error, and the validation loss."""
    prediction = getattr(registers, metric.prediction.kind)[metric.prediction.address, ..., 0]
    if not metric.is_classification:
        error = jnp.abs(label - prediction)
        return registers, error, error * error
    if metric.is_one_hot:
        exponentials = jnp.exp(prediction - prediction.max())  # NaN everywhere if there is one
        probability = exponentials / exponentials.sum()
        is_wrong = jnp.argmax(probability) != jnp.argmax(label)
    else:
        probability = 1 / (1 + jnp.exp(-prediction))
        is_wrong = (probability > 0.5) != (label > 0.5)
    wrong = is_wrong.astype(label.dtype)
    error = jnp.where(is_training, jnp.abs(label - probability).max(), wrong)
    squashed = _write(registers, metric.prediction, probability)
    return _choose(is_training, squashed, registers), error, wrong


def _choose(condition: jax.Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def _pad(array: NDArray[Any], rows: int) -> NDArray[Any]:
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])


def _to_memory(registers: Registers) -> Memory:
    """Memory of the first program, without lanes."""
    return Memory(*(np.asarray(file)[0, ..., 0] for file in registers))
