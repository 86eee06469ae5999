"""Liveness: which instructions of a program can ever change a prediction.

A program runs as Setup, then (Predict, Learn) for each training example, then Predict for each validation example, then
the next epoch, if any, with the memory as it is. Between the functions some registers are set from outside: `s0` and
`v0` before Predict and before Learn (for MULTICLASS_ACCURACY also `v1`), so what they held dies there. The prediction
is looked at after every Predict; it alone decides errors, stops and fitness, so it alone is what keeps code alive.

The compiled functions take one program of a batch at a time. In them, registers of all kinds are numbered through:
scalars, vectors, matrices, then R = "no input" and R + 1 = "no output". Their scratch memory is a few integer tables
with named columns, made once a batch: a compiled function pays for every array that it is handed.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.program import IN1, IN2, OUT, Programs, empty_programs
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric

Table = NDArray[np.int64]

SETUP, PREDICT, LEARN = range(3)  # functions, by their place in `SearchSpace.functions`

# Columns of `SpaceTables.ops`, beside IN1, IN2 and OUT: the first register of each operand's kind.
IN1_USED, IN2_USED, OUT_USED, KEEPS, COMMUTATIVE, RANDOM, CONSTANTS = range(3, 10)
# Columns of `SpaceTables.registers`.
KIND, SET_OUTSIDE, FIXED, FIRST, FIRST_OUTPUT, END = range(6)
# Entries of `SpaceTables.facts`, after the first slots of the three functions.
TOTAL, PREDICTION, LABEL, FEATURES, WORDS = range(3, 8)

# Columns of a `slots` table, beside IN1, IN2 and OUT: whether it is a partial write, whether it is live, and what it
# reads, writes and overwrites as bits of a word (used if a word holds all registers).
IS_PARTIAL, IS_LIVE, READS, WRITES, KILLS = range(3, 8)
SLOT_COLUMNS = 8
# Rows of a `live_sets` table: the registers that are live BEFORE + function and AFTER + function, as bits of words.
BEFORE, AFTER, OUTSIDE, PREVIOUS = 0, 3, 6, 7


def prune(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs without their dead instructions and without NO_OPs; nothing else changes.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: how predictions are judged: it decides which registers are set and read from outside.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    pruned = empty_programs(len(programs), space)
    _prune_batch(
        programs.opcodes,
        programs.addresses,
        programs.constants,
        programs.sizes,
        space_tables(space, metric),
        pruned.opcodes,
        pruned.addresses,
        pruned.constants,
        pruned.sizes,
    )
    return pruned


class SpaceTables(NamedTuple):
    """A search space and the registers' roles, for compiled loops.

    Attributes:
      ops: `[65, 10]` int64, a row an op: for IN1, IN2 and OUT the first register of the operand's kind, and whether the
        op has it (if not, its register is R or R + 1); then the op's traits.
      registers: `[R + 2, 6]` int64, a row a register: its kind (position in `ops.KINDS`), whether it is set before
        Predict and Learn, whether it has a role outside of the program, and of its kind the first register, the first
        that an instruction may write, and the end.
      facts: `[8]` int64: first slots of Setup, Predict and Learn; R; the registers of prediction, label and features;
        and how many words a set of registers takes.
    """

    ops: Table
    registers: Table
    facts: Table


@functools.lru_cache
def space_tables(space: SearchSpace, metric: Metric) -> SpaceTables:
    """The tables of `space` with the roles that `metric` gives its registers.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    firsts = np.cumsum([0, *(space.addresses(kind) for kind in ops.KINDS)])
    total = int(firsts[-1])
    label, prediction = ops.LABEL_ADDRESS, ops.PREDICTION_ADDRESS
    features = int(firsts[1]) + ops.FEATURES_ADDRESS
    set_outside = [ops.LABEL_ADDRESS, features]
    if Metric(metric) is Metric.MULTICLASS_ACCURACY:
        if space.vectors < 3:
            raise ValueError(f"vectors is {space.vectors}; the metric {metric} needs at least 3: v0, v1 and v2")
        label, prediction = features + 1, features + 2
        set_outside.append(label)

    op_table = np.zeros((len(ops.OPS), 10), np.int64)
    op_table[:, [IN1, IN2, OUT]] = total, total, total + 1
    for op in ops.OPS:
        for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
            op_table[op.number, field] = firsts[ops.KINDS.index(kind)]
            op_table[op.number, IN1_USED + field] = 1
        op_table[op.number, KEEPS:] = op.partial_write, op.commutative, op.random, op.constants

    registers = np.zeros((total + 2, 6), np.int64)
    for number, kind in enumerate(ops.KINDS):
        first, end = firsts[number : number + 2]
        registers[first:end, KIND] = number
        registers[first:end, FIRST:] = first, first + ops.FIRST_OUTPUT_ADDRESS[kind], end
    registers[set_outside, SET_OUTSIDE] = 1
    registers[[*set_outside, prediction], FIXED] = 1
    words = -(-(total + 2) // 64)
    return SpaceTables(op_table, registers, np.array([*space.offsets, total, prediction, label, features, words]))


@njit(nogil=True, forceinline=True)
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
      slots: `[L, 8]`, becomes the columns from IN1 to KILLS.
      live_sets: from `make_live_sets`; becomes the registers that are live before and after each function.
    """
    for function in range(3):
        for slot in range(facts[function], facts[function] + sizes[program, function]):
            op = opcodes[program, slot]
            for field in range(3):
                used = op_table[op, IN1_USED + field]
                slots[slot, field] = op_table[op, field] + used * addresses[program, slot, field]
            slots[slot, IS_PARTIAL] = op_table[op, KEEPS]
            slots[slot, READS] = (1 << (slots[slot, IN1] & 63)) | (1 << (slots[slot, IN2] & 63))
            slots[slot, WRITES] = 1 << (slots[slot, OUT] & 63)
            slots[slot, KILLS] = slots[slot, WRITES] & (op_table[op, KEEPS] - 1)
    words = facts[WORDS]
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
        _walk_back(PREDICT, program, sizes, facts, slots, live_sets)
        is_settled = not is_first
        for word in range(words):
            is_settled &= live_sets[BEFORE + PREDICT, word] == live_sets[PREVIOUS, word]
        is_first = False
        if not is_settled:
            _carry_over(LEARN, words, live_sets)
            _walk_back(LEARN, program, sizes, facts, slots, live_sets)
    _carry_over(SETUP, words, live_sets)
    _walk_back(SETUP, program, sizes, facts, slots, live_sets)


@njit(nogil=True, forceinline=True)
def make_live_sets(registers: Table, words: int) -> Table:
    """`[8, words]` sets of registers; the row OUTSIDE holds those that are set before Predict and Learn."""
    live_sets = np.zeros((8, words), np.int64)
    for register in range(len(registers)):
        live_sets[OUTSIDE, register >> 6] |= registers[register, SET_OUTSIDE] << (register & 63)
    return live_sets


@njit(nogil=True, forceinline=True)
def is_in(live_sets: Table, row: int, register: int) -> int:
    """1 if a set holds a register, else 0."""
    return (live_sets[row, register >> 6] >> (register & 63)) & 1


@njit(nogil=True, forceinline=True)
def _carry_over(function: int, words: int, live_sets: Table) -> None:
    """What is live after Setup or Learn: what Predict reads, unless it is set in between."""
    for word in range(words):
        live_sets[AFTER + function, word] = live_sets[BEFORE + PREDICT, word] & ~live_sets[OUTSIDE, word]


@njit(nogil=True, forceinline=True)
def _walk_back(
    function: int, program: int, sizes: NDArray[np.int32], facts: Table, slots: Table, live_sets: Table
) -> None:
    """Walks one function from its end to its start: marks its live instructions, and finds what is live before it."""
    first, last = facts[function], facts[function] + sizes[program, function] - 1
    row = BEFORE + function
    words = facts[WORDS]
    if words == 1:  # the same as below, several times faster with the set in one machine register
        live = live_sets[AFTER + function, 0]
        for slot in range(last, first - 1, -1):
            is_live = (live & slots[slot, WRITES]) != 0
            slots[slot, IS_LIVE] = is_live
            if_live = (live & ~slots[slot, KILLS]) | slots[slot, READS]
            live = if_live if is_live else live
        live_sets[row, 0] = live
        return
    for word in range(words):
        live_sets[row, word] = live_sets[AFTER + function, word]
    for slot in range(last, first - 1, -1):
        out = slots[slot, OUT]
        is_live = is_in(live_sets, row, out)
        slots[slot, IS_LIVE] = is_live
        live_sets[row, out >> 6] &= ~((is_live & ~slots[slot, IS_PARTIAL]) << (out & 63))
        for field in range(2):
            register = slots[slot, field]
            live_sets[row, register >> 6] |= is_live << (register & 63)


@njit(cache=True, nogil=True)
def _prune_batch(
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constants: NDArray[np.float64],
    sizes: NDArray[np.int32],
    tables: SpaceTables,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constants: NDArray[np.float64],
    new_sizes: NDArray[np.int32],
) -> None:
    op_table, registers, facts = tables
    slots = np.zeros((opcodes.shape[1], SLOT_COLUMNS), np.int64)
    live_sets = make_live_sets(registers, facts[WORDS])
    for program in range(len(opcodes)):
        find_live(program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
        for function in range(3):
            place = facts[function]
            for slot in range(facts[function], facts[function] + sizes[program, function]):
                if slots[slot, IS_LIVE]:
                    new_opcodes[program, place] = opcodes[program, slot]
                    for field in range(3):
                        new_addresses[program, place, field] = addresses[program, slot, field]
                    for field in range(2):
                        new_constants[program, place, field] = constants[program, slot, field]
                    place += 1
            new_sizes[program, function] = place - facts[function]
