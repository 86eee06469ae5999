"""The op table: one row for each of the 65 instructions, and the one source of truth about them.

The parser, the printer, the mutator, the pruner, the engines and the tests all read this table. The ops, their numbers
and their edge cases are those of the original AutoML-Zero system (Real, Liang, So, Le, ICML 2020, arXiv 2003.03384);
the cost constants are the ones that its train budget uses.

Registers are arrays whose last axis is *lanes* (independent tasks): a scalar register is `[lanes]`, a vector register
`[F, lanes]`, a matrix register `[F, F, lanes]` with rows first. `Op.compute` takes and returns such arrays, in float32
or float64, and never raises: NaN and infinity are ordinary values. Its result broadcasts to the shape of the output
register.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import operator
from collections.abc import Callable
from functools import partial
from typing import Final

import jax
import jax.numpy as jnp
from jax import lax

SCALAR: Final = "s"
VECTOR: Final = "v"
MATRIX: Final = "m"
KINDS: Final = (SCALAR, VECTOR, MATRIX)
KIND_NAMES: Final = {SCALAR: "scalar", VECTOR: "vector", MATRIX: "matrix"}

FIRST_OUTPUT_ADDRESS: Final = {SCALAR: 1, VECTOR: 1, MATRIX: 0}  # s0 and v0 are read-only


@dataclasses.dataclass(frozen=True)
class Op:
    """One row of the table.

    Attributes:
      number: position in the table, the opcode of a program tensor.
      name: the original's name, such as `SCALAR_SUM_OP`.
      inputs: kind letters of the inputs (`"sv"`: a scalar, then a vector); at most two.
      output: kind letter of the output, or `""` for NO_OP.
      form: how the instruction is printed. `o` is the output, `a` and `b` the inputs, `i` and `j` indices, `x` and `y`
        constants; everything else is literal.
      cost: cost constant of the original's train budget (arbitrary units).
      function: what it computes.
      aliases: further forms that the parser accepts.
      axes: axes of the input that a reduction removes, 0 that of a vector, or of a matrix's rows; else empty.
      commutative: swapping the inputs never changes a bit of the result.
      indices: how many indices into the output it has (a partial write, which keeps the other elements).
      constants: how many real constants it has.
    """

    number: int
    name: str
    inputs: str
    output: str
    form: str
    cost: float
    function: Function
    aliases: tuple[str, ...] = ()
    axes: tuple[int, ...] = ()
    commutative: bool = False
    indices: int = 0
    constants: int = 0

    @property
    def compute(self) -> Callable[..., jax.Array]:
        """Makes the result of what `arguments` names."""
        return partial(self.function.value, axes=self.axes) if self.axes else self.function.value

    @property
    def random(self) -> bool:
        """Whether it draws random numbers, one pair of 32-bit words an element."""
        return self.function in (Function.UNIFORM, Function.GAUSSIAN)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of what `compute` takes, in order.

        `a`, `b` (input registers), `old` (the output register before), `i`, `j` (integer indices), `bits0`, `bits1`
        (uint32 words of the output's shape), `x`, `y` (real constants); indices and constants are scalars or `[lanes]`.
        """
        inputs = ("a", "b")[: len(self.inputs)]
        old = ("old",) if self.partial_write else ()
        bits = ("bits0", "bits1") if self.random else ()
        return (*inputs, *old, *("i", "j")[: self.indices], *bits, *("x", "y")[: self.constants])

    @property
    def partial_write(self) -> bool:
        """Whether the output keeps elements that it had before."""
        return self.indices > 0


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
    return jnp.where(jnp.arange(old.shape[0])[:, None] == i, x, old)


def _set_matrix_element(old: jax.Array, i: jax.Array, j: jax.Array, x: jax.Array) -> jax.Array:
    row = jnp.arange(old.shape[0])[:, None, None] == i
    column = jnp.arange(old.shape[1])[None, :, None] == j
    return jnp.where(row & column, x, old)


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


class Function(enum.Enum):
    """What an op computes, whatever the kinds of its registers: the engines and the analyses look it up by this.

    The value computes it on arrays. Where the original treats scalars or matrices in a way of their own, their function
    is another: the step at zero is 1 for scalars, and what a minimum or maximum makes of NaN differs for matrices.
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


OPS: Final[tuple[Op, ...]] = (
    Op(0, "NO_OP", "", "", "pass", 3013921, Function.NOTHING),
    Op(1, "SCALAR_SUM_OP", "ss", "s", "o = a + b", 4703759, Function.SUM, commutative=True),
    Op(2, "SCALAR_DIFF_OP", "ss", "s", "o = a - b", 5102027, Function.DIFFERENCE),
    Op(3, "SCALAR_PRODUCT_OP", "ss", "s", "o = a * b", 4418347, Function.PRODUCT, commutative=True),
    Op(4, "SCALAR_DIVISION_OP", "ss", "s", "o = a / b", 3963916, Function.QUOTIENT),
    Op(5, "SCALAR_ABS_OP", "s", "s", "o = abs(a)", 3684352, Function.ABSOLUTE),
    Op(6, "SCALAR_RECIPROCAL_OP", "s", "s", "o = 1 / a", 4212086, Function.RECIPROCAL),
    Op(7, "SCALAR_SIN_OP", "s", "s", "o = sin(a)", 7538523, Function.SIN),
    Op(8, "SCALAR_COS_OP", "s", "s", "o = cos(a)", 7452807, Function.COS),
    Op(9, "SCALAR_TAN_OP", "s", "s", "o = tan(a)", 7583203, Function.TAN),
    Op(10, "SCALAR_ARCSIN_OP", "s", "s", "o = arcsin(a)", 9145616, Function.ARCSIN),
    Op(11, "SCALAR_ARCCOS_OP", "s", "s", "o = arccos(a)", 7673039, Function.ARCCOS),
    Op(12, "SCALAR_ARCTAN_OP", "s", "s", "o = arctan(a)", 9273978, Function.ARCTAN),
    Op(13, "SCALAR_EXP_OP", "s", "s", "o = exp(a)", 11755929, Function.EXP),
    Op(14, "SCALAR_LOG_OP", "s", "s", "o = log(a)", 11627725, Function.LOG),
    Op(15, "SCALAR_HEAVYSIDE_OP", "s", "s", "o = heaviside(a, 1.0)", 4057075, Function.SCALAR_HEAVISIDE),
    Op(16, "VECTOR_HEAVYSIDE_OP", "v", "v", "o = heaviside(a, 1.0)", 3965743, Function.HEAVISIDE),
    Op(17, "MATRIX_HEAVYSIDE_OP", "m", "m", "o = heaviside(a, 1.0)", 6728311, Function.HEAVISIDE),
    Op(18, "SCALAR_VECTOR_PRODUCT_OP", "sv", "v", "o = a * b", 3705015, Function.PRODUCT, ("o = b * a",)),
    Op(19, "SCALAR_BROADCAST_OP", "s", "v", "o = bcast(a)", 4165814, Function.IDENTITY),
    Op(20, "VECTOR_RECIPROCAL_OP", "v", "v", "o = 1 / a", 6311851, Function.RECIPROCAL),
    Op(21, "VECTOR_NORM_OP", "v", "s", "o = norm(a)", 4810562, Function.NORM, axes=(0,)),
    Op(22, "VECTOR_ABS_OP", "v", "v", "o = abs(a)", 3713533, Function.ABSOLUTE),
    Op(23, "VECTOR_SUM_OP", "vv", "v", "o = a + b", 4701519, Function.SUM, commutative=True),
    Op(24, "VECTOR_DIFF_OP", "vv", "v", "o = a - b", 4165747, Function.DIFFERENCE),
    Op(25, "VECTOR_PRODUCT_OP", "vv", "v", "o = a * b", 4504555, Function.PRODUCT, commutative=True),
    Op(26, "VECTOR_DIVISION_OP", "vv", "v", "o = a / b", 4556237, Function.QUOTIENT),
    Op(27, "VECTOR_INNER_PRODUCT_OP", "vv", "s", "o = dot(a, b)", 4294617, Function.INNER_PRODUCT, commutative=True),
    Op(28, "VECTOR_OUTER_PRODUCT_OP", "vv", "m", "o = outer(a, b)", 9833707, Function.OUTER_PRODUCT),
    Op(29, "SCALAR_MATRIX_PRODUCT_OP", "sm", "m", "o = a * b", 5986302, Function.PRODUCT, ("o = b * a",)),
    Op(30, "MATRIX_RECIPROCAL_OP", "m", "m", "o = 1 / a", 24336141, Function.RECIPROCAL),
    Op(31, "MATRIX_VECTOR_PRODUCT_OP", "mv", "v", "o = dot(a, b)", 9310002, Function.MATVEC, ("o = matmul(a, b)",)),
    Op(32, "VECTOR_COLUMN_BROADCAST_OP", "v", "m", "o = bcast(a, axis=0)", 10993088, Function.COLUMN_BROADCAST),
    Op(33, "VECTOR_ROW_BROADCAST_OP", "v", "m", "o = bcast(a, axis=1)", 11087322, Function.ROW_BROADCAST),
    Op(34, "MATRIX_NORM_OP", "m", "s", "o = norm(a)", 6422746, Function.NORM, axes=(0, 1)),
    Op(35, "MATRIX_COLUMN_NORM_OP", "m", "v", "o = norm(a, axis=0)", 6682187, Function.NORM, axes=(0,)),
    Op(36, "MATRIX_ROW_NORM_OP", "m", "v", "o = norm(a, axis=1)", 13351123, Function.NORM, axes=(1,)),
    Op(37, "MATRIX_TRANSPOSE_OP", "m", "m", "o = transpose(a)", 9394756, Function.TRANSPOSE),
    Op(38, "MATRIX_ABS_OP", "m", "m", "o = abs(a)", 4630926, Function.ABSOLUTE),
    Op(39, "MATRIX_SUM_OP", "mm", "m", "o = a + b", 5579381, Function.SUM, commutative=True),
    Op(40, "MATRIX_DIFF_OP", "mm", "m", "o = a - b", 5429452, Function.DIFFERENCE),
    Op(41, "MATRIX_PRODUCT_OP", "mm", "m", "o = a * b", 5475227, Function.PRODUCT, commutative=True),
    Op(42, "MATRIX_DIVISION_OP", "mm", "m", "o = a / b", 18234378, Function.QUOTIENT),
    Op(43, "MATRIX_MATRIX_PRODUCT_OP", "mm", "m", "o = matmul(a, b)", 14516296, Function.MATMUL, ("o = dot(a, b)",)),
    Op(44, "SCALAR_MIN_OP", "ss", "s", "o = minimum(a, b)", 3677265, Function.MINIMUM),
    Op(45, "VECTOR_MIN_OP", "vv", "v", "o = minimum(a, b)", 3989956, Function.MINIMUM),
    Op(46, "MATRIX_MIN_OP", "mm", "m", "o = minimum(a, b)", 5457728, Function.MATRIX_MINIMUM),
    Op(47, "SCALAR_MAX_OP", "ss", "s", "o = maximum(a, b)", 4573695, Function.MAXIMUM),
    Op(48, "VECTOR_MAX_OP", "vv", "v", "o = maximum(a, b)", 3974229, Function.MAXIMUM),
    Op(49, "MATRIX_MAX_OP", "mm", "m", "o = maximum(a, b)", 5840952, Function.MATRIX_MAXIMUM),
    Op(50, "VECTOR_MEAN_OP", "v", "s", "o = mean(a)", 4280443, Function.MEAN, axes=(0,)),
    Op(51, "MATRIX_MEAN_OP", "m", "s", "o = mean(a)", 4595196, Function.MEAN, axes=(0, 1)),
    Op(52, "MATRIX_ROW_MEAN_OP", "m", "v", "o = mean(a, axis=1)", 9763956, Function.MEAN, axes=(1,)),
    Op(53, "MATRIX_ROW_ST_DEV_OP", "m", "v", "o = std(a, axis=1)", 16766477, Function.ST_DEV, axes=(1,)),
    Op(54, "VECTOR_ST_DEV_OP", "v", "s", "o = std(a)", 5585730, Function.ST_DEV, axes=(0,)),
    Op(55, "MATRIX_ST_DEV_OP", "m", "s", "o = std(a)", 10640216, Function.ST_DEV, axes=(0, 1)),
    Op(56, "SCALAR_CONST_SET_OP", "", "s", "o = x", 3691108, Function.IDENTITY, constants=1),
    Op(57, "VECTOR_CONST_SET_OP", "", "v", "o[i] = x", 3991421, Function.SET_ELEMENT, indices=1, constants=1),
    Op(58, "MATRIX_CONST_SET_OP", "", "m", "o[i, j] = x", 3693035, Function.SET_MATRIX_ELEMENT, indices=2, constants=1),
    Op(59, "SCALAR_UNIFORM_SET_OP", "", "s", "o = uniform(x, y)", 26610704, Function.UNIFORM, constants=2),
    Op(60, "VECTOR_UNIFORM_SET_OP", "", "v", "o = uniform(x, y)", 57817372, Function.UNIFORM, constants=2),
    Op(61, "MATRIX_UNIFORM_SET_OP", "", "m", "o = uniform(x, y)", 208339446, Function.UNIFORM, constants=2),
    Op(62, "SCALAR_GAUSSIAN_SET_OP", "", "s", "o = gaussian(x, y)", 20775635, Function.GAUSSIAN, constants=2),
    Op(63, "VECTOR_GAUSSIAN_SET_OP", "", "v", "o = gaussian(x, y)", 77483018, Function.GAUSSIAN, constants=2),
    Op(64, "MATRIX_GAUSSIAN_SET_OP", "", "m", "o = gaussian(x, y)", 277690384, Function.GAUSSIAN, constants=2),
)

OP_BY_NAME: Final[dict[str, Op]] = {op.name: op for op in OPS}
NO_OP: Final = OPS[0]


def op_number(name: str) -> int:
    """Number of the op called `name` (upper or lower case, with or without the ending `_OP`).

    Raises:
      ValueError: no op has that name; the message suggests the nearest one.
    """
    key = name.strip().upper()
    for candidate in (key, f"{key}_OP"):
        if candidate in OP_BY_NAME:
            return OP_BY_NAME[candidate].number
    nearest = difflib.get_close_matches(key, OP_BY_NAME, n=1, cutoff=0)
    raise ValueError(f"unknown op {name!r}; did you mean {nearest[0]}?")
