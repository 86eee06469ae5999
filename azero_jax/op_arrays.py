"""The op table as arrays indexed by opcode, for compiled loops over whole batches of programs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.space import SearchSpace

NO_KIND: Final = -1
SCALAR: Final = ops.KINDS.index(ops.SCALAR)  # a kind is a small integer here
VECTOR: Final = ops.KINDS.index(ops.VECTOR)
MATRIX: Final = ops.KINDS.index(ops.MATRIX)


def _kind(letters: str, position: int) -> int:
    return ops.KINDS.index(letters[position]) if position < len(letters) else NO_KIND


def _constant(array: NDArray) -> NDArray:
    array.setflags(write=False)
    return array


INPUT_KINDS: Final = _constant(np.array([[_kind(op.inputs, i) for i in (0, 1)] for op in ops.OPS], np.int8))  # [65, 2]
OUTPUT_KIND: Final = _constant(np.array([_kind(op.output, 0) for op in ops.OPS], np.int8))
INDICES: Final = _constant(np.array([op.indices for op in ops.OPS], np.int8))
CONSTANTS: Final = _constant(np.array([op.constants for op in ops.OPS], np.int8))
IS_RANDOM: Final = _constant(np.array([op.random for op in ops.OPS]))
IS_COMMUTATIVE: Final = _constant(np.array([op.commutative for op in ops.OPS]))
COST: Final = _constant(np.array([op.cost for op in ops.OPS], np.float64))
FIRST_OUTPUT: Final = _constant(np.array([ops.FIRST_OUTPUT_ADDRESS[kind] for kind in ops.KINDS], np.int64))  # by kind


def address_counts(space: SearchSpace) -> NDArray[np.int64]:
    """`[3]` addresses of each kind: scalar, vector, matrix."""
    return np.array([space.addresses(kind) for kind in ops.KINDS], np.int64)


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
            lowest[op.number, 2] = ops.FIRST_OUTPUT_ADDRESS[op.output]
            counts[op.number, 2] = space.addresses(op.output) - lowest[op.number, 2]
    return lowest, counts
