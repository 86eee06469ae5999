"""Devices that are not here, described to their compilers, so that programs can be compiled for them."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

from jax.experimental import topologies


class Gpu(NamedTuple):
    """What a compiler needs to know of a GPU of NVIDIA's; figures of its data sheets and of the CUDA programming guide.

    Attributes:
      name: of the device.
      capability: (major, minor) compute capability.
      cores: streaming multiprocessors.
      units: single-precision units of each.
      clock_ghz: the boost clock.
      memory: bytes.
      bandwidth: of the memory, bytes a second.
      l2: bytes of the second-level cache.
      threads: most resident threads of a multiprocessor.
      shared: bytes of shared memory of a multiprocessor.
      shared_of_block: most bytes of it that one block of threads may ask for.
    """

    name: str
    capability: tuple[int, int]
    cores: int
    units: int
    clock_ghz: float
    memory: int
    bandwidth: int
    l2: int
    threads: int
    shared: int
    shared_of_block: int


GPUS: Final = {
    gpu.name: gpu
    for gpu in (
        Gpu("T4", (7, 5), 40, 64, 1.59, 16 * 10**9, 320 * 10**9, 4 << 20, 1024, 64 << 10, 64 << 10),
        Gpu("L4", (8, 9), 58, 128, 2.04, 24 * 10**9, 300 * 10**9, 48 << 20, 1536, 100 << 10, 99 << 10),
        Gpu("A100", (8, 0), 108, 64, 1.41, 40 * 10**9, 1555 * 10**9, 40 << 20, 2048, 164 << 10, 163 << 10),
        Gpu("H100", (9, 0), 132, 128, 1.98, 80 * 10**9, 3350 * 10**9, 50 << 20, 2048, 228 << 10, 227 << 10),
    )
}

# What libtpu looks for on a TPU's host, and what lets several processes load it where there is none.
_WITHOUT_TPU: Final = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}

# XLA's `GpuTargetConfigProto`; the version of cuDNN is one that it accepts, nothing of it is used.
_GPU_CONFIG: Final = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: {shared} shared_memory_per_block_optin: {shared_of_block}
  threads_per_core_limit: {threads} core_count: {cores} fpus_per_core: {units}
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: {bandwidth} l2_cache_size: {l2} clock_rate_ghz: {clock_ghz} device_memory_size: {memory}
  cuda_compute_capability {{ major: {capability[0]} minor: {capability[1]} }}
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{name}"
"""


def tpu_devices(topology: str = "v5e:2x2") -> tuple[Any, ...]:
    """TPUs that need not be here; libtpu has to be (`pip install libtpu`), and is loaded once a process."""
    for variable, value in _WITHOUT_TPU.items():
        os.environ.setdefault(variable, value)
    return tuple(topologies.get_topology_desc(platform="tpu", topology_name=topology).devices)


def gpu_devices(name: str, count: int = 1) -> tuple[Any, ...]:
    """GPUs of `GPUS` that need not be here.

    JAX's CUDA plug-in has to be (`pip install jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12`).
    """
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # whether CUDA's libraries could run anything
    config = _GPU_CONFIG.format(**GPUS[name]._asdict())
    topology = topologies.get_topology_desc(
        platform="cuda", topology_name=name, topology=f"1x1x{count}", target_config=config
    )
    return tuple(topology.devices)
