"""What ops compute, on arrays whose last axis is lanes; see `azero_jax.language.ops`."""

import enum
import operator

import jax
import jax.numpy as jnp
from jax import lax


def _sum(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    # -0.0 is the identity of IEEE addition: a sum of only -0.0 terms stays -0.0, as if it started from its first term.
    return lax.reduce(x, jnp.asarray(-0.0, x.dtype), lax.add, axes)


def _mean(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return _sum(x, axes) / _count(x, axes)


def _count(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    return jnp.asarray(count, x.dtype)


def _norm(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return jnp.sqrt(_sum(x * x, axes))


def _square(x: jax.Array) -> jax.Array:
    # A product that goes straight into a sum becomes one fused operation on the CPU, rounded once: the st.dev. of equal
    # numbers is then no longer 0. A select between them prevents it (XLA drops `optimization_barrier` too early).
    return jnp.where(x == x, x * x, jnp.nan)


def _st_dev(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    # Population, one-pass, not clamped, as the original has it: cancellation can make the radicand negative, hence NaN.
    mean = _mean(x, axes)
    return jnp.sqrt(_sum(_square(x), axes) / _count(x, axes) - _square(mean))


def _reciprocal(a: jax.Array) -> jax.Array:
    return jnp.asarray(1, a.dtype) / a


def _scalar_heaviside(a: jax.Array) -> jax.Array:
    return (a >= 0).astype(a.dtype)


def _heaviside(a: jax.Array) -> jax.Array:
    return (a > 0).astype(a.dtype)


def _minimum(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(b < a, b, a)


def _maximum(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a < b, b, a)


def _matrix_minimum(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a < b, a, b)


def _matrix_maximum(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where(a > b, a, b)


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    return _sum(a * b, (0,))


def _outer(a: jax.Array, b: jax.Array) -> jax.Array:
    return a[:, None] * b[None, :]


def _matrix_vector(a: jax.Array, b: jax.Array) -> jax.Array:
    return _sum(a * b[None, :], (1,))


def _matrix_matrix(a: jax.Array, b: jax.Array) -> jax.Array:
    # A loop over the inner axis keeps the intermediate at [F, F, lanes].
    def add_term(k: jax.Array, total: jax.Array) -> jax.Array:
        return total + a[:, k][:, None] * b[k][None, :]

    return lax.fori_loop(1, a.shape[0], add_term, a[:, 0][:, None] * b[0][None, :])


def _columns(a: jax.Array) -> jax.Array:
    return jnp.broadcast_to(a[:, None], (a.shape[0], *a.shape))


def _rows(a: jax.Array) -> jax.Array:
    return jnp.broadcast_to(a[None, :], (a.shape[0], *a.shape))


def _transpose(a: jax.Array) -> jax.Array:
    return jnp.swapaxes(a, 0, 1)


def _identity(a: jax.Array) -> jax.Array:
    return a


def _set_element(old: jax.Array, i: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.where(_positions(old, 0) == i, x, old)


def _set_matrix_element(old: jax.Array, i: jax.Array, j: jax.Array, x: jax.Array) -> jax.Array:
    return jnp.where((_positions(old, 0) == i) & (_positions(old, 1) == j), x, old)


def _positions(x: jax.Array, axis: int) -> jax.Array:
    """Each element's position along an axis, in a shape that broadcasts with `x`."""
    return jnp.arange(x.shape[axis]).reshape(-1, *(1 for _ in x.shape[axis + 1 :]))


def _unit_interval(bits: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """Uniform on the open interval (0, 1): the centres of 2**23 (float32) or 2**32 (float64) equal cells."""
    if dtype == jnp.float64:
        return (bits.astype(dtype) + 0.5) * 2.0**-32
    return ((bits >> 9).astype(dtype) + jnp.asarray(0.5, dtype)) * jnp.asarray(2.0**-23, dtype)


def _uniform(bits0: jax.Array, bits1: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    del bits1
    # An interval that is the wrong way round gives its first bound (absl's rule, which the original inherits).
    return jnp.where(x < y, x + (y - x) * _unit_interval(bits0, x.dtype), x)


def _gaussian(bits0: jax.Array, bits1: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Box-Muller; every step is the same in every engine."""
    radius = jnp.sqrt(
        -2 * jnp.log((bits0.astype(x.dtype) + jnp.asarray(0.5, x.dtype)) * jnp.asarray(2.0**-32, x.dtype))
    )
    angle = jnp.asarray(2 * jnp.pi * 2.0**-32, x.dtype) * bits1.astype(x.dtype)
    return x + y * (radius * jnp.cos(angle))


def _no_op() -> jax.Array:
    raise TypeError("NO_OP computes nothing")


class Family(enum.Enum):
    """Ops that compute the same, on registers of whatever kind: the engines and the analyses look ops up by this.

    The value computes it on arrays. Where the original treats scalars or matrices in a way of their own, they are a
    family of their own: the step at zero is 1 for scalars, and what a minimum or maximum makes of NaN differs for
    matrices.
    """

    NOTHING = enum.member(_no_op)
    SUM = enum.member(operator.add)
    DIFFERENCE = enum.member(operator.sub)
    PRODUCT = enum.member(operator.mul)  # of elements, or of all elements and a scalar
    QUOTIENT = enum.member(operator.truediv)
    ABSOLUTE = enum.member(jnp.abs)
    RECIPROCAL = enum.member(_reciprocal)
    SIN = enum.member(jnp.sin)
    COS = enum.member(jnp.cos)
    TAN = enum.member(jnp.tan)
    ARCSIN = enum.member(jnp.arcsin)
    ARCCOS = enum.member(jnp.arccos)
    ARCTAN = enum.member(jnp.arctan)
    EXP = enum.member(jnp.exp)
    LOG = enum.member(jnp.log)
    SCALAR_HEAVISIDE = enum.member(_scalar_heaviside)
    HEAVISIDE = enum.member(_heaviside)
    MINIMUM = enum.member(_minimum)
    MAXIMUM = enum.member(_maximum)
    MATRIX_MINIMUM = enum.member(_matrix_minimum)
    MATRIX_MAXIMUM = enum.member(_matrix_maximum)
    NORM = enum.member(_norm)
    MEAN = enum.member(_mean)
    ST_DEV = enum.member(_st_dev)
    INNER_PRODUCT = enum.member(_dot)
    OUTER_PRODUCT = enum.member(_outer)
    MATVEC = enum.member(_matrix_vector)
    MATMUL = enum.member(_matrix_matrix)
    COLUMN_BROADCAST = enum.member(_columns)
    ROW_BROADCAST = enum.member(_rows)
    TRANSPOSE = enum.member(_transpose)
    IDENTITY = enum.member(_identity)  # of a scalar or constant; it fills a vector
    SET_ELEMENT = enum.member(_set_element)
    SET_MATRIX_ELEMENT = enum.member(_set_matrix_element)
    UNIFORM = enum.member(_uniform)
    GAUSSIAN = enum.member(_gaussian)
