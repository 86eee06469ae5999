"""The canonical form of programs, and its 64-bit hash: the same algorithm in different words becomes the same program.

A program is pruned and taken apart into values: what an instruction reads is what some other instruction computed, or
what its function found in a register. That graph is put together again in one fixed way:

1. Every instruction gets a colour, a hash of how its result is computed and, where this leaves twins, of how it is used
   (`use_colours`), which depends neither on the names of registers nor on the order of independent instructions.
2. Each function's instructions, and the operands of commutative ops, are put in the order of their colours, as far as
   they do not depend on one another (`value_graph`, as the colours of step 1).
3. Registers are handed out afresh, in the order of use (`allocation`).

Nothing of this changes a bit of what the program computes. Where step 3 runs out of registers, the instructions are
coloured and ordered again within what the original registers allow, and these are only renamed: there, which values
share a register remains part of the form. Otherwise only instructions that can be exchanged for one another, such as
two draws from one distribution whose sum is all that is used, are left in the order of the original program.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.allocation import allocate, rename_by_first_use
from azero_jax.analysis.canonical.use_colours import tell_apart, tell_apart_by_name
from azero_jax.analysis.canonical.value_graph import (
    CODE_COLUMNS,
    NEW_IN1,
    OP,
    ORDER,
    SLOT,
    STATE_COLUMNS,
    WEB_COLUMNS,
    collect_live,
    colour_code,
    link_values,
    mix,
    schedule,
    wait_for_registers,
)
from azero_jax.analysis.liveness import IS_LIVE, SLOT_COLUMNS, find_live, list_live, make_live_sets
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import (
    COMMUTATIVE,
    CONSTANTS,
    IN1_USED,
    KEEPS,
    RANDOM,
    TOTAL,
    WORDS,
    SpaceTables,
    Table,
    space_tables,
)
from azero_jax.language.program import IN1, IN2, OUT, Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace


class Canonical(NamedTuple):
    """Canonical programs and their hashes.

    Attributes:
      programs: N pruned programs; a random op's first address field holds the number of its stream, its rank among the
        random ops in the order Setup, Predict, Learn.
      hashes: `[N]` uint64; equal for equal programs, and different for different ones but for chance (2**-64 a pair).
    """

    programs: Programs
    hashes: NDArray[np.uint64]


def canonicalize(programs: Programs, space: SearchSpace, metric: Metric) -> Canonical:
    """Canonical form of every program; it computes the same predictions, to the last bit.

    With random ops this holds for the program whose streams `number_streams` has numbered.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: how predictions are judged: it decides which registers are set and read from outside.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    tables = space_tables(space, metric)
    canonical = empty_programs(len(programs), space)
    hashes = np.empty(len(programs), np.int64)
    _canonicalize_batch(*_arrays(programs), tables, *_arrays(canonical), hashes, np.empty((0, 0, 0), np.uint16))
    return Canonical(canonical, hashes.view(np.uint64))


def number_streams(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs, whose random ops draw from the streams that they have in the canonical form.

    Dead random ops get the numbers after those. Arguments and errors are those of `canonicalize`.
    """
    tables = space_tables(space, metric)
    addresses = programs.addresses.copy()
    hashes = np.empty(len(programs), np.int64)
    canonical = empty_programs(len(programs), space)
    _canonicalize_batch(*_arrays(programs), tables, *_arrays(canonical), hashes, addresses)
    return Programs(programs.opcodes, addresses, programs.constants, programs.sizes)


def _arrays(programs: Programs) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The arrays of a batch, constants as their bits: 0.0 is not -0.0, and a NaN is equal to itself."""
    return programs.opcodes, programs.addresses, programs.constants.view(np.int64), programs.sizes


@inlined
def _write_code(
    program: int,
    op_table: Table,
    facts: Table,
    begin: Table,
    code: Table,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_sizes: NDArray[np.int32],
) -> int:
    """Writes sizes, ops and registers of one canonical program, and returns their hash."""
    digest = 0
    for function in range(3):
        first, end = begin[function], begin[function + 1]
        new_sizes[program, function] = end - first
        digest = mix(digest, end - first)
        for position in range(first, end):
            k, slot = code[position, ORDER], facts[function] + position - first
            op = code[k, OP]
            in1 = (code[k, NEW_IN1] - op_table[op, IN1]) * op_table[op, IN1_USED]
            in2 = (code[k, NEW_IN1 + IN2] - op_table[op, IN2]) * op_table[op, IN1_USED + IN2]
            out = (code[k, NEW_IN1 + OUT] - op_table[op, OUT]) * op_table[op, IN1_USED + OUT]
            if op_table[op, COMMUTATIVE] and in2 < in1:
                in1, in2 = in2, in1
            new_opcodes[program, slot] = op
            new_addresses[program, slot, IN1] = in1
            new_addresses[program, slot, IN2] = in2
            new_addresses[program, slot, OUT] = out
            digest = mix(digest, ((op << 16 | in1) << 16 | in2) << 16 | out)
    return digest


@inlined
def _write_data(
    program: int,
    digest: int,
    addresses: NDArray[np.uint16],
    constant_bits: Table,
    op_table: Table,
    facts: Table,
    begin: Table,
    code: Table,
    new_addresses: NDArray[np.uint16],
    new_constant_bits: Table,
) -> int:
    """Writes indices, streams and constants of one canonical program, and returns the hash of everything."""
    stream = 0
    for function in range(3):
        for position in range(begin[function], begin[function + 1]):
            k, slot = code[position, ORDER], facts[function] + position - begin[function]
            op, old = code[k, OP], code[k, SLOT]
            if op_table[op, KEEPS]:
                for field in range(2):
                    new_addresses[program, slot, field] = addresses[program, old, field]
                    digest = mix(digest, addresses[program, old, field])
            elif op_table[op, RANDOM]:
                new_addresses[program, slot, IN1] = stream
                stream += 1
            for constant in range(op_table[op, CONSTANTS]):
                bits = constant_bits[program, old, constant]
                new_constant_bits[program, slot, constant] = bits
                digest = mix(digest, bits)
    return digest


@inlined
def _number_streams(
    program: int,
    opcodes: NDArray[np.uint8],
    sizes: NDArray[np.int32],
    op_table: Table,
    facts: Table,
    slots: Table,
    begin: Table,
    code: Table,
    numbered: NDArray[np.uint16],
) -> None:
    """Numbers the streams of one original program: the live ones by their rank in canonical order, then the dead."""
    stream = 0
    for position in range(begin[3]):
        k = code[position, ORDER]
        if op_table[code[k, OP], RANDOM]:
            numbered[program, code[k, SLOT], IN1] = stream
            stream += 1
    for function in range(3):
        for slot in range(facts[function], facts[function] + sizes[program, function]):
            if op_table[opcodes[program, slot], RANDOM] and not slots[slot, IS_LIVE]:
                numbered[program, slot, IN1] = stream
                stream += 1


@compiled_loop
def _canonicalize_batch(
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constant_bits: Table,
    sizes: NDArray[np.int32],
    tables: SpaceTables,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constant_bits: Table,
    new_sizes: NDArray[np.int32],
    hashes: Table,
    numbered: NDArray[np.uint16],
) -> None:
    """Canonical form and hash of every program; `numbered`, if not empty, gets the numbers of its streams."""
    _functions, op_table, registers, facts = tables
    length, total = opcodes.shape[1], facts[TOTAL]
    slots = np.zeros((length, SLOT_COLUMNS), np.int64)
    live_sets = make_live_sets(registers, facts[WORDS])
    live = np.zeros((1, length + 1), np.int64)
    begins = np.zeros((1, 4), np.int64)
    begin = begins[0]
    code = np.zeros((length + 1, CODE_COLUMNS), np.int64)
    webs = np.zeros((total + 4 + length, WEB_COLUMNS), np.int64)
    state = np.zeros((total + 2, STATE_COLUMNS), np.int64)
    for program in range(len(opcodes)):
        find_live(program, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
        list_live(program, sizes, facts, slots, 0, live, begins)
        collect_live(program, opcodes, addresses, constant_bits, op_table, facts, live, begin, code, state)
        has_twins = colour_code(registers, facts, begin, code, state)
        if has_twins:
            tell_apart(registers, facts, live_sets, begin, code, state)
        for function in range(3):
            if begin[function] < begin[function + 1]:
                link_values(function, registers, facts, live_sets, begin, code, webs, state)
                schedule(function, begin, code)
        if not allocate(registers, facts, live_sets, begin, code, webs, state):
            tell_apart_by_name(has_twins, registers, facts, live_sets, begin, code, state)
            for function in range(3):
                wait_for_registers(function, begin, code)
                schedule(function, begin, code)
            rename_by_first_use(registers, facts, begin, code, webs, state)
        digest = _write_code(program, op_table, facts, begin, code, new_opcodes, new_addresses, new_sizes)
        if len(numbered):
            _number_streams(program, opcodes, sizes, op_table, facts, slots, begin, code, numbered)
        hashes[program] = _write_data(
            program,
            digest,
            addresses,
            constant_bits,
            op_table,
            facts,
            begin,
            code,
            new_addresses,
            new_constant_bits,
        )
