"""Zero predictors: programs that provably predict zero on every example, found without running them.

An abstract interpretation: of each register only a level is known (see `levels`). The program is run on levels: Setup,
then Predict and Learn, until no level grows any more. If the prediction was zero whenever Predict ended, it always is.
What an op makes of levels stands in a table, so that the compiled loop only looks up.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from azero_jax.analysis.levels import ONE_LEVEL, SAME, UNBOUNDED, ZERO_LEVEL
from azero_jax.analysis.liveness import BEFORE, is_in
from azero_jax.compiled.inline import inlined
from azero_jax.compiled.tables import (
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
from azero_jax.language.program import IN1, IN2, OUT

NOW, ENTRY = range(2)  # rows of the scratch levels: of now, and of what Predict starts with

_EXPONENT_SHIFT: Final = np.uint64(52)  # of a float64's bits
_EXPONENT_MASK: Final = np.uint64(0x7FF)
_EXPONENT_BIAS: Final = 1022  # such that the number is below 2**(exponent - bias)
_SIGN_SHIFT: Final = np.uint64(1)


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
