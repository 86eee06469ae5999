"""Arithmetic on *lanes* values, in Warp: short vectors with one number for each of several tasks."""

from typing import Any, Final

import warp as wp

from azero_jax.language.families import Family


def _of_each(function: Any) -> Any:
    @wp.func
    def of_each(a: Any):
        r = type(a)()
        for lane in range(len(a)):
            r[lane] = function(a[lane])
        return r

    return of_each


lanes_absolute = _of_each(wp.abs)
lanes_sine = _of_each(wp.sin)
lanes_cosine = _of_each(wp.cos)
lanes_tangent = _of_each(wp.tan)
lanes_arctangent = _of_each(wp.atan)
lanes_exponential = _of_each(wp.exp)
lanes_logarithm = _of_each(wp.log)
lanes_square_root = _of_each(wp.sqrt)


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
def lanes_reciprocal(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = a.dtype(1.0) / a[lane]
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


ELEMENTWISE: Final[dict[Family, Any]] = {
    Family.SUM: lanes_sum,
    Family.DIFFERENCE: lanes_difference,
    Family.PRODUCT: lanes_product,
    Family.QUOTIENT: lanes_quotient,
    Family.ABSOLUTE: lanes_absolute,
    Family.RECIPROCAL: lanes_reciprocal,
    Family.SIN: lanes_sine,
    Family.COS: lanes_cosine,
    Family.TAN: lanes_tangent,
    Family.ARCSIN: lanes_arcsine,
    Family.ARCCOS: lanes_arccosine,
    Family.ARCTAN: lanes_arctangent,
    Family.EXP: lanes_exponential,
    Family.LOG: lanes_logarithm,
    Family.SCALAR_HEAVISIDE: lanes_scalar_heaviside,
    Family.HEAVISIDE: lanes_heaviside,
    Family.MINIMUM: lanes_minimum,
    Family.MAXIMUM: lanes_maximum,
    Family.MATRIX_MINIMUM: lanes_matrix_minimum,
    Family.MATRIX_MAXIMUM: lanes_matrix_maximum,
    Family.IDENTITY: lanes_identity,
}
