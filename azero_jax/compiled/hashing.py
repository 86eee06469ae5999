"""64-bit hashes of words, for compiled loops."""

from typing import Final

import numpy as np

from azero_jax.compiled.inline import inlined

Signed = int | np.int64  # the same to compiled code

GOLDEN: Final = 0x9E3779B97F4A7C15  # the odd number nearest to 2**64 over the golden ratio
MULTIPLIERS: Final = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of SplitMix64 (Steele, Lea, Flood 2014)
_MULTIPLIER: Final = np.uint64(GOLDEN)
_SIGNED: Final = tuple(multiplier - 2**64 for multiplier in MULTIPLIERS)
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


@inlined
def mix_colour(state: Signed, word: Signed) -> Signed:
    """The same of signed words, more thoroughly: colours are added up and compared.

    Their order decides canonical programs, and so results on record: this function has to keep its bits.
    """
    state = (state ^ word) * _SIGNED[0]
    state = (state ^ np.int64(np.uint64(state) >> np.uint64(32))) * _SIGNED[1]
    return state ^ np.int64(np.uint64(state) >> np.uint64(29))
