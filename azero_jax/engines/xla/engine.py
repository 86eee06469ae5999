"""The XLA engine: programs interpreted in one jitted call, on whatever JAX runs on.

Lanes, the last axis of its arrays, are tasks, or programs x tasks. One program at a time branches to each op with
`lax.switch`; of many side by side every op runs, and each lane selects. `block_programs` chooses; see `step`.
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
from jax import lax
from numpy.typing import ArrayLike, DTypeLike, NDArray

from azero_jax.engines.base import Engine, count_compilations
from azero_jax.engines.outcome import Memory, RawOutcome
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.engines.xla.run import Data, Limits, Machine, State, run
from azero_jax.engines.xla.step import Code, Registers, branch_step, select_step
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

# The select step shares one instruction loop among this many lanes (programs x tasks). More lanes spread the loop's
# overhead over more work until the registers leave the cache.
TARGET_LANES: Final = 1280
# The select step runs every op, the branch step only one, at a higher fixed cost. Measured on one core with 10 tasks,
# programs per second select / branch, by the elements that the ops together touch: 51: 1206 / 557, 77: 942 / 478,
# 245: 293 / 444.
SELECT_ELEMENTS: Final = 128
LANES_MULTIPLE: Final = 64  # no vector loop has a remainder, so a program's result cannot depend on its lanes' places
_OUTPUT_KIND: Final = np.array([ops.KINDS.index(op.output) if op.output else -1 for op in ops.OPS], np.int8)
RECORD_MULTIPLE: Final = 32  # recorded errors are compiled for multiples of this many examples


class XlaEngine(Engine):
    """Runs programs on tasks with XLA."""

    name = "xla"

    def __init__(
        self,
        space: SearchSpace,
        tasks: Tasks,
        settings: RunSettings | None = None,
        *,
        order: ArrayLike | None = None,
        block: int | None = None,
    ) -> None:
        """Puts the tasks on the device; see `Engine`.

        Args:
          space: see `Engine`.
          tasks: see `Engine`.
          settings: see `Engine`.
          order: see `Engine`.
          block: how many programs run side by side; 1 branches to each op, more select among all; None lets
            `block_programs` choose.

        Raises:
          ValueError: tasks, order and space do not fit one another.
        """
        super().__init__(space, tasks, settings, order=order)
        self.device = describe_device()
        self._branches = _branch_numbers(space)
        self._block = block_programs(space, len(tasks)) if block is None else block
        unit = self._block * len(self._devices)
        self.capacity = -(-self.settings.batch_size // unit) * unit
        machine = Machine(space, tasks.metric, self._dtype, branch_step if self._block == 1 else select_step)
        self._jitted_run = _compiled_run(machine, self._block, self._devices)
        self._jitted_trace = _compiled_trace(dataclasses.replace(machine, exact_memory=True))
        self._compiled_before = self._count_compilations()
        with self._x64():
            self._data = self._put_tasks()

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._count_compilations() - self._compiled_before

    def _count_compilations(self) -> int:
        return count_compilations(self._jitted_run) + count_compilations(self._jitted_trace)

    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        train_rows = _recorded_rows(train, self.tasks.train_examples)
        recorded = (train_rows, _recorded_rows(valid, self.tasks.valid_examples)) if record else (0, 0)
        order = np.lexsort(programs.sizes.T)  # programs of like sizes share a block, which runs to its longest
        place = np.empty_like(order)
        place[order] = program_rows(len(programs), self._block, len(self._devices), self.capacity)
        blocks = np.int32(-(-len(programs) // (self._block * len(self._devices))))
        code, sizes = self._encode(programs, place, self.capacity)
        with self._x64():
            runs = self._jitted_run(recorded, code, sizes, blocks, self._data, self._limits(train, valid))
            outcome = RawOutcome(*(np.asarray(array)[place] for array in runs))
        if not record:
            return outcome
        first_epoch = np.arange(min(train, self.tasks.train_examples))
        return outcome._replace(errors=outcome.errors[:, np.concatenate([first_epoch, train_rows + np.arange(valid)])])

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        code, sizes = self._encode(program, np.arange(1), 1)
        with self._x64():
            start = Registers(*(jnp.asarray(np.moveaxis(array, 0, -1)) for array in memory))
            after_setup, after_training = self._jitted_trace(code, sizes, self._data, self._limits(train, valid), start)
            return _to_memory(after_setup), _to_memory(after_training)

    def _put_tasks(self) -> Data:
        tasks = self.tasks
        features = np.concatenate([tasks.train_features, tasks.valid_features], axis=1)
        labels = np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1)
        lanes_last = (np.moveaxis(array, 0, -1).astype(self._dtype) for array in (features, labels))
        return Data(*on_devices(self._devices, (*lanes_last, self._order)))

    def _limits(self, train: int, valid: int) -> Limits:
        return Limits(
            train=jnp.int32(train),
            valid=jnp.int32(valid),
            max_abs_error=jnp.asarray(self.settings.max_abs_error, self._dtype),
            seed=jnp.uint32(self.settings.seed),
        )

    def _encode(self, programs: Programs, rows: NDArray[np.int64], capacity: int) -> tuple[Code, NDArray[np.int32]]:
        """Instructions and sizes as the device takes them: programs in the given rows of `capacity`, others empty."""

        def pad(array: NDArray[Any], dtype: DTypeLike) -> Any:  # NumPy, which a jitted function takes too
            padded = np.zeros((capacity, *array.shape[1:]), dtype)
            with np.errstate(over="ignore"):  # a constant beyond float32 is infinite
                padded[rows] = array
            return padded

        branches = self._branches[np.arange(self.space.length), programs.opcodes]
        in1, in2, out = (programs.addresses[..., column] for column in (IN1, IN2, OUT))
        kinds = _OUTPUT_KIND[programs.opcodes]
        outputs = [np.where(kinds == kind, out.astype(np.int32), -1) for kind in range(len(ops.KINDS))]
        integers: list[NDArray[Any]] = [branches, in1, in2, *outputs]
        constants = (pad(programs.constants[..., column], self._dtype) for column in (0, 1))
        return Code(*(pad(array, np.int32) for array in integers), *constants), pad(programs.sizes, np.int32)


class DeviceOutcome(NamedTuple):
    """`RawOutcome` on the device."""

    loss: jax.Array
    stop: jax.Array
    stop_reason: jax.Array
    train_steps: jax.Array
    errors: jax.Array


def describe_device() -> str:
    """The device that XLA runs on, such as `cpu` or `NVIDIA L4`."""
    return jax.devices()[0].device_kind


def block_programs(space: SearchSpace, tasks: int) -> int:
    """How many programs one instruction loop runs side by side: 1 where running every op would cost too much."""
    rank = {"": 0, ops.SCALAR: 0, ops.VECTOR: 1, ops.MATRIX: 2}
    kinds = (ops.OPS[number].inputs + ops.OPS[number].output for number in space.ops)
    if sum(space.features ** max(rank[kind] for kind in touched) for touched in kinds) > SELECT_ELEMENTS:
        return 1
    multiple = LANES_MULTIPLE // math.gcd(LANES_MULTIPLE, tasks)
    return multiple * max(1, TARGET_LANES // (tasks * multiple))


def _recorded_rows(count: int, most: int) -> int:
    """Rows to compile for; nearby numbers of examples share a compilation."""
    return min(most, -(-count // RECORD_MULTIPLE) * RECORD_MULTIPLE)


def _branch_numbers(space: SearchSpace) -> NDArray[np.int32]:
    """`[L, 65]`: an op's branch in each slot, 0 for NO_OP and for ops that are not allowed there."""
    branches = np.zeros((space.length, len(ops.OPS)), np.int32)
    for function, offset in zip(space.functions, space.offsets, strict=True):
        numbers = [number for number in function.ops if number != ops.NO_OP.number]
        branches[offset : offset + function.max_size, numbers] = np.arange(1, len(numbers) + 1)
    return branches


def _to_memory(registers: Registers) -> Memory:
    """Registers with lanes first."""
    return Memory(*(np.moveaxis(np.asarray(getattr(registers, kind)), -1, 0) for kind in ops.KINDS))


@functools.cache
def _compiled_run(machine: Machine, block: int, devices: tuple[jax.Device, ...]) -> Callable[..., DeviceOutcome]:
    """The jitted run, one for all engines of the same make: what one compiled, the next experiment's uses."""
    return jax.jit(partial(_run_on_devices, machine, block, devices), static_argnums=0)


@functools.cache
def _compiled_trace(machine: Machine) -> Callable[..., tuple[Registers, Registers]]:
    return jax.jit(partial(_trace_program, machine))


def _run_on_devices(
    machine: Machine,
    block: int,
    devices: tuple[jax.Device, ...],
    recorded: tuple[int, int],
    code: Code,
    sizes: jax.Array,
    blocks: jax.Array,
    data: Data,
    limits: Limits,
) -> DeviceOutcome:
    """Runs the programs, each device the first `blocks` blocks of its share."""
    run_share = partial(_run_blocks, dataclasses.replace(machine, recorded=recorded), block)
    return over_devices(run_share, devices, (True, True, False, False, False))(code, sizes, blocks, data, limits)


def _run_blocks(
    machine: Machine, block: int, code: Code, sizes: jax.Array, blocks: jax.Array, data: Data, limits: Limits
) -> DeviceOutcome:
    """Runs the first `blocks` blocks of the programs, one after the other; the others' are zeros."""

    def run_block(number: jax.Array) -> DeviceOutcome:
        part = jax.tree.map(lambda array: lax.dynamic_slice_in_dim(array, number * block, block), (code, sizes))
        _, state = run(machine, _with_lanes(machine, part[0], data), part[1].max(axis=0), data, limits)
        return _device_outcome(state, data.features.shape[-1])

    def one_block(number: jax.Array, outcome: DeviceOutcome) -> DeviceOutcome:
        return jax.tree.map(
            lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part, number * block, 0),
            outcome,
            run_block(number),
        )

    programs, tasks = len(sizes), data.features.shape[-1]
    kinds = (machine.dtype, jnp.int8, jnp.int8, jnp.int32)
    errors = jnp.zeros((programs, sum(machine.recorded), tasks), machine.dtype)
    loss, stop, reason, steps = (jnp.zeros((programs, tasks), kind) for kind in kinds)
    return lax.fori_loop(0, blocks, one_block, DeviceOutcome(loss, stop, reason, steps, errors))


def _with_lanes(machine: Machine, code: Code, data: Data) -> Code:
    """The instructions of a block as `Machine.step` takes them; a lane is a (program, task), tasks minor."""
    if machine.step is branch_step:
        return jax.tree.map(lambda array: array[0], code)
    tasks = data.features.shape[-1]
    return jax.tree.map(lambda array: jnp.repeat(jnp.moveaxis(array, 0, -1), tasks, axis=-1), code)


def _device_outcome(state: State, tasks: int) -> DeviceOutcome:
    lanes = state.errors.shape[-1]
    errors = jnp.moveaxis(state.errors.reshape(-1, lanes // tasks, tasks), 0, 1)
    fields = (state.best, state.stop, state.reason, state.steps)
    loss, stop, reason, steps = (field.reshape(-1, tasks) for field in fields)
    return DeviceOutcome(loss, stop, reason, steps, errors)


def _trace_program(
    machine: Machine, code: Code, sizes: jax.Array, data: Data, limits: Limits, registers: Registers
) -> tuple[Registers, Registers]:
    """Memory of one program after Setup, and when training ended or stopped."""
    after_setup, state = run(machine, _with_lanes(machine, code, data), sizes[0], data, limits, registers)
    return after_setup, state.registers
