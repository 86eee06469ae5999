"""What is known of registers without running a program: levels, and what ops make of them.

A *level* holds for every element of a register, every task and every example:

  ZERO_LEVEL   every element is +0 or -0;
  1 + e        every element is finite, and at most 2**e in absolute value, e from 0 to `MOST`;
  UNBOUNDED    anything, NaN and infinity included.

They ascend with what they allow, so the level of "either this or that" is the larger one.

Why they are right in floating point, whatever the engine, precision, and order of additions: rounding is monotone, and
powers of two, and their multiples by the numbers of elements that there are, are exact; so a result whose exact value
is bounded by one of those is bounded by it too. A bounded register can be squared and added up without overflow: `MOST`
is small enough for that in float32. Subnormal numbers may be flushed to zero, which no bound minds; a number that
merely may underflow is not ZERO_LEVEL.

The sign of a zero never matters. Ops that see it (division, reciprocal) give no level but UNBOUNDED; in all others
another sign of a zero changes at most the sign of a zero: sums, products, roots, minima and maxima of zeros are zeros,
and comparisons, cos and exp take both zeros for the same; and so does |label - prediction|.
"""

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.tasks import Tasks

MOST: Final = 50
ZERO_LEVEL: Final = 0
ONE_LEVEL: Final = 1  # of numbers from -1 to 1
UNBOUNDED: Final = MOST + 2
SAME: Final = 63  # in place of a second input's level: it is the same register as the first
LEVELS: Final = 64


class DataBounds(NamedTuple):
    """Levels of what a program is shown.

    Attributes:
      features: of v0.
      label: of s0, in Learn.
    """

    features: int = UNBOUNDED
    label: int = UNBOUNDED


NO_BOUNDS: Final = DataBounds()


def data_bounds(tasks: Tasks) -> DataBounds:
    """Levels of the features and of the labels of all tasks."""

    def level(train: NDArray[np.float64], valid: NDArray[np.float64]) -> int:
        largest = np.maximum(np.abs(train).max(), np.abs(valid).max())
        if not np.isfinite(largest):
            return UNBOUNDED
        return int(_level(np.array(np.frexp(largest)[1] if largest > 0 else -np.inf)))

    return DataBounds(level(tasks.train_features, tasks.valid_features), level(tasks.train_labels, tasks.valid_labels))


# ---- what ops do to levels ------------------------------------------------------------------------------------------
#
# A rule takes the binary logarithms of the bounds of both inputs, -inf of zero, inf of no bound, and gives that of the
# result; NaN (zero times no bound) is no bound. A random op has its constants for inputs, CONST_SET its constant.
# `bits`: the numbers that are added up for an element of the result are at most 2**bits.

_Logs = NDArray[np.float64]


def _add(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.maximum(a, b) + (np.minimum(a, b) > -np.inf)


def _multiply(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return a + b + bits


def _either(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.maximum(a, b)


def _same(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return a


def _norm(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return a + (bits + 1) // 2 + 1  # one more than the root's, which need not be rounded to the nearest number


def _mean(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return a + bits  # of the sum; a division by the number may be a product with its reciprocal, rounded up


def _only_zero(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.where(a == -np.inf, a, np.inf)


def _odd_and_limited(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.where(a < np.inf, np.minimum(a, 1), a)  # sin and arctan: 0 of 0, at most 2


def _cosine(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.where(a < np.inf, 1, a)


def _uniform(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.maximum(a, b) + 2  # x + (y - x) u, u from 0 to 1


def _gaussian(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.maximum(a, b + 3) + 1  # x + y z; of a 32-bit word z is at most sqrt(2 log(2**33)), which is below 7


def _nothing_known(a: _Logs, b: _Logs, bits: int) -> _Logs:
    return np.full_like(a, np.inf)


_FAMILIES: Final = {
    _add: (Family.SUM, Family.DIFFERENCE),
    _multiply: (Family.PRODUCT, Family.INNER_PRODUCT, Family.OUTER_PRODUCT, Family.MATVEC, Family.MATMUL),
    _either: (Family.MINIMUM, Family.MAXIMUM, Family.MATRIX_MINIMUM, Family.MATRIX_MAXIMUM),
    _same: (
        Family.ABSOLUTE,
        Family.TRANSPOSE,
        Family.COLUMN_BROADCAST,
        Family.ROW_BROADCAST,
        Family.IDENTITY,
        Family.SET_ELEMENT,
        Family.SET_MATRIX_ELEMENT,
    ),
    _norm: (Family.NORM,),
    _mean: (Family.MEAN,),
    _odd_and_limited: (Family.SIN, Family.ARCTAN, Family.HEAVISIDE),
    _cosine: (Family.COS, Family.SCALAR_HEAVISIDE),
    _only_zero: (Family.TAN, Family.ARCSIN, Family.ST_DEV),  # arcsin of more than 1, root of a negative number: NaN
    _uniform: (Family.UNIFORM,),
    _gaussian: (Family.GAUSSIAN,),
    _nothing_known: (Family.QUOTIENT, Family.RECIPROCAL, Family.ARCCOS, Family.EXP, Family.LOG),
}
RULES: Final = {family: rule for rule, families in _FAMILIES.items() for family in families}


def _added_up(op: ops.Op, features: int) -> int:
    """How many numbers are added up for an element of the result."""
    if op.family is Family.MATMUL:
        return features
    sizes = {ops.SCALAR: 1, ops.VECTOR: features, ops.MATRIX: features**2}
    largest = max((sizes[kind] for kind in op.inputs), default=1)
    return max(largest // sizes[op.output], 1)


@functools.lru_cache
def transfer_table(features: int) -> NDArray[np.uint8]:
    """`[65, 64, 64]`: the level of the result, by op and levels of both inputs; the second may be `SAME`.

    A missing input counts as zero. A partial write's is that of what it writes.

    Args:
      features: F, the length of a vector.
    """
    bounds = np.full(LEVELS, np.inf)
    bounds[ZERO_LEVEL] = -np.inf
    bounds[ONE_LEVEL:UNBOUNDED] = np.arange(MOST + 1)
    a, b = np.meshgrid(bounds, bounds, indexing="ij")
    b[:, SAME] = bounds
    table = np.full((len(ops.OPS), LEVELS, LEVELS), UNBOUNDED, np.uint8)
    with np.errstate(invalid="ignore"):
        for op in ops.OPS[1:]:
            table[op.number] = _level(RULES[op.family](a, b, (_added_up(op, features) - 1).bit_length()))
            if op.family is Family.DIFFERENCE:
                table[op.number, :UNBOUNDED, SAME] = ZERO_LEVEL
    return table


def _level(bound: _Logs) -> NDArray[np.int64]:
    """The lowest level that allows numbers up to 2**bound."""
    level = np.where(bound <= MOST, 1 + np.ceil(np.clip(bound, 0, MOST)), UNBOUNDED)  # of NaN: UNBOUNDED
    return np.where(bound == -np.inf, ZERO_LEVEL, level).astype(np.int64)
