"""A kernel inside a jitted call: on GPUs, each of which runs its share of a batch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.base import count_compilations
from azero_jax.engines.sharding import on_devices, over_devices
from azero_jax.engines.warp.batch import BatchBuffer
from azero_jax.engines.warp.device import Kernel, as_jax_function
from azero_jax.engines.warp.spec import Inputs, KernelSpec, Sizes

_TRACING: Final = threading.Lock()  # engines share kernels, which number their calls when they are traced, unlocked
_Data = tuple[jax.Array, jax.Array]  # order and examples, see `make_kernel`


class JaxLauncher:
    """Launches a kernel on batches of programs."""

    def __init__(self, kernel: Kernel, spec: KernelSpec, inputs: Inputs, devices: Sequence[jax.Device]) -> None:
        """Puts on the devices what does not change.

        Args:
          kernel: compiled.
          spec: what it was compiled for.
          inputs: what it is handed beside the batches.
          devices: that share a batch.
        """
        self._kernel, self._spec, self._inputs, self._devices = as_jax_function(kernel), spec, inputs, devices
        self._data = on_devices(devices, (inputs.order, inputs.examples))
        self._jitted_run = jax.jit(self._run_on_devices, static_argnums=0)
        self._traced: set[_Shape] = set()

    @property
    def compilations(self) -> int:
        """How many times a jitted function has been compiled."""
        return count_compilations(self._jitted_run)

    def close(self) -> None:
        """Forgets what was compiled.

        JAX keeps a compiled method with its object, and so the object with itself, until Python looks for such circles.
        """
        self._jitted_run.clear_cache()  # type: ignore[attr-defined]
        del self._jitted_run

    def __call__(self, buffer: BatchBuffer, rows: NDArray[np.int64], sizes: Sizes) -> list[NDArray[Any]]:
        """Runs the programs of a buffer, and waits: JAX takes the buffer's memory as it is.

        Args:
          buffer: holds programs at `rows`.
          rows: their places.
          sizes: how many values of each output a program has.

        Returns:
          The kernel's outputs after the scratch, flat, without what belongs to no program.
        """
        shape = _Shape(buffer.capacity, sizes._replace(errors=sizes.loss * room(sizes.errors // sizes.loss)))
        with contextlib.nullcontext() if shape in self._traced else _TRACING:
            outputs = self._jitted_run(shape, buffer.array, self._data)
            self._traced.add(shape)
        return [
            self._of_programs(np.asarray(output), buffer.capacity, size, rows)
            for output, size in zip(outputs, sizes, strict=True)
        ]

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
        lots = shape.capacity * self._inputs.groups
        lengths = dict.fromkeys(("loss", "stop", "train_steps"), lots)
        lengths["scratch"] = 1  # a thread has its registers in local memory
        lengths["errors"] = max(1, shape.capacity * shape.sizes.errors // self._spec.lanes)
        lengths["traced"] = max(1, shape.capacity * shape.sizes.traced)
        constants = self._inputs[len(data) :]
        outputs = self._kernel(batch.reshape(-1), *data, *constants, 0, launch_dims=lots, output_dims=lengths)
        return outputs[1:]  # without the scratch


class _Shape(NamedTuple):
    """What a call is compiled for.

    Attributes:
      capacity: most programs of a device.
      sizes: room for so many values of a program.
    """

    capacity: int
    sizes: Sizes


def room(errors: int) -> int:
    """Room for so many errors of a run; nearby numbers share a compilation."""
    return 1 << (errors - 1).bit_length() if errors else 0
