"""Fusion: two instructions that become one, where nothing else reads what lies between them.

The second adds (or multiplies) into a register what the first has made, as in the gradient step of a net:

    m1 = outer(v7, v0)
    m0 = m0 + m1            m0 += outer(v7, v0)

so that `m1` is neither written nor read again. What is computed are the numbers of the two, to the last bit, because
the product is rounded before it is added. The same loops are fused in compilers for tensors ("operator fusion", as in
XLA); here the interpreter has one more instruction for each row of `FUSIONS`.
"""

from typing import Final, NamedTuple

import numpy as np

from azero_jax.analysis.liveness import AFTER, PREVIOUS, Liveness, find_live, is_in, make_liveness
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import KEEPS, SpaceTables, Table, find_register, space_tables
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays, Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace


class Fusion(NamedTuple):
    """Two ops that run as one: `o = second(o, first(a, b))`.

    Attributes:
      number: opcode of the fused instruction, beyond those of the op table; its fields are a, b and o.
      first: makes what lies between.
      second: commutative; one of its inputs is its output.
    """

    number: int
    first: ops.Op
    second: ops.Op


def _fusions(*pairs: tuple[str, str]) -> tuple[Fusion, ...]:
    by_name = ops.OP_BY_NAME
    return tuple(
        Fusion(len(ops.OPS) + place, by_name[first], by_name[second]) for place, (first, second) in enumerate(pairs)
    )


FUSIONS: Final = _fusions(
    ("VECTOR_OUTER_PRODUCT_OP", "MATRIX_SUM_OP"),
    ("SCALAR_VECTOR_PRODUCT_OP", "VECTOR_SUM_OP"),
    ("VECTOR_HEAVYSIDE_OP", "VECTOR_PRODUCT_OP"),
)


def fusions_of(numbers: tuple[int, ...]) -> tuple[Fusion, ...]:
    """The fusions of a space that has these ops."""
    return tuple(one for one in FUSIONS if one.first.number in numbers and one.second.number in numbers)


def fuse(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs with fused instructions, for an engine that knows them.

    Args:
      programs: N programs of `space`.
      space: the search space.
      metric: how predictions are judged: it decides what is live.

    Returns:
      Programs that make the same predictions. Their memory is not the same: what lay between two fused instructions is
      not written.
    """
    fused = empty_programs(len(programs), space)
    table = np.zeros((len(ops.OPS), len(ops.OPS)), np.int64)
    for one in fusions_of(space.ops):
        table[one.first.number, one.second.number] = one.number
    _fuse_batch(programs.arrays(), space_tables(space, metric), table, fused.arrays())
    return fused


@compiled_loop
def _fuse_batch(programs: ProgramArrays, space: SpaceTables, table: Table, fused: ProgramArrays) -> None:
    length = programs.opcodes.shape[1]
    found = make_liveness(1, length, space)
    partner = np.zeros(length, np.int64)
    for n in range(len(programs.opcodes)):
        find_live(programs, n, space, found)
        for function in range(3):
            _find_partners(function, programs, n, space, table, found, partner)
            _write_function(function, programs, n, space, table, partner, fused)


@inlined
def _find_partners(
    function: int, programs: ProgramArrays, n: int, space: SpaceTables, table: Table, found: Liveness, partner: Table
) -> None:
    """For each slot of a function the slot that it is fused with, as the second; -1 as the first; its own otherwise.

    Walks back from the end, with the set of live registers.
    """
    live_sets, first, size = found.live_sets, space.facts[function], programs.sizes[n, function]
    words = live_sets.shape[1]
    for word in range(words):
        live_sets[PREVIOUS, word] = live_sets[AFTER + function, word]
    for slot in range(first, first + size):
        partner[slot] = slot
    for place in range(size):
        slot = first + size - 1 - place
        op = programs.opcodes[n, slot]
        out = find_register(OUT, programs, n, slot, op, space)
        in1 = find_register(IN1, programs, n, slot, op, space)
        in2 = find_register(IN2, programs, n, slot, op, space)
        if partner[slot] == slot and (in1 == out) != (in2 == out):
            between = in2 if in1 == out else in1
            if is_in(live_sets, PREVIOUS, between) == 0:
                earlier = _find_first(between, first, slot, programs, n, space, table)
                if earlier >= 0:
                    partner[slot] = earlier
                    partner[earlier] = -1
        is_live = is_in(live_sets, PREVIOUS, out)
        live_sets[PREVIOUS, out >> 6] &= ~((is_live & ~space.ops[op, KEEPS]) << (out & 63))
        live_sets[PREVIOUS, in1 >> 6] |= is_live << (in1 & 63)
        live_sets[PREVIOUS, in2 >> 6] |= is_live << (in2 & 63)


@inlined
def _find_first(
    between: int, first: int, second: int, programs: ProgramArrays, n: int, space: SpaceTables, table: Table
) -> int:
    """The slot that makes what slot `second` adds, if the two can be fused there; -1 otherwise."""
    slot = second - 1
    while slot >= first:
        op = programs.opcodes[n, slot]
        out = find_register(OUT, programs, n, slot, op, space)
        in1 = find_register(IN1, programs, n, slot, op, space)
        in2 = find_register(IN2, programs, n, slot, op, space)
        if out == between:
            if table[op, programs.opcodes[n, second]] == 0:
                return -1
            for later in range(slot + 1, second):  # which may not change what the first reads
                other = find_register(OUT, programs, n, later, programs.opcodes[n, later], space)
                if (other == in1) | (other == in2):
                    return -1
            return slot
        if in1 == between or in2 == between:
            return -1
        slot -= 1
    return -1


@inlined
def _write_function(
    function: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    table: Table,
    partner: Table,
    fused: ProgramArrays,
) -> None:
    """Writes a function with its fused instructions at the places of the second ones."""
    first, size = space.facts[function], programs.sizes[n, function]
    to = first
    for slot in range(first, first + size):
        source = partner[slot]
        if source < 0:
            continue
        op = programs.opcodes[n, slot]
        fused.opcodes[n, to] = op if source == slot else table[programs.opcodes[n, source], op]
        for field in range(2):
            fused.addresses[n, to, field] = programs.addresses[n, source, field]
        fused.addresses[n, to, OUT] = programs.addresses[n, slot, OUT]
        for number in range(2):
            fused.constants[n, to, number] = programs.constants[n, source, number]
        to += 1
    fused.sizes[n, function] = to - first
