"""Batches have room in what JAX has free of a GPU, whatever share of it JAX took at its start; GPUs are stubs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final, NamedTuple

import pytest

from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.warp import device
from azero_jax.engines.warp.memory import GpuMemory, largest_fit

GIB: Final = 2**30
CONTEXT: Final = GIB // 2  # that CUDA takes for itself
PROGRAM: Final = 300_000  # bytes of one program and its outcomes, errors recorded: 32 tasks of 1,000 + 100 examples
TASKS: Final = 5_000_000


class Gpu(NamedTuple):
    gib: float
    multiprocessors: int


GPUS: Final = {"T4": Gpu(14.7, 40), "L4": Gpu(22.2, 58), "A100": Gpu(39.4, 108), "H100": Gpu(79.1, 132)}
# What JAX takes at its start, and may have in all, as shares of the memory.
PREALLOCATION: Final = {"on": (0.75, 0.75), "off": (0.0, 0.75), "0.95": (0.95, 0.95)}


def batch_bytes(programs: int) -> int:
    return TASKS + PROGRAM * programs


class Stub:
    """A GPU as JAX and Warp describe it."""

    def __init__(self, gpu: Gpu, taken: float, most: float, used: int = GIB // 4) -> None:
        total = int(gpu.gib * GIB)
        self.limit, self.used, self.multiprocessors = int(total * most), used, gpu.multiprocessors
        self.size = max(int(total * taken), used)  # of JAX's pool
        self.driver = total - CONTEXT - self.size

    def install(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
        stats = {"bytes_limit": self.limit, "bytes_in_use": self.used, "pool_bytes": self.size}
        seen_by_jax = SimpleNamespace(memory_stats=lambda: {name: stats[name] for name in names} or None)
        seen_by_warp = SimpleNamespace(sm_count=self.multiprocessors, free_memory=self.driver)
        monkeypatch.setattr(device.jax, "devices", lambda: [seen_by_jax])
        monkeypatch.setattr(device, "start_warp", lambda: SimpleNamespace(device_from_jax=lambda device: seen_by_warp))

    def fits(self, programs: int, registers: int) -> bool:
        """Arrays within JAX's limit; and what the pool has to grow, beside registers, within what the driver has."""
        arrays = self.used + batch_bytes(programs)
        return arrays <= self.limit and max(arrays - self.size, 0) + registers <= self.driver


@pytest.mark.parametrize("preallocation", PREALLOCATION)
@pytest.mark.parametrize("name", GPUS)
def test_a_batch_is_as_large_as_the_memory_allows(
    monkeypatch: pytest.MonkeyPatch, name: str, preallocation: str
) -> None:
    stub = Stub(GPUS[name], *PREALLOCATION[preallocation])
    stub.install(monkeypatch, ("bytes_limit", "bytes_in_use", "pool_bytes"))
    thread = 1000  # bytes of registers: of a few scalars and vectors of 16 features
    registers = thread * stub.multiprocessors * device.THREADS_PER_SM
    most = 2**24  # programs, more than any GPU has room for
    found = device.fit_capacity(thread, most, batch_bytes)
    assert stub.fits(found, registers)
    assert not stub.fits(2 * found, registers)
    assert device.fit_capacity(thread, 4096, batch_bytes) == 4096  # the default has room on every one


@pytest.mark.parametrize("name", GPUS)
def test_with_preallocation_the_batch_need_not_fit_into_what_the_driver_has_left(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stub = Stub(GPUS[name], *PREALLOCATION["0.95"])
    stub.install(monkeypatch, ("bytes_limit", "bytes_in_use", "pool_bytes"))
    found = device.fit_capacity(0, 2**24, batch_bytes)
    assert batch_bytes(found) > stub.driver


@pytest.mark.parametrize(("setting", "grows"), [(None, False), ("true", False), ("false", True)])
def test_where_jax_does_not_tell_the_size_of_its_pool_its_setting_does(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, grows: bool
) -> None:
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    if setting is not None:
        monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", setting)
    stub = Stub(GPUS["T4"], *PREALLOCATION["off" if grows else "0.95"])
    stub.install(monkeypatch, ("bytes_limit", "bytes_in_use"))
    found = device.fit_capacity(0, 2**24, batch_bytes)
    assert stub.fits(found, 0)
    assert not stub.fits(2 * found, 0)


def test_without_a_pool_all_comes_from_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub(GPUS["L4"], 0.0, 1.0)
    stub.install(monkeypatch, ())
    found = device.fit_capacity(0, 2**24, batch_bytes)
    assert batch_bytes(found) <= stub.driver < batch_bytes(2 * found)


def test_batches_shrink_to_the_memory_of_the_gpu() -> None:
    def fit(registers: int, memory: GpuMemory) -> int:
        return largest_fit(registers, 4096, lambda programs: 1000 * programs, memory)

    assert fit(0, GpuMemory(pool=4_096_000, growth=0, driver=0)) == 4096
    assert fit(0, GpuMemory(pool=4_095_999, growth=0, driver=10**9)) == 2048
    assert fit(0, GpuMemory(pool=0, growth=4_095_999, driver=10**9)) == 2048
    assert fit(1_000_000, GpuMemory(pool=0, growth=10**9, driver=1_001_000)) == 1


def test_a_gpu_without_enough_memory_makes_the_engine_unavailable() -> None:
    with pytest.raises(EngineUnavailableError, match=r"needs 2\.0 GiB .* one program, and JAX has 1\.0 GiB free"):
        largest_fit(0, 4096, lambda programs: 2 * GIB * programs, GpuMemory(pool=GIB, growth=0, driver=GIB))


def test_registers_that_jax_leaves_no_room_for_make_the_engine_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub(GPUS["T4"], *PREALLOCATION["0.95"])
    stub.install(monkeypatch, ("bytes_limit", "bytes_in_use", "pool_bytes"))
    with pytest.raises(EngineUnavailableError, match="set XLA_PYTHON_CLIENT_MEM_FRACTION lower") as raised:
        device.fit_capacity(20_000, 4096, batch_bytes)
    assert len(str(raised.value)) <= 300
