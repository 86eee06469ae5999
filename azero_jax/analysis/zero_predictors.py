"""Zero predictors: programs that provably predict zero on every example, found without running them.

An abstract interpretation: of each register only a level is known (see `levels`). The program is run on levels: Setup,
then Predict and Learn, until no level grows any more. If the prediction was zero whenever Predict ended, it always is.
What an op makes of levels stands in a table, so that the compiled loop only looks up.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.levels import ONE_LEVEL, SAME, UNBOUNDED, ZERO_LEVEL
from azero_jax.analysis.liveness import BEFORE, Liveness, is_in
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
    SpaceTables,
    Table,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays

NOW, ENTRY = range(2)  # rows of the scratch levels: of now, and of what Predict starts with

_EXPONENT_SHIFT: Final = np.uint64(52)  # of a float64's bits
_EXPONENT_MASK: Final = np.uint64(0x7FF)
_EXPONENT_BIAS: Final = 1022  # such that the number is below 2**(exponent - bias)
_SIGN_SHIFT: Final = np.uint64(1)


class Premises(NamedTuple):
    """What is known of every program.

    Attributes:
      transfer: from `transfer_table`.
      features: level of v0.
      label: level of the label in Learn.
      is_squashed: whether a probability takes the place of the prediction before Learn.
    """

    transfer: NDArray[np.uint8]
    features: int
    label: int
    is_squashed: bool


@inlined
def predicts_zero(
    programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness, b: int, premises: Premises, levels: Table
) -> bool:
    """Whether a program provably predicts zero on every example.

    Every step only adds to what is possible: as soon as the prediction may be something else, it stays so.

    Args:
      programs: the batch that it is in, constants as their bits.
      n: its place there.
      space: the search space.
      found: its live slots, and of this program the live sets.
      b: the row of its live slots.
      premises: what is known of every program.
      levels: `[2, R + 2]` scratch memory.
    """
    facts = space.facts
    total = facts[TOTAL]
    for register in range(total + 1):  # the last one is "no input"
        levels[NOW, register] = ZERO_LEVEL
    _run(SETUP, programs, n, space, found, b, premises, levels)
    levels[NOW, facts[FEATURES]] = premises.features
    for register in range(total):
        levels[ENTRY, register] = levels[NOW, register]
    is_first = True
    while True:
        _run(PREDICT, programs, n, space, found, b, premises, levels)
        if levels[NOW, facts[PREDICTION]] != ZERO_LEVEL:
            return False
        # Predict may come next, in validation, or Learn.
        has_grown = _join(PREDICT, programs, n, space, found, b, is_first, levels)
        if premises.is_squashed:
            levels[NOW, facts[PREDICTION]] = ONE_LEVEL
        levels[NOW, facts[LABEL]] = premises.label
        _run(LEARN, programs, n, space, found, b, premises, levels)
        has_grown |= _join(LEARN, programs, n, space, found, b, is_first, levels)
        if premises.is_squashed:
            has_grown |= _join_one(facts[PREDICTION], found.live_sets, is_first, levels)
        if not has_grown:
            return True
        is_first = False
        for register in range(total):
            levels[NOW, register] = levels[ENTRY, register]


@inlined
def _join(
    function: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    found: Liveness,
    b: int,
    is_first: bool,
    levels: Table,
) -> bool:
    """Lets Predict start with what a function has left in the registers too; whether that is more than before."""
    has_grown = False
    for k in range(found.begin[b, function], found.begin[b, function + 1]):
        slot = np.uint64(found.live[b, k])
        out = find_register(OUT, programs, n, slot, programs.opcodes[n, slot], space)
        has_grown |= _join_one(out, found.live_sets, is_first, levels)
    return has_grown


@inlined
def _join_one(register: int, live_sets: Table, is_first: bool, levels: Table) -> bool:
    """The same of one register; of one that is overwritten before it is read, nothing is kept.

    A bound that still grows after the first round would grow until there is none. No branch: none could be predicted.
    """
    now, entry = levels[NOW, register], levels[ENTRY, register]
    has_grown = (now > entry) & (is_in(live_sets, BEFORE + PREDICT, register) != 0)
    more = now if is_first | (entry == ZERO_LEVEL) else UNBOUNDED
    levels[ENTRY, register] = more if has_grown else entry
    return has_grown


@inlined
def _run(
    function: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    found: Liveness,
    b: int,
    premises: Premises,
    levels: Table,
) -> None:
    """Runs the live instructions of one function on the levels of now."""
    for k in range(found.begin[b, function], found.begin[b, function + 1]):
        slot = np.uint64(found.live[b, k])
        op = programs.opcodes[n, slot]
        in1 = np.uint64(find_register(IN1, programs, n, slot, op, space))
        in2 = np.uint64(find_register(IN2, programs, n, slot, op, space))
        out = np.uint64(find_register(OUT, programs, n, slot, op, space))
        # An op with constants has no inputs, and another one's constants are zeros; to ask which it is takes longer.
        first = max(levels[NOW, in1], _constant_level(programs.constants[n, slot, 0]))
        second = SAME if in1 == in2 else levels[NOW, in2]
        if space.ops[op, CONSTANTS] > 1:
            second = _constant_level(programs.constants[n, slot, 1])
        result = np.int64(premises.transfer[op, np.uint64(first), np.uint64(second)])
        if space.ops[op, KEEPS]:
            result = max(result, levels[NOW, out])
        levels[NOW, out] = result


@inlined
def _constant_level(bits: np.uint64) -> np.int64:
    """The level of a float64 that is given as its bits; of one that float32 may not hold it is UNBOUNDED."""
    exponent = np.int64((bits >> _EXPONENT_SHIFT) & _EXPONENT_MASK) - _EXPONENT_BIAS
    is_not_zero = np.int64(bits << _SIGN_SHIFT != np.uint64(0))
    return min(max(1 + exponent, is_not_zero), np.int64(UNBOUNDED))
