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
from azero_jax.compiled import inlined
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

# Columns of a `slots` table: whether it is live, and, if a word holds all registers, what it reads, writes and
# overwrites, as bits of a word.
IS_LIVE, READS, WRITES, KILLS = range(4)
SLOT_COLUMNS = 4
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
def find_register(
    field: int, program: int, slot: int | np.uint64, op: int, addresses: NDArray[np.uint16], op_table: Table
) -> int:
    """The register that an instruction has in its field IN1, IN2 or OUT."""
    return op_table[op, field] + op_table[op, IN1_USED + field] * addresses[program, slot, field]


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


@inlined
def write_live(
    program: int,
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constants: NDArray[np.generic],
    facts: Table,
    b: int,
    live: Table,
    begin: Table,
    row: int,
    to_opcodes: NDArray[np.uint8],
    to_addresses: NDArray[np.uint16],
    to_constants: NDArray[np.generic],
    to_sizes: NDArray[np.int32],
) -> None:
    """Writes the live instructions of one program into a row that may hold another program.

    Args:
      program: its number in the batch.
      opcodes: of the batch, `[N, L]`.
      addresses: of the batch, `[N, L, 3]`.
      constants: of the batch, `[N, L, 2]`, as numbers or as their bits.
      facts: `SpaceTables.facts`.
      b: the row of the following two that `list_live` wrote.
      live: `[B, L + 1]` live slots.
      begin: `[B, 4]` where those of the functions begin.
      row: where the program is written, in the batch of the following four, of M programs.
      to_opcodes: `[M, L]`.
      to_addresses: `[M, L, 3]`.
      to_constants: `[M, L, 2]`.
      to_sizes: `[M, 3]`.
    """
    for function in range(3):
        first, size = facts[function] - begin[b, function], begin[b, function + 1] - begin[b, function]
        for k in range(begin[b, function], begin[b, function + 1]):
            slot = np.uint64(live[b, k])
            to_opcodes[row, first + k] = opcodes[program, slot]
            for field in range(3):
                to_addresses[row, first + k, field] = addresses[program, slot, field]
            for number in range(2):
                to_constants[row, first + k, number] = constants[program, slot, number]
        for unused in range(facts[function] + size, facts[function] + to_sizes[row, function]):
            to_opcodes[row, unused] = 0
            for field in range(3):
                to_addresses[row, unused, field] = 0
            for number in range(2):
                to_constants[row, unused, number] = 0
        to_sizes[row, function] = size


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
    live = np.zeros((1, opcodes.shape[1] + 1), np.int64)
    begin = np.zeros((1, 4), np.int64)
    for program in range(len(opcodes)):
        find_live(program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
        list_live(program, sizes, facts, slots, 0, live, begin)
        write_live(
            program, opcodes, addresses, constants, facts, 0, live, begin,
            program, new_opcodes, new_addresses, new_constants, new_sizes,
        )  # fmt: skip
