"""Data flow in a space of few registers, of which each set is a word: whether a program is learnable, in a few steps.

The same as `analysis.learnable` has for any space, several times as fast. An instruction becomes one word, a *step*,
that tells all that the data flow asks for; a set of registers and sources is the bits of another.
"""

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.levels import ONE_LEVEL, SAME, ZERO_LEVEL, transfer_table
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
    space_tables,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays
from azero_jax.language.space import SearchSpace

MOST_REGISTERS: Final = 60  # so that a word has room for them, three sources, and a sign
_REGISTER: Final = 0xFF
# Where a step has its fields: input, input and output; whether the output keeps what is not written; whether the
# inputs are the same register; whether each constant is not zero; for which of these the result is zero; and, in
# `step_table` alone, which operands there are.
_IN1, _IN2, _OUT, _KEEPS, _SAME, _CONSTANTS, _ZEROS, _USED = 0, 8, 16, 24, 25, 26, 28, 34
_FROM_FEATURES, _FROM_LABEL, _FROM_PREDICTION = (1 << 60, 1 << 61, 1 << 62)
_SOURCES: Final = MOST_REGISTERS + 2


class BitFlow(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      steps: `[L]` the instructions.
      sources: `[62]` what each register depends on, as bits.
      kinds: `[3]` the registers of each kind, as bits.
      outside: `[1]` those that are set from outside, as bits.
      ops: `[65]` from `step_table`.
    """

    steps: NDArray[np.int64]
    sources: NDArray[np.int64]
    kinds: NDArray[np.int64]
    outside: NDArray[np.int64]
    ops: NDArray[np.int64]


@functools.lru_cache
def step_table(space: SearchSpace) -> NDArray[np.int64]:
    """`[65]` int64, the steps of the ops, with the first register of each operand's kind."""
    table = space_tables(space).ops
    levels = (ZERO_LEVEL, ONE_LEVEL, SAME)
    zeros = transfer_table(space.features)[:, levels[:2], :][:, :, levels] == ZERO_LEVEL
    steps = table[:, KEEPS] << _KEEPS
    for field, shift in ((IN1, _IN1), (IN2, _IN2), (OUT, _OUT)):
        steps |= (table[:, field] & _REGISTER) << shift
        steps |= table[:, IN1_USED + field] << (_USED + field)
    for place, zero in enumerate(zeros.reshape(-1, 6).T):
        steps |= zero.astype(np.int64) << (_ZEROS + place)
    return steps


@allocating
def make_bit_flow(length: int, space: SpaceTables, ops: NDArray[np.int64]) -> BitFlow:
    """Scratch memory for programs of `length` slots, which nobody may ask for where registers are too many."""
    kinds, outside = np.zeros(3, np.int64), np.zeros(1, np.int64)
    for register in range(min(space.facts[TOTAL], MOST_REGISTERS)):
        kinds[space.registers[register, KIND]] |= 1 << register
        outside[0] |= space.registers[register, SET_OUTSIDE] << register
    return BitFlow(np.zeros(length, np.int64), np.zeros(_SOURCES, np.int64), kinds, outside, ops)


@called
def can_learn(programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, flow: BitFlow) -> bool:
    """Whether program `n` is learnable; `kinds` are bits, as those of `analysis.learnable.is_learnable`.

    First as if no register were zero, which takes less time and settles the matter for most programs: what is zero can
    only make fewer programs learnable.
    """
    facts, sources = space.facts, flow.sources
    total, prediction, outside = facts[TOTAL], facts[PREDICTION], flow.outside[0]
    _write_steps(PREDICT, programs, n, space, flow)
    _write_steps(LEARN, programs, n, space, flow)
    entry = nonzero = (1 << total) - 1
    for is_known in range(2):
        if is_known:
            _write_steps(SETUP, programs, n, space, flow)
            entry = nonzero = _find_nonzero(programs, n, space, flow)
        for register in range(total):
            sources[register] = entry & ~outside & (1 << register)
        sources[total] = sources[total + 1] = 0
        sources[facts[FEATURES]] = _FROM_FEATURES
        nonzero = (nonzero & ~outside) | (1 << facts[FEATURES])
        nonzero = _follow(PREDICT, programs.sizes[n, PREDICT], nonzero, is_known != 0, space, flow)
        needed = sources[prediction]
        if needed & _FROM_FEATURES == 0 or needed & (_FROM_FEATURES - 1) == 0:
            return False
        _clear(outside, total, sources)
        sources[prediction] = _FROM_PREDICTION
        sources[facts[FEATURES]] = _FROM_FEATURES
        sources[facts[LABEL]] = _FROM_LABEL
        nonzero = (nonzero & ~outside) | (1 << facts[FEATURES]) | (1 << facts[LABEL])
        nonzero = _follow(LEARN, programs.sizes[n, LEARN], nonzero, is_known != 0, space, flow)
        _clear(outside, total, sources)
        if not _learns(_close(needed, total, sources), total, kinds, flow):
            return False
    return True


@inlined
def _write_steps(function: int, programs: ProgramArrays, n: int, space: SpaceTables, flow: BitFlow) -> None:
    """Makes the instructions of one function steps."""
    for place in range(programs.sizes[n, function]):
        slot = np.uint64(space.facts[function] + place)
        step = flow.ops[programs.opcodes[n, slot]]
        for field in range(3):
            is_used = (step >> (_USED + field)) & 1
            step += (np.int64(programs.addresses[n, slot, field]) * is_used) << (8 * field)
        is_same = (step ^ (step >> _IN2)) & _REGISTER == 0
        step |= np.int64(is_same) << _SAME  # of no input and no input: what they are does not matter
        for number in range(2):
            step |= np.int64(programs.constants[n, slot, number] != 0) << (_CONSTANTS + number)
        flow.steps[slot] = step


@inlined
def _zero_after(step: int, nonzero: int) -> int:
    """1 if an instruction's result is zero where only registers of the set `nonzero` may hold anything else."""
    # An op with constants has no inputs, and another one's constants are zeros.
    first = ((nonzero >> (step & _REGISTER)) | (step >> _CONSTANTS)) & 1
    second = ((nonzero >> ((step >> _IN2) & _REGISTER)) | (step >> (_CONSTANTS + 1))) & 1
    has_second = (step >> (_USED + IN2)) & 1
    is_same = (step >> _SAME) & has_second
    return np.int64(is_zero(step, first, 2 if is_same else second))


@inlined
def is_zero(step: int, first: int, second: int) -> bool:
    """Whether an op's result is zero: `first` is 1 if its first input may be something else, `second` likewise.

    `second` is 2 where both inputs are the same register.
    """
    return (step >> (_ZEROS + 3 * first + second)) & 1 != 0


@inlined
def _pass_nonzero(function: int, size: int, nonzero: int, space: SpaceTables, flow: BitFlow) -> int:
    """Which registers may hold something else than zero after a function, given those before it."""
    for place in range(size):
        step = flow.steps[np.uint64(space.facts[function] + place)]
        out = (step >> _OUT) & _REGISTER
        kept = nonzero & ~((((step >> _KEEPS) & 1) ^ 1) << out)
        nonzero = kept | ((_zero_after(step, nonzero) ^ 1) << out)
    return nonzero


@called
def _find_nonzero(programs: ProgramArrays, n: int, space: SpaceTables, flow: BitFlow) -> int:
    """Which registers may hold something else than zero when Predict begins, in any round."""
    facts, sizes, outside = space.facts, programs.sizes, flow.outside[0]
    features, label = 1 << facts[FEATURES], 1 << facts[LABEL]
    entry, before = _pass_nonzero(SETUP, sizes[n, SETUP], 0, space, flow), -1
    while entry != before:
        before = entry
        nonzero = _pass_nonzero(PREDICT, sizes[n, PREDICT], (entry & ~outside) | features, space, flow)
        nonzero |= facts[IS_SQUASHED] << facts[PREDICTION]  # a probability is never provably zero
        nonzero = _pass_nonzero(LEARN, sizes[n, LEARN], (nonzero & ~outside) | features | label, space, flow)
        entry |= nonzero
    return entry


@inlined
def _follow(function: int, size: int, nonzero: int, is_known: bool, space: SpaceTables, flow: BitFlow) -> int:
    """Follows sources through a function; with what may be other than zero, if that is known, which it returns."""
    sources = flow.sources
    for place in range(size):
        step = flow.steps[np.uint64(space.facts[function] + place)]
        out = np.uint64((step >> _OUT) & _REGISTER)
        new = sources[np.uint64(step & _REGISTER)] | sources[np.uint64((step >> _IN2) & _REGISTER)]
        keeps = (step >> _KEEPS) & 1
        if is_known:
            zero = _zero_after(step, nonzero)
            new &= zero - 1
            nonzero = (nonzero & ~((keeps ^ 1) << out)) | ((zero ^ 1) << out)
        sources[out] = new | (sources[out] & -keeps)
    return nonzero


@inlined
def _clear(outside: int, total: int, sources: NDArray[np.int64]) -> None:
    """Takes their sources from the registers that are set from outside."""
    for register in range(total):
        sources[register] &= ((outside >> register) & 1) - 1


@inlined
def _close(found: int, total: int, sources: NDArray[np.int64]) -> int:
    """Adds to a set what its registers depend on, over any number of rounds."""
    before = 0
    while found != before:
        before = found
        for register in range(total):
            found |= sources[register] & -((found >> register) & 1)
    return found


@inlined
def _learns(needed: int, total: int, kinds: int, flow: BitFlow) -> bool:
    """Whether the prediction, which needs these registers, needs learned ones, of all `kinds`."""
    both = _FROM_LABEL | _FROM_PREDICTION
    learned = 0  # kinds, as bits
    if needed & both == both:
        for register in range(total):
            kind = 0
            for each in range(3):
                kind |= ((flow.kinds[each] >> register) & 1) << each
            is_enough = learned != 0 and (kind & kinds & ~learned) == 0
            if not is_enough and (needed >> register) & 1:
                wanted = both | (1 << register)
                if _close(flow.sources[register], total, flow.sources) & wanted == wanted:
                    learned |= kind
    return learned != 0 and (kinds & ~learned) == 0
