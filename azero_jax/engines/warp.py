"""The fast engine: programs interpreted by one Warp kernel inside a jitted call, on the CPU and on NVIDIA GPUs.

The kernel is compiled once for a search space and a precision, and kept on disk between runs.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax import ops
from azero_jax.engines.base import Memory, Outcome, RunSettings
from azero_jax.engines.checks import check_examples, check_ops, check_order, check_tasks
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.engines.warp_kernel.device import LoadedKernel, check_device, fit_capacity, load_kernel
from azero_jax.engines.warp_kernel.spec import KernelSpec, Layout, Registers
from azero_jax.program import Programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Tasks

WARP_SIZE: Final = 32  # threads of a CUDA warp, which work on one program


class WarpEngine:
    """Runs programs on tasks with a Warp kernel; see `azero_jax.engines.base.Engine`.

    Args:
      space: the search space; only its ops, addresses and lengths are compiled.
      tasks: the tasks, which are put on the device once.
      settings: how programs are run.
      order: `[epochs, N]` training example numbers of each epoch; None means `make_order` with the settings' seed.
      layout: how registers lie in memory, on the CPU; None lets `choose_layout` choose.

    Raises:
      EngineUnavailableError: Warp cannot run here.
      ValueError: tasks, order and space do not fit one another.
    """

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
        settings = settings or RunSettings()
        check_tasks(space, tasks)
        self.space, self.tasks, self.settings = space, tasks, settings
        self._cuda = jax.devices()[0].platform == "gpu"
        self._dtype = np.dtype(settings.precision)
        self._layout = Layout(1) if self._cuda else layout or choose_layout(space, len(tasks), settings.precision)
        self._lanes = self._layout.lanes
        group = WARP_SIZE if self._cuda else self._lanes
        self._groups = -(-len(tasks) // group) * group // self._lanes
        self.device = check_device(self._cuda)
        self._devices = tuple(jax.local_devices())
        self._share = -(-settings.batch_size // len(self._devices))
        if self._cuda:
            registers = self._spec().scratch * self._dtype.itemsize
            self._share = fit_capacity(registers, self._share, self.batch_bytes)
        self._capacity = self._share * len(self._devices)
        self._buffers = self._make_buffers()
        self._kernel = self._load_kernel()
        self._run = jax.jit(self._run_on_devices, static_argnums=0)
        with self._x64():
            order = check_order(order, tasks, settings)
            self._data = on_devices(self._devices, (order, *self._arrange_tasks()))

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._run._cache_size()  # type: ignore[attr-defined]

    def evaluate(
        self,
        programs: Programs,
        *,
        examples: tuple[int, int] | None = None,
        divisor: int | None = None,
        record: bool = False,
    ) -> Outcome:
        """Runs every program on every task from zeroed memory; see `azero_jax.engines.base.Engine.evaluate`.

        Raises:
          ValueError: more examples asked for than there are, or an op that the space does not have.
        """
        train, valid = check_examples(examples, self.tasks, self.settings)
        check_ops(programs, self.space)
        errors = min(train, self.tasks.train_examples) + valid
        limits = (train, valid, valid if divisor is None else divisor)
        pieces = [
            self._run_piece(programs[start : start + self._capacity], limits, recorded=errors * record)
            for start in range(0, max(len(programs), 1), self._capacity)
        ]
        fields = [field[0] if len(field) == 1 else np.concatenate(field) for field in zip(*pieces, strict=True)]
        count, tasks = len(programs), len(self.tasks)
        fitness, stop, reason, steps = (field.reshape(count, tasks) for field in fields[:4])
        return Outcome(fitness, stop, reason, steps, fields[4].reshape(count, errors, tasks) if record else None)

    def trace(
        self, programs: Programs, memory: Memory | None = None, *, examples: tuple[int, int] | None = None
    ) -> tuple[Memory, Memory]:
        """Memory after Setup, and when training ended or stopped; see `azero_jax.engines.base.Engine.trace`."""
        train, valid = check_examples(examples, self.tasks, self.settings)
        check_ops(programs, self.space)
        start = self._pack_memory(memory, len(programs))
        pieces = []
        for first in range(0, max(len(programs), 1), self._capacity):
            part = slice(first, first + self._capacity)
            pieces.append(self._run_piece(programs[part], (train, valid, valid), memory=start[part])[5:])
        after_setup, after_training = (np.concatenate(field) for field in zip(*pieces, strict=True))
        return self._unpack_memory(after_setup), self._unpack_memory(after_training)

    def batch_bytes(self, programs: int) -> int:
        """Bytes that the tasks, and `programs` programs and their outcomes with recorded errors, take on the device."""
        length, word = self.space.length, self._dtype.itemsize
        program = length * (1 + 3 * 2 + 2 * word) + 3 * 4
        labels = self.tasks.train_labels.size // self.tasks.train_labels.shape[0] // self.tasks.train_examples
        examples = self.tasks.train_examples + self.tasks.valid_examples
        outcome = len(self.tasks) * (word + 1 + 1 + 4 + examples * word)
        data = self._groups * self._lanes * examples * (self.space.features + labels) * word
        return programs * (program + outcome) + data

    def _x64(self) -> AbstractContextManager[Any]:
        return jax.enable_x64(self.settings.precision == "float64")

    def _load_kernel(self) -> LoadedKernel:
        return load_kernel(self._spec())

    def _spec(self) -> KernelSpec:
        return KernelSpec(
            registers=self._registers,
            slots=self.space.length,
            offsets=self.space.offsets,
            ops=self.space.ops,
            precision=self.settings.precision,
            metric=self.tasks.metric,
            lanes=self._lanes,
            cuda=self._cuda,
            epochs=self.settings.epochs > 1,
        )

    @property
    def _registers(self) -> Registers:
        space = self.space
        return Registers(space.features, space.scalars, space.vectors, space.matrices, self._layout.block)

    def _arrange_tasks(self) -> list[NDArray[Any]]:
        """Features and labels as the kernel reads them; tasks are repeated to fill the last group."""
        tasks, width = self.tasks, self._lanes
        padded = np.minimum(np.arange(self._groups * width), len(tasks) - 1)
        arranged = []
        for array, block in (
            (tasks.train_features, self._layout.block),
            (tasks.train_labels, 1),
            (tasks.valid_features, self._layout.block),
            (tasks.valid_labels, 1),
        ):
            values = array.astype(self._dtype)[padded].reshape(self._groups, width, array.shape[1], -1)
            axes = (2, 3, 0, 1) if self._cuda else (0, 2, 3, 1)  # CUDA: neighbouring threads read neighbouring numbers
            arranged.append(np.ascontiguousarray(values.transpose(axes)).reshape(-1, width * block))
        return arranged

    def _make_buffers(self) -> dict[str, NDArray[Any]]:
        """Arrays of the capacity, which programs are copied into."""
        capacity, length = self._capacity, self.space.length
        return {
            "opcodes": np.zeros((capacity, length), np.uint8),
            "addresses": np.zeros((capacity, length, 3), np.uint16),
            "constants": np.zeros((capacity, length, 2), self._dtype),
            "sizes": np.zeros((capacity, 3), np.int32),
        }

    def _run_piece(
        self,
        programs: Programs,
        limits: tuple[int, int, int],
        *,
        recorded: int = 0,
        memory: NDArray[Any] | None = None,
    ) -> list[NDArray[Any]]:
        """Runs at most `batch_size` programs.

        Args:
          programs: the programs.
          limits: training and validation examples, and the divisor of the loss.
          recorded: errors to record of each run.
          memory: `[N, T, memory]` to start from, if the run is traced.

        Returns:
          The kernel's outputs, flat, without what belongs to no program.
        """
        count, devices = len(programs), len(self._devices)
        rows = program_rows(count, 1, devices, self._capacity)
        for name, buffer in self._buffers.items():
            buffer[rows if devices > 1 else slice(count)] = getattr(programs, name)
        start = np.zeros((devices, 1), self._dtype)
        if memory is not None:
            start = np.zeros((self._capacity, *memory.shape[1:]), self._dtype)
            start[rows] = memory
        in_use = np.bincount(rows // self._share, minlength=devices)
        batch = np.array([[n, *limits, recorded > 0, memory is not None] for n in in_use], np.int32)
        most = 1 << max(0, recorded - 1).bit_length() if recorded else 0  # nearby numbers share a compilation
        values = [1, 1, 1, 1, recorded] + [self._registers.memory * (memory is not None)] * 2
        with self._x64():
            outputs = self._run(most, *self._buffers.values(), batch, start, self._data)
            return [
                self._of_programs(np.asarray(output), len(self.tasks) * number, rows)
                for output, number in zip(outputs, values, strict=True)
            ]

    def _of_programs(self, output: NDArray[Any], size: int, rows: NDArray[np.int64]) -> NDArray[Any]:
        """`size` values of each program, flat, without what belongs to none."""
        if len(self._devices) == 1:
            return output[: size * len(rows)]
        shares = output.reshape(len(self._devices), -1)[:, : self._share * size]
        return shares.reshape(self._capacity, size)[rows].reshape(-1)

    def _run_on_devices(self, recorded: int, *arguments: Any) -> list[jax.Array]:
        """Runs the programs of a batch, each device its share."""
        function = partial(self._call_kernel, recorded)
        return over_devices(function, self._devices, (*[True] * (len(arguments) - 1), False))(*arguments)

    def _call_kernel(
        self,
        recorded: int,
        opcodes: jax.Array,
        addresses: jax.Array,
        constants: jax.Array,
        sizes: jax.Array,
        batch: jax.Array,
        memory: jax.Array,
        data: tuple[jax.Array, ...],
    ) -> list[jax.Array]:
        """Launches the kernel on one device's share of a batch; `make_kernel` says what its arguments are."""
        settings, tasks = self.settings, self.tasks
        runs = self._share * len(tasks)
        lengths = dict.fromkeys(("fitness", "stop", "stop_reason", "train_steps"), runs)
        lengths["scratch"] = 1 if self._cuda else self._kernel.spec.scratch
        lengths["errors"] = max(1, runs * recorded)
        lengths["memory_after_setup"] = lengths["memory_after_training"] = memory.size
        order, *examples = data
        outputs = self._kernel.call(
            *(array.reshape(-1) for array in (opcodes, addresses, constants, sizes, batch, order)),
            *examples,
            memory.reshape(-1),
            len(tasks),
            self._groups,
            tasks.train_examples,
            tasks.valid_examples,
            np.uint32(settings.seed),  # JAX reads a Python number as an int32
            settings.max_abs_error,
            launch_dims=self._share * self._groups,
            output_dims=lengths,
        )
        return outputs[1:]  # without the scratch

    def _pack_memory(self, memory: Memory | None, count: int) -> NDArray[Any]:
        """`[N, T, memory]`, in the order of the register file."""
        packed = np.zeros((count, len(self.tasks), self._registers.memory), self._dtype)
        if memory is None:
            return packed
        for kind, array in zip(ops.KINDS, memory, strict=True):
            columns = np.swapaxes(array, -1, -2) if kind == ops.MATRIX else np.asarray(array)
            flat = columns.reshape(count, len(self.tasks), -1)
            start = self._registers.start(kind)
            packed[..., start : start + flat.shape[-1]] = flat
        return packed

    def _unpack_memory(self, flat: NDArray[Any]) -> Memory:
        space, f = self.space, self.space.features
        packed = flat.reshape(-1, len(self.tasks), self._registers.memory)
        shapes = ((space.scalars,), (space.vectors, f), (space.matrices, f, f))
        parts = []
        for kind, shape in zip(ops.KINDS, shapes, strict=True):
            start = self._registers.start(kind)
            parts.append(packed[..., start : start + math.prod(shape)].reshape(*packed.shape[:2], *shape))
        return Memory(parts[0], parts[1], np.swapaxes(parts[2], -1, -2))


# Time of a program on one group of tasks, relative to the widest group's. Measured on the demo and the neural network
# (`experiments/bench_engines.py`): a narrower group saves little, because most of the time is spent on finding out what
# to do. 16 float64 lanes are two vector registers, and with matrices outgrow the L1 cache.
GROUP_COST: Final = {"float32": {16: 1.0, 8: 0.85, 4: 0.8}, "float64": {8: 1.0, 4: 0.8}}
# Time of a program on one task in blocks, relative to that of one lane of a full widest group, by F: the mean of two
# programs with matrices (`experiments/bench_matrices.py`; those of float64 from a shorter run). Where F is small, most
# of the time is spent on finding out what to do, and blocks do that anew for every task. From F = 64 on both layouts
# wait for memory, and the matrices of one task stay in a cache that those of many leave. Without matrices lanes win.
BLOCK_COST: Final = {
    "float32": {8: 4.2, 16: 2.0, 32: 1.4, 64: 0.9, 256: 0.5},
    "float64": {16: 1.4, 64: 0.95},
}
BLOCKS: Final = (16, 8)  # elements; shorter blocks leave much of a vector register unused


def choose_layout(space: SearchSpace, tasks: int, precision: str) -> Layout:
    """How registers lie in the CPU's memory, so that all tasks take the least time."""
    groups, blocks = GROUP_COST[precision], BLOCK_COST[precision]
    costs = {Layout(lanes): -(-tasks // lanes) * max(groups) * cost for lanes, cost in groups.items()}
    measured = [size for size in blocks if size <= space.features]
    block = next((block for block in BLOCKS if space.features % block == 0), None)
    has_matrices = any(ops.MATRIX in (*ops.OPS[op].inputs, ops.OPS[op].output) for op in space.ops)
    if block and measured and has_matrices:
        costs[Layout(1, block)] = tasks * blocks[max(measured)]
    return min(costs, key=lambda layout: costs[layout])
