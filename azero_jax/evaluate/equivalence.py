"""Functional equivalence checking (FEC): programs that make the same errors on a few examples are taken for the same.

As in the original the key is built from the absolute errors of a short run on every task (SEMANTICS of the release:
exact errors, +0 and -0 alike); rounding them first, as the paper does by truncation, is an option. Here one key covers
all tasks, as the fitness that it stands for does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd
_SHIFT: Final = np.uint64(29)


def hash_errors(errors: NDArray, decimals: int | None = None) -> NDArray[np.uint64]:
    """`[N]` 64-bit hash of each program's errors.

    Args:
      errors: `[N, T, K]` float32 or float64.
      decimals: round to so many decimals first; None hashes the exact values.
    """
    if decimals is not None:
        errors = np.round(errors, decimals)
    flat = np.ascontiguousarray(errors.reshape(len(errors), -1))
    hashes = np.empty(len(flat), np.uint64)
    _hash_rows(flat, flat.view(np.uint32 if flat.dtype == np.float32 else np.uint64), hashes)
    return hashes


@njit(cache=True, nogil=True)
def _hash_rows(values, words, hashes):  # type: ignore[no-untyped-def]
    count = values.shape[1]
    chains = np.empty(4, np.uint64)  # independent, so that one multiplication need not wait for the other
    for n in range(values.shape[0]):
        for chain in range(4):
            chains[chain] = chain + 1
        for k in range(0, count - 3, 4):
            for chain in range(4):
                chains[chain] = _mix(chains[chain], values[n, k + chain], words[n, k + chain])
        for k in range(count - count % 4, count):
            chains[k % 4] = _mix(chains[k % 4], values[n, k], words[n, k])
        total = np.uint64(0)
        for chain in range(4):
            total = _finish(total ^ chains[chain])
        hashes[n] = total


@njit(cache=True, nogil=True, inline="always")
def _mix(state, value, word):  # type: ignore[no-untyped-def]
    if value == 0:
        bits = np.uint64(0)
    elif value != value:
        bits = np.uint64(1)  # one NaN is like another
    else:
        bits = np.uint64(word)
    state = (state ^ bits) * _MULTIPLIER
    return state ^ (state >> _SHIFT)


@njit(cache=True, nogil=True, inline="always")
def _finish(state):  # type: ignore[no-untyped-def]
    state = (state ^ (state >> np.uint64(32))) * _MULTIPLIER
    return state ^ (state >> _SHIFT)
