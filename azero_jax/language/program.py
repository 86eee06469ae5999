"""Programs: a batch of fixed-length integer opcode and address tensors, with constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.language import ops
from azero_jax.language.space import FUNCTION_NAMES, MAX_STREAMS, SearchSpace
from azero_jax.process.state import State

IN1: Final = 0  # columns of `Programs.addresses`
IN2: Final = 1
OUT: Final = 2
_IS_RANDOM: Final = np.array([op.random for op in ops.OPS])
_CONSTANTS: Final = np.array([op.constants for op in ops.OPS])


@dataclasses.dataclass(frozen=True)
class Programs:
    """N programs of a search space with L instruction slots (`SearchSpace.length`).

    The slots of Setup, Predict and Learn follow one another at `SearchSpace.offsets`. In each function the first
    `sizes` slots are its instructions; the others, and every field that an instruction does not use, are zero.

    Attributes:
      opcodes: `[N, L]` uint8, numbers of ops.
      addresses: `[N, L, 3]` uint16: first input, second input, output. A partial write has its indices in place of the
        inputs. A random op has in place of the first input the number of the stream that it draws from (0 until
        `parse_program` or `azero_jax.analysis.canonical` numbers the streams).
      constants: `[N, L, 2]` float64.
      sizes: `[N, 3]` int32, instructions of Setup, Predict and Learn.
    """

    opcodes: NDArray[np.uint8]
    addresses: NDArray[np.uint16]
    constants: NDArray[np.float64]
    sizes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.opcodes)

    def put(self, index: Any, programs: Programs) -> None:
        """Overwrites the programs that `index` selects, in place."""
        for own, array in zip(self.arrays(), programs.arrays(), strict=True):
            own[index] = array

    def arrays(self) -> ProgramArrays:
        """The four arrays (not copied) as the tuple that compiled loops take."""
        return ProgramArrays(self.opcodes, self.addresses, self.constants, self.sizes)

    def bits(self) -> ProgramArrays:
        """The same with constants as their bits: 0.0 is not -0.0, and a NaN is equal to itself."""
        return self.arrays()._replace(constants=self.constants.view(np.uint64))

    def copy(self) -> Programs:
        """The same programs in arrays of their own."""
        return Programs(self.opcodes.copy(), self.addresses.copy(), self.constants.copy(), self.sizes.copy())

    def __getitem__(self, index: Any) -> Programs:
        """The programs that `index` selects: a slice, an index array or a mask (not a single number)."""
        return Programs(self.opcodes[index], self.addresses[index], self.constants[index], self.sizes[index])


class ProgramArrays(NamedTuple):
    """The arrays of `Programs`, in a form that compiled loops can take; constants may be their bits."""

    opcodes: NDArray[np.uint8]
    addresses: NDArray[np.uint16]
    constants: NDArray[np.float64] | NDArray[np.uint64]
    sizes: NDArray[np.int32]


def empty_programs(count: int, space: SearchSpace) -> Programs:
    """`count` programs without instructions."""
    length = space.length
    return Programs(
        opcodes=np.zeros((count, length), np.uint8),
        addresses=np.zeros((count, length, 3), np.uint16),
        constants=np.zeros((count, length, 2), np.float64),
        sizes=np.zeros((count, 3), np.int32),
    )


def concatenate(batches: Sequence[Programs]) -> Programs:
    """One batch with the programs of all `batches`, which share a search space."""
    return Programs(*map(np.concatenate, zip(*(batch.arrays() for batch in batches), strict=True)))


def check_programs(programs: Programs, space: SearchSpace) -> None:
    """Checks that every program is one of `space`; sizes below a function's smallest are allowed (pruning makes them).

    Raises:
      ValueError: a shape, size, op, address, index or unused field is wrong; the first offender is named.
    """
    count = len(programs)
    for name, tail in {"opcodes": (), "addresses": (3,), "constants": (2,)}.items():
        expected = (count, space.length, *tail)
        actual = getattr(programs, name).shape
        if actual != expected:
            raise ValueError(f"programs: {name} has shape {actual}; this search space needs {expected}")
    if programs.sizes.shape != (count, 3):
        raise ValueError(f"programs: sizes has shape {programs.sizes.shape}; it must be {(count, 3)}")
    used = np.zeros((count, space.length), bool)
    for index, function in enumerate(space.functions):
        name, offset = FUNCTION_NAMES[index], space.offsets[index]
        sizes = programs.sizes[:, index]
        _refuse_any((sizes < 0) | (sizes > function.max_size), f"{name}: its size must be 0 to {function.max_size}")
        slots = slice(offset, offset + function.max_size)
        used[:, slots] = np.arange(function.max_size) < sizes[:, None]
        allowed = np.isin(programs.opcodes[:, slots], (*function.ops, ops.NO_OP.number)) | ~used[:, slots]
        _refuse_any(~allowed, f"{name}: an op that this search space does not allow there", offset)
    lowest, counts = field_ranges(space)
    counts[_IS_RANDOM, IN1] = min(space.length, MAX_STREAMS)
    rows = np.minimum(programs.opcodes, len(ops.OPS) - 1)
    outside = (programs.addresses < lowest[rows]) | (programs.addresses >= (lowest + counts)[rows])  # [N, L, 3]
    _refuse_any((outside & used[..., None]).any(axis=-1), "an address, index or stream out of range")
    spare = (programs.constants != 0) & (np.arange(2) >= _CONSTANTS[rows][..., None])  # [N, L, 2]
    _refuse_any((spare & used[..., None]).any(axis=-1), "a constant that is not zero, which its op does not have")
    unused = (programs.opcodes != 0) | (programs.addresses != 0).any(-1) | (programs.constants != 0).any(-1)
    _refuse_any(unused & ~used, "a slot beyond the function's size that is not zero")
    check_streams(programs, space)


def check_streams(programs: Programs, space: SearchSpace) -> None:
    """Checks that every random instruction of a program can have a stream of its own.

    Raises:
      ValueError: a program has more than `MAX_STREAMS` of them.
    """
    if space.length > MAX_STREAMS:
        random = _IS_RANDOM[programs.opcodes].sum(axis=1)
        _refuse_any(random > MAX_STREAMS, f"it has more than {MAX_STREAMS} random instructions")


def field_ranges(space: SearchSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What the three address fields of each op may hold: first input or index, second input or index, output.

    Returns:
      `[65, 3]` lowest values, and `[65, 3]` how many values there are; a field that the op does not use holds 0 only.
    """
    lowest = np.zeros((len(ops.OPS), 3), np.int64)
    counts = np.ones((len(ops.OPS), 3), np.int64)
    for op in ops.OPS:
        for field, kind in enumerate(op.inputs):
            counts[op.number, field] = space.addresses(kind)
        for field in range(op.indices):
            counts[op.number, field] = space.features
        if op.output:
            lowest[op.number, OUT] = ops.FIRST_OUTPUT_ADDRESS[op.output]
            counts[op.number, OUT] = space.addresses(op.output) - lowest[op.number, OUT]
    return lowest, counts


def _refuse_any(offends: Any, what: str, offset: int = 0) -> None:
    if offends.any():
        where = np.argwhere(offends)[0]
        slot = f", slot {where[1] + offset}" if len(where) > 1 else ""
        raise ValueError(f"program {where[0]}{slot}: {what}")


def programs_state(programs: Programs) -> State:
    """Programs, with only those constants that are not zero bits (they are most of the size, and few are used)."""
    words = programs.constants.view(np.uint64).reshape(-1)
    used = words != 0
    return {
        "opcodes": programs.opcodes,
        "addresses": programs.addresses,
        "sizes": programs.sizes,
        "has_constant": np.packbits(used),
        "constants": words[used],
    }


def restore_programs(state: Mapping[str, NDArray[Any]]) -> Programs:
    """The programs that `programs_state` took apart, in arrays of their own."""
    count, length = state["opcodes"].shape
    words = np.zeros(count * length * 2, np.uint64)
    words[np.unpackbits(state["has_constant"], count=len(words)).astype(bool)] = state["constants"]
    return Programs(
        opcodes=state["opcodes"].copy(),
        addresses=state["addresses"].copy(),
        constants=words.view(np.float64).reshape(count, length, 2),
        sizes=state["sizes"].copy(),
    )
