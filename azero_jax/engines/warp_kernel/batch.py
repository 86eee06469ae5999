"""A batch of programs in one buffer: every array that a kernel is handed costs each call ten microseconds."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.program import Programs

# Numbers at the head of the buffer, int64: programs in use, training examples over all epochs, validation examples,
# whether to record errors, whether to trace memory; and at which byte each array begins, behind the head.
IN_USE, TRAIN, VALID, RECORD, TRACE, CONSTANTS_AT, SIZES_AT, ADDRESSES_AT, OPCODES_AT, MEMORY_AT = range(10)
_HEAD: Final = ((MEMORY_AT + 1,), np.int64)
_ALIGNMENT: Final = 64  # bytes; JAX copies what it is given unless it is aligned like its own arrays


class BatchBuffer:
    """Room for the programs of a batch, and for the memory to start from, if it is traced.

    Attributes:
      array: `[D, bytes]` uint8, a row for each device: the head, constants `[C, L, 2]`, sizes `[C, 3]` int32, addresses
        `[C, L, 3]` uint16, opcodes `[C, L]` uint8, memory `[C, T, M]`.
    """

    def __init__(self, devices: int, capacity: int, slots: int, precision: str, memory: tuple[int, ...] = (0,)) -> None:
        """An empty buffer.

        Args:
          devices: D.
          capacity: C, programs of a device.
          slots: L, instruction slots of a program.
          precision: of constants and memory, "float32" or "float64".
          memory: (T, M), tasks and elements of memory.
        """
        fields: list[tuple[tuple[int, ...], Any]] = [
            ((capacity, slots, 2), precision),
            ((capacity, 3), np.int32),
            ((capacity, slots, 3), np.uint16),
            ((capacity, slots), np.uint8),
            ((capacity, *memory), precision),
        ]
        sizes = [_aligned(math.prod(shape) * np.dtype(dtype).itemsize) for shape, dtype in (_HEAD, *fields)]
        starts = np.cumsum([0, *sizes])
        self.array = _aligned_zeros(devices, int(starts[-1]))
        self._head = _view(self.array, 0, *_HEAD)
        self._head[:, CONSTANTS_AT : MEMORY_AT + 1] = starts[1:-1]
        self._constants, self._sizes, self._addresses, self._opcodes, self._memory = (
            _view(self.array, int(start), *field) for start, field in zip(starts[1:], fields, strict=False)
        )
        self._capacity = capacity

    def write(
        self,
        programs: Programs,
        rows: NDArray[np.int64],
        examples: tuple[int, int],
        *,
        record: bool = False,
        memory: NDArray[Any] | None = None,
    ) -> None:
        """Puts a batch into the buffer.

        Args:
          programs: N programs.
          rows: `[N]` places of the programs, device by device; each device's are 0, 1, 2, ... of its own.
          examples: (training, validation) examples to run.
          record: whether to record errors.
          memory: `[N, T, M]` to start from; None does not trace.
        """
        devices = len(self.array)
        device, row = np.divmod(rows, self._capacity)
        self._head[:, IN_USE] = np.bincount(device, minlength=devices)
        self._head[:, TRAIN : TRACE + 1] = (*examples, record, memory is not None)
        place = (0, slice(len(programs))) if devices == 1 else (device, row)
        self._constants[place] = programs.constants
        self._sizes[place] = programs.sizes
        self._addresses[place] = programs.addresses
        self._opcodes[place] = programs.opcodes
        if memory is not None:
            self._memory[place] = memory


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _aligned_zeros(rows: int, size: int) -> NDArray[np.uint8]:
    memory = np.zeros(rows * size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + rows * size].reshape(rows, size)


def _view(array: NDArray[np.uint8], start: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """One array of each row of a buffer, `[D, *shape]`."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return array[:, start : start + size].view(dtype).reshape(len(array), *shape)
