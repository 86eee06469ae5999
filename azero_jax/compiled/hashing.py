"""64-bit hashes of words, for compiled loops."""

from typing import Final

import numpy as np

from azero_jax.compiled.inline import inlined

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd
_SHIFT: Final = np.uint64(29)


@inlined
def mix(state: np.uint64, word: np.uint64) -> np.uint64:
    """Takes one more uint64 word into a hash; one-to-one in each of the two."""
    state = (state ^ word) * _MULTIPLIER
    return state ^ (state >> _SHIFT)


@inlined
def finish(state: np.uint64) -> np.uint64:
    """Makes every bit of the hash depend on all of `state`."""
    return mix(state ^ (state >> np.uint64(32)), np.uint64(0))
