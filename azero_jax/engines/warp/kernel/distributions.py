"""Uniform and Gaussian numbers of random words, in Warp: what `language.compute` says, of what vectors can do.

Logarithm and cosine are polynomials, fitted at Chebyshev's points and correct to a few units in the last place, because
the library's functions take one number at a time.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
import warp as wp
from numpy.polynomial import Chebyshev, Polynomial

LOG_RATIO: Final = (math.sqrt(2) - 1) / (math.sqrt(2) + 1)  # the largest (m - 1) / (m + 1)


class _Format(NamedTuple):
    """A precision.

    Attributes:
      real: Warp's type of a number.
      word: whole numbers of the same size.
      mantissa: bits.
      root_half: the bits of sqrt(1/2).
      log_degree: of the polynomial of the logarithm.
      sine_degree: of that of the sine.
      spare_bits: of a random word, more than fit into the mantissa.
    """

    real: Any
    word: Any
    mantissa: int
    root_half: int
    log_degree: int
    sine_degree: int
    spare_bits: int


def _root_half(real: Any, word: Any) -> int:
    return int(np.array(math.sqrt(0.5), real).view(word))


_FORMATS: Final = {
    wp.float32: _Format(wp.float32, wp.int32, 23, _root_half(np.float32, np.int32), 3, 5, 8),
    wp.float64: _Format(wp.float64, wp.int64, 52, _root_half(np.float64, np.int64), 7, 9, 0),
}


def make_uniform(real: Any) -> Any:
    """A Warp function: a number in the interval from x to y, of its word."""
    shift, scale = (9, 2.0**-23) if real is wp.float32 else (0, 2.0**-32)

    @wp.func(inline=True)
    def uniform(own: wp.uint32, x: Any, y: Any):
        unit = (real(own >> wp.uint32(shift)) + real(0.5)) * real(scale)
        return wp.where(x < y, x + (y - x) * unit, x)

    return uniform


def make_radius(real: Any) -> Any:
    """A Warp function: how far a pair of standard Gaussian numbers is from the origin, of its word."""
    log, scale = _make_log(_FORMATS[real]), 2.0**-32  # a number inside a Warp function has single precision

    @wp.func(inline=True)
    def radius(word: wp.uint32):
        return wp.sqrt(real(-2.0) * log((real(word) + real(0.5)) * real(scale)))

    return radius


def make_cosine(real: Any) -> Any:
    """A Warp function: the cosine of an angle of which 2^32 are a turn."""
    spare_bits, degree = _FORMATS[real].spare_bits, _FORMATS[real].sine_degree
    scale = 2.0 ** (spare_bits - 32)
    series = _make_polynomial(_fit(_sine_over_turns, 0.0, 1 / 16, degree), real)

    @wp.func(inline=True)
    def cosine(angle: wp.uint32):
        turns = real(angle >> wp.uint32(spare_bits)) * real(scale)
        y = wp.abs(turns - real(0.5)) - real(0.25)
        return y * series(y * y)

    return cosine


def _make_log(form: _Format) -> Any:
    """A Warp function: the logarithm of a normal number, by its exponent and log m = 2 artanh((m - 1) / (m + 1))."""
    real, word, mantissa, root_half = form.real, form.word, form.mantissa, form.root_half
    exponent, ln2 = -(1 << mantissa), math.log(2)
    series = _make_polynomial(_fit(_log_over_ratio, 0.0, LOG_RATIO**2, form.log_degree), real)

    @wp.func(inline=True)
    def log(u: real):
        bits = wp.cast(u, word)
        above = bits - word(root_half)
        m = wp.cast(bits - (above & word(exponent)), real)  # in [sqrt(1/2), sqrt(2))
        e = real(wp.int32(above >> word(mantissa)))
        ratio = (m - real(1.0)) / (m + real(1.0))
        return e * real(ln2) + ratio * series(ratio * ratio)

    return log


def _log_over_ratio(square: Any) -> Any:
    """log((1 + r) / (1 - r)) / r of r^2, by its series."""
    square = np.asarray(square)
    return sum(2 * square**k / (2 * k + 1) for k in range(20))


def _sine_over_turns(square: Any) -> Any:
    """sin(2 pi y) / y of y^2."""
    return 2 * np.pi * np.sinc(2 * np.sqrt(np.asarray(square)))


def _fit(function: Any, low: float, high: float, degree: int) -> list[float]:
    """Coefficients, the lowest first, of the polynomial that interpolates a function at Chebyshev's points."""
    return [float(c) for c in Chebyshev.interpolate(function, degree, (low, high)).convert(kind=Polynomial).coef]


def _make_polynomial(coefficients: list[float], real: Any) -> Any:
    """A Warp function that evaluates a polynomial by Horner's rule."""
    last = coefficients[-1]

    @wp.func(inline=True)
    def constant(x: real):
        return real(last)

    value = constant
    for coefficient in reversed(coefficients[:-1]):
        value = _make_term(value, coefficient, real)
    return value


def _make_term(higher: Any, coefficient: float, real: Any) -> Any:
    @wp.func(inline=True)
    def term(x: real):
        return higher(x) * x + real(coefficient)

    return term
