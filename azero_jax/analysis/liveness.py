"""Liveness: which instructions of a program can ever change a prediction.

A program runs as Setup, then (Predict, Learn) for each training example, then Predict for each validation example, then
the next epoch, if any, with the memory as it is. Between the functions some registers are set from outside: `s0` and
`v0` before Predict and before Learn (for MULTICLASS_ACCURACY also `v1`), so what they held dies there. The prediction
is looked at after every Predict; it alone decides errors, stops and fitness, so it alone is what keeps code alive.

For compiled loops, which take one program of a batch at a time, with scratch memory that is made once a batch.
"""

from typing import NamedTuple

import numpy as np

from azero_jax.compiled.inline import allocating, inlined
from azero_jax.compiled.tables import (
    KEEPS,
    LEARN,
    PREDICT,
    PREDICTION,
    SET_OUTSIDE,
    SETUP,
    WORDS,
    SpaceTables,
    Table,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays

# Columns of `Liveness.slots`.
IS_LIVE, READS, WRITES, KILLS = range(4)
# Rows of `Liveness.live_sets`: the registers that are live BEFORE + function and AFTER + function, those that are set
# before Predict and Learn, and scratch memory.
BEFORE, AFTER, OUTSIDE, PREVIOUS = 0, 3, 6, 7


class Liveness(NamedTuple):
    """Scratch memory, and what is found.

    Attributes:
      slots: `[L, 4]` of the latest program, whether each slot is live; and, if a word holds all registers, what it
        reads, writes and overwrites, as bits of a word.
      live_sets: `[8, words]` of the latest program, sets of registers as bits of words.
      live: `[B, L + 1]` the live slots of B programs, in their order; what comes after them means nothing.
      begin: `[B, 4]` where those of Setup, Predict and Learn begin, and how many there are.
    """

    slots: Table
    live_sets: Table
    live: Table
    begin: Table


@allocating
def make_liveness(count: int, length: int, space: SpaceTables) -> Liveness:
    """Scratch memory for `count` programs of `length` slots."""
    live_sets = np.zeros((8, space.facts[WORDS]), np.int64)
    for register in range(len(space.registers)):
        live_sets[OUTSIDE, register >> 6] |= space.registers[register, SET_OUTSIDE] << (register & 63)
    slots = np.zeros((length, 4), np.int64)
    return Liveness(slots, live_sets, np.zeros((count, length + 1), np.int64), np.zeros((count, 4), np.int64))


@inlined
def find_live(programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness) -> None:
    """Finds the live instructions of program `n`: the least fixpoint of liveness over the loop.

    Of what is found this fills `slots` and `live_sets`.
    """
    facts, live_sets = space.facts, found.live_sets
    words = facts[WORDS]
    if words == 1:
        _find_bits(programs, n, space, found)
    for word in range(words):
        live_sets[BEFORE + PREDICT, word] = 0
        live_sets[BEFORE + LEARN, word] = 0
    is_settled = False
    is_first = True
    while not is_settled:
        # What Predict reads is live after Learn, but also after Predict: validation has no Learn between its examples.
        for word in range(words):
            before = live_sets[BEFORE + PREDICT, word]
            live_sets[PREVIOUS, word] = before
            live_sets[AFTER + PREDICT, word] = (before | live_sets[BEFORE + LEARN, word]) & ~live_sets[OUTSIDE, word]
        live_sets[AFTER + PREDICT, facts[PREDICTION] >> 6] |= 1 << (facts[PREDICTION] & 63)
        _walk_back(PREDICT, programs, n, space, found)
        is_settled = not is_first
        for word in range(words):
            is_settled &= live_sets[BEFORE + PREDICT, word] == live_sets[PREVIOUS, word]
        is_first = False
        if not is_settled:
            _carry_over(LEARN, words, live_sets)
            _walk_back(LEARN, programs, n, space, found)
    _carry_over(SETUP, words, live_sets)
    _walk_back(SETUP, programs, n, space, found)


@inlined
def is_in(live_sets: Table, row: int, register: int) -> int:
    """1 if a set holds a register, else 0."""
    return (live_sets[row, register >> 6] >> (register & 63)) & 1


@inlined
def _find_bits(programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness) -> None:
    """Finds what each instruction reads, writes and overwrites, as bits of a word that holds all registers."""
    slots = found.slots
    for function in range(3):
        for place in range(programs.sizes[n, function]):
            slot = np.uint64(space.facts[function] + place)  # unsigned: no need to look whether it is negative
            op = programs.opcodes[n, slot]
            in1 = find_register(IN1, programs, n, slot, op, space)
            in2 = find_register(IN2, programs, n, slot, op, space)
            writes = 1 << find_register(OUT, programs, n, slot, op, space)
            slots[slot, READS] = (1 << in1) | (1 << in2)
            slots[slot, WRITES] = writes
            slots[slot, KILLS] = writes & (space.ops[op, KEEPS] - 1)


@inlined
def _carry_over(function: int, words: int, live_sets: Table) -> None:
    """What is live after Setup or Learn: what Predict reads, unless it is set in between."""
    for word in range(words):
        live_sets[AFTER + function, word] = live_sets[BEFORE + PREDICT, word] & ~live_sets[OUTSIDE, word]


@inlined
def _walk_back(function: int, programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness) -> None:
    """Walks one function from its end to its start: marks its live instructions, and finds what is live before it."""
    slots, live_sets, size = found.slots, found.live_sets, programs.sizes[n, function]
    last = space.facts[function] + size - 1
    row = BEFORE + function
    words = space.facts[WORDS]
    if words == 1:  # the same as below, several times faster with the set in one machine register
        live = live_sets[AFTER + function, 0]
        for place in range(size):
            slot = np.uint64(last - place)
            is_live = (live & slots[slot, WRITES]) != 0
            slots[slot, IS_LIVE] = is_live
            if_live = (live & ~slots[slot, KILLS]) | slots[slot, READS]
            live = if_live if is_live else live
        live_sets[row, 0] = live
        return
    for word in range(words):
        live_sets[row, word] = live_sets[AFTER + function, word]
    for place in range(size):
        slot = np.uint64(last - place)
        op = programs.opcodes[n, slot]
        out = find_register(OUT, programs, n, slot, op, space)
        is_live = is_in(live_sets, row, out)
        slots[slot, IS_LIVE] = is_live
        live_sets[row, out >> 6] &= ~((is_live & ~space.ops[op, KEEPS]) << (out & 63))
        for field in range(2):
            register = find_register(field, programs, n, slot, op, space)
            live_sets[row, register >> 6] |= is_live << (register & 63)


@inlined
def list_live(programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness, b: int) -> None:
    """Lists the live slots of program `n`, after `find_live`, in row `b` of `live` and `begin`."""
    live, begin = found.live, found.begin
    count = 0
    for function in range(3):
        begin[b, function] = count
        for place in range(programs.sizes[n, function]):
            slot = np.uint64(space.facts[function] + place)
            live[b, count] = slot  # without a branch, which could not be predicted
            count += found.slots[slot, IS_LIVE]
    begin[b, 3] = count
