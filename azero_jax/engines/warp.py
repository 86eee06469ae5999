"""The fast engine: programs interpreted by one Warp kernel inside a jitted call, on the CPU and on NVIDIA GPUs.

The kernel is compiled once for a search space and a precision, and kept on disk between runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax import ops
from azero_jax.engines.base import Engine, Memory, Runs, RunSettings
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.engines.warp_kernel.batch import BatchBuffer
from azero_jax.engines.warp_kernel.device import check_device, fit_capacity, load_kernel
from azero_jax.engines.warp_kernel.layout import choose_layout
from azero_jax.engines.warp_kernel.spec import STOP_BITS, STOP_MASK, KernelSpec, Layout, Registers
from azero_jax.program import Programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Tasks

WARP_SIZE: Final = 32  # threads of a CUDA warp, which work on one program


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
    ) -> None:
        """Loads the kernel and puts the tasks on the device; see `Engine`.

        Args:
          space: see `Engine`.
          tasks: see `Engine`.
          settings: see `Engine`.
          order: see `Engine`.
          layout: how registers lie in memory, on the CPU; None lets `choose_layout` choose.

        Raises:
          EngineUnavailableError: Warp cannot run here.
          ValueError: tasks, order and space do not fit one another.
        """
        super().__init__(space, tasks, settings, order=order)
        cuda = jax.devices()[0].platform == "gpu"
        self.device = check_device(cuda)
        layout = Layout(1) if cuda else layout or choose_layout(space, len(tasks), self.settings.precision)
        group = WARP_SIZE if cuda else layout.lanes
        self._groups = -(-len(tasks) // group) * group // layout.lanes
        self._spec = make_spec(space, tasks, self.settings, layout, cuda=cuda)
        self._share = -(-self.settings.batch_size // len(self._devices))  # programs of one device
        if cuda:
            registers = self._spec.scratch * self._dtype.itemsize
            self._share = fit_capacity(registers, self._share, self.batch_bytes)
        self._capacity = self._share * len(self._devices)
        self._buffer = self._make_buffer()
        self._kernel = self._load_kernel()
        self._jitted_run = jax.jit(self._run_on_devices, static_argnums=0)
        with self._x64():
            self._data = on_devices(self._devices, (self._order.reshape(-1), self._arrange_examples()))

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._jitted_run._cache_size()  # type: ignore[attr-defined]

    def trace(
        self, programs: Programs, memory: Memory | None = None, *, examples: tuple[int, int] | None = None
    ) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped; see `Engine.trace`."""
        limits = self._check(programs, examples)
        buffer = self._make_buffer((len(self.tasks), self._spec.registers.memory))
        start = self._pack_memory(memory, len(programs))
        pieces = []
        for first in range(0, max(len(programs), 1), self._capacity):
            part = slice(first, first + self._capacity)
            rows = self._rows(len(programs[part]))
            buffer.write(programs[part], rows, limits, memory=start[part])
            pieces.append(self._call(buffer, rows, traced=True)[-1])
        traced = np.concatenate(pieces).reshape(len(programs), len(self.tasks), 2, self._spec.registers.memory)
        return self._unpack_memory(traced[:, :, 0]), self._unpack_memory(traced[:, :, 1])

    def batch_bytes(self, programs: int) -> int:
        """Bytes that the tasks, and `programs` programs and their outcomes with recorded errors, take on the device."""
        length, word = self.space.length, self._dtype.itemsize
        program = length * (1 + 3 * 2 + 2 * word) + 3 * 4
        examples = self.tasks.train_examples + self.tasks.valid_examples
        runs = self._groups * self._spec.lanes
        outcome = runs * (word + 1 + 4 + examples * word)
        return programs * (program + outcome) + runs * examples * self._spec.example_size * word

    def _load_kernel(self) -> Callable[..., Any]:
        return load_kernel(self._spec)

    def _make_buffer(self, memory: tuple[int, ...] = (0,)) -> BatchBuffer:
        return BatchBuffer(len(self._devices), self._share, self.space.length, self.settings.precision, memory)

    def _arrange_examples(self) -> NDArray[Any]:
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

    def _rows(self, count: int) -> NDArray[np.int64]:
        return program_rows(count, 1, len(self._devices), self._capacity)

    def _run(self, programs: Programs, train: int, valid: int, record: bool) -> Runs:
        recorded = (min(train, self.tasks.train_examples) + valid) * record
        rows = self._rows(len(programs))
        self._buffer.write(programs, rows, (train, valid), record=record)
        loss, stop, steps, errors, _ = self._call(self._buffer, rows, recorded=recorded)
        tasks, runs = len(self.tasks), self._groups * self._spec.lanes
        loss, stop, steps = (field.reshape(len(programs), runs)[:, :tasks] for field in (loss, stop, steps))
        errors = errors.reshape(len(programs), recorded, runs)[..., :tasks]
        return Runs(loss, stop & STOP_MASK, stop >> STOP_BITS, steps, errors)

    def _call(
        self, buffer: BatchBuffer, rows: NDArray[np.int64], *, recorded: int = 0, traced: bool = False
    ) -> list[NDArray[Any]]:
        """Runs the programs of a buffer.

        Args:
          buffer: holds programs at `rows`.
          rows: their places.
          recorded: errors to record of each run.
          traced: whether to trace memory.

        Returns:
          The kernel's outputs after the scratch, flat, without what belongs to no program.
        """
        most = 1 << max(0, recorded - 1).bit_length() if recorded else 0  # nearby numbers share a compilation
        runs = self._groups * self._spec.lanes
        sizes = (runs, runs, runs, runs * recorded, self._memory_size if traced else 0)  # of a program
        with self._x64():
            outputs = self._jitted_run((most, traced), buffer.array, self._data)
            return [self._of_programs(np.asarray(o), size, rows) for o, size in zip(outputs, sizes, strict=True)]

    @property
    def _memory_size(self) -> int:
        """Traced numbers of a program."""
        return 2 * len(self.tasks) * self._spec.registers.memory

    def _of_programs(self, output: NDArray[Any], size: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        """`size` values of each program, flat, without what belongs to none."""
        flat = output.reshape(-1)
        if len(self._devices) == 1:
            return flat[: size * len(rows)]
        shares = flat.reshape(len(self._devices), -1)[:, : self._share * size]
        return shares.reshape(self._capacity, size)[rows].reshape(-1)

    def _run_on_devices(
        self, wanted: tuple[int, bool], batch: jax.Array, data: tuple[jax.Array, jax.Array]
    ) -> list[jax.Array]:
        """Runs the programs of a batch, each device its share; `wanted` are errors to record, and whether to trace."""
        return over_devices(partial(self._call_kernel, wanted), self._devices, (True, False))(batch, data)

    def _call_kernel(
        self, wanted: tuple[int, bool], batch: jax.Array, data: tuple[jax.Array, jax.Array]
    ) -> list[jax.Array]:
        """Launches the kernel on one device's share of a batch; `make_kernel` says what its arguments are."""
        recorded, traced = wanted
        settings, tasks = self.settings, self.tasks
        lots = self._share * self._groups
        lengths = dict.fromkeys(("loss", "stop", "train_steps"), lots)
        lengths["scratch"] = 1 if self._spec.cuda else self._spec.scratch
        lengths["errors"] = max(1, lots * recorded)
        lengths["memory"] = self._share * self._memory_size if traced else 1
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

    def _pack_memory(self, memory: Memory | None, count: int) -> NDArray[Any]:
        """`[N, T, memory]`, in the order of the register file."""
        registers = self._spec.registers
        packed = np.zeros((count, len(self.tasks), registers.memory), self._dtype)
        if memory is None:
            return packed
        for kind, array in zip(ops.KINDS, memory, strict=True):
            columns = np.swapaxes(array, -1, -2) if kind == ops.MATRIX else np.asarray(array)
            flat = columns.reshape(count, len(self.tasks), -1)
            start = registers.start(kind)
            packed[..., start : start + flat.shape[-1]] = flat
        return packed

    def _unpack_memory(self, packed: NDArray[Any]) -> Memory:
        """`Memory` of `[N, T, memory]`."""
        space, f = self.space, self.space.features
        shapes = ((space.scalars,), (space.vectors, f), (space.matrices, f, f))
        parts = []
        for kind, shape in zip(ops.KINDS, shapes, strict=True):
            start = self._spec.registers.start(kind)
            parts.append(packed[..., start : start + math.prod(shape)].reshape(*packed.shape[:2], *shape))
        return Memory(parts[0], parts[1], np.swapaxes(parts[2], -1, -2))


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
