"""The fast engine: programs interpreted by one Warp kernel inside a jitted call, on the CPU and on NVIDIA GPUs.

The kernel is compiled once for a search space and a precision, and kept on disk between runs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.analysis.fusion import fuse
from azero_jax.engines.base import Engine, EngineUnavailableError, count_compilations
from azero_jax.engines.outcome import Memory, RawOutcome, Reals, zero_memory
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.engines.warp.batch import BatchBuffer, batch_bytes
from azero_jax.engines.warp.device import Kernel, check_device, fit_capacity, load_kernel
from azero_jax.engines.warp.layout import choose_layout
from azero_jax.engines.warp.spec import AFTER_SETUP, AFTER_TRAINING, STOP_BITS, STOP_MASK, KernelSpec, Layout, Registers
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

WARP_SIZE: Final = 32  # threads of a CUDA warp, which work on one program
_TRACING: Final = threading.Lock()  # engines share kernels, which number their calls when they are traced, unlocked
MOST_ELEMENTS: Final = 2**31 - 1  # of an array, which the kernel indexes with an int32
_Data = tuple[jax.Array, jax.Array]  # order and examples, see `make_kernel`


class WarpEngine(Engine):
    """Runs programs on tasks with a Warp kernel."""

    name = "warp"

    def __init__(
        self,
        space: SearchSpace,
        tasks: Tasks,
        settings: RunSettings | None = None,
        *,
        order: ArrayLike | None = None,
        layout: Layout | None = None,
        cuda: bool | None = None,
        load: Callable[[KernelSpec], Kernel] = load_kernel,
    ) -> None:
        """Loads the kernel and puts the tasks on the device; see `Engine`.

        Args:
          space: see `Engine`.
          tasks: see `Engine`.
          settings: see `Engine`.
          order: see `Engine`.
          layout: how registers lie in memory, on the CPU; None lets `choose_layout` choose.
          cuda: whether the kernel has its form for CUDA; None has it on a GPU. A CPU can run that form too, one thread
            after the other: for tests, on machines without a GPU.
          load: makes the kernel.

        Raises:
          EngineUnavailableError: Warp cannot run here, or the tasks are too large for it.
          ValueError: tasks, order and space do not fit one another.
        """
        super().__init__(space, tasks, settings, order=order)
        self._on_gpu = jax.devices()[0].platform == "gpu"
        self.device = check_device(self._on_gpu)
        self.small_calls = not self._on_gpu  # a core runs one program after the other
        cuda = self._on_gpu if cuda is None else cuda
        layout = Layout(1) if cuda else layout or choose_layout(space, len(tasks), self.settings.precision)
        group = WARP_SIZE if cuda else layout.lanes
        self._groups = -(-len(tasks) // group) * group // layout.lanes
        self.idle_tasks = self._groups - len(tasks) if cuda else 0  # the threads of a warp run the same instruction
        self._spec = make_spec(space, tasks, self.settings, layout, cuda=cuda)
        self._fuses = bool(self._spec.fusions)
        share = self._fit_share(-(-self.settings.batch_size // len(self._devices)))
        self.capacity = share * len(self._devices)
        self._buffer = BatchBuffer(len(self._devices), share, space.length, self.settings.precision)
        self._kernel = load(self._spec)
        self._jitted_run = jax.jit(self._run_on_devices, static_argnums=0)
        self._traced: set[_Shape] = set()
        with self._x64():
            self._data = on_devices(self._devices, (self._order.reshape(-1), self._arrange_examples()))

    def _fit_share(self, programs: int) -> int:
        """Programs of a device in a batch: at most `programs`, and so many that every array fits and can be indexed."""
        examples = self.tasks.train_examples + self.tasks.valid_examples
        if self._groups * examples * self._spec.example_size > MOST_ELEMENTS:
            raise EngineUnavailableError(
                f"the tasks have {examples:,} examples of {self.space.features:,} features; that is too much for the"
                " Warp engine, which numbers them in 32 bits"
            )
        programs = min(programs, MOST_ELEMENTS // (self._groups * _room(examples)))
        if not self._on_gpu:
            return programs
        return fit_capacity(self._spec.scratch * self._dtype.itemsize, programs, self.batch_bytes)

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return count_compilations(self._jitted_run)

    def close(self) -> None:
        """See `Engine`.

        JAX keeps a compiled method with its object, and so the object with itself, until Python looks for such circles.
        """
        self._jitted_run.clear_cache()  # type: ignore[attr-defined]
        del self._jitted_run

    def batch_bytes(self, programs: int) -> int:
        """Bytes that the tasks, and `programs` programs and their outcomes with recorded errors, take on the device."""
        word, runs = self._dtype.itemsize, self._groups * self._spec.lanes
        examples = self.tasks.train_examples + self.tasks.valid_examples
        outcome = runs * (word + 1 + 4 + _room(examples) * word)
        tasks = runs * examples * self._spec.example_size * word
        return batch_bytes(programs, self.space.length, self.settings.precision) + programs * outcome + tasks

    def _arrange_examples(self) -> Reals:
        """Examples as the kernel reads them; tasks are repeated to fill the last group."""
        tasks, spec = self.tasks, self._spec
        padded = np.minimum(np.arange(self._groups * spec.lanes), len(tasks) - 1)
        features = np.concatenate([tasks.train_features, tasks.valid_features], axis=1)
        labels = np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1).reshape(*features.shape[:2], -1)
        unused = np.zeros((*features.shape[:2], spec.example_size - spec.registers.features - spec.label_size))
        values = np.concatenate([features, labels, unused], axis=2, dtype=self._dtype)[padded]
        values = values.reshape(self._groups, spec.lanes, *values.shape[1:])
        axes = (2, 3, 0, 1) if spec.cuda else (0, 2, 3, 1)  # CUDA: neighbouring threads read neighbouring numbers
        return np.ascontiguousarray(values.transpose(axes)).reshape(-1, spec.lanes)

    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        recorded = (min(train, self.tasks.train_examples) + valid) * record
        rows = program_rows(len(programs), 1, len(self._devices), self.capacity)
        if self._fuses:
            programs = fuse(programs, self.space, self.tasks.metric)
        self._buffer.write(programs, rows, (train, valid), record=record)
        loss, stop, steps, errors, _ = self._call(self._buffer, rows, recorded=recorded)
        tasks, runs = len(self.tasks), self._groups * self._spec.lanes
        loss, stop, steps = (field.reshape(len(programs), runs)[:, :tasks] for field in (loss, stop, steps))
        errors = errors.reshape(len(programs), recorded, runs)[..., :tasks]
        return RawOutcome(loss, stop & STOP_MASK, stop >> STOP_BITS, steps, errors)

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        tasks, size = len(self.tasks), self._spec.registers.memory
        buffer = BatchBuffer(len(self._devices), 1, self.space.length, self.settings.precision, (tasks, size))
        rows = np.zeros(1, np.int64)
        buffer.write(program, rows, (train, valid), memory=self._pack_memory(memory)[None])
        traced = self._call(buffer, rows, traced=True)[-1].reshape(tasks, 2, size)
        return self._unpack_memory(traced[:, AFTER_SETUP]), self._unpack_memory(traced[:, AFTER_TRAINING])

    def _call(
        self, buffer: BatchBuffer, rows: NDArray[np.int64], *, recorded: int = 0, traced: bool = False
    ) -> list[NDArray[Any]]:
        """Runs the programs of a buffer, and waits: JAX takes the buffer's memory as it is.

        Args:
          buffer: holds programs at `rows`.
          rows: their places.
          recorded: errors to record of each run.
          traced: whether to trace memory.

        Returns:
          The kernel's outputs after the scratch, flat, without what belongs to no program.
        """
        runs = self._groups * self._spec.lanes
        sizes = (runs, runs, runs, runs * recorded, self._traced_size * traced)  # of a program
        shape = _Shape(buffer.capacity, _room(recorded), self._traced_size * traced)
        with self._x64(), contextlib.nullcontext() if shape in self._traced else _TRACING:
            outputs = self._jitted_run(shape, buffer.array, self._data)
            self._traced.add(shape)
            return [
                self._of_programs(np.asarray(output), buffer.capacity, size, rows)
                for output, size in zip(outputs, sizes, strict=True)
            ]

    @property
    def _traced_size(self) -> int:
        """Numbers that a traced program has."""
        return 2 * len(self.tasks) * self._spec.registers.memory

    def _of_programs(self, output: NDArray[Any], capacity: int, size: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        """`size` values of each program, flat, without what belongs to none."""
        flat = output.reshape(-1)
        if len(self._devices) == 1:
            return flat[: size * len(rows)]
        shares = flat.reshape(len(self._devices), -1)[:, : capacity * size]
        return shares.reshape(len(self._devices) * capacity, size)[rows].reshape(-1)

    def _run_on_devices(self, shape: _Shape, batch: jax.Array, data: _Data) -> Sequence[jax.Array]:
        """Runs the programs of a batch, each device its share."""
        return over_devices(partial(self._call_kernel, shape), self._devices, (True, False))(batch, data)

    def _call_kernel(self, shape: _Shape, batch: jax.Array, data: _Data) -> Sequence[jax.Array]:
        """Launches the kernel on one device's share of a batch; `make_kernel` says what its arguments are."""
        settings, tasks = self.settings, self.tasks
        lots = shape.capacity * self._groups
        lengths = dict.fromkeys(("loss", "stop", "train_steps"), lots)
        lengths["scratch"] = 1 if self._spec.cuda else self._spec.scratch
        lengths["errors"] = max(1, lots * shape.errors)
        lengths["traced"] = max(1, shape.capacity * shape.traced)
        outputs = self._kernel(
            batch.reshape(-1),
            *data,
            len(tasks),
            self._groups,
            tasks.train_examples,
            tasks.valid_examples,
            np.uint32(settings.seed),  # JAX reads a Python number as an int32
            settings.max_abs_error,
            launch_dims=lots,
            output_dims=lengths,
        )
        return outputs[1:]  # without the scratch

    def _pack_memory(self, memory: Memory) -> Reals:
        """`[T, memory]`, in the order of the register file."""
        registers, tasks = self._spec.registers, len(self.tasks)
        packed = np.zeros((tasks, registers.memory), self._dtype)
        for kind, array in zip(ops.KINDS, memory, strict=True):
            columns = np.swapaxes(array, -1, -2) if kind == ops.MATRIX else array
            flat = columns.reshape(tasks, -1)
            start = registers.start(kind)
            packed[:, start : start + flat.shape[-1]] = flat
        return packed

    def _unpack_memory(self, packed: Reals) -> Memory:
        """`Memory` of `[T, memory]`."""
        zeros = zero_memory(self.space, (len(packed),), self._dtype)
        parts = []
        for kind, array in zip(ops.KINDS, zeros, strict=True):
            start = self._spec.registers.start(kind)
            parts.append(packed[:, start : start + array[0].size].reshape(array.shape))
        return Memory(parts[0], parts[1], np.swapaxes(parts[2], -1, -2))


class _Shape(NamedTuple):
    """What a call is compiled for.

    Attributes:
      capacity: most programs of a device.
      errors: room for recorded errors of a run.
      traced: numbers that are traced of a program.
    """

    capacity: int
    errors: int
    traced: int


def _room(recorded: int) -> int:
    """Room for so many recorded errors; nearby numbers share a compilation."""
    return 1 << (recorded - 1).bit_length() if recorded else 0


def make_spec(space: SearchSpace, tasks: Tasks, settings: RunSettings, layout: Layout, *, cuda: bool) -> KernelSpec:
    """What a kernel for such programs and tasks is compiled for."""
    return KernelSpec(
        registers=Registers(space.features, space.scalars, space.vectors, space.matrices, layout.block),
        slots=space.length,
        offsets=space.offsets,
        ops=space.ops,
        precision=settings.precision,
        metric=tasks.metric,
        lanes=layout.lanes,
        cuda=cuda,
        epochs=settings.epochs > 1,
    )
