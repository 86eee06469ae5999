"""Zero predictors: programs that provably predict zero on every example, found without running them.

An abstract interpretation. Of each register only a *level* is known, which holds for every element, task and example:

  ZERO         every element is +0 or -0;
  1 + e        every element is finite, and at most 2**e in absolute value, e from 0 to `MOST`;
  UNBOUNDED    anything, NaN and infinity included.

The levels ascend with what they allow, so the level of "either this or that" is the larger one. What an op makes of
levels is computed once, for all ops and levels, from the op table (`transfer_table`); the compiled loop only looks up.
It runs the program on levels: Setup, then Predict and Learn until no level grows any more.

Why the levels are right in floating point, whatever the engine, precision, and order of additions: rounding is
monotone, and powers of two, and their multiples by the numbers of elements that there are, are exact; so a result
whose exact value is bounded by one of those is bounded by it too. A bounded register can be squared and added up
without overflow: `MOST` is small enough for that in float32. Subnormal numbers may be flushed to zero, which no bound
minds; a number that merely may underflow is not ZERO.

The sign of a zero never matters. Ops that see it (division, reciprocal; arctan2 is not among the ops) give no level but
UNBOUNDED; in all others another sign of a zero changes at most the sign of a zero: sums, products, roots, minima and
maxima of zeros are zeros, comparisons and exp hold both zeros for equal; and so does |label - prediction|.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.compiled import inlined
from azero_jax.program import IN1, IN2, OUT
from azero_jax.prune.liveness import BEFORE, is_in
from azero_jax.prune.tables import (
    CONSTANTS,
    FEATURES,
    KEEPS,
    LABEL,
    LEARN,
    PREDICT,
    PREDICTION,
    SETUP,
    TOTAL,
    find_register,
)
from azero_jax.tasks import Tasks

MOST: Final = 50
ZERO_LEVEL: Final = 0
ONE_LEVEL: Final = 1  # of numbers from -1 to 1
UNBOUNDED: Final = MOST + 2
SAME: Final = 63  # in place of a second input's level: it is the same register as the first
LEVELS: Final = 64

NOW, ENTRY = range(2)  # rows of the scratch levels: of now, and of what Predict starts with

_EXPONENT_SHIFT: Final = np.uint64(52)  # of a float64's bits
_EXPONENT_MASK: Final = np.uint64(0x7FF)
_EXPONENT_BIAS: Final = 1022  # such that the number is below 2**(exponent - bias)
_SIGN_SHIFT: Final = np.uint64(1)


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


# By the last word of the op's name, without SET. DEV: its radicand may be negative. ARCSIN: its argument above 1.
_RULES: Final[dict[str, Callable[[_Logs, _Logs, int], _Logs]]] = {
    "SUM": _add,
    "DIFF": _add,
    "PRODUCT": _multiply,
    "MIN": _either,
    "MAX": _either,
    "ABS": _same,
    "TRANSPOSE": _same,
    "BROADCAST": _same,
    "CONST": _same,
    "NORM": _norm,
    "MEAN": _mean,
    "SIN": _odd_and_limited,
    "ARCTAN": _odd_and_limited,
    "TAN": _only_zero,
    "ARCSIN": _only_zero,
    "DEV": _only_zero,
    "COS": _cosine,
    "UNIFORM": _uniform,
    "GAUSSIAN": _gaussian,
}


def _rule(op: ops.Op) -> Callable[[_Logs, _Logs, int], _Logs]:
    word = op.name.removesuffix("_OP").removesuffix("_SET").rpartition("_")[2]
    if word == "HEAVYSIDE":  # of 0 a scalar's is 1, and another one's 0
        return _cosine if op.output == ops.SCALAR else _odd_and_limited
    return _RULES.get(word, _nothing_known)


def _added_up(op: ops.Op, features: int) -> int:
    """How many numbers are added up for an element of the result."""
    if op.name == "MATRIX_MATRIX_PRODUCT_OP":
        return features
    sizes = {ops.SCALAR: 1, ops.VECTOR: features, ops.MATRIX: features**2}
    return max(sizes[kind] for kind in op.inputs) // sizes[op.output] or 1 if op.inputs else 1


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
            table[op.number] = _level(_rule(op)(a, b, (_added_up(op, features) - 1).bit_length()))
            if op.name.endswith("DIFF_OP"):
                table[op.number, :UNBOUNDED, SAME] = ZERO_LEVEL
    return table


def _level(bound: _Logs) -> NDArray[np.int64]:
    """The lowest level that allows numbers up to 2**bound."""
    level = np.where(bound <= MOST, 1 + np.ceil(np.clip(bound, 0, MOST)), UNBOUNDED)  # of NaN: UNBOUNDED
    return np.where(bound == -np.inf, ZERO_LEVEL, level).astype(np.int64)


# ---- running a program on levels ------------------------------------------------------------------------------------


@inlined
def predicts_zero(  # type: ignore[no-untyped-def]
    program, opcodes, addresses, constants, op_table, facts, b, live, begin, live_sets,
    transfer, features, label, is_squashed, levels,
):  # fmt: skip
    """Whether a program provably predicts zero on every example.

    Every step only adds to what is possible: as soon as the prediction may be something else, it stays so.

    Args:
      program: its number in the batch.
      opcodes: of the batch, `[N, L]`.
      addresses: of the batch, `[N, L, 3]`.
      constants: of the batch, `[N, L, 2]`, as their bits.
      op_table: `SpaceTables.ops`.
      facts: `SpaceTables.facts`.
      b: its row in the following two.
      live: `[B, L + 1]` live slots.
      begin: `[B, 4]` where those of Setup, Predict and Learn begin, and how many there are.
      live_sets: of this program, from `find_live`.
      transfer: from `transfer_table`.
      features: level of v0.
      label: level of s0 in Learn.
      is_squashed: whether a probability takes the place of the prediction before Learn.
      levels: `[2, R + 2]` int64, overwritten.
    """
    total = facts[TOTAL]
    for register in range(total + 1):  # the last one is "no input"
        levels[NOW, register] = ZERO_LEVEL
    _run(SETUP, program, opcodes, addresses, constants, op_table, b, live, begin, transfer, levels)
    levels[NOW, facts[FEATURES]] = features
    for register in range(total):
        levels[ENTRY, register] = levels[NOW, register]
    is_first = True
    while True:
        _run(PREDICT, program, opcodes, addresses, constants, op_table, b, live, begin, transfer, levels)
        if levels[NOW, facts[PREDICTION]] != ZERO_LEVEL:
            return False
        # Predict may come next, in validation, or Learn.
        has_grown = _join(PREDICT, program, opcodes, addresses, op_table, b, live, begin, live_sets, is_first, levels)
        if is_squashed:
            levels[NOW, facts[PREDICTION]] = ONE_LEVEL
        levels[NOW, facts[LABEL]] = label
        _run(LEARN, program, opcodes, addresses, constants, op_table, b, live, begin, transfer, levels)
        has_grown |= _join(LEARN, program, opcodes, addresses, op_table, b, live, begin, live_sets, is_first, levels)
        if is_squashed:
            has_grown |= _join_one(facts[PREDICTION], live_sets, is_first, levels)
        if not has_grown:
            return True
        is_first = False
        for register in range(total):
            levels[NOW, register] = levels[ENTRY, register]


@inlined
def _join(  # type: ignore[no-untyped-def]
    function, program, opcodes, addresses, op_table, b, live, begin, live_sets, is_first, levels
):
    """Lets Predict start with what a function has left in the registers too; whether that is more than before."""
    has_grown = False
    for k in range(begin[b, function], begin[b, function + 1]):
        slot = np.uint64(live[b, k])
        out = find_register(OUT, program, slot, opcodes[program, slot], addresses, op_table)
        has_grown |= _join_one(out, live_sets, is_first, levels)
    return has_grown


@inlined
def _join_one(register, live_sets, is_first, levels):  # type: ignore[no-untyped-def]
    """The same of one register; of one that is overwritten before it is read, nothing is kept.

    A bound that still grows after the first round would grow until there is none. No branch: none could be predicted.
    """
    now, entry = levels[NOW, register], levels[ENTRY, register]
    has_grown = (now > entry) & (is_in(live_sets, BEFORE + PREDICT, register) != 0)
    more = now if is_first | (entry == ZERO_LEVEL) else UNBOUNDED
    levels[ENTRY, register] = more if has_grown else entry
    return has_grown


@inlined
def _run(  # type: ignore[no-untyped-def]
    function, program, opcodes, addresses, constants, op_table, b, live, begin, transfer, levels
):
    """Runs the live instructions of one function on the levels of now."""
    for k in range(begin[b, function], begin[b, function + 1]):
        slot = np.uint64(live[b, k])
        op = opcodes[program, slot]
        in1 = np.uint64(find_register(IN1, program, slot, op, addresses, op_table))
        in2 = np.uint64(find_register(IN2, program, slot, op, addresses, op_table))
        out = np.uint64(find_register(OUT, program, slot, op, addresses, op_table))
        # An op with constants has no inputs, and another one's constants are zeros; to ask which it is takes longer.
        first = max(levels[NOW, in1], _constant_level(constants[program, slot, 0]))
        second = SAME if in1 == in2 else levels[NOW, in2]
        if op_table[op, CONSTANTS] > 1:
            second = _constant_level(constants[program, slot, 1])
        result = np.int64(transfer[op, np.uint64(first), np.uint64(second)])
        if op_table[op, KEEPS]:
            result = max(result, levels[NOW, out])
        levels[NOW, out] = result


@inlined
def _constant_level(bits):  # type: ignore[no-untyped-def]
    """The level of a float64 that is given as its bits; of one that float32 may not hold it is UNBOUNDED."""
    exponent = np.int64((bits >> _EXPONENT_SHIFT) & _EXPONENT_MASK) - _EXPONENT_BIAS
    is_not_zero = np.int64(bits << _SIGN_SHIFT != np.uint64(0))
    return min(max(1 + exponent, is_not_zero), UNBOUNDED)
