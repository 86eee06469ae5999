"""The XLA engine: programs interpreted in one jitted call, on whatever JAX runs on.

Lanes, the last axis of its arrays, are tasks, or programs x tasks. `forms` has the ways in which a block of programs is
interpreted, `sizing` chooses one for the device.
"""

import dataclasses
import functools
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import ArrayLike

from azero_jax.engines.base import Engine, count_compilations
from azero_jax.engines.outcome import Memory, RawOutcome
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.engines.xla.forms import Form
from azero_jax.engines.xla.run import BLOCKS, Data, Limits, Machine, State, run
from azero_jax.engines.xla.sizing import choose_form
from azero_jax.engines.xla.step import Registers
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

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
        form: Form | None = None,
    ) -> None:
        """Puts the tasks on the device; see `Engine`.

        Args:
          space: see `Engine`.
          tasks: see `Engine`.
          settings: see `Engine`.
          order: see `Engine`.
          form: how programs are interpreted, and how many side by side; None lets `choose_form` choose.

        Raises:
          ValueError: tasks, order and space do not fit one another.
        """
        super().__init__(space, tasks, settings, order=order)
        self.device = describe_device()
        devices = len(self._devices)
        share = -(-self.settings.batch_size // devices)
        self._form = form or choose_form(space, len(tasks), share, self._devices[0], self._dtype.itemsize)
        unit = self._form.block * devices
        self.capacity = -(-self.settings.batch_size // unit) * unit
        machine = Machine(space, tasks.metric, self._dtype, self._form)
        self._jitted_run = compiled_run(machine, self._devices)
        one_program = dataclasses.replace(self._form, block=1)
        self._jitted_trace = _compiled_trace(dataclasses.replace(machine, exact_memory=True, form=one_program))
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
        block, devices = self._form.block, len(self._devices)
        place[order] = program_rows(len(programs), block, devices, self.capacity)
        blocks = np.int32(-(-len(programs) // (block * devices)))
        code, sizes = self._form.encode(self.space, programs, place, self.capacity, self._dtype)
        with self._x64():
            runs = self._jitted_run(recorded, code, sizes, blocks, self._data, self._limits(train, valid))
            outcome = RawOutcome(*(np.asarray(array)[place] for array in runs))
        if not record:
            return outcome
        first_epoch = np.arange(min(train, self.tasks.train_examples))
        return outcome._replace(errors=outcome.errors[:, np.concatenate([first_epoch, train_rows + np.arange(valid)])])

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        form = dataclasses.replace(self._form, block=1)
        code, sizes = form.encode(self.space, program, np.arange(1), 1, self._dtype)
        with self._x64():
            lanes = form.lanes(len(self.tasks))
            tasks_last = (np.moveaxis(array, 0, -1) for array in memory)
            start = Registers(*(jnp.asarray(array.reshape(*array.shape[:-1], *lanes)) for array in tasks_last))
            after_setup, after_training = self._jitted_trace(code, sizes, self._data, self._limits(train, valid), start)
            return self._to_memory(after_setup), self._to_memory(after_training)

    def _to_memory(self, registers: Registers) -> Memory:
        """Registers of one program, tasks first."""
        ranks = (ops.RANKS[kind] for kind in ops.KINDS)
        files = (np.asarray(registers.of(kind)) for kind in ops.KINDS)
        tasks = len(self.tasks)
        return Memory(
            *(
                np.moveaxis(file.reshape(*file.shape[: 1 + rank], tasks), -1, 0)
                for file, rank in zip(files, ranks, strict=True)
            )
        )

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
            max_abs_error=jnp.asarray(self.settings.error_limit),
            seed=jnp.uint32(self.settings.seed),
        )


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


def _recorded_rows(count: int, most: int) -> int:
    """Rows to compile for; nearby numbers of examples share a compilation."""
    return min(most, -(-count // RECORD_MULTIPLE) * RECORD_MULTIPLE)


@functools.cache
def compiled_run(machine: Machine, devices: tuple[jax.Device, ...]) -> Any:
    """The jitted run, one for all engines of the same make: what one compiled, the next experiment's uses."""
    return jax.jit(partial(_run_on_devices, machine, devices), static_argnums=0)


@functools.cache
def _compiled_trace(machine: Machine) -> Callable[..., tuple[Registers, Registers]]:
    return jax.jit(partial(_trace_program, machine))


def _run_on_devices(
    machine: Machine,
    devices: tuple[jax.Device, ...],
    recorded: tuple[int, int],
    code: Any,
    sizes: jax.Array,
    blocks: jax.Array,
    data: Data,
    limits: Limits,
) -> DeviceOutcome:
    """Runs the programs, each device the first `blocks` blocks of its share."""
    run_share = partial(_run_blocks, dataclasses.replace(machine, recorded=recorded))
    return over_devices(run_share, devices, (True, True, False, False, False))(code, sizes, blocks, data, limits)


def _run_blocks(
    machine: Machine, code: Any, sizes: jax.Array, blocks: jax.Array, data: Data, limits: Limits
) -> DeviceOutcome:
    """Runs the first `blocks` blocks of the programs, one after the other; the others' are zeros."""
    block, tasks = machine.form.block, data.features.shape[-1]

    def run_block(number: jax.Array) -> DeviceOutcome:
        _, state = run(machine, *machine.form.take_block(code, sizes, number, tasks), data, limits)
        return _device_outcome(machine, state, tasks)

    def one_block(number: jax.Array, outcome: DeviceOutcome) -> DeviceOutcome:
        return jax.tree.map(
            lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part, number * block, 0),
            outcome,
            run_block(number),
        )

    programs = machine.form.programs(sizes)
    kinds = (machine.dtype, jnp.int8, jnp.int8, jnp.int32)
    errors = jnp.zeros((programs, sum(machine.recorded), tasks), machine.dtype)
    loss, stop, reason, steps = (jnp.zeros((programs, tasks), kind) for kind in kinds)
    with jax.named_scope(BLOCKS):
        return lax.fori_loop(0, blocks, one_block, DeviceOutcome(loss, stop, reason, steps, errors))


def _device_outcome(machine: Machine, state: State, tasks: int) -> DeviceOutcome:
    fields = (state.best, state.stop, state.reason, state.steps, state.errors)
    return DeviceOutcome(*(machine.form.by_program(field, tasks) for field in fields))


def _trace_program(
    machine: Machine, code: Any, sizes: jax.Array, data: Data, limits: Limits, registers: Registers
) -> tuple[Registers, Registers]:
    """Memory of one program after Setup, and when training ended or stopped."""
    code, sizes = machine.form.take_block(code, sizes, jnp.int32(0), data.features.shape[-1])
    after_setup, state = run(machine, code, sizes, data, limits, registers)
    return after_setup, state.registers
