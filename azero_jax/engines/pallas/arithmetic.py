"""What ops compute, of what Mosaic, the compiler of Pallas kernels for TPUs, has: most as the op table says, some anew.

Mosaic has no inverse sine, cosine or tangent of one argument, and no conversion of unsigned integers; sums here go over
the first axis one number after the other, like those of the op table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax

from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.families import Family


def _arcsin(a: jax.Array) -> jax.Array:
    return lax.atan2(a, jnp.sqrt((1 - a) * (1 + a)))  # NaN outside of -1 to 1


def _arccos(a: jax.Array) -> jax.Array:
    return lax.atan2(jnp.sqrt((1 - a) * (1 + a)), a)


def _arctan(a: jax.Array) -> jax.Array:
    return lax.atan2(a, jnp.ones_like(a))


def _uniform(words: RandomWords, x: jax.Array, y: jax.Array) -> jax.Array:
    if x.dtype == jnp.float64:
        unit = (_to_float(words.own, x.dtype) + 0.5) * 2.0**-32
    else:
        unit = ((words.own >> 9).astype(jnp.int32).astype(x.dtype) + 0.5) * 2.0**-23
    return jnp.where(x < y, x + (y - x) * unit, x)


def _gaussian(words: RandomWords, x: jax.Array, y: jax.Array) -> jax.Array:
    radius = jnp.sqrt(-2 * jnp.log((_to_float(words.radius, x.dtype) + 0.5) * 2.0**-32))
    if x.dtype == jnp.float64:
        turns = _to_float(words.angle, x.dtype) * 2.0**-32
    else:
        turns = (words.angle >> 8).astype(jnp.int32).astype(x.dtype) * 2.0**-24
    return x + y * (radius * jnp.cos(float(2 * jnp.pi) * turns))


def _to_float(bits: jax.Array, dtype: Any) -> jax.Array:
    """A uint32 as the nearest number: both halves are exact, and so is all but their sum."""
    high, low = ((half.astype(jnp.int32)).astype(dtype) for half in (bits >> 16, bits & 0xFFFF))
    return high * 65536.0 + low


_ANEW: Final[dict[Family, Callable[..., jax.Array]]] = {
    Family.ARCSIN: _arcsin,
    Family.ARCCOS: _arccos,
    Family.ARCTAN: _arctan,
    Family.UNIFORM: _uniform,
    Family.GAUSSIAN: _gaussian,
}


def compute(op: ops.Op) -> Callable[..., jax.Array]:
    """What an op computes number by number, as `Op.compute`."""
    return _ANEW.get(op.family, op.compute)


def add_up(total: jax.Array, x: jax.Array) -> jax.Array:
    """`total` `[1, ...]` and all of `x` `[n, ...]` added to it, one after the other."""
    for number in range(x.shape[0]):
        total = total + x[number : number + 1]
    return total


def square(x: jax.Array) -> jax.Array:
    """Rounded before it goes into a sum, so that the st.dev. of equal numbers is 0; see `language.compute`."""
    return jnp.where(x == x, x * x, jnp.nan)


def softmax(logits: jax.Array) -> jax.Array:
    """Over the first axis; NaN everywhere where there is one."""
    exponentials = jnp.exp(logits - largest(logits))
    return exponentials / add_up(exponentials[:1], exponentials[1:])


def largest(x: jax.Array) -> jax.Array:
    """`[1, ...]` largest of the first axis, NaN if there is one."""
    found = x[:1]
    for number in range(1, x.shape[0]):
        other = x[number : number + 1]
        found = jnp.where((other > found) | (other != other), other, found)
        # a NaN that was found is greater than nothing and stays
    return found


def position_of_largest(x: jax.Array) -> jax.Array:
    """`[1, ...]` int32 first position of the largest along the first axis; 0 where all are NaN."""
    found, position = x[:1], jnp.zeros(x[:1].shape, jnp.int32)
    for number in range(1, x.shape[0]):
        other = x[number : number + 1]
        position = jnp.where(other > found, number, position)
        found = jnp.where(other > found, other, found)
    return position
