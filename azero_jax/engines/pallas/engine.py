"""The Pallas engine: programs interpreted by one kernel on a TPU, whose registers never leave the vector memory."""

from __future__ import annotations

import dataclasses
import functools
from functools import partial
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.engines.base import Engine, EngineUnavailableError, count_compilations
from azero_jax.engines.outcome import Memory, RawOutcome
from azero_jax.engines.pallas.call import Batch, Limits, Positions, Results, run_kernel
from azero_jax.engines.pallas.kernel import REASON_SHIFT
from azero_jax.engines.pallas.plan import BLOCK, Plan, make_plan
from azero_jax.engines.pallas.sequence import make_sequence
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.sharding import on_devices, over_devices, program_rows
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.tasks import Tasks

INTERPRETED_BLOCK: Final = 16  # programs side by side where XLA interprets the kernel


class PallasEngine(Engine):
    """Runs programs on tasks with a Pallas kernel."""

    name = "pallas"

    def __init__(
        self,
        space: SearchSpace,
        tasks: Tasks,
        settings: RunSettings | None = None,
        *,
        order: ArrayLike | None = None,
        interpret: bool = False,
    ) -> None:
        """Puts the tasks on the device; see `Engine`.

        Args:
          space: see `Engine`.
          tasks: see `Engine`.
          settings: see `Engine`.
          order: see `Engine`.
          interpret: whether XLA interprets the kernel, on any device and slowly: for tests.

        Raises:
          EngineUnavailableError: this is no TPU, or has no room for the space.
          ValueError: tasks, order and space do not fit one another.
        """
        super().__init__(space, tasks, settings, order=order)
        device = self._devices[0]
        self.device = device.device_kind
        if not interpret:
            _check_platform(device.platform, self.device, self.settings.precision)
        epochs = self.settings.epochs
        self._plan = make_plan(
            space, tasks.metric, self._dtype, len(tasks), epochs, INTERPRETED_BLOCK if interpret else BLOCK
        )
        unit = self._plan.form.block * len(self._devices)
        self.capacity = -(-self.settings.batch_size // unit) * unit
        self._jitted_run = compiled_run(self._plan, self._devices, interpret)
        self._jitted_trace = compiled_run(dataclasses.replace(self._plan, exact=True), self._devices[:1], interpret)
        self._compiled_before = self._count_compilations()
        with self._x64():
            self._data = on_devices(self._devices, _join_examples(tasks, self._dtype))

    @property
    def compilations(self) -> int:
        """How many times a jitted function of this engine has been compiled so far."""
        return self._count_compilations() - self._compiled_before

    def _count_compilations(self) -> int:
        return sum({id(run): count_compilations(run) for run in (self._jitted_run, self._jitted_trace)}.values())

    def _run_piece(self, programs: Programs, train: int, valid: int, record: bool) -> RawOutcome:
        order = np.lexsort(programs.sizes.T)  # programs of like sizes share a block
        place = np.empty_like(order)
        block, devices = self._plan.form.block, len(self._devices)
        place[order] = program_rows(len(programs), block, devices, self.capacity)
        recorded = (min(train, self.tasks.train_examples) + valid) * record
        chunks = -(-recorded // self._plan.positions)
        blocks = -(-len(programs) // (block * devices))
        with self._x64():
            batch = self._encode(programs, place, self.capacity)
            results = self._jitted_run(chunks, batch, self._positions(train, valid), self._data, self._limits(blocks))
            loss, stop, steps = (_by_program(np.asarray(field))[place] for field in results[:3])
        mask = (1 << REASON_SHIFT) - 1
        stops = (stop & mask).astype(np.int8), (stop >> REASON_SHIFT).astype(np.int8)
        return RawOutcome(loss, *stops, steps, self._errors(results, place, recorded))

    def _errors(self, results: Results, place: NDArray[np.int64], recorded: int) -> NDArray[Any]:
        """`[N, recorded, T]`."""
        if results.errors is None:
            return np.zeros((len(place), 0, len(self.tasks)), self._dtype)
        errors = np.asarray(results.errors)
        errors = errors.reshape(errors.shape[0], -1, *errors.shape[3:])[:, :recorded]
        return _by_program(errors)[place]

    def _trace_program(self, program: Programs, memory: Memory, train: int, valid: int) -> tuple[Memory, Memory]:
        lanes = self._plan.lanes
        with self._x64():
            files = []
            for kind, array in zip(ops.KINDS, memory, strict=True):
                size = self._plan.size(kind)
                values = np.moveaxis(array.reshape(*array.shape[:2], size), 0, -1)
                file = np.zeros((self._plan.count(kind), size, len(self.tasks), *lanes), self._dtype)
                file[: len(values)] = values[..., None, None]
                files.append(jnp.asarray(file))
            batch = self._encode(program, np.arange(1), self._plan.form.block)
            positions = self._positions(train, valid, ends_with_training=True)
            limits = self._limits(1)
            results = self._jitted_trace(0, batch, positions, jnp.asarray(self._data), limits, tuple(files))
        return tuple(self._to_memory(files) for files in (results.after_setup, results.after_training))  # type: ignore

    def _to_memory(self, files: Any) -> Memory:
        f, arrays = self.space.features, []
        for kind, file in zip(ops.KINDS, files, strict=True):
            numbers = np.moveaxis(np.asarray(file)[..., 0, 0], -1, 0)[:, : self.space.addresses(kind)]
            arrays.append(numbers.reshape(*numbers.shape[:2], *(f for _ in range(ops.RANKS[kind]))))
        return Memory(*arrays)

    def _encode(self, programs: Programs, rows: NDArray[np.int64], capacity: int) -> Batch:
        entries, counts = self._plan.form.encode(self.space, programs, rows, capacity, self._dtype)
        return Batch(entries, counts)  # type: ignore[arg-type]  # NumPy, which a jitted function takes too

    def _positions(self, train: int, valid: int, ends_with_training: bool = False) -> Positions:
        valid_examples, size = self.tasks.valid_examples, self._plan.positions
        found = make_sequence(self._order, valid_examples, train, valid, size, ends_with_training=ends_with_training)
        return Positions(*(jnp.asarray(array) for array in found))

    def _limits(self, blocks: int) -> Limits:
        call = np.array([blocks, self.settings.seed], np.uint32).view(np.int32)
        return Limits(jnp.asarray(call), jnp.asarray(self.settings.error_limit)[None])


def _check_platform(platform: str, device: str, precision: str) -> None:
    if platform != "tpu":
        raise EngineUnavailableError(f"the Pallas engine runs on TPUs, not on {device}; use --engine auto")
    if precision != "float32":
        raise EngineUnavailableError(f"the Pallas engine has float32 only, not {precision}; use --engine xla")


def _join_examples(tasks: Tasks, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`[N + V, T, numbers]` features and label."""
    features = np.concatenate([tasks.train_features, tasks.valid_features], axis=1)
    labels = np.concatenate([tasks.train_labels, tasks.valid_labels], axis=1)
    joined = np.concatenate([features, labels.reshape(*labels.shape[:2], -1)], axis=2)
    return np.moveaxis(joined, 0, 1).astype(dtype)


def _by_program(array: NDArray[Any]) -> NDArray[Any]:
    """`[B * lanes, ...]` of `[B, ..., *lanes]`."""
    flat = np.moveaxis(array.reshape(*array.shape[:-2], -1), -1, 1)
    return flat.reshape(-1, *flat.shape[2:])


@functools.cache
def compiled_run(plan: Plan, devices: tuple[jax.Device, ...], interpret: bool) -> Any:
    """The jitted run, one for all engines of the same make."""
    return jax.jit(partial(_run_on_devices, plan, devices, interpret), static_argnums=0)


def _run_on_devices(
    plan: Plan,
    devices: tuple[jax.Device, ...],
    interpret: bool,
    recorded_chunks: int,
    batch: Batch,
    positions: Positions,
    data: jax.Array,
    limits: Limits,
    memory: tuple[jax.Array, ...] | None = None,
) -> Results:
    """Runs the programs, each device its share of the blocks."""
    run_share = partial(run_kernel, plan, recorded_chunks, interpret)
    if memory is not None:
        return run_share(batch, positions, data, limits, memory)
    return over_devices(run_share, devices, (True, False, False, False))(batch, positions, data, limits)
