"""The fast engine: programs interpreted by one Warp kernel, on a CPU's cores or, in a jitted call, on NVIDIA GPUs.

The kernel is compiled once for a search space and a precision, and kept on disk between runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.analysis.fusion import fuse
from azero_jax.engines.base import Engine, EngineUnavailableError
from azero_jax.engines.outcome import Memory, RawOutcome, Reals, zero_memory
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.sharding import program_rows
from azero_jax.engines.warp.batch import BatchBuffer, batch_bytes
from azero_jax.engines.warp.device import Kernel, check_device, fit_capacity, load_kernel, loaded_lanes
from azero_jax.engines.warp.launch_by_jax import JaxLauncher, room
from azero_jax.engines.warp.launch_on_cpu import CpuLauncher
from azero_jax.engines.warp.layout import choose_layout
from azero_jax.engines.warp.spec import (
    AFTER_SETUP,
    AFTER_TRAINING,
    STOP_BITS,
    STOP_MASK,
    Inputs,
    KernelSpec,
    Layout,
    Registers,
    Sizes,
)
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

WARP_SIZE: Final = 32  # threads of a CUDA warp, which work on one program
MOST_ELEMENTS: Final = 2**31 - 1  # of an array, which the kernel indexes with an int32


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
        threads: int | None = None,
        reuse_kernel: bool = False,
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
          threads: that work on a batch on the CPU; None means one for each core that this process may use.
          reuse_kernel: whether `choose_layout` prefers a kernel that this process has loaded to one that is a little
            faster: to compile another takes longer than to judge a few programs. Outcomes are the same.
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
        layout = Layout(1) if cuda else layout or self._choose_layout(reuse_kernel)
        group = WARP_SIZE if cuda else layout.lanes
        self._groups = -(-len(tasks) // group) * group // layout.lanes
        self.idle_tasks = self._groups - len(tasks) if cuda else 0  # the threads of a warp run the same instruction
        self._spec = make_spec(space, tasks, self.settings, layout, cuda=cuda)
        self._fuses = bool(self._spec.fusions)
        self._shares = len(self._devices) if cuda else 1
        share = self._fit_share(-(-self.settings.batch_size // self._shares))
        self.capacity = share * self._shares
        self._buffer = BatchBuffer(self._shares, share, space.length, self.settings.precision)
        kernel, inputs = load(self._spec), self._make_inputs()
        self._launch: JaxLauncher | CpuLauncher
        if cuda:
            with self._x64():
                self._launch = JaxLauncher(kernel, self._spec, inputs, self._devices)
        else:
            self._launch = CpuLauncher(kernel, self._spec, inputs, threads)

    def _choose_layout(self, reuse_kernel: bool) -> Layout:
        space, tasks, settings = self.space, self.tasks, self.settings
        loaded = loaded_lanes(make_spec(space, tasks, settings, Layout(1), cuda=False)) if reuse_kernel else ()
        return choose_layout(space, len(tasks), settings.precision, loaded=loaded)

    def _fit_share(self, programs: int) -> int:
        """Programs of a device in a batch: at most `programs`, and so many that every array fits and can be indexed."""
        examples = self.tasks.train_examples + self.tasks.valid_examples
        if self._groups * examples * self._spec.example_size > MOST_ELEMENTS:
            raise EngineUnavailableError(
                f"the tasks have {examples:,} examples of {self.space.features:,} features; that is too much for the"
                " Warp engine, which numbers them in 32 bits"
            )
        programs = min(programs, MOST_ELEMENTS // (self._groups * room(examples)))
        if not self._on_gpu:
            return programs
        return fit_capacity(self._spec.scratch * self._dtype.itemsize, programs, self.batch_bytes)

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._launch.compilations

    def close(self) -> None:
        """See `Engine`."""
        self._launch.close()

    def batch_bytes(self, programs: int) -> int:
        """Bytes that the tasks, and `programs` programs and their outcomes with recorded errors, take on the device."""
        word, runs = self._dtype.itemsize, self._groups * self._spec.lanes
        examples = self.tasks.train_examples + self.tasks.valid_examples
        outcome = runs * (word + 1 + 4 + room(examples) * word)
        tasks = runs * examples * self._spec.example_size * word
        return batch_bytes(programs, self.space.length, self.settings.precision) + programs * outcome + tasks

    def _make_inputs(self) -> Inputs:
        """What the kernel is handed beside the batches."""
        settings, tasks = self.settings, self.tasks
        return Inputs(
            self._order.reshape(-1),
            self._arrange_examples(),
            len(tasks),
            self._groups,
            tasks.train_examples,
            tasks.valid_examples,
            np.uint32(settings.seed),  # JAX reads a Python number as an int32
            settings.max_abs_error,
        )

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
        rows = program_rows(len(programs), 1, self._shares, self.capacity)
        if self._fuses:
            programs = fuse(programs, self.space, self.tasks.metric)
        self._buffer.write(programs, rows, (train, valid), record=record)
        loss, stop, steps, errors, _ = self._call(self._buffer, rows, programs, (train, valid), recorded=recorded)
        tasks, runs = len(self.tasks), self._groups * self._spec.lanes
        loss, stop, steps = (field.reshape(len(programs), runs)[:, :tasks] for field in (loss, stop, steps))
        errors = errors.reshape(len(programs), recorded, runs)[..., :tasks]
        return RawOutcome(loss, stop & STOP_MASK, stop >> STOP_BITS, steps, errors)

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        tasks, size = len(self.tasks), self._spec.registers.memory
        buffer = BatchBuffer(self._shares, 1, self.space.length, self.settings.precision, (tasks, size))
        rows = np.zeros(1, np.int64)
        buffer.write(program, rows, (train, valid), memory=self._pack_memory(memory)[None])
        traced = self._call(buffer, rows, program, (train, valid), traced=2 * tasks * size)[-1]
        traced = traced.reshape(tasks, 2, size)
        return self._unpack_memory(traced[:, AFTER_SETUP]), self._unpack_memory(traced[:, AFTER_TRAINING])

    def _call(
        self,
        buffer: BatchBuffer,
        rows: NDArray[np.int64],
        programs: Programs,
        examples: tuple[int, int],
        *,
        recorded: int = 0,
        traced: int = 0,
    ) -> list[NDArray[Any]]:
        """Runs the programs that a buffer holds at `rows`.

        Returns:
          The kernel's outputs after the scratch, flat: of each program, with `recorded` errors of each run, and so many
          numbers `traced`.
        """
        runs = self._groups * self._spec.lanes
        sizes = Sizes(runs, runs, runs, runs * recorded, traced)
        if isinstance(self._launch, CpuLauncher):
            train, valid = examples
            setup, predict, learn = programs.sizes.sum(axis=0).tolist()
            instructions = setup + predict * (train + valid) + learn * train
            return self._launch(buffer, len(programs), sizes, instructions)
        with self._x64():
            return self._launch(buffer, rows, sizes)

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
