"""A batch of programs in one buffer: every array that JAX hands to a kernel costs each call ten microseconds."""

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from azero_jax.engines.outcome import Reals
from azero_jax.language.program import Programs

# Numbers at the head of the buffer, int64: programs in use, training examples over all epochs, validation examples,
# whether to record errors, whether to trace memory; and at which byte each array begins, behind the head.
IN_USE, TRAIN, VALID, RECORD, TRACE, CONSTANTS_AT, SIZES_AT, ADDRESSES_AT, OPCODES_AT, MEMORY_AT = range(10)
_ALIGNMENT: Final = 64  # bytes; JAX copies what it is given unless it is aligned like its own arrays


class _Array(NamedTuple):
    """One of the arrays of a buffer: where it is said at which byte it begins, and what it is."""

    place: int
    shape: tuple[int, ...]
    dtype: DTypeLike

    @property
    def bytes(self) -> int:
        size = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        return -(-size // _ALIGNMENT) * _ALIGNMENT


def _arrays(capacity: int, slots: int, precision: str, memory: tuple[int, ...]) -> list[_Array]:
    """The arrays of a buffer in their order, the head first."""
    return [
        _Array(-1, (MEMORY_AT + 1,), np.int64),
        _Array(CONSTANTS_AT, (capacity, slots, 2), precision),
        _Array(SIZES_AT, (capacity, 3), np.int32),
        _Array(ADDRESSES_AT, (capacity, slots, 3), np.uint16),
        _Array(OPCODES_AT, (capacity, slots), np.uint8),
        _Array(MEMORY_AT, (capacity, *memory), precision),
    ]


def batch_bytes(capacity: int, slots: int, precision: str) -> int:
    """Bytes of a buffer for one device; arguments are those of `BatchBuffer`."""
    return sum(array.bytes for array in _arrays(capacity, slots, precision, (0,)))


class BatchBuffer:
    """Room for the programs of a batch, and for the memory to start from, if it is traced.

    Attributes:
      capacity: C, most programs of a device.
      array: `[D, bytes]` uint8, a row for each device: the head, constants `[C, L, 2]`, sizes `[C, 3]` int32, addresses
        `[C, L, 3]` uint16, opcodes `[C, L]` uint8, memory `[C, T, M]`.
    """

    def __init__(self, devices: int, capacity: int, slots: int, precision: str, memory: tuple[int, ...] = (0,)) -> None:
        """An empty buffer.

        Args:
          devices: D.
          capacity: C, most programs of a device.
          slots: L, instruction slots of a program.
          precision: of constants and memory, "float32" or "float64".
          memory: (T, M), tasks and elements of memory.
        """
        self.capacity = capacity
        arrays = _arrays(capacity, slots, precision, memory)
        starts = np.cumsum([0, *(array.bytes for array in arrays)])
        self.array = aligned((devices, int(starts[-1])), np.uint8, np.zeros)  # takes no memory until it is written to
        self._head, self._constants, self._sizes, self._addresses, self._opcodes, self._memory = (
            _view(self.array, int(start), array) for start, array in zip(starts, arrays, strict=False)
        )
        for start, array in zip(starts[1:], arrays[1:], strict=False):
            self._head[:, array.place] = start

    def write(
        self,
        programs: Programs,
        rows: NDArray[np.int64],
        examples: tuple[int, int],
        *,
        record: bool = False,
        memory: Reals | None = None,
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
        device, row = np.divmod(rows, self.capacity)
        self._head[:, IN_USE] = np.bincount(device, minlength=devices)
        self._head[:, TRAIN : TRACE + 1] = (*examples, record, memory is not None)
        place = (0, slice(len(programs))) if devices == 1 else (device, row)
        with np.errstate(over="ignore"):  # a constant beyond float32 is infinite
            self._constants[place] = programs.constants
        self._sizes[place] = programs.sizes
        self._addresses[place] = programs.addresses
        self._opcodes[place] = programs.opcodes
        if memory is not None:
            self._memory[place] = memory


def aligned(shape: tuple[int, ...], dtype: DTypeLike, allocate: Callable[..., NDArray[Any]] = np.empty) -> NDArray[Any]:
    """An array that begins where a cache line does, made by `allocate(bytes, np.uint8)`."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = allocate(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def _view(buffer: NDArray[np.uint8], start: int, array: _Array) -> NDArray[Any]:
    """One array of each row of a buffer, `[D, *shape]`."""
    size = math.prod(array.shape) * np.dtype(array.dtype).itemsize
    return buffer[:, start : start + size].view(array.dtype).reshape(len(buffer), *array.shape)
