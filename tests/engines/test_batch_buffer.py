"""The buffer in which a batch of programs goes to the Warp kernel."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from azero_jax.engines.sharding import program_rows
from azero_jax.engines.warp.batch import (
    ADDRESSES_AT,
    CONSTANTS_AT,
    IN_USE,
    MEMORY_AT,
    OPCODES_AT,
    RECORD,
    SIZES_AT,
    TRACE,
    TRAIN,
    VALID,
    BatchBuffer,
    batch_bytes,
)
from tests.support.spaces import DEMO, some_programs

CAPACITY = 5
SLOTS = DEMO.length


def read(row: NDArray[np.uint8], place: int, count: int, dtype: Any) -> NDArray[Any]:
    """An array of a device's row, found as the kernel finds it."""
    start = int(row.view(np.int64)[place])
    return row[start : start + count * np.dtype(dtype).itemsize].view(dtype)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("devices", [1, 2])
def test_what_is_written_is_found_where_the_head_says(devices: int, precision: str) -> None:
    buffer = BatchBuffer(devices, CAPACITY, SLOTS, precision, memory=(3, 7))
    programs = some_programs(DEMO, 4, seed=0)
    memory = np.arange(4 * 3 * 7, dtype=precision).reshape(4, 3, 7)
    rows = program_rows(4, 1, devices, devices * CAPACITY)
    buffer.write(programs, rows, (20, 6), record=True, memory=memory)
    for device, row in enumerate(buffer.array):
        own = rows // CAPACITY == device
        head = row.view(np.int64)
        assert head[[IN_USE, TRAIN, VALID, RECORD, TRACE]].tolist() == [own.sum(), 20, 6, 1, 1]
        for place, array, dtype in (
            (CONSTANTS_AT, programs.constants.astype(precision), precision),
            (SIZES_AT, programs.sizes, np.int32),
            (ADDRESSES_AT, programs.addresses, np.uint16),
            (OPCODES_AT, programs.opcodes, np.uint8),
            (MEMORY_AT, memory, precision),
        ):
            assert_array_equal(read(row, place, array[own].size, dtype), array[own].reshape(-1))


def test_a_smaller_batch_leaves_the_larger_one_behind() -> None:
    buffer = BatchBuffer(1, CAPACITY, SLOTS, "float32")
    for count in (5, 2):
        programs = some_programs(DEMO, count, seed=count)
        buffer.write(programs, np.arange(count), (1, 1))
    assert buffer.array[0].view(np.int64)[[IN_USE, RECORD, TRACE]].tolist() == [2, 0, 0]
    assert_array_equal(read(buffer.array[0], OPCODES_AT, 2 * SLOTS, np.uint8), programs.opcodes.reshape(-1))


@pytest.mark.parametrize("capacity", [1, 3, 64])
def test_jax_takes_it_without_a_copy(capacity: int) -> None:
    buffer = BatchBuffer(1, capacity, SLOTS, "float32")
    assert jax.device_put(buffer.array).unsafe_buffer_pointer() == buffer.array.ctypes.data
    assert buffer.array.nbytes == batch_bytes(capacity, SLOTS, "float32")


def test_places_may_be_beyond_32_bits() -> None:
    buffer = BatchBuffer(1, 2_000_000, 100, "float64")
    assert buffer.array[0].view(np.int64)[MEMORY_AT] > 2**32
