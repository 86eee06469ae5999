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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.allocation import allocate, rename_by_first_use
from azero_jax.analysis.canonical.use_colours import tell_apart, tell_apart_by_name
from azero_jax.analysis.canonical.value_graph import (
    NEW_IN1,
    OP,
    ORDER,
    SLOT,
    ValueGraph,
    collect_live,
    colour_code,
    link_values,
    make_value_graph,
    schedule,
    wait_for_registers,
)
from azero_jax.analysis.liveness import IS_LIVE, Liveness, find_live, list_live, make_liveness
from azero_jax.compiled.hashing import Signed, mix_colour
from azero_jax.compiled.inline import called, compiled_loop
from azero_jax.compiled.tables import COMMUTATIVE, CONSTANTS, IN1_USED, KEEPS, RANDOM, SpaceTables, Table, space_tables
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays, Programs, check_streams, empty_programs
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
      ValueError: the metric needs registers that the space does not have, or a program has too many random ops.
    """
    check_streams(programs, space)
    canonical = empty_programs(len(programs), space)
    hashes = np.empty(len(programs), np.int64)
    unnumbered = np.empty((0, 0, 0), np.uint16)
    _canonicalize_batch(programs.bits(), space_tables(space, metric), canonical.bits(), hashes, unnumbered)
    return Canonical(canonical, hashes.view(np.uint64))


def number_streams(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs, whose random ops draw from the streams that they have in the canonical form.

    Dead random ops get the numbers after those. Arguments and errors are those of `canonicalize`.
    """
    check_streams(programs, space)
    canonical = empty_programs(len(programs), space)
    hashes = np.empty(len(programs), np.int64)
    numbered = programs.addresses.copy()
    _canonicalize_batch(programs.bits(), space_tables(space, metric), canonical.bits(), hashes, numbered)
    return Programs(programs.opcodes, numbered, programs.constants, programs.sizes)


@compiled_loop
def _canonicalize_batch(
    programs: ProgramArrays, space: SpaceTables, canonical: ProgramArrays, hashes: Table, numbered: NDArray[np.uint16]
) -> None:
    """Canonical form and hash of every program; `numbered`, if not empty, gets the numbers of its streams."""
    length = programs.opcodes.shape[1]
    found = make_liveness(1, length, space)
    graph = make_value_graph(length, space, found)
    for n in range(len(programs.opcodes)):
        find_live(programs, n, space, found)
        list_live(programs, n, space, found, 0)
        collect_live(programs, n, space, graph)
        has_twins = colour_code(space, graph)
        if has_twins:
            tell_apart(space, graph)
        for function in range(3):
            if graph.begin[function] < graph.begin[function + 1]:
                link_values(function, space, graph)
                schedule(function, graph)
        if not allocate(space, graph):
            tell_apart_by_name(has_twins, space, graph)
            for function in range(3):
                wait_for_registers(function, graph)
                schedule(function, graph)
            rename_by_first_use(space, graph)
        digest = _write_code(n, space, graph, canonical)
        if len(numbered):
            _number_streams(programs, n, space, found, graph, numbered)
        hashes[n] = _write_data(digest, programs, n, space, graph, canonical)


@called
def _write_code(n: int, space: SpaceTables, graph: ValueGraph, canonical: ProgramArrays) -> Signed:
    """Writes sizes, ops and registers of one canonical program, and returns their hash."""
    op_table, begin, code = space.ops, graph.begin, graph.code
    digest: Signed = 0
    for function in range(3):
        first, end = begin[function], begin[function + 1]
        canonical.sizes[n, function] = end - first
        digest = mix_colour(digest, end - first)
        for position in range(first, end):
            k, slot = code[position, ORDER], space.facts[function] + position - first
            op = code[k, OP]
            in1 = (code[k, NEW_IN1] - op_table[op, IN1]) * op_table[op, IN1_USED]
            in2 = (code[k, NEW_IN1 + IN2] - op_table[op, IN2]) * op_table[op, IN1_USED + IN2]
            out = (code[k, NEW_IN1 + OUT] - op_table[op, OUT]) * op_table[op, IN1_USED + OUT]
            if op_table[op, COMMUTATIVE] and in2 < in1:
                in1, in2 = in2, in1
            canonical.opcodes[n, slot] = op
            canonical.addresses[n, slot, IN1] = in1
            canonical.addresses[n, slot, IN2] = in2
            canonical.addresses[n, slot, OUT] = out
            digest = mix_colour(digest, ((op << 16 | in1) << 16 | in2) << 16 | out)
    return digest


@called
def _write_data(
    digest: Signed, programs: ProgramArrays, n: int, space: SpaceTables, graph: ValueGraph, canonical: ProgramArrays
) -> Signed:
    """Writes indices, streams and constants of one canonical program, and returns the hash of everything."""
    op_table, begin, code = space.ops, graph.begin, graph.code
    stream = 0
    for function in range(3):
        for position in range(begin[function], begin[function + 1]):
            k, slot = code[position, ORDER], space.facts[function] + position - begin[function]
            op, old = code[k, OP], code[k, SLOT]
            if op_table[op, KEEPS]:
                for field in range(2):
                    canonical.addresses[n, slot, field] = programs.addresses[n, old, field]
                    digest = mix_colour(digest, programs.addresses[n, old, field])
            elif op_table[op, RANDOM]:
                canonical.addresses[n, slot, IN1] = stream
                stream += 1
            for constant in range(op_table[op, CONSTANTS]):
                bits = programs.constants[n, old, constant]
                canonical.constants[n, slot, constant] = bits
                digest = mix_colour(digest, np.int64(bits))
    return digest


@called
def _number_streams(
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    found: Liveness,
    graph: ValueGraph,
    numbered: NDArray[np.uint16],
) -> None:
    """Numbers the streams of one original program: the live ones by their rank in canonical order, then the dead."""
    stream = 0
    for position in range(graph.begin[3]):
        k = graph.code[position, ORDER]
        if space.ops[graph.code[k, OP], RANDOM]:
            numbered[n, graph.code[k, SLOT], IN1] = stream
            stream += 1
    for function in range(3):
        for slot in range(space.facts[function], space.facts[function] + programs.sizes[n, function]):
            if space.ops[programs.opcodes[n, slot], RANDOM] and not found.slots[slot, IS_LIVE]:
                numbered[n, slot, IN1] = stream
                stream += 1
