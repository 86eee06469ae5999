"""Functional equivalence checking (FEC): programs that make the same errors on a few examples are taken for the same.

As in the original the key is built from the absolute errors of a short run on every task (SEMANTICS of the release:
exact errors, +0 and -0 alike); rounding them first, as the paper does by truncation, is an option. Here one key covers
all tasks, as the fitness that it stands for does.
"""

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.hashing import finish, mix
from azero_jax.compiled.inline import compiled_loop

_HALF: Final = np.uint64(32)
_LOW_HALF: Final = np.uint64(2**32 - 1)


def hash_errors(errors: NDArray, decimals: int | None = None) -> NDArray[np.uint64]:
    """`[N]` 64-bit hash of each program's errors.

    Two sums of words times random multipliers (multilinear hashing; Carter and Wegman 1979), which take many errors at
    once: each alone gives two different rows of errors the same value with a probability of at most 2**-32.

    Args:
      errors: `[N, K, T]` float32 or float64.
      decimals: round to so many decimals first, those that are not too large for it; None hashes the exact values.
    """
    if decimals is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.round(errors.astype(np.float64), decimals)
        errors = np.where(np.isfinite(rounded), rounded, errors)
    flat = np.ascontiguousarray(errors.reshape(len(errors), -1))
    words = flat.view(np.uint32 if flat.dtype == np.float32 else np.uint64)
    infinity = flat.dtype.type(np.inf).view(words.dtype)
    no_sign = ~flat.dtype.type(-0.0).view(words.dtype)
    hashes = np.empty(len(flat), np.uint64)
    _hash_rows(words, no_sign, infinity, _multipliers(flat.shape[1]), hashes)
    return hashes


@functools.lru_cache(maxsize=8)
def _multipliers(count: int) -> NDArray[np.uint64]:
    """`[4, count]` odd random numbers, the same in every run."""
    return np.random.Philox(key=0).random_raw((4, count)) | np.uint64(1)


@compiled_loop
def _hash_rows(
    words: NDArray,
    no_sign: np.uint32 | np.uint64,
    infinity: np.uint32 | np.uint64,
    multipliers: NDArray[np.uint64],
    hashes: NDArray[np.uint64],
) -> None:
    for n in range(words.shape[0]):
        sum1 = np.uint64(0)
        sum2 = np.uint64(0)
        for k in range(words.shape[1]):
            magnitude = words[n, k] & no_sign
            bits = np.uint64(words[n, k])
            bits = np.uint64(0) if magnitude == 0 else bits
            bits = np.uint64(1) if magnitude > infinity else bits  # one NaN is like another
            low, high = bits & _LOW_HALF, bits >> _HALF
            sum1 += low * multipliers[0, k] + high * multipliers[1, k]
            sum2 += low * multipliers[2, k] + high * multipliers[3, k]
        hashes[n] = finish(mix(finish(sum1), sum2))
