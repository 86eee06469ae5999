"""Liveness: which instructions of a program can ever change a prediction.

A program runs as Setup, then (Predict, Learn) for each training example, then Predict for each validation example, then
the next epoch, if any, with the memory as it is. Between the functions some registers are set from outside: `s0` and
`v0` before Predict and before Learn (for MULTICLASS_ACCURACY also `v1`), so what they held dies there. The prediction
is looked at after every Predict; it alone decides errors, stops and fitness, so it alone is what keeps code alive.

For compiled loops, which take one program of a batch at a time, with scratch tables that are made once a batch.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax.compiled.inline import inlined
from azero_jax.compiled.tables import (
    KEEPS,
    LEARN,
    PREDICT,
    PREDICTION,
    SET_OUTSIDE,
    SETUP,
    WORDS,
    Table,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT

# Columns of a `slots` table: whether it is live, and, if a word holds all registers, what it reads, writes and
# overwrites, as bits of a word.
IS_LIVE, READS, WRITES, KILLS = range(4)
SLOT_COLUMNS = 4
# Rows of a `live_sets` table: the registers that are live BEFORE + function and AFTER + function, as bits of words.
BEFORE, AFTER, OUTSIDE, PREVIOUS = 0, 3, 6, 7


@inlined
def find_live(
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    op_table: Table,
    facts: Table,
    slots: Table,
    live_sets: Table,
) -> None:
    """Finds the live instructions of one program: the least fixpoint of liveness over the loop.

    Args:
      program: its number in the batch.
      opcodes: of the batch, `[N, L]`.
      addresses: of the batch, `[N, L, 3]`.
      sizes: of the batch, `[N, 3]`.
      op_table: `SpaceTables.ops`.
      facts: `SpaceTables.facts`.
      slots: `[L, 4]`, becomes the columns from IS_LIVE to KILLS.
      live_sets: from `make_live_sets`; becomes the registers that are live before and after each function.
    """
    words = facts[WORDS]
    if words == 1:
        _find_bits(program, opcodes, addresses, sizes, op_table, facts, slots)
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
        _walk_back(PREDICT, program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
        is_settled = not is_first
        for word in range(words):
            is_settled &= live_sets[BEFORE + PREDICT, word] == live_sets[PREVIOUS, word]
        is_first = False
        if not is_settled:
            _carry_over(LEARN, words, live_sets)
            _walk_back(LEARN, program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
    _carry_over(SETUP, words, live_sets)
    _walk_back(SETUP, program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)


@njit(nogil=True, forceinline=True)
def make_live_sets(registers: Table, words: int) -> Table:
    """`[8, words]` sets of registers; the row OUTSIDE holds those that are set before Predict and Learn."""
    live_sets = np.zeros((8, words), np.int64)
    for register in range(len(registers)):
        live_sets[OUTSIDE, register >> 6] |= registers[register, SET_OUTSIDE] << (register & 63)
    return live_sets


@inlined
def is_in(live_sets: Table, row: int, register: int) -> int:
    """1 if a set holds a register, else 0."""
    return (live_sets[row, register >> 6] >> (register & 63)) & 1


@inlined
def _find_bits(
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    op_table: Table,
    facts: Table,
    slots: Table,
) -> None:
    """Finds what each instruction reads, writes and overwrites, as bits of a word that holds all registers."""
    for function in range(3):
        for place in range(sizes[program, function]):
            slot = np.uint64(facts[function] + place)  # unsigned: it need not be looked at whether it is negative
            op = opcodes[program, slot]
            in1 = find_register(IN1, program, slot, op, addresses, op_table)
            in2 = find_register(IN2, program, slot, op, addresses, op_table)
            writes = 1 << find_register(OUT, program, slot, op, addresses, op_table)
            slots[slot, READS] = (1 << in1) | (1 << in2)
            slots[slot, WRITES] = writes
            slots[slot, KILLS] = writes & (op_table[op, KEEPS] - 1)


@inlined
def _carry_over(function: int, words: int, live_sets: Table) -> None:
    """What is live after Setup or Learn: what Predict reads, unless it is set in between."""
    for word in range(words):
        live_sets[AFTER + function, word] = live_sets[BEFORE + PREDICT, word] & ~live_sets[OUTSIDE, word]


@inlined
def _walk_back(
    function: int,
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    sizes: NDArray[np.int32],
    op_table: Table,
    facts: Table,
    slots: Table,
    live_sets: Table,
) -> None:
    """Walks one function from its end to its start: marks its live instructions, and finds what is live before it."""
    last = facts[function] + sizes[program, function] - 1
    row = BEFORE + function
    words = facts[WORDS]
    if words == 1:  # the same as below, several times faster with the set in one machine register
        live = live_sets[AFTER + function, 0]
        for place in range(sizes[program, function]):
            slot = np.uint64(last - place)
            is_live = (live & slots[slot, WRITES]) != 0
            slots[slot, IS_LIVE] = is_live
            if_live = (live & ~slots[slot, KILLS]) | slots[slot, READS]
            live = if_live if is_live else live
        live_sets[row, 0] = live
        return
    for word in range(words):
        live_sets[row, word] = live_sets[AFTER + function, word]
    for place in range(sizes[program, function]):
        slot = np.uint64(last - place)
        op = opcodes[program, slot]
        out = find_register(OUT, program, slot, op, addresses, op_table)
        is_live = is_in(live_sets, row, out)
        slots[slot, IS_LIVE] = is_live
        live_sets[row, out >> 6] &= ~((is_live & ~op_table[op, KEEPS]) << (out & 63))
        for field in range(2):
            register = find_register(field, program, slot, op, addresses, op_table)
            live_sets[row, register >> 6] |= is_live << (register & 63)


@inlined
def list_live(
    program: int, sizes: NDArray[np.int32], facts: Table, slots: Table, b: int, live: Table, begin: Table
) -> None:
    """Lists the live slots of one program, after `find_live`.

    Args:
      program: its number in the batch.
      sizes: of the batch, `[N, 3]`.
      facts: `SpaceTables.facts`.
      slots: `[L, 4]`, from `find_live`.
      b: the row of the following two that is written.
      live: `[B, L + 1]`, becomes the live slots, in their order; what comes after them means nothing.
      begin: `[B, 4]`, becomes where those of Setup, Predict and Learn begin, and how many there are.
    """
    count = 0
    for function in range(3):
        begin[b, function] = count
        for place in range(sizes[program, function]):
            slot = np.uint64(facts[function] + place)
            live[b, count] = slot  # without a branch, which could not be predicted
            count += slots[slot, IS_LIVE]
    begin[b, 3] = count
