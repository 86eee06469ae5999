"""Random numbers in Warp: the integers of `azero_jax.engines.random_bits`, the floats of `language.compute`.

They are drawn for all lanes of a value, or all elements of a block, side by side: functions of one number, of which the
compiler makes SIMD code.
"""

import functools
import math
from typing import Any, Final

import numpy as np
import warp as wp
from numpy.polynomial import Chebyshev, Polynomial

from azero_jax.engines.random_bits import KEY_PARITY, STREAM_SHIFT


@wp.struct
class Draw:
    """What a random op's numbers depend on, besides its stream and the element."""

    seed: wp.uint32
    step: wp.uint32
    task: wp.uint32  # of the first lane


@wp.func(inline=True)
def rotate(x: wp.uint32, count: wp.uint32):
    return (x << count) | (x >> (wp.uint32(32) - count))


@wp.func(inline=True)
def four_rounds(x0: wp.uint32, x1: wp.uint32, r0: wp.uint32, r1: wp.uint32, r2: wp.uint32, r3: wp.uint32):
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
def even_rounds(x0: wp.uint32, x1: wp.uint32):
    return four_rounds(x0, x1, wp.uint32(13), wp.uint32(15), wp.uint32(26), wp.uint32(6))


@wp.func(inline=True)
def odd_rounds(x0: wp.uint32, x1: wp.uint32):
    return four_rounds(x0, x1, wp.uint32(17), wp.uint32(29), wp.uint32(16), wp.uint32(24))


@wp.func(inline=True)
def threefry(k0: wp.uint32, k1: wp.uint32, c0: wp.uint32, c1: wp.uint32):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011; Random123, JAX): two words for a key and a counter."""
    k2 = k0 ^ k1 ^ wp.uint32(KEY_PARITY)
    x0, x1 = even_rounds(c0 + k0, c1 + k1)
    x0, x1 = odd_rounds(x0 + k1, x1 + k2 + wp.uint32(1))
    x0, x1 = even_rounds(x0 + k2, x1 + k0 + wp.uint32(2))
    x0, x1 = odd_rounds(x0 + k0, x1 + k1 + wp.uint32(3))
    x0, x1 = even_rounds(x0 + k1, x1 + k2 + wp.uint32(4))
    return x0 + k2, x1 + k0 + wp.uint32(5)


def make_uniform(real: Any) -> Any:
    """A Warp function: a number in the interval from x to y, of random words."""
    shift, scale = (9, 2.0**-23) if real is wp.float32 else (0, 2.0**-32)

    @wp.func(inline=True)
    def uniform(bits0: Any, bits1: Any, x: Any, y: Any):
        unit = (real(bits0 >> wp.uint32(shift)) + real(0.5)) * real(scale)
        return wp.where(x < y, x + (y - x) * unit, x)

    return uniform


def make_gaussian(real: Any) -> Any:
    """A Warp function: a Gaussian number of mean x and deviation y, by Box-Muller, of random words."""
    scale, turn = 2.0**-32, real(2 * math.pi * 2.0**-32)  # a number inside a Warp function has single precision
    if real is wp.float32:
        return single_gaussian

    @wp.func(inline=True)
    def gaussian(bits0: Any, bits1: Any, x: Any, y: Any):
        radius = wp.sqrt(real(-2.0) * wp.log((real(bits0) + real(0.5)) * real(scale)))
        return x + y * (radius * wp.cos(turn * real(bits1)))

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
_WORD_SCALE: Final = 2.0**-32
_ROOT_HALF: Final = math.sqrt(0.5)
_MANTISSA_BITS: Final = 23  # of a float32
_MANTISSA: Final = 2**_MANTISSA_BITS - 1
_HALF_EXPONENT: Final = 126  # the exponent's bits of numbers in [1/2, 1)
_HALF: Final = _HALF_EXPONENT << _MANTISSA_BITS


@wp.func(inline=True)
def single_log(u: wp.float32):
    """The logarithm of a normal number: of one in [sqrt(1/2), sqrt(2)), and of a power of 2."""
    bits = wp.cast(u, wp.int32)
    m = wp.cast((bits & _MANTISSA) | _HALF, wp.float32)  # in [1/2, 1)
    e = wp.float32((bits >> _MANTISSA_BITS) - _HALF_EXPONENT)
    small = m < wp.float32(_ROOT_HALF)
    m = wp.where(small, m + m, m)
    e = wp.where(small, e - wp.float32(1.0), e)
    f = m - wp.float32(1.0)
    return e * wp.float32(_LN2) + (f - wp.float32(0.5) * f * f + f * f * f * _log_tail(f))


@wp.func(inline=True)
def single_cosine(turns: wp.float32):
    """The cosine of so many turns, in [0, 1]."""
    y = wp.abs(turns - wp.float32(0.5)) - wp.float32(0.25)
    return y * _sine(y * y)


@wp.func(inline=True)
def single_gaussian(bits0: Any, bits1: Any, x: Any, y: Any):
    u = (wp.float32(bits0) + wp.float32(0.5)) * wp.float32(_WORD_SCALE)
    radius = wp.sqrt(wp.float32(-2.0) * single_log(u))
    return x + y * (radius * single_cosine(wp.float32(bits1) * wp.float32(_WORD_SCALE)))


# ---- registers of random numbers ------------------------------------------------------------------------------------


@functools.cache
def make_fill(real: Any, lanes: int, block: int) -> Any:
    """A Warp function that fills a register with random numbers.

    All random ops call one copy of it: if it is inlined into each, a kernel takes three times as long to compile.

    Args:
      real: Warp's type of a number.
      lanes: tasks of a value.
      block: neighbouring elements that are drawn at a time: one if there are several lanes.
    """
    width, element_step, task_step = lanes * block, int(block > 1), int(block == 1)
    gaussian, uniform = make_gaussian(real), make_uniform(real)

    @wp.func(inline=True)
    def draw_words(draw: Draw, stream: wp.uint32, row: int, column: int, columns: int, n: int):
        element = stream | wp.uint32((row + n * element_step) * columns + column)
        bits0, bits1 = threefry(draw.seed, draw.task + wp.uint32(n * task_step), draw.step, element)
        return bits0, bits1

    # The compiler makes SIMD code of the innermost loops, which it would not of a loop with the choice in it; nor of
    # straight code for each n, if the words are used in two places.
    @wp.func(inline=False)
    def fill(
        registers_at: wp.uint64,
        first: int,
        rows: int,
        columns: int,
        is_gaussian: bool,
        stream: int,
        x: real,
        y: real,
        draw: Draw,
    ):
        numbers = wp.array(ptr=registers_at, shape=(0,), dtype=real)
        shifted = wp.uint32(stream) << wp.uint32(STREAM_SHIFT)
        k = first * lanes
        column = int(0)
        while column < columns:
            row = int(0)
            while row < rows:
                n = int(0)
                if is_gaussian:
                    while n < width:
                        bits0, bits1 = draw_words(draw, shifted, row, column, columns, n)
                        numbers[k + n] = gaussian(bits0, bits1, x, y)
                        n += 1
                else:
                    while n < width:
                        bits0, bits1 = draw_words(draw, shifted, row, column, columns, n)
                        numbers[k + n] = uniform(bits0, bits1, x, y)
                        n += 1
                row += block
                k += width
            column += 1

    return fill
