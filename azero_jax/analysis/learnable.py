"""Learnable programs: those whose predictions can come to depend on the labels that they were shown.

A program is learnable if its prediction depends on the features of the example, and on at least one *learned* register:
one that depends, through any number of instructions, registers and rounds of (Predict, Learn), on its own past, on the
label and on the prediction. A dependence through something that is provably zero is none: a product with zero, a dot
product with a vector that nothing fills, x - x.

The idea is that of Mishima and Ono, "valid algorithm graphs" (Institute of Science Tokyo, 2024 and 2025).

The data flow of one round is found by following sets of sources through the live instructions: the registers as they
are before Predict, the features, the label, and the prediction as Learn sees it. In Learn the prediction is a source of
its own, whatever it was made of, so that a register has a past only if it is kept, not because an error was made with
it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.analysis.levels import ONE_LEVEL, SAME, ZERO_LEVEL, transfer_table
from azero_jax.analysis.liveness import Liveness, find_live, list_live, make_liveness
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import (
    CONSTANTS,
    FEATURES,
    IN1_USED,
    KEEPS,
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
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays, Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import FunctionSpace, SearchSpace

_ZERO, _NOT_ZERO, _EQUAL = range(3)  # of an input: it is zero, it may be another number, it is the other input
_NOW, _ENTRY = range(2)  # rows of `Flow.may_differ`: of now, and of what Predict starts with
# Sources after the registers, as they are counted from R.
_FROM_FEATURES, _FROM_LABEL, _FROM_PREDICTION, _SOURCES = range(4)
_NEEDED, _PAST = range(2)  # rows of `Flow.sets`


class Flow(NamedTuple):
    """Scratch memory, and what is found of the latest program.

    Attributes:
      may_differ: `[2, R + 2]` whether a register may hold something else than zero.
      sources: `[R + 2, words]` of each register, what it depends on within the round, as bits of words.
      carried: `[R + 2, words]` the same when Learn has ended.
      sets: `[2, words]` what the prediction needs, and what one register depends on, over all rounds.
    """

    may_differ: NDArray[np.bool_]
    sources: Table
    carried: Table
    sets: Table


def learnable(programs: Programs, space: SearchSpace, metric: Metric, *, strict: bool = False) -> NDArray[np.bool_]:
    """`[N]` whether each program is learnable.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: decides where label and prediction are.
      strict: every register that Predict reads and the loop changes must be learned, not just one.
    """
    found = np.empty(len(programs), np.bool_)
    _test_all(programs.arrays(), space_tables(space, metric), zero_table(space.features), strict, found)
    return found


def zero_table(features: int) -> NDArray[np.bool_]:
    """`[65, 2, 3]` whether the result is zero, by op, and by whether its inputs may differ from zero.

    The second input may also be the same as the first. Numbers are taken for finite: zero times anything is zero.
    """
    levels = (ZERO_LEVEL, ONE_LEVEL, SAME)
    return transfer_table(features)[:, levels[:2], :][:, :, levels] == ZERO_LEVEL


def check_can_learn(space: SearchSpace, metric: Metric) -> None:
    """Checks that a space has learnable programs, as far as its ops and sizes tell.

    Raises:
      ValueError: Predict cannot write predictions, or Learn cannot read labels or has no room.
    """
    can_read = {name: {kind for op in function.ops for kind in ops.OPS[op].inputs} for name, function in _loop(space)}
    can_write = {name: {ops.OPS[op].output for op in function.ops} for name, function in _loop(space)}
    for name, function in _loop(space):
        if function.max_size == 0 or not function.ops:
            raise ValueError(f"no program can learn: {name} has no {'ops' if function.max_size else 'instructions'}")
    for name, verb, register, possible in (
        ("Predict", "writes", metric.prediction, can_write),
        ("Learn", "reads", metric.label, can_read),
        ("Learn", "reads", metric.prediction, can_read),
    ):
        if register.kind not in possible[name]:
            raise ValueError(
                f"no program can learn: no op of {name} {verb} a {ops.KIND_NAMES[register.kind]}, such as {register};"
                " allow one, or say --candidates any"
            )


def _loop(space: SearchSpace) -> tuple[tuple[str, FunctionSpace], ...]:
    return (("Predict", space.predict), ("Learn", space.learn))


@njit(nogil=True, forceinline=True)
def make_flow(space: SpaceTables) -> Flow:
    """Scratch memory for one program at a time."""
    rows = space.facts[TOTAL] + 2
    words = (space.facts[TOTAL] + _SOURCES + 63) // 64
    return Flow(
        np.zeros((2, rows), np.bool_),
        np.zeros((rows, words), np.int64),
        np.zeros((rows, words), np.int64),
        np.zeros((2, words), np.int64),
    )


@compiled_loop
def _test_all(
    programs: ProgramArrays, space: SpaceTables, zero: NDArray[np.bool_], strict: bool, learns: NDArray[np.bool_]
) -> None:
    found = make_liveness(1, programs.opcodes.shape[1], space)
    flow = make_flow(space)
    for n in range(len(learns)):
        find_live(programs, n, space, found)
        list_live(programs, n, space, found, 0)
        learns[n] = is_learnable(programs, n, space, found, 0, zero, strict, flow)


@inlined
def is_learnable(
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    found: Liveness,
    b: int,
    zero: NDArray[np.bool_],
    strict: bool,
    flow: Flow,
) -> bool:
    """Whether program `n`, whose live slots `list_live` has listed in row `b`, is learnable; see `learnable`."""
    total, begin = space.facts[TOTAL], found.begin
    if begin[b, PREDICT] == begin[b, LEARN] or begin[b, LEARN] == begin[b, 3]:
        return False  # a live Predict and a live Learn are needed
    _find_nonzero(programs, n, space, found, b, zero, flow)
    words = flow.sets.shape[1]
    for register in range(total):
        for word in range(words):
            flow.sources[register, word] = 0
        flow.may_differ[_NOW, register] = flow.may_differ[_ENTRY, register]
        if flow.may_differ[_ENTRY, register]:
            _add(flow.sources, register, register)
    _give(space, flow, False)
    _run(PREDICT, programs, n, space, found, b, zero, True, flow)
    prediction = space.facts[PREDICTION]
    if not _has(flow.sources, prediction, total + _FROM_FEATURES):
        return False
    for word in range(words):
        flow.sets[_NEEDED, word] = flow.sources[prediction, word]
        flow.sources[prediction, word] = 0
    _add(flow.sources, prediction, total + _FROM_PREDICTION)
    _give(space, flow, True)
    _run(LEARN, programs, n, space, found, b, zero, True, flow)
    for register in range(total):
        for word in range(words):
            is_kept = not space.registers[register, SET_OUTSIDE]
            flow.carried[register, word] = flow.sources[register, word] if is_kept else 0
    all_learn, one_learns = True, False
    if strict:
        for register in range(total):
            if _has(flow.sets, _NEEDED, register) and _changes(register, flow):
                all_learn &= _is_learned(register, total, flow)
    _close(_NEEDED, total, flow)
    for register in range(total):
        if not one_learns and _has(flow.sets, _NEEDED, register):
            one_learns = _is_learned(register, total, flow)
    return all_learn and one_learns


@inlined
def _find_nonzero(
    programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness, b: int, zero: NDArray[np.bool_], flow: Flow
) -> None:
    """Finds which registers may hold something else than zero when Predict begins, in any round."""
    may_differ, total = flow.may_differ, space.facts[TOTAL]
    for register in range(total + 1):  # the last one is "no input"
        may_differ[_NOW, register] = False
    _run(SETUP, programs, n, space, found, b, zero, False, flow)
    for register in range(total):
        may_differ[_ENTRY, register] = may_differ[_NOW, register]
    has_grown = True
    while has_grown:
        _give(space, flow, False)
        _run(PREDICT, programs, n, space, found, b, zero, False, flow)
        _give(space, flow, True)
        _run(LEARN, programs, n, space, found, b, zero, False, flow)
        has_grown = False
        for register in range(total):
            has_grown |= may_differ[_NOW, register] and not may_differ[_ENTRY, register]
            may_differ[_ENTRY, register] |= may_differ[_NOW, register]
            may_differ[_NOW, register] = may_differ[_ENTRY, register]


@inlined
def _give(space: SpaceTables, flow: Flow, is_learn: bool) -> None:
    """Sets the registers that are set from outside before Predict or Learn."""
    total = space.facts[TOTAL]
    for register in range(total):
        if space.registers[register, SET_OUTSIDE]:
            flow.may_differ[_NOW, register] = False
            for word in range(flow.sources.shape[1]):
                flow.sources[register, word] = 0
    features, label = space.facts[FEATURES], space.facts[LABEL]
    flow.may_differ[_NOW, features] = True
    _add(flow.sources, features, total + _FROM_FEATURES)
    if is_learn:
        flow.may_differ[_NOW, label] = True
        _add(flow.sources, label, total + _FROM_LABEL)


@inlined
def _run(
    function: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    found: Liveness,
    b: int,
    zero: NDArray[np.bool_],
    follows: bool,
    flow: Flow,
) -> None:
    """Runs the live instructions of one function on what may differ from zero and, if asked for, on sources."""
    may_differ, sources = flow.may_differ, flow.sources
    for k in range(found.begin[b, function], found.begin[b, function + 1]):
        slot = np.uint64(found.live[b, k])
        op = programs.opcodes[n, slot]
        in1 = find_register(IN1, programs, n, slot, op, space)
        in2 = find_register(IN2, programs, n, slot, op, space)
        out = find_register(OUT, programs, n, slot, op, space)
        constants = space.ops[op, CONSTANTS]  # in place of inputs
        first = may_differ[_NOW, in1] or (constants > 0 and programs.constants[n, slot, 0] != 0)
        second = _NOT_ZERO if may_differ[_NOW, in2] else _ZERO
        if constants > 1 and programs.constants[n, slot, 1] != 0:
            second = _NOT_ZERO
        if in1 == in2 and space.ops[op, IN1_USED + IN2]:
            second = _EQUAL
        is_zero, keeps = zero[op, np.int64(first), second], space.ops[op, KEEPS]
        may_differ[_NOW, out] = not is_zero or (keeps != 0 and may_differ[_NOW, out])
        if follows:
            for word in range(sources.shape[1]):
                kept = sources[out, word] if keeps else 0
                new = 0 if is_zero else sources[in1, word] | sources[in2, word]
                sources[out, word] = kept | new


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
                    more = flow.carried[register, word] & ~flow.sets[row, word]
                    has_grown |= more != 0
                    flow.sets[row, word] |= more


@inlined
def _is_learned(register: int, total: int, flow: Flow) -> bool:
    """Whether a register depends on its own past, the label and the prediction."""
    for word in range(flow.sets.shape[1]):
        flow.sets[_PAST, word] = flow.carried[register, word]
    _close(_PAST, total, flow)
    return (
        _has(flow.sets, _PAST, register)
        and _has(flow.sets, _PAST, total + _FROM_LABEL)
        and _has(flow.sets, _PAST, total + _FROM_PREDICTION)
    )


@inlined
def _changes(register: int, flow: Flow) -> bool:
    """Whether a round makes something else of a register than it was."""
    differs = False
    for word in range(flow.sets.shape[1]):
        own = 1 << (register & 63) if word == register >> 6 else 0
        differs |= flow.carried[register, word] != own
    return differs
