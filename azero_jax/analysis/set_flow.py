"""Data flow in any space, on sets that take as many words as they need: whether a program is learnable.

The same as `analysis.bit_flow` has for spaces of few registers, for those of more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.bit_flow import is_zero
from azero_jax.compiled.inline import allocating, called, inlined
from azero_jax.compiled.tables import (
    FEATURES,
    IN1_USED,
    IS_SQUASHED,
    KEEPS,
    KIND,
    LABEL,
    LEARN,
    PREDICT,
    PREDICTION,
    SET_OUTSIDE,
    SETUP,
    TOTAL,
    SpaceTables,
    Table,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays

_ZERO, _NOT_ZERO, _EQUAL = range(3)  # of an input: it is zero, it may be another number, it is the other input
_NOW, _ENTRY = range(2)  # rows of `SetFlow.may_differ`: of now, and of what Predict starts with
_FROM_FEATURES, _FROM_LABEL, _FROM_PREDICTION, _OTHERS = range(4)  # sources after the registers, counted from R
_NEEDED, _PAST = range(2)  # rows of `SetFlow.sets`


class SetFlow(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      may_differ: `[2, R + 2]` whether a register may hold something else than zero.
      sources: `[R + 2, words]` what each register depends on within the round, as bits of words.
      through: `[R + 2, words]` which registers the features go through on their way to each register.
      sets: `[2, words]` what the prediction needs, and what one register depends on, over all rounds.
      steps: `[65]` from `step_table`.
    """

    may_differ: NDArray[np.bool_]
    sources: Table
    through: Table
    sets: Table
    steps: NDArray[np.int64]


@allocating
def make_set_flow(space: SpaceTables, steps: NDArray[np.int64]) -> SetFlow:
    """Scratch memory for programs of a space; `steps` from `step_table`."""
    rows = space.facts[TOTAL] + 2
    words = (space.facts[TOTAL] + _OTHERS + 63) // 64
    sources, through = np.zeros((rows, words), np.int64), np.zeros((rows, words), np.int64)
    return SetFlow(np.zeros((2, rows), np.bool_), sources, through, np.zeros((2, words), np.int64), steps)


@called
def can_learn_in_sets(programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, flow: SetFlow) -> bool:
    """Whether program `n` is learnable; `kinds` are bits."""
    total = space.facts[TOTAL]
    _find_nonzero(programs, n, space, flow)
    if not _follow_predict(programs, n, space, flow):
        return False
    _follow_learn(programs, n, space, flow)
    _close(_NEEDED, total, flow)
    found = 0  # kinds, as bits
    for register in range(total):
        if _has(flow.sets, _NEEDED, register) and _is_learned(register, total, flow):
            found |= int(_has(flow.through, space.facts[PREDICTION], register)) << space.registers[register, KIND]
            if kinds & ~found == 0:
                return True
    return False


@inlined
def _find_nonzero(programs: ProgramArrays, n: int, space: SpaceTables, flow: SetFlow) -> None:
    """Finds which registers may hold something else than zero when Predict begins, in any round."""
    may_differ, facts = flow.may_differ, space.facts
    for register in range(facts[TOTAL]):
        may_differ[_NOW, register] = False
    _run(SETUP, programs, n, space, False, flow)
    for register in range(facts[TOTAL]):
        may_differ[_ENTRY, register] = may_differ[_NOW, register]
    has_grown = True
    while has_grown:
        _give(PREDICT, space, flow)
        _run(PREDICT, programs, n, space, False, flow)
        may_differ[_NOW, facts[PREDICTION]] |= facts[IS_SQUASHED] != 0  # a probability is never provably zero
        _give(LEARN, space, flow)
        _run(LEARN, programs, n, space, False, flow)
        has_grown = False
        for register in range(facts[TOTAL]):
            has_grown |= may_differ[_NOW, register] & ~may_differ[_ENTRY, register]
            may_differ[_ENTRY, register] |= may_differ[_NOW, register]
            may_differ[_NOW, register] = may_differ[_ENTRY, register]


@inlined
def _follow_predict(programs: ProgramArrays, n: int, space: SpaceTables, flow: SetFlow) -> bool:
    """Follows sources through Predict; whether the prediction depends on the features and on some register."""
    total, prediction = space.facts[TOTAL], space.facts[PREDICTION]
    for register in range(total):
        flow.may_differ[_NOW, register] = flow.may_differ[_ENTRY, register]
        for word in range(flow.sources.shape[1]):
            flow.sources[register, word] = flow.through[register, word] = 0
        flow.sources[register, register >> 6] = np.int64(flow.may_differ[_ENTRY, register]) << (register & 63)
    _give(PREDICT, space, flow)
    _run(PREDICT, programs, n, space, True, flow)
    if not _has(flow.sources, prediction, total + _FROM_FEATURES):
        return False
    for word in range(flow.sources.shape[1]):
        flow.sets[_NEEDED, word] = flow.sources[prediction, word]
    has_register = False
    for register in range(total):
        has_register |= _has(flow.sets, _NEEDED, register)
    return has_register


@inlined
def _follow_learn(programs: ProgramArrays, n: int, space: SpaceTables, flow: SetFlow) -> None:
    """Follows sources on through Learn; what is set from outside then has none."""
    total, prediction = space.facts[TOTAL], space.facts[PREDICTION]
    for word in range(flow.sources.shape[1]):
        flow.sources[prediction, word] = 0
    _add(flow.sources, prediction, total + _FROM_PREDICTION)
    _give(LEARN, space, flow)
    _run(LEARN, programs, n, space, True, flow)
    _clear_outside(space, flow)


@inlined
def _clear_outside(space: SpaceTables, flow: SetFlow) -> None:
    """Makes the registers that are set from outside zero."""
    for register in range(space.facts[TOTAL]):
        if space.registers[register, SET_OUTSIDE]:
            flow.may_differ[_NOW, register] = False
            for word in range(flow.sources.shape[1]):
                flow.sources[register, word] = 0


@inlined
def _give(function: int, space: SpaceTables, flow: SetFlow) -> None:
    """Sets the registers that are set from outside before Predict or Learn."""
    total, features, label = space.facts[TOTAL], space.facts[FEATURES], space.facts[LABEL]
    _clear_outside(space, flow)
    flow.may_differ[_NOW, features] = True
    _add(flow.sources, features, total + _FROM_FEATURES)
    if function == LEARN:
        flow.may_differ[_NOW, label] = True
        _add(flow.sources, label, total + _FROM_LABEL)


@called
def _run(function: int, programs: ProgramArrays, n: int, space: SpaceTables, follows: bool, flow: SetFlow) -> None:
    """Runs one function on what may differ from zero and, if asked for, on sources."""
    may_differ, sources = flow.may_differ, flow.sources
    for place in range(programs.sizes[n, function]):
        slot = np.uint64(space.facts[function] + place)
        op = programs.opcodes[n, slot]
        in1 = find_register(IN1, programs, n, slot, op, space)
        in2 = find_register(IN2, programs, n, slot, op, space)
        out = find_register(OUT, programs, n, slot, op, space)
        # An op with constants has no inputs, and another one's constants are zeros.
        first = may_differ[_NOW, in1] | (programs.constants[n, slot, 0] != 0)
        second = _NOT_ZERO if may_differ[_NOW, in2] | (programs.constants[n, slot, 1] != 0) else _ZERO
        if in1 == in2 and space.ops[op, IN1_USED + IN2]:
            second = _EQUAL
        zero, keeps = is_zero(flow.steps[op], int(first), second), space.ops[op, KEEPS] != 0
        may_differ[_NOW, out] = ~zero | (keeps & may_differ[_NOW, out])
        if follows and function == PREDICT:
            _pass_through(in1, in2, out, zero, keeps, space, flow)
        if follows:
            for word in range(sources.shape[1]):
                kept = sources[out, word] if keeps else 0
                new = 0 if zero else sources[in1, word] | sources[in2, word]
                sources[out, word] = kept | new


@inlined
def _pass_through(in1: int, in2: int, out: int, zero: bool, keeps: bool, space: SpaceTables, flow: SetFlow) -> None:
    """Notes which registers the features have gone through after an instruction, whose inputs are as it finds them."""
    sources, through, total = flow.sources, flow.through, space.facts[TOTAL]
    pairs = (in1, _has(sources, in2, total + _FROM_FEATURES)), (in2, _has(sources, in1, total + _FROM_FEATURES))
    for word in range(through.shape[1]):
        new = through[in1, word] | through[in2, word]
        for register in range(64 * word, min(64 * word + 64, total)):
            bit, kind = 1 << (register & 63), space.registers[register, KIND]
            for one, meets in pairs:
                if meets and one < total and space.registers[one, KIND] == kind:
                    new |= sources[one, word] & bit
        through[out, word] = (0 if zero else new) | (through[out, word] if keeps else 0)


@inlined
def _has(sets: Table, row: int, source: int) -> bool:
    return (sets[row, source >> 6] >> (source & 63)) & 1 != 0


@inlined
def _add(sets: Table, row: int, source: int) -> None:
    sets[row, source >> 6] |= 1 << (source & 63)


@inlined
def _close(row: int, total: int, flow: SetFlow) -> None:
    """Adds to a set what its registers depend on, over any number of rounds."""
    has_grown = True
    while has_grown:
        has_grown = False
        for register in range(total):
            if _has(flow.sets, row, register):
                for word in range(flow.sets.shape[1]):
                    more = flow.sources[register, word] & ~flow.sets[row, word]
                    has_grown |= more != 0
                    flow.sets[row, word] |= more


@inlined
def _is_learned(register: int, total: int, flow: SetFlow) -> bool:
    """Whether a register depends on its own past, the label and the prediction."""
    for word in range(flow.sets.shape[1]):
        flow.sets[_PAST, word] = flow.sources[register, word]
    _close(_PAST, total, flow)
    return (
        _has(flow.sets, _PAST, register)
        and _has(flow.sets, _PAST, total + _FROM_LABEL)
        and _has(flow.sets, _PAST, total + _FROM_PREDICTION)
    )
