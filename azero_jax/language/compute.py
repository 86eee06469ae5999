"""What ops compute in JAX, on arrays whose last axis is lanes; see `azero_jax.language.ops`.

Apart from the table of ops, because JAX takes longer to import than most of what reads that table needs.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from azero_jax.language.families import Family


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


class RandomWords(NamedTuple):
    """What a random op makes its numbers of, one word of each kind a number.

    Two numbers of a register are a pair: for Gaussian ones they share the radius, and their angles differ by a quarter
    of a turn (Box and Muller, 1958); `own` are words of one number alone.

    Attributes:
      own: uint32, of uniform numbers.
      radius: uint32, of Gaussian numbers.
      angle: uint32, of Gaussian numbers; a turn is 2**32.
    """

    own: jax.Array
    radius: jax.Array
    angle: jax.Array


def _uniform(words: RandomWords, x: jax.Array, y: jax.Array) -> jax.Array:
    """From the centres of 2**23 (float32) or 2**32 (float64) equal cells of the open interval."""
    if x.dtype == jnp.float64:
        unit = (words.own.astype(x.dtype) + 0.5) * 2.0**-32
    else:
        unit = ((words.own >> 9).astype(x.dtype) + jnp.asarray(0.5, x.dtype)) * jnp.asarray(2.0**-23, x.dtype)
    # An interval that is the wrong way round gives its first bound (absl's rule, which the original inherits).
    return jnp.where(x < y, x + (y - x) * unit, x)


def _gaussian(words: RandomWords, x: jax.Array, y: jax.Array) -> jax.Array:
    """Box-Muller; every step is the same in every engine."""
    half, scale = jnp.asarray(0.5, x.dtype), jnp.asarray(2.0**-32, x.dtype)
    radius = jnp.sqrt(-2 * jnp.log((words.radius.astype(x.dtype) + half) * scale))
    if x.dtype == jnp.float64:
        turns = words.angle.astype(x.dtype) * 2.0**-32
    else:
        turns = (words.angle >> 8).astype(x.dtype) * jnp.asarray(2.0**-24, x.dtype)
    return x + y * (radius * jnp.cos(jnp.asarray(2 * jnp.pi, x.dtype) * turns))


def _no_op() -> jax.Array:
    raise TypeError("NO_OP computes nothing")


FUNCTIONS: Final[Mapping[Family, Callable[..., jax.Array]]] = {
    Family.NOTHING: _no_op,
    Family.SUM: operator.add,
    Family.DIFFERENCE: operator.sub,
    Family.PRODUCT: operator.mul,
    Family.QUOTIENT: operator.truediv,
    Family.ABSOLUTE: jnp.abs,
    Family.RECIPROCAL: _reciprocal,
    Family.SIN: jnp.sin,
    Family.COS: jnp.cos,
    Family.TAN: jnp.tan,
    Family.ARCSIN: jnp.arcsin,
    Family.ARCCOS: jnp.arccos,
    Family.ARCTAN: jnp.arctan,
    Family.EXP: jnp.exp,
    Family.LOG: jnp.log,
    Family.SCALAR_HEAVISIDE: _scalar_heaviside,
    Family.HEAVISIDE: _heaviside,
    Family.MINIMUM: _minimum,
    Family.MAXIMUM: _maximum,
    Family.MATRIX_MINIMUM: _matrix_minimum,
    Family.MATRIX_MAXIMUM: _matrix_maximum,
    Family.NORM: _norm,
    Family.MEAN: _mean,
    Family.ST_DEV: _st_dev,
    Family.INNER_PRODUCT: _dot,
    Family.OUTER_PRODUCT: _outer,
    Family.MATVEC: _matrix_vector,
    Family.MATMUL: _matrix_matrix,
    Family.COLUMN_BROADCAST: _columns,
    Family.ROW_BROADCAST: _rows,
    Family.TRANSPOSE: _transpose,
    Family.IDENTITY: _identity,
    Family.SET_ELEMENT: _set_element,
    Family.SET_MATRIX_ELEMENT: _set_matrix_element,
    Family.UNIFORM: _uniform,
    Family.GAUSSIAN: _gaussian,
}
