"""Random numbers in Warp: the integers of `azero_jax.engines.random_bits`, the floats of `language.families`."""

import math
from typing import Any

import warp as wp

from azero_jax.engines.random_bits import KEY_PARITY


@wp.struct
class Draw:
    """What a random op's numbers depend on, besides its stream and the element."""

    seed: wp.uint32
    step: wp.uint32
    task: wp.uint32  # of the first lane


@wp.func
def _rotate(x: wp.uint32, count: wp.uint32):
    return (x << count) | (x >> (wp.uint32(32) - count))


@wp.func
def _threefry_four_rounds(x0: wp.uint32, x1: wp.uint32, r0: int, r1: int, r2: int, r3: int):
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r0)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r1)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r2)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r3)) ^ x0
    return x0, x1


@wp.func
def threefry(k0: wp.uint32, k1: wp.uint32, c0: wp.uint32, c1: wp.uint32):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011; Random123, JAX): two words for a key and a counter."""
    k2 = k0 ^ k1 ^ wp.uint32(KEY_PARITY)
    x0 = c0 + k0
    x1 = c1 + k1
    x0, x1 = _threefry_four_rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _threefry_four_rounds(x0 + k1, x1 + k2 + wp.uint32(1), 17, 29, 16, 24)
    x0, x1 = _threefry_four_rounds(x0 + k2, x1 + k0 + wp.uint32(2), 13, 15, 26, 6)
    x0, x1 = _threefry_four_rounds(x0 + k0, x1 + k1 + wp.uint32(3), 17, 29, 16, 24)
    x0, x1 = _threefry_four_rounds(x0 + k1, x1 + k2 + wp.uint32(4), 13, 15, 26, 6)
    return x0 + k2, x1 + k0 + wp.uint32(5)


def make_uniform(real: Any) -> Any:
    shift, scale = (9, 2.0**-23) if real is wp.float32 else (0, 2.0**-32)

    @wp.func
    def uniform(bits0: wp.uint32, bits1: wp.uint32, x: Any, y: Any):
        unit = (real(bits0 >> wp.uint32(shift)) + real(0.5)) * real(scale)
        return wp.where(x < y, x + (y - x) * unit, x)

    return uniform


def make_gaussian(real: Any) -> Any:
    scale, turn = 2.0**-32, real(2 * math.pi * 2.0**-32)  # a number inside a Warp function has single precision

    @wp.func
    def gaussian(bits0: wp.uint32, bits1: wp.uint32, x: Any, y: Any):
        radius = wp.sqrt(real(-2.0) * wp.log((real(bits0) + real(0.5)) * real(scale)))
        return x + y * (radius * wp.cos(turn * real(bits1)))

    return gaussian
