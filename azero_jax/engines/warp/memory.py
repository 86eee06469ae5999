"""How many programs have room on a GPU, of whose memory JAX and the CUDA driver each hold a share.

A batch and its outcomes are JAX's arrays. JAX takes them out of its pool, which at its start gets three quarters of the
memory (`XLA_PYTHON_CLIENT_MEM_FRACTION`), or grows as needed up to that (`XLA_PYTHON_CLIENT_PREALLOCATE=false`). The
registers of the threads that run at a time are local memory, which the driver keeps outside of the pool.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from azero_jax.engines.base import EngineUnavailableError

_GIB: Final = 2**30


class GpuMemory(NamedTuple):
    """Bytes of a GPU's memory that are free.

    Attributes:
      pool: in JAX's pool.
      growth: that the pool may still get from the driver, as far as the driver has them.
      driver: that nobody has taken yet.
    """

    pool: int
    growth: int
    driver: int

    @property
    def for_arrays(self) -> int:
        """What JAX can make arrays of."""
        return self.pool + min(self.growth, self.driver)

    def has_room(self, arrays: int, registers: int) -> bool:
        """Whether arrays of so many bytes in all, and so many bytes of registers fit side by side."""
        from_driver = max(arrays - self.pool, 0)
        return from_driver <= self.growth and from_driver + registers <= self.driver


def gpu_memory(stats: Mapping[str, int] | None, driver: int) -> GpuMemory:
    """What is free, from what is known of it.

    Args:
      stats: `memory_stats()` of the JAX device; None where JAX has no pool (`XLA_PYTHON_CLIENT_ALLOCATOR=platform`).
      driver: bytes that the CUDA driver has free.

    >>> gpu_memory({"bytes_limit": 12, "bytes_in_use": 2, "pool_bytes": 12}, 4)
    GpuMemory(pool=10, growth=0, driver=4)
    >>> gpu_memory({"bytes_limit": 12, "bytes_in_use": 2, "pool_bytes": 3}, 13)
    GpuMemory(pool=1, growth=9, driver=13)
    """
    if stats is None or "bytes_limit" not in stats:
        return GpuMemory(0, driver, driver)
    limit, used = stats["bytes_limit"], stats.get("bytes_in_use", 0)
    preallocated = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true").lower() not in ("false", "0")
    size = stats.get("pool_bytes", limit if preallocated else used)
    return GpuMemory(max(size - used, 0), max(limit - size, 0), driver)


def largest_fit(registers: int, programs: int, batch_bytes: Callable[[int], int], memory: GpuMemory) -> int:
    """`programs`, halved until a batch of so many fits.

    Args:
      registers: bytes of the registers of all threads that the GPU runs at a time; it keeps them for these only.
      programs: programs of a batch.
      batch_bytes: bytes of a batch of so many programs, and of the tasks.
      memory: what is free.

    Raises:
      EngineUnavailableError: not even one program fits.
    """
    if registers > memory.driver:
        raise EngineUnavailableError(
            f"the Warp engine needs {registers / _GIB:.1f} GiB of GPU memory for registers, and JAX leaves"
            f" {memory.driver / _GIB:.1f} GiB free; set XLA_PYTHON_CLIENT_MEM_FRACTION lower, or use fewer addresses or"
            " features"
        )
    while not memory.has_room(batch_bytes(programs), registers):
        if programs == 1:
            raise EngineUnavailableError(
                f"the Warp engine needs {batch_bytes(1) / _GIB:.1f} GiB of GPU memory for tasks and one program, and"
                f" JAX has {memory.for_arrays / _GIB:.1f} GiB free; use fewer features, tasks or examples"
            )
        programs //= 2
    return programs
