"""Random numbers in Warp: the integers of `azero_jax.engines.random_bits`, the floats of `language.compute`.

Words and numbers are drawn for all lanes of a value, or all elements of a block, at once.
"""

import math
from typing import Any, Final

import numpy as np
import warp as wp
from numpy.polynomial import Chebyshev, Polynomial

from azero_jax.engines.random_bits import KEY_PARITY


@wp.struct
class Draw:
    """What a random op's numbers depend on, besides its stream and the element."""

    seed: wp.uint32
    step: wp.uint32
    task: wp.uint32  # of the first lane


def words_type(width: int) -> Any:
    """Warp's type of so many random words."""
    return wp.types.vector(length=width, dtype=wp.uint32)


def make_threefry(width: int) -> Any:
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011; Random123, JAX): two words for a key and a counter, each."""
    words = words_type(width)

    @wp.func(inline=True)
    def rotate(x: words, count: wp.uint32):
        return (x << words(count)) | (x >> words(wp.uint32(32) - count))

    @wp.func(inline=True)
    def four_rounds(x0: words, x1: words, r0: wp.uint32, r1: wp.uint32, r2: wp.uint32, r3: wp.uint32):
        x0 = x0 + x1
        x1 = rotate(x1, r0) ^ x0
        x0 = x0 + x1
        x1 = rotate(x1, r1) ^ x0
        x0 = x0 + x1
        x1 = rotate(x1, r2) ^ x0
        x0 = x0 + x1
        x1 = rotate(x1, r3) ^ x0
        return x0, x1

    @wp.func(inline=True)
    def even(x0: words, x1: words):
        return four_rounds(x0, x1, wp.uint32(13), wp.uint32(15), wp.uint32(26), wp.uint32(6))

    @wp.func(inline=True)
    def odd(x0: words, x1: words):
        return four_rounds(x0, x1, wp.uint32(17), wp.uint32(29), wp.uint32(16), wp.uint32(24))

    @wp.func(inline=True)
    def threefry(k0: words, k1: words, c0: words, c1: words):
        k2 = k0 ^ k1 ^ words(wp.uint32(KEY_PARITY))
        x0, x1 = even(c0 + k0, c1 + k1)
        x0, x1 = odd(x0 + k1, x1 + k2 + words(wp.uint32(1)))
        x0, x1 = even(x0 + k2, x1 + k0 + words(wp.uint32(2)))
        x0, x1 = odd(x0 + k0, x1 + k1 + words(wp.uint32(3)))
        x0, x1 = even(x0 + k1, x1 + k2 + words(wp.uint32(4)))
        return x0 + k2, x1 + k0 + words(wp.uint32(5))

    return threefry


def make_uniform(real: Any, width: int) -> Any:
    """A Warp function: numbers in the interval from x to y, of random words."""
    shift, scale = (9, 2.0**-23) if real is wp.float32 else (0, 2.0**-32)
    numbers = wp.types.vector(length=width, dtype=real)

    @wp.func(inline=True)
    def uniform(bits0: Any, bits1: Any, x: Any, y: Any):
        r = numbers()
        for n in range(width):
            unit = (real(bits0[n] >> wp.uint32(shift)) + real(0.5)) * real(scale)
            r[n] = wp.where(x < y, x + (y - x) * unit, x)
        return r

    return uniform


def make_gaussian(real: Any, width: int) -> Any:
    """A Warp function: Gaussian numbers of mean x and deviation y, by Box-Muller, of random words."""
    scale, turn = 2.0**-32, real(2 * math.pi * 2.0**-32)  # a number inside a Warp function has single precision
    numbers = wp.types.vector(length=width, dtype=real)
    if real is wp.float32:
        return _make_single_gaussian(numbers, width)

    @wp.func(inline=True)
    def gaussian(bits0: Any, bits1: Any, x: Any, y: Any):
        r = numbers()
        for n in range(width):
            radius = wp.sqrt(real(-2.0) * wp.log((real(bits0[n]) + real(0.5)) * real(scale)))
            r[n] = x + y * (radius * wp.cos(turn * real(bits1[n])))
        return r

    return gaussian


# ---- logarithm and cosine in single precision, in vectors: polynomials fitted at Chebyshev's points, correct to a few
# ---- units in the last place. The library's functions take one number at a time.


def _fit(function: Any, low: float, high: float, degree: int) -> list[float]:
    """Coefficients, the lowest first, of the polynomial that interpolates a function at Chebyshev's points."""
    return [float(c) for c in Chebyshev.interpolate(function, degree, (low, high)).convert(kind=Polynomial).coef]


def _tail_of_log(f: Any) -> Any:
    """(log(1 + f) - f + f^2 / 2) / f^3, by its series where f is small."""
    f = np.asarray(f)
    series = sum((-f) ** k / (k + 3) for k in range(30))
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = (np.log1p(f) - f + f * f / 2) / f**3
    return np.where(np.abs(f) < 0.2, series, direct)


def _sine_of_turn(square: Any) -> Any:
    """sin(2 pi y) / y of y^2."""
    y = np.sqrt(np.asarray(square))
    return np.where(y > 0, 2 * np.pi * np.sinc(2 * y), 2 * np.pi)


_LOG: Final = _fit(_tail_of_log, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 8)
_SINE: Final = _fit(_sine_of_turn, 0.0, 1 / 16, 5)


def _make_polynomial(coefficients: list[float]) -> Any:
    """A Warp function that evaluates a polynomial by Horner's rule."""
    last = coefficients[-1]

    @wp.func(inline=True)
    def constant(x: wp.float32):
        return wp.float32(last)

    value = constant
    for coefficient in reversed(coefficients[:-1]):
        value = _make_term(value, coefficient)
    return value


def _make_term(higher: Any, coefficient: float) -> Any:
    @wp.func(inline=True)
    def term(x: wp.float32):
        return higher(x) * x + wp.float32(coefficient)

    return term


_log_tail: Final = _make_polynomial(_LOG)
_sine: Final = _make_polynomial(_SINE)
_LN2: Final = math.log(2)


def _make_scaling(before: Any, exponent: int, limit: float) -> Any:
    """A Warp function after which a number below `limit` is 2^exponent as large, and its exponent so much lower."""
    factor = 2.0**exponent

    @wp.func(inline=True)
    def scaling(m: wp.float32, e: wp.float32):
        m, e = before(m, e)
        small = m < wp.float32(limit)
        return wp.where(small, m * wp.float32(factor), m), wp.where(small, e - wp.float32(exponent), e)

    return scaling


@wp.func(inline=True)
def _as_it_is(m: wp.float32, e: wp.float32):
    return m, e


_scaled = _as_it_is
for _exponent in (16, 8, 4, 2, 1):
    _scaled = _make_scaling(_scaled, _exponent, 2.0**-_exponent)
_scaled = _make_scaling(_scaled, 1, math.sqrt(0.5))


@wp.func(inline=True)
def single_log(u: wp.float32):
    """The logarithm of a number in [2^-33, 1]: of one in [sqrt(1/2), sqrt(2)), and of a power of 2."""
    m, e = _scaled(u, wp.float32(0.0))
    f = m - wp.float32(1.0)
    return e * wp.float32(_LN2) + (f - wp.float32(0.5) * f * f + f * f * f * _log_tail(f))


@wp.func(inline=True)
def single_cosine(turns: wp.float32):
    """The cosine of so many turns, in [0, 1]."""
    y = wp.abs(turns - wp.float32(0.5)) - wp.float32(0.25)
    return y * _sine(y * y)


def _make_single_gaussian(numbers: Any, width: int) -> Any:
    scale = 2.0**-32

    @wp.func(inline=True)
    def gaussian(bits0: Any, bits1: Any, x: Any, y: Any):
        r = numbers()
        for n in range(width):
            u = (wp.float32(bits0[n]) + wp.float32(0.5)) * wp.float32(scale)
            radius = wp.sqrt(wp.float32(-2.0) * single_log(u))
            r[n] = x + y * (radius * single_cosine(wp.float32(bits1[n]) * wp.float32(scale)))
        return r

    return gaussian
