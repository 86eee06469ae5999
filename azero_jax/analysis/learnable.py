"""Learnable programs: those whose predictions can come to depend on the labels that they were shown.

Data flow through Predict, then Learn, then the next Predict. A program is learnable if its prediction depends on the
features of the example, and on at least one *learned* register: one that depends, through any number of instructions,
registers and rounds of the loop, on its own past, on the label and on the prediction. In Learn the prediction is a
source of its own, whatever it was made of: a register has a past only if it is kept, not because an error was made with
it.

A dependence through something that is provably zero is none: a product with zero, a dot product with a vector that
nothing fills, x - x. Numbers are taken for real ones, so zero times anything is zero.

A niche of a search can demand that some kinds of registers are learned. For that the features have to go through them:
an instruction of Predict puts together what depends on the features and something of that kind that depends on the
register as Predict finds it. A matrix that only multiplies a constant vector is a learned vector in disguise.

The idea is that of Mishima and Ono, "valid algorithm graphs" (Institute of Science Tokyo, 2024 and 2025).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.bit_flow import MOST_REGISTERS, BitFlow, can_learn, is_zero, make_bit_flow, step_table
from azero_jax.compiled.inline import allocating, called, compiled_loop, inlined
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
    space_tables,
)
from azero_jax.language import ops, roles
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays, Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace

_ZERO, _NOT_ZERO, _EQUAL = range(3)  # of an input: it is zero, it may be another number, it is the other input
_NOW, _ENTRY = range(2)  # rows of `Flow.may_differ`: of now, and of what Predict starts with
_FROM_FEATURES, _FROM_LABEL, _FROM_PREDICTION, _OTHERS = range(4)  # sources after the registers, counted from R
_NEEDED, _PAST = range(2)  # rows of `Flow.sets`


class Flow(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      may_differ: `[2, R + 2]` whether a register may hold something else than zero.
      sources: `[R + 2, words]` what each register depends on within the round, as bits of words.
      through: `[R + 2, words]` which registers the features go through on their way to each register.
      sets: `[2, words]` what the prediction needs, and what one register depends on, over all rounds.
      bits: of a space of few registers, for which the others are not used.
    """

    may_differ: NDArray[np.bool_]
    sources: Table
    through: Table
    sets: Table
    bits: BitFlow


def learnable(
    programs: Programs, space: SearchSpace, metric: Metric, *, strict: bool = False, kinds: str = ""
) -> NDArray[np.bool_]:
    """`[N]` bool: whether each program is learnable.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: decides where label and prediction are.
      strict: every register that Predict reads and the loop changes must be learned, not just one.
      kinds: letters of the kinds of which it must learn a register each that the features go through, such as `vm` for
        a vector and a matrix.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    found = np.empty(len(programs), np.bool_)
    _test_all(programs.arrays(), space_tables(space, metric), step_table(space), strict, kind_bits(kinds), found)
    return found


def kind_bits(kinds: str) -> int:
    """Kinds of registers, by their letters, as bits: `v` is 2."""
    return sum(1 << place for place, kind in enumerate(ops.KINDS) if kind in kinds)


def check_can_learn(space: SearchSpace, metric: Metric, kinds: str = "") -> None:
    """Checks that a space may have learnable programs, as far as its sizes and kinds of registers tell.

    `kinds` are letters of the kinds of which they must learn a register each that the features go through.

    Raises:
      ValueError: Predict or Learn has no room or ops, or lacks ops that read or write what it needs to.
    """
    functions = {"Predict": space.predict, "Learn": space.learn}
    for name, function in functions.items():
        if function.max_size == 0 or not function.ops:
            lacking = "ops" if function.max_size else "instructions"
            raise ValueError(f"no program of this space can learn: {name} has no {lacking}; take candidates any")
    for name, needs, register in (
        ("Predict", "writes", metric.prediction),
        ("Predict", "reads", roles.FEATURES),
        ("Learn", "reads", metric.label),
        ("Learn", "reads", metric.prediction),
    ):
        allowed = [ops.OPS[op] for op in functions[name].ops]
        if not any(register.kind in (op.output if needs == "writes" else op.inputs) for op in allowed):
            what = f"no op of {name} {needs} a {ops.KIND_NAMES[register.kind]}, such as {register}"
            raise ValueError(f"no program of this space can learn: {what}; allow one, or take candidates any")
    for letter in kinds:
        writes = any(ops.OPS[op].output == letter for op in space.learn.ops)
        meets = any(letter in ops.OPS[op].inputs and len(ops.OPS[op].inputs) == 2 for op in space.predict.ops)
        if not writes or not meets:
            lacking = "Predict reads one beside something else" if writes else "Learn writes one"
            what = f"no program of this space can learn a {ops.KIND_NAMES[letter]}: no op of {lacking}"
            raise ValueError(f"{what}; allow one, or change learned")


@allocating
def make_flow(length: int, space: SpaceTables, steps: NDArray[np.int64]) -> Flow:
    """Scratch memory for programs of a space, of `length` slots; `steps` from `step_table`."""
    rows = space.facts[TOTAL] + 2
    words = (space.facts[TOTAL] + _OTHERS + 63) // 64
    may_differ, bits = np.zeros((2, rows), np.bool_), make_bit_flow(length, space, steps)
    sources, through = np.zeros((rows, words), np.int64), np.zeros((rows, words), np.int64)
    return Flow(may_differ, sources, through, np.zeros((2, words), np.int64), bits)


@compiled_loop
def _test_all(
    programs: ProgramArrays,
    space: SpaceTables,
    steps: NDArray[np.int64],
    strict: bool,
    kinds: int,
    found: NDArray[np.bool_],
) -> None:
    flow = make_flow(programs.opcodes.shape[1], space, steps)
    for n in range(len(found)):
        found[n] = is_learnable(programs, n, space, strict, kinds, flow)


@inlined
def is_learnable(programs: ProgramArrays, n: int, space: SpaceTables, strict: bool, kinds: int, flow: Flow) -> bool:
    """Whether program `n` is learnable; see `learnable`. `kinds` are bits."""
    if space.facts[TOTAL] <= MOST_REGISTERS and not strict:
        return can_learn(programs, n, space, kinds, flow.bits)
    return _can_learn(programs, n, space, strict, kinds, flow)


@called
def _can_learn(programs: ProgramArrays, n: int, space: SpaceTables, strict: bool, kinds: int, flow: Flow) -> bool:
    """The same whatever the number of registers."""
    total = space.facts[TOTAL]
    _find_nonzero(programs, n, space, flow)
    if not _follow_predict(programs, n, space, flow):
        return False
    _follow_learn(programs, n, space, flow)
    if strict and not _all_learn(total, flow):
        return False
    _close(_NEEDED, total, flow)
    found = 0  # kinds, as bits
    for register in range(total):
        if _has(flow.sets, _NEEDED, register) and _is_learned(register, total, flow):
            found |= int(_has(flow.through, space.facts[PREDICTION], register)) << space.registers[register, KIND]
            if kinds & ~found == 0:
                return True
    return False


@inlined
def _find_nonzero(programs: ProgramArrays, n: int, space: SpaceTables, flow: Flow) -> None:
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
def _follow_predict(programs: ProgramArrays, n: int, space: SpaceTables, flow: Flow) -> bool:
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
def _follow_learn(programs: ProgramArrays, n: int, space: SpaceTables, flow: Flow) -> None:
    """Follows sources on through Learn; what is set from outside then has none."""
    total, prediction = space.facts[TOTAL], space.facts[PREDICTION]
    for word in range(flow.sources.shape[1]):
        flow.sources[prediction, word] = 0
    _add(flow.sources, prediction, total + _FROM_PREDICTION)
    _give(LEARN, space, flow)
    _run(LEARN, programs, n, space, True, flow)
    _clear_outside(space, flow)


@inlined
def _clear_outside(space: SpaceTables, flow: Flow) -> None:
    """Makes the registers that are set from outside zero."""
    for register in range(space.facts[TOTAL]):
        if space.registers[register, SET_OUTSIDE]:
            flow.may_differ[_NOW, register] = False
            for word in range(flow.sources.shape[1]):
                flow.sources[register, word] = 0


@inlined
def _give(function: int, space: SpaceTables, flow: Flow) -> None:
    """Sets the registers that are set from outside before Predict or Learn."""
    total, features, label = space.facts[TOTAL], space.facts[FEATURES], space.facts[LABEL]
    _clear_outside(space, flow)
    flow.may_differ[_NOW, features] = True
    _add(flow.sources, features, total + _FROM_FEATURES)
    if function == LEARN:
        flow.may_differ[_NOW, label] = True
        _add(flow.sources, label, total + _FROM_LABEL)


@called
def _run(function: int, programs: ProgramArrays, n: int, space: SpaceTables, follows: bool, flow: Flow) -> None:
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
        zero, keeps = is_zero(flow.bits.ops[op], int(first), second), space.ops[op, KEEPS] != 0
        may_differ[_NOW, out] = ~zero | (keeps & may_differ[_NOW, out])
        if follows and function == PREDICT:
            _pass_through(in1, in2, out, zero, keeps, space, flow)
        if follows:
            for word in range(sources.shape[1]):
                kept = sources[out, word] if keeps else 0
                new = 0 if zero else sources[in1, word] | sources[in2, word]
                sources[out, word] = kept | new


@inlined
def _pass_through(in1: int, in2: int, out: int, zero: bool, keeps: bool, space: SpaceTables, flow: Flow) -> None:
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
def _close(row: int, total: int, flow: Flow) -> None:
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
def _is_learned(register: int, total: int, flow: Flow) -> bool:
    """Whether a register depends on its own past, the label and the prediction."""
    for word in range(flow.sets.shape[1]):
        flow.sets[_PAST, word] = flow.sources[register, word]
    _close(_PAST, total, flow)
    return (
        _has(flow.sets, _PAST, register)
        and _has(flow.sets, _PAST, total + _FROM_LABEL)
        and _has(flow.sets, _PAST, total + _FROM_PREDICTION)
    )


@inlined
def _all_learn(total: int, flow: Flow) -> bool:
    """Whether every register that the prediction reads, before `_close`, is learned or stays as it is."""
    for register in range(total):
        if _has(flow.sets, _NEEDED, register):
            changes = False
            for word in range(flow.sets.shape[1]):
                own = word == register >> 6
                changes |= flow.sources[register, word] != np.int64(own) << (register & 63)
            if changes and not _is_learned(register, total, flow):
                return False
    return True
