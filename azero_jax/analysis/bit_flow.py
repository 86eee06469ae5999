"""Data flow in a space of few registers, of which each set is a word: whether a program is learnable, in a few steps.

The same as `analysis.learnable` has for any space, several times as fast. An instruction becomes one word, a *step*,
that tells all that the data flow asks for; a set of registers and sources is the bits of another.
"""

import functools
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from azero_jax.analysis.levels import ONE_LEVEL, SAME, ZERO_LEVEL, transfer_table
from azero_jax.compiled.inline import allocating, called, inlined
from azero_jax.compiled.tables import (
    END,
    FEATURES,
    FIRST,
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
# Where a step has its fields: input, input and output; whether the output keeps what is not written; which of these
# operands there are; of the op, for which inputs its result is zero, as in `is_zero`; and of the instruction, for which
# it may be something else: first if both inputs are zero, then if the first, the second, or none is.
_IN1, _IN2, _OUT, _KEEPS, _USED, _ZEROS, _RESULTS = 0, 8, 16, 24, 25, 28, 34
_FEATURES_BIT: Final = MOST_REGISTERS
_FROM_FEATURES, _FROM_LABEL, _FROM_PREDICTION = (1 << _FEATURES_BIT, 1 << 61, 1 << 62)
_REGISTERS: Final = _FROM_FEATURES - 1
_lowest = cast("Callable[[int], int]", trailing_zeros)  # the place of the lowest bit that is set


class BitFlow(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      steps: `[L]` the instructions.
      sources: `[62]` what each register depends on, as bits.
      kinds: `[62]` the kind of each register.
      outside: `[1]` those that are set from outside, as bits.
      ops: `[65]` from `step_table`.
      through: `[62]` which registers the features go through on their way to each register, as bits.
      alike: `[62]` the registers of the same kind as each one, as bits.
    """

    steps: NDArray[np.int64]
    sources: NDArray[np.int64]
    kinds: NDArray[np.int64]
    outside: NDArray[np.int64]
    ops: NDArray[np.int64]
    through: NDArray[np.int64]
    alike: NDArray[np.int64]


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
    rows = MOST_REGISTERS + 2
    kinds, alike, outside = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(1, np.int64)
    for register in range(min(space.facts[TOTAL], MOST_REGISTERS)):
        kinds[register] = space.registers[register, KIND]
        alike[register] = (1 << space.registers[register, END]) - (1 << space.registers[register, FIRST])
        outside[0] |= space.registers[register, SET_OUTSIDE] << register
    steps, sources, through = np.zeros(length, np.int64), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    return BitFlow(steps, sources, kinds, outside, ops, through, alike)


@called
def can_learn(programs: ProgramArrays, n: int, space: SpaceTables, kinds: int, flow: BitFlow) -> bool:
    """Whether program `n` is learnable; `kinds` are bits, as those of `analysis.learnable.is_learnable`.

    First as if no register were zero, which takes less time and settles the matter for most programs: what is zero can
    only make fewer programs learnable.
    """
    everything = (1 << space.facts[TOTAL]) - 1
    _write_steps(PREDICT, programs, n, space, flow)
    _write_steps(LEARN, programs, n, space, flow)
    if not _learns_from(everything, False, programs.sizes, n, space, kinds, flow):
        return False
    _write_steps(SETUP, programs, n, space, flow)
    return _learns_from(_find_nonzero(programs.sizes, n, space, flow), True, programs.sizes, n, space, kinds, flow)


@inlined
def _write_steps(function: int, programs: ProgramArrays, n: int, space: SpaceTables, flow: BitFlow) -> None:
    """Makes the instructions of one function steps."""
    for place in range(programs.sizes[n, function]):
        slot = np.uint64(space.facts[function] + place)
        step = flow.ops[programs.opcodes[n, slot]]
        for field in range(3):
            is_used = (step >> (_USED + field)) & 1
            step += (np.int64(programs.addresses[n, slot, field]) * is_used) << (8 * field)
        flow.steps[slot] = step | (_results(step, programs, n, slot) << _RESULTS)


@inlined
def _results(step: int, programs: ProgramArrays, n: int, slot: np.uint64) -> int:
    """For which inputs an instruction's result may be something else than zero, see `_RESULTS`."""
    other = ~(step >> _ZEROS)
    has_same = (step >> (_USED + IN2)) & 1 != 0 and (step ^ (step >> _IN2)) & _REGISTER == 0
    # An op with constants has no inputs, and another one's constants are zeros.
    place = 3 * int(programs.constants[n, slot, 0] != 0) + int(programs.constants[n, slot, 1] != 0)
    apart = ((other >> place) & 1) | (other & 2) | ((other >> 1) & 12)
    return ((other >> 2) & 9) if has_same else apart


@inlined
def _may_differ(step: int, nonzero: int) -> int:
    """1 if an instruction's result may be other than zero where only the registers `nonzero` may be."""
    first, second = nonzero >> (step & _REGISTER), nonzero >> ((step >> _IN2) & _REGISTER)
    return (step >> (_RESULTS + 2 * (first & 1) + (second & 1))) & 1


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
        overwritten = (((step >> _KEEPS) & 1) ^ 1) << out
        nonzero = (nonzero & ~overwritten) | (_may_differ(step, nonzero) << out)
    return nonzero


@called
def _find_nonzero(sizes: NDArray[np.int32], n: int, space: SpaceTables, flow: BitFlow) -> int:
    """Which registers may hold something else than zero when Predict begins, in any round."""
    facts, outside = space.facts, flow.outside[0]
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
def _learns_from(
    nonzero: int, is_known: bool, sizes: NDArray[np.int32], n: int, space: SpaceTables, kinds: int, flow: BitFlow
) -> bool:
    """Whether a program is learnable if only `nonzero` may hold something when Predict begins.

    Without `is_known` what else may be zero is not followed further.
    """
    facts, sources, outside = space.facts, flow.sources, flow.outside[0]
    prediction, features, label = facts[PREDICTION], facts[FEATURES], facts[LABEL]
    nonzero &= ~outside
    for register in range(facts[TOTAL]):
        sources[register] = nonzero & (1 << register)
        flow.through[register] = 0
    sources[facts[TOTAL]] = flow.through[facts[TOTAL]] = 0  # no input
    sources[features] = _FROM_FEATURES
    nonzero |= 1 << features
    asks_through = is_known and kinds != 0
    nonzero = _follow(PREDICT, sizes[n, PREDICT], nonzero, is_known, asks_through, space, flow)
    needed = sources[prediction]
    if needed & _FROM_FEATURES == 0 or needed & (_FROM_FEATURES - 1) == 0:
        return False
    through = flow.through[prediction] if asks_through else _REGISTERS
    _clear(outside, sources)
    sources[prediction] = _FROM_PREDICTION
    sources[features] = _FROM_FEATURES
    sources[label] = _FROM_LABEL
    nonzero = (nonzero & ~outside) | (1 << features) | (1 << label)
    _follow(LEARN, sizes[n, LEARN], nonzero, is_known, False, space, flow)
    _clear(outside, sources)
    return _finds_learned(_close(needed, sources), kinds, through, flow)


@inlined
def _follow(
    function: int, size: int, nonzero: int, is_known: bool, asks_through: bool, space: SpaceTables, flow: BitFlow
) -> int:
    """Follows sources through a function; with what may be other than zero, if that is known, which it returns.

    With `asks_through`, which needs `is_known`, also which registers the features go through.
    """
    sources = flow.sources
    for place in range(size):
        step = flow.steps[np.uint64(space.facts[function] + place)]
        out = np.uint64((step >> _OUT) & _REGISTER)
        new = sources[np.uint64(step & _REGISTER)] | sources[np.uint64((step >> _IN2) & _REGISTER)]
        keeps = (step >> _KEEPS) & 1
        if is_known:
            may_differ = _may_differ(step, nonzero)
            if asks_through:
                flow.through[out] = (_pass_through(step, flow) & -may_differ) | (flow.through[out] & -keeps)
            new &= -may_differ
            nonzero = (nonzero & ~((keeps ^ 1) << out)) | (may_differ << out)
        sources[out] = new | (sources[out] & -keeps)
    return nonzero


@inlined
def _pass_through(step: int, flow: BitFlow) -> int:
    """Which registers the features have gone through after an instruction, whose inputs are as it finds them."""
    first, second = np.uint64(step & _REGISTER), np.uint64((step >> _IN2) & _REGISTER)
    through = flow.through[first] | flow.through[second]
    through |= (flow.sources[first] & flow.alike[first]) * ((flow.sources[second] >> _FEATURES_BIT) & 1)
    return through | (flow.sources[second] & flow.alike[second]) * ((flow.sources[first] >> _FEATURES_BIT) & 1)


@inlined
def _clear(outside: int, sources: NDArray[np.int64]) -> None:
    """Takes their sources from the registers that are set from outside."""
    while outside != 0:
        sources[np.uint64(_lowest(outside))] = 0
        outside &= outside - 1


@called
def _close(found: int, sources: NDArray[np.int64]) -> int:
    """Adds to a set what its registers depend on, over any number of rounds."""
    rest = found & _REGISTERS
    while rest != 0:
        more = sources[np.uint64(_lowest(rest))] & ~found
        found |= more
        rest = (rest & (rest - 1)) | (more & _REGISTERS)
    return found


@inlined
def _finds_learned(needed: int, kinds: int, through: int, flow: BitFlow) -> bool:
    """Whether the prediction, which needs these registers, needs a learned one, and of `kinds` some of `through`."""
    both = _FROM_LABEL | _FROM_PREDICTION
    rest = needed & _REGISTERS if needed & both == both else 0
    found = 0  # kinds, as bits
    while rest != 0:
        register = _lowest(rest)
        rest &= rest - 1
        wanted = both | (1 << register)
        if _close(flow.sources[np.uint64(register)], flow.sources) & wanted == wanted:
            found |= ((through >> register) & 1) << flow.kinds[np.uint64(register)]
            if kinds & ~found == 0:
                return True
    return False
