# ruff: noqa: D103
# mypy: ignore-errors
# These functions are in Warp's dialect of Python: it has its own types, and `int(0)` makes a variable of a constant.
"""Arithmetic on *lanes* values, in Warp: short vectors with one number for each of several tasks."""

from typing import Any, Final

import warp as wp

from azero_jax.language.ops import Function


@wp.func
def lanes_sum(a: Any, b: Any):
    return a + b


@wp.func
def lanes_difference(a: Any, b: Any):
    return a - b


@wp.func
def lanes_product(a: Any, b: Any):
    return wp.cw_mul(a, b)


@wp.func
def lanes_quotient(a: Any, b: Any):
    return wp.cw_div(a, b)


@wp.func
def lanes_absolute(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.abs(a[lane])
    return r


@wp.func
def lanes_reciprocal(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = a.dtype(1.0) / a[lane]
    return r


@wp.func
def lanes_sine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.sin(a[lane])
    return r


@wp.func
def lanes_cosine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.cos(a[lane])
    return r


@wp.func
def lanes_tangent(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.tan(a[lane])
    return r


@wp.func
def lanes_arcsine(a: Any):
    r = type(a)()
    for lane in range(len(a)):  # Warp's asin and acos clamp their argument; out of range is NaN here
        r[lane] = wp.where(wp.abs(a[lane]) <= a.dtype(1.0), wp.asin(a[lane]), a.dtype(wp.nan))
    return r


@wp.func
def lanes_arccosine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(wp.abs(a[lane]) <= a.dtype(1.0), wp.acos(a[lane]), a.dtype(wp.nan))
    return r


@wp.func
def lanes_arctangent(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.atan(a[lane])
    return r


@wp.func
def lanes_exponential(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.exp(a[lane])
    return r


@wp.func
def lanes_logarithm(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.log(a[lane])
    return r


@wp.func
def lanes_square_root(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.sqrt(a[lane])
    return r


@wp.func
def lanes_scalar_heaviside(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] >= a.dtype(0.0), a.dtype(1.0), a.dtype(0.0))
    return r


@wp.func
def lanes_heaviside(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] > a.dtype(0.0), a.dtype(1.0), a.dtype(0.0))
    return r


@wp.func
def lanes_minimum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(b[lane] < a[lane], b[lane], a[lane])
    return r


@wp.func
def lanes_maximum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] < b[lane], b[lane], a[lane])
    return r


@wp.func
def lanes_matrix_minimum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] < b[lane], a[lane], b[lane])
    return r


@wp.func
def lanes_matrix_maximum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] > b[lane], a[lane], b[lane])
    return r


@wp.func
def lanes_identity(a: Any):
    return a


@wp.func
def lanes_square(a: Any):
    return wp.cw_mul(a, a)


ELEMENTWISE: Final[dict[Function, Any]] = {
    Function.SUM: lanes_sum,
    Function.DIFFERENCE: lanes_difference,
    Function.PRODUCT: lanes_product,
    Function.QUOTIENT: lanes_quotient,
    Function.ABSOLUTE: lanes_absolute,
    Function.RECIPROCAL: lanes_reciprocal,
    Function.SIN: lanes_sine,
    Function.COS: lanes_cosine,
    Function.TAN: lanes_tangent,
    Function.ARCSIN: lanes_arcsine,
    Function.ARCCOS: lanes_arccosine,
    Function.ARCTAN: lanes_arctangent,
    Function.EXP: lanes_exponential,
    Function.LOG: lanes_logarithm,
    Function.SCALAR_HEAVISIDE: lanes_scalar_heaviside,
    Function.HEAVISIDE: lanes_heaviside,
    Function.MINIMUM: lanes_minimum,
    Function.MAXIMUM: lanes_maximum,
    Function.MATRIX_MINIMUM: lanes_matrix_minimum,
    Function.MATRIX_MAXIMUM: lanes_matrix_maximum,
    Function.IDENTITY: lanes_identity,
}
