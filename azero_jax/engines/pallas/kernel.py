"""The kernel: the life of a block of programs on a few tasks.

The grid is blocks of programs x groups of tasks x chunks of examples. A chunk's examples lie in SMEM, from which a
number reaches all lanes at no cost, and the next chunk's are on their way meanwhile; registers and state stay in VMEM
from the first chunk to the last.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from azero_jax.engines.outcome import NO_ERROR, Stop, StopReason
from azero_jax.engines.pallas.arithmetic import largest, position_of_largest, softmax
from azero_jax.engines.pallas.instructions import Draw, Group, run_group
from azero_jax.engines.pallas.plan import Plan
from azero_jax.engines.pallas.registers import RegisterFiles, piece, repeat
from azero_jax.engines.pallas.sequence import FIRST_EPOCH, FIRST_OF_EPOCH, LAST_OF_EPOCH, TRAINING, USED
from azero_jax.engines.xla.groups import Entries, function_groups
from azero_jax.engines.xla.schedule import schedule_offsets
from azero_jax.language import ops
from azero_jax.language.roles import FEATURES

SETUP, PREDICT, LEARN = range(3)
REASON_SHIFT = 4  # of a stop's reason, above the stop
BLOCKS, SEED = range(2)  # numbers of the call


class Inputs(NamedTuple):
    """References to what the kernel reads; `...` stands for an axis or two of 1.

    Attributes:
      call: `[2]` int32 in SMEM, blocks that hold programs, and the bits of the random ops' seed.
      max_abs_error: `[1]` in SMEM.
      group: `[..., E]` int32 in SMEM, of each entry.
      counts: `[..., 3]` int32 in SMEM, entries of each function.
      flags: `[..., positions]` int32 in SMEM; see `Sequence`.
      steps: `[..., positions]` int32 in SMEM.
      examples: `[..., positions * tasks * numbers]` in SMEM, features and label.
      code: of each entry, `[..., E, *lanes]`: branch, in1, in2, written, x, y.
      memory: register files before Setup, by kind; None for zeros.
    """

    call: Any
    max_abs_error: Any
    group: Any
    counts: Any
    flags: Any
    steps: Any
    examples: Any
    code: tuple[Any, ...]
    memory: tuple[Any, ...] | None


class Outputs(NamedTuple):
    """References to what the kernel writes, `[1, tasks, *lanes]`.

    Attributes:
      loss: of the best epoch; infinite if none was finished.
      stop: int32, a `Stop`, and above it its `StopReason`.
      train_steps: int32.
      errors: `[..., positions, tasks, *lanes]`, of one chunk of the first epoch, if they are recorded.
      after_setup: register files, by kind; None if they are not traced.
    """

    loss: Any
    stop: Any
    train_steps: Any
    errors: Any
    after_setup: tuple[Any, ...] | None


class State(NamedTuple):
    """References to what else lasts from chunk to chunk, `[tasks, *lanes]`.

    Attributes:
      registers: the files.
      training: int32, 1 where no training example has stopped the run.
      valid: int32, 1 where no validation example of this epoch has, either.
      epoch_loss: summed over this epoch's validation examples.
      staged: room for operands.
      alive: `[1]` int32 in SMEM, whether any lane may go on.
    """

    registers: tuple[Any, ...]
    training: Any
    valid: Any
    epoch_loss: Any
    staged: tuple[Any, Any]
    alive: Any


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One chunk of examples of one block of programs on a few tasks."""

    plan: Plan
    recorded_chunks: int
    inputs: Inputs
    outputs: Outputs
    state: State
    first_task: Any

    @property
    def files(self) -> RegisterFiles:
        """The registers."""
        return RegisterFiles(self.plan, dict(zip(ops.KINDS, self.state.registers, strict=True)))

    def run(self, block: Any, chunk: Any) -> None:
        """Runs the chunk; the first one begins with Setup."""
        is_used = block < self.inputs.call[BLOCKS]
        pl.when(is_used & (chunk == 0))(self._begin)
        if self.recorded_chunks:
            pl.when(is_used & (chunk < self.recorded_chunks))(self._clear_errors)
        alive = self.state.alive

        @pl.when(is_used)
        def run_alive() -> None:
            @pl.when(alive[0] > 0)
            def run_chunk() -> None:
                repeat(self.plan.positions, self._position_if_used)
                going_on = self.state.training if self.plan.exact else self.state.valid
                alive[0] = jnp.max(going_on[...])

    def _position_if_used(self, position: Any) -> None:
        flags = self.inputs.flags[0, 0, position]
        pl.when((flags & USED) != 0)(partial(self._position, position, flags))

    def _begin(self) -> None:
        memory, lanes = self.inputs.memory, (self.plan.tasks, *self.plan.lanes)

        def value_before(kind: str, register: Any, number: Any) -> jax.Array:
            if memory is None:
                return jnp.zeros(lanes, self.plan.dtype)
            found: jax.Array = memory[ops.KINDS.index(kind)][register, number]
            return found

        self.files.fill(value_before)
        one, nothing = jnp.ones(lanes, jnp.int32), jnp.zeros(lanes, jnp.int32)
        self.state.training[...], self.state.valid[...] = one, one
        self.state.alive[0] = 1
        self.outputs.loss[0] = jnp.full(lanes, jnp.inf, self.plan.dtype)
        self.outputs.stop[0], self.outputs.train_steps[0] = nothing, nothing
        self._execute(SETUP, 0)
        if self.outputs.after_setup is not None:
            after = RegisterFiles(self.plan, dict(zip(ops.KINDS, self.outputs.after_setup, strict=True)))
            after.fill(lambda kind, register, number: self.files.files[kind][register, number])

    def _clear_errors(self) -> None:
        def clear(position: Any) -> None:
            self.outputs.errors[0, 0, position] = jnp.full(
                (self.plan.tasks, *self.plan.lanes), NO_ERROR, self.plan.dtype
            )

        repeat(self.plan.positions, clear)

    def _position(self, position: Any, flags: Any) -> None:
        """Predicts one example and, in training, learns from it."""
        is_training, step = (flags & TRAINING) != 0, self.inputs.steps[0, 0, position]
        pl.when((flags & FIRST_OF_EPOCH) != 0)(self._begin_epoch)
        self._each_task(partial(self._give, position))
        self._execute(PREDICT, step)
        self._each_task(partial(self._judge, position, flags, is_training))
        pl.when(is_training)(partial(self._execute, LEARN, step))
        pl.when((flags & LAST_OF_EPOCH) != 0)(self._end_epoch)

    def _each_task(self, body: Any) -> None:
        repeat(self.plan.tasks, body)

    def _begin_epoch(self) -> None:
        def begin(task: Any) -> None:
            self.state.valid[task] = self.state.training[task]
            self.state.epoch_loss[task] = jnp.zeros(self.plan.lanes, self.plan.dtype)

        self._each_task(begin)

    def _end_epoch(self) -> None:
        def end(task: Any) -> None:
            loss, best = self.state.epoch_loss[task], self.outputs.loss[0, task]
            is_best = (self.state.valid[task] != 0) & (loss < best)
            self.outputs.loss[0, task] = jnp.where(is_best, loss, best)

        self._each_task(end)

    def _execute(self, function: int, step: Any) -> None:
        """Executes Setup, Predict or Learn."""
        groups = function_groups(self.plan.space, function)
        if not groups or not self.plan.space.max_sizes[function]:
            return
        seed, first = self.inputs.call[SEED], schedule_offsets(self.plan.space)[function]
        draw = Draw(*(jnp.asarray(word).astype(jnp.uint32) for word in (seed, self.first_task, step)))

        def one(number: Any, nothing: None) -> None:
            del nothing
            self._branch(groups, self.inputs.group[0, 0, number], number, draw)

        lax.fori_loop(jnp.int32(first), first + self.inputs.counts[0, 0, function], one, None)

    def _branch(self, groups: tuple[Group, ...], group: Any, number: Any, draw: Draw, lowest: int = 0) -> None:
        """Executes an entry whose group is one of some, the first of them numbered `lowest`: a tree of scalar branches.

        `lax.switch` would be a chain of them.
        """
        if len(groups) == 1:
            code = (array[0, number] for array in self.inputs.code)
            entry = Entries(group, *code)
            enabled = self.state.valid if self.plan.exact else None
            run_group(self.files, groups[0], entry, draw, enabled, self.state.staged)
            return
        middle = len(groups) // 2
        lax.cond(
            group < lowest + middle,
            lambda: self._branch(groups[:middle], group, number, draw, lowest),
            lambda: self._branch(groups[middle:], group, number, draw, lowest + middle),
        )

    def _give(self, position: Any, task: Any) -> None:
        """The features, and no label, before Predict."""
        step = piece(self.plan.space.features)
        for register in self.plan.metric.given:
            size = self.plan.size(register.kind)
            width = 1 if register.kind == ops.SCALAR else step

            def some(number: Any, register: Any = register, width: int = width) -> None:
                for offset in range(width):
                    place = number * width + offset
                    value = self._example(position, task, place) if register == FEATURES else 0.0
                    self._put(register.kind, register.address, place, task, value)

            repeat(size // width, some)

    def _put(self, kind: str, address: int, number: Any, task: Any, value: Any) -> None:
        """Writes one number of a register of all lanes, or of those that have not stopped."""
        file = self.files.files[kind]
        new = jnp.broadcast_to(jnp.asarray(value, self.plan.dtype), self.plan.lanes)
        if self.plan.exact:
            new = jnp.where(self.state.valid[task] != 0, new, file[address, number, task])
        file[address, number, task] = new

    def _example(self, position: Any, task: Any, number: Any) -> Any:
        """A number of an example: a feature, or after them the label."""
        width = self.plan.row_numbers
        return self.inputs.examples[0, 0, 0, (position * self.plan.tasks + task) * width + number]

    def _judge(self, position: Any, flags: Any, is_training: Any, task: Any) -> None:
        """Compares prediction and label, and notes the error, the loss and who stops."""
        was_valid = self.state.valid[task] != 0
        squashed, error, loss = self._errors(position, is_training, task)
        is_nan = error != error
        passed = was_valid & ~is_nan & (error <= self.inputs.max_abs_error[0])
        self._squash(squashed, is_training, was_valid, task)
        self.state.valid[task] = passed.astype(jnp.int32)
        self._note_stop(flags, is_training, was_valid & ~passed, is_nan, task)
        in_training = is_training.astype(jnp.int32)
        training = self.state.training[task]
        self.state.training[task] = jnp.where(is_training, passed.astype(jnp.int32), training)
        self.outputs.train_steps[0, task] += was_valid.astype(jnp.int32) * in_training
        self.state.epoch_loss[task] += jnp.where(is_training, jnp.zeros_like(loss), loss)
        if self.recorded_chunks:
            old = self.outputs.errors[0, 0, position, task]
            is_kept = passed & ((flags & FIRST_EPOCH) != 0)
            self.outputs.errors[0, 0, position, task] = jnp.where(is_kept, error, old)
        label, f = self.plan.metric.label, self.plan.space.features

        @pl.when(is_training)
        def show_label() -> None:  # to Learn, which stopped lanes do not reach
            repeat(
                self.plan.size(label.kind),
                lambda n: self._put(label.kind, label.address, n, task, self._example(position, task, f + n)),
            )

    def _note_stop(self, flags: Any, is_training: Any, is_stopped: jax.Array, is_nan: jax.Array, task: Any) -> None:
        of_training = jnp.where((flags & FIRST_EPOCH) != 0, int(Stop.TRAIN), int(Stop.LATER_TRAIN))
        stop = jnp.where(is_training, of_training, int(Stop.VALID))
        reason = jnp.where(is_nan, int(StopReason.NAN), int(StopReason.MAX_ABS_ERROR))
        old = self.outputs.stop[0, task]
        is_first = is_stopped & (old == 0)
        self.outputs.stop[0, task] = jnp.where(is_first, stop + (reason << REASON_SHIFT), old)

    def _errors(self, position: Any, is_training: Any, task: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
        """What is compared with the label, `[n, *lanes]`; absolute error and loss, `[*lanes]`."""
        metric, f = self.plan.metric, self.plan.space.features
        outputs = metric.outputs(f)
        prediction = self.files.files[metric.prediction.kind][metric.prediction.address, pl.ds(0, outputs), task]
        numbers = (self._example(position, task, f + number) for number in range(outputs))
        label = jnp.stack([jnp.broadcast_to(number, self.plan.lanes) for number in numbers])
        if not metric.is_classification:
            error = jnp.abs(label - prediction)[0]
            return prediction, error, error * error
        if metric.is_one_hot:
            squashed = softmax(prediction)
            is_wrong = (position_of_largest(squashed) != position_of_largest(label))[0]
        else:
            squashed = 1 / (1 + jnp.exp(-prediction))
            is_wrong = ((squashed > 0.5) != (label > 0.5))[0]
        wrong = is_wrong.astype(self.plan.dtype)
        return squashed, jnp.where(is_training, largest(jnp.abs(label - squashed))[0], wrong), wrong

    def _squash(self, squashed: jax.Array, is_training: Any, was_valid: jax.Array, task: Any) -> None:
        """The prediction is made a probability in training."""
        metric = self.plan.metric
        if not metric.is_classification:
            return
        kind, address = metric.prediction
        file, numbers = self.files.files[kind], pl.ds(0, squashed.shape[0])

        @pl.when(is_training)
        def write() -> None:
            new = jnp.where(was_valid, squashed, file[address, numbers, task]) if self.plan.exact else squashed
            file[address, numbers, task] = new
