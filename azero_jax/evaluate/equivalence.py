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
      errors: `[N, T, K]` float32 or float64, C-contiguous.
      decimals: round to so many decimals first; None hashes the exact values.
    """
    if decimals is not None:
        errors = np.round(errors, decimals)
    flat = np.ascontiguousarray(errors.reshape(len(errors), -1), np.float64)
    hashes = np.empty(len(flat), np.uint64)
    _hash_rows(flat, flat.view(np.uint64), hashes)
    return hashes


@njit(cache=True, nogil=True)
def _hash_rows(values, words, hashes):  # type: ignore[no-untyped-def]
    for n in range(values.shape[0]):
        even = np.uint64(1)  # two independent chains, so that one multiplication need not wait for the other
        odd = np.uint64(2)
        for k in range(0, values.shape[1] - 1, 2):
            even = _mix(even, values[n, k], words[n, k])
            odd = _mix(odd, values[n, k + 1], words[n, k + 1])
        if values.shape[1] % 2 == 1:
            even = _mix(even, values[n, -1], words[n, -1])
        hashes[n] = _finish(even ^ (_finish(odd) * _MULTIPLIER))


@njit(cache=True, nogil=True, inline="always")
def _mix(state, value, word):  # type: ignore[no-untyped-def]
    if value == 0.0:
        word = np.uint64(0)
    elif value != value:
        word = np.uint64(1)  # one NaN is like another
    state = (state ^ word) * _MULTIPLIER
    return state ^ (state >> _SHIFT)


@njit(cache=True, nogil=True, inline="always")
def _finish(state):  # type: ignore[no-untyped-def]
    state = (state ^ (state >> np.uint64(32))) * _MULTIPLIER
    return state ^ (state >> _SHIFT)
