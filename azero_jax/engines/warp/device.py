"""Warp itself: whether it can run here, and the kernels that it has compiled."""

import atexit
import contextlib
import dataclasses
import functools
import logging
import os
import shutil
import tempfile
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
      EngineUnavailableError: it is not installed, or does not load.
    """
    try:
        import warp as wp
    except Exception as error:  # also a shared library that does not load
        raise EngineUnavailableError(f"Warp cannot be loaded: {_one_line(error)}") from error
    wp.config.log_level = wp.LOG_ERROR  # standard output belongs to the program's own results
    try:
        try:
            _initialise(wp)
        except OSError as error:
            if error.filename is None:
                raise
            _keep_kernels_for_now(wp, error.filename)
            _initialise(wp)
    except Exception as error:
        raise EngineUnavailableError(f"Warp cannot start: {_one_line(error)}") from error
    return wp


def _initialise(wp: ModuleType) -> None:
    # Without a GPU to use, the missing CUDA driver that Warp's library warns of is no news.
    with stderr_dropped() if jax.default_backend() == "cpu" else contextlib.nullcontext():
        wp.init()


def _keep_kernels_for_now(wp: ModuleType, folder: str) -> None:
    """Has Warp keep its kernels in a temporary folder, since another cannot be written to."""
    wp.config.kernel_cache_dir = tempfile.mkdtemp(prefix="warp-")
    atexit.register(shutil.rmtree, wp.config.kernel_cache_dir, ignore_errors=True)
    advice = "so that every process compiles Warp's kernels anew; set WARP_CACHE_PATH to another folder"
    LOG.warning("%s cannot be written, %s", folder, advice)


def check_device(cuda: bool) -> str:
    """The name of the device that JAX uses, after a check that Warp can use it too, and has where to keep kernels.

    Raises:
      EngineUnavailableError: it cannot.
    """
    wp = start_warp()
    folder = wp.config.kernel_cache_dir
    if not os.access(folder, os.W_OK | os.X_OK):
        _keep_kernels_for_now(wp, folder)
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


_loaded: list[KernelSpec] = []  # by this process


@functools.cache
def load_kernel(spec: KernelSpec) -> Kernel:
    """The interpreter for `spec`; see `compile_kernel`."""
    start_warp()
    from azero_jax.engines.warp.kernel.interpreter import make_kernel

    kernel = compile_kernel(make_kernel(spec))
    _loaded.append(spec)
    return kernel


def loaded_lanes(spec: KernelSpec) -> list[int]:
    """Lanes for which this process has loaded a kernel that is like `spec` in everything else."""
    return [one.lanes for one in _loaded if dataclasses.replace(one, lanes=spec.lanes) == spec]


def compile_kernel(kernel: Kernel) -> Kernel:
    """A kernel that is ready to run on the devices of JAX; compiled if it is not on disk yet, which takes seconds.

    Raises:
      EngineUnavailableError: it cannot be compiled.
    """
    wp = start_warp()
    devices = [wp.device_from_jax(device) for device in jax.local_devices()]
    block_dim = _block_dim()
    folder = os.path.join(wp.config.kernel_cache_dir, kernel.module.get_module_identifier(block_dim))
    if not os.path.isdir(folder):
        announce("the Warp kernel")
    LOG.info("preparing the Warp kernel for this search space; the first time takes seconds to compile it")
    start = time.perf_counter()
    try:
        if not (os.path.isdir(folder) and _is_readable(kernel, devices, block_dim, folder)):
            loaded = [kernel.module.load(device, block_dim) for device in devices]
            if None in loaded:
                raise EngineUnavailableError("Warp cannot compile its kernel for this device")
    except EngineUnavailableError:
        raise
    except Exception as error:
        raise EngineUnavailableError(f"Warp cannot compile its kernel: {_one_line(error)}") from error
    LOG.info("the Warp kernel is ready after %.1f s", time.perf_counter() - start)
    return kernel


@functools.cache
def as_jax_function(kernel: Kernel) -> Callable[..., Sequence[jax.Array]]:
    """A kernel as a function of JAX arrays, to be called by jitted functions."""
    return start_warp().jax_kernel(kernel, num_outputs=OUTPUTS, block_dim=_block_dim())


def _block_dim() -> int:
    """Threads of a block on the devices that JAX uses."""
    return BLOCK_DIM if jax.devices()[0].platform == "gpu" else 1


def _is_readable(kernel: Kernel, devices: Sequence[Any], block_dim: int, folder: str) -> bool:
    """Loads a kernel that was kept; one that is damaged, as by a full disk, is removed."""
    with contextlib.suppress(Exception), stderr_dropped():  # compiled code reports at length what it cannot read
        loaded = [kernel.module.load(device, block_dim) for device in devices]
        if all(module.get_kernel_hooks(kernel).forward is not None for module in loaded):
            return True
    LOG.warning("a compiled Warp kernel cannot be read, and is compiled anew: %s", folder)
    kernel.module.unload()
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]} ..."
