"""Warp itself: whether it can run here, and the kernels that it has compiled."""

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final

import jax

from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.warp.memory import gpu_memory, largest_fit
from azero_jax.engines.warp.spec import KernelSpec
from azero_jax.process.compilation import announce
from azero_jax.process.streams import stderr_dropped

LOG: Final = logging.getLogger(__name__)
OUTPUTS: Final = 6  # of the kernel, see `make_kernel`
LONGEST_MESSAGE: Final = 300  # characters of an error of Warp that are passed on
THREADS_PER_SM: Final = 2048  # most that a streaming multiprocessor of any generation runs at a time
BLOCK_DIM: Final = 128  # CUDA threads of a block: four programs on 32 tasks

Kernel = Any  # Warp's own class


@functools.cache
def start_warp() -> ModuleType:
    """The module `warp`, quiet and initialised.

    Raises:
      EngineUnavailableError: it is not installed, does not load, or cannot keep its kernels on disk.
    """
    try:
        import warp as wp
    except Exception as error:  # also a shared library that does not load
        raise EngineUnavailableError(f"Warp cannot be loaded: {_one_line(error)}") from error
    wp.config.log_level = wp.LOG_ERROR  # standard output belongs to the program's own results
    # Without a GPU to use, the missing CUDA driver that Warp's library warns of is no news.
    quiet = stderr_dropped() if jax.default_backend() == "cpu" else contextlib.nullcontext()
    try:
        with quiet:
            wp.init()
    except Exception as error:
        raise EngineUnavailableError(f"Warp cannot start: {_one_line(error)}") from error
    return wp


def check_device(cuda: bool) -> str:
    """The name of the device that JAX uses, after a check that Warp can use it too.

    Raises:
      EngineUnavailableError: it cannot.
    """
    wp = start_warp()
    folder = wp.config.kernel_cache_dir
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EngineUnavailableError(f"Warp's kernel cache {folder} cannot be written; set WARP_CACHE_PATH to another")
    device = jax.devices()[0]
    if device.platform not in ("cpu", "gpu"):
        raise EngineUnavailableError(f"Warp runs on CPUs and NVIDIA GPUs, not on {device.device_kind}")
    try:
        return f"{wp.device_from_jax(device).name}" if cuda else device.device_kind
    except Exception as error:
        raise EngineUnavailableError(f"Warp cannot use {device.device_kind}: {_one_line(error)}") from error


def fit_capacity(registers: int, programs: int, batch_bytes: Callable[[int], int]) -> int:
    """Programs of a batch that has room on the GPU that JAX uses; `registers` are bytes of a thread. See `largest_fit`.

    Raises:
      EngineUnavailableError: not even one program fits.
    """
    device = jax.devices()[0]
    gpu = start_warp().device_from_jax(device)
    memory = gpu_memory(device.memory_stats(), gpu.free_memory)
    return largest_fit(registers * gpu.sm_count * THREADS_PER_SM, programs, batch_bytes, memory)


@functools.cache
def load_kernel(spec: KernelSpec) -> Kernel:
    """The interpreter for `spec`; see `compile_kernel`."""
    start_warp()
    from azero_jax.engines.warp.kernel.interpreter import make_kernel

    return compile_kernel(make_kernel(spec))


def compile_kernel(kernel: Kernel) -> Kernel:
    """A kernel that is ready to run on the devices of JAX; compiled if it is not on disk yet, which takes seconds.

    Raises:
      EngineUnavailableError: it cannot be compiled or kept.
    """
    wp = start_warp()
    devices = [wp.device_from_jax(device) for device in jax.local_devices()]
    block_dim = _block_dim()
    if not os.path.isdir(os.path.join(wp.config.kernel_cache_dir, kernel.module.get_module_identifier(block_dim))):
        announce("the Warp kernel")
    LOG.info("preparing the Warp kernel for this search space; the first time takes seconds to compile it")
    start = time.perf_counter()
    try:
        loaded = [kernel.module.load(device, block_dim) for device in devices]
    except Exception as error:
        raise EngineUnavailableError(f"Warp cannot compile its kernel: {_one_line(error)}") from error
    if None in loaded:
        raise EngineUnavailableError("Warp cannot compile its kernel for this device")
    LOG.info("the Warp kernel is ready after %.1f s", time.perf_counter() - start)
    return kernel


@functools.cache
def as_jax_function(kernel: Kernel) -> Callable[..., Sequence[jax.Array]]:
    """A kernel as a function of JAX arrays, to be called by jitted functions."""
    return start_warp().jax_kernel(kernel, num_outputs=OUTPUTS, block_dim=_block_dim())


def _block_dim() -> int:
    """Threads of a block on the devices that JAX uses."""
    return BLOCK_DIM if jax.devices()[0].platform == "gpu" else 1


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]} ..."
