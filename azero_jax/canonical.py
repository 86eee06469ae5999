"""The canonical form of programs, and its 64-bit hash: the same algorithm in different words becomes the same program.

A program is pruned and taken apart into values: what an instruction reads is what some other instruction computed, or
what its function found in a register. That graph is put together again in one fixed way:

1. Every instruction gets a colour, a hash of how its result is computed, which depends neither on the names of
   registers nor on the order of independent instructions.
2. Each function's instructions, and the operands of commutative ops, are put in the order of their colours, as far as
   they do not depend on one another (both in `azero_jax.value_graph`).
3. Registers are handed out afresh, in the order of use (`azero_jax.allocation`).

Nothing of this changes a bit of what the program computes. Where step 3 runs out of registers, the program keeps its
order, and its registers are only renamed. The form is canonical as far as colours go: two instructions of one colour,
such as two draws from the same distribution, are told apart by their place in the original program.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.allocation import Allocation, allocate, make_allocation, rename_by_first_use
from azero_jax.program import IN1, IN2, OUT, Programs, empty_programs
from azero_jax.prune import RegisterFile, find_live, make_liveness, register_file
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric
from azero_jax.value_graph import Graph, collect_live, colour_graph, link_values, make_graph, mix, schedule


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
    canonical = empty_programs(len(programs), space)
    hashes = np.empty(len(programs), np.uint64)
    _canonicalize(programs, space, metric, canonical, hashes, np.zeros((0, space.length), np.uint16))
    return Canonical(canonical, hashes)


def number_streams(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
    """The same programs, whose random ops draw from the streams that they have in the canonical form.

    Dead random ops get the numbers after those. Arguments and errors are those of `canonicalize`.
    """
    streams = np.zeros((len(programs), space.length), np.uint16)
    canonical = empty_programs(len(programs), space)
    _canonicalize(programs, space, metric, canonical, np.empty(len(programs), np.uint64), streams)
    addresses = programs.addresses.copy()
    is_random = _TRAITS[programs.opcodes, _RANDOM] > 0
    addresses[..., IN1] = np.where(is_random, streams, addresses[..., IN1])
    return Programs(programs.opcodes, addresses, programs.constants, programs.sizes)


_COMMUTATIVE, _RANDOM, _CONSTANTS, _PARTIAL = range(4)
_TRAITS = np.array([(op.commutative, op.random, op.constants, op.partial_write) for op in ops.OPS], np.uint8)


def _canonicalize(
    programs: Programs,
    space: SearchSpace,
    metric: Metric,
    canonical: Programs,
    hashes: NDArray[np.uint64],
    streams: NDArray[np.uint16],
) -> None:
    _canonicalize_batch(
        programs.opcodes,
        programs.addresses,
        programs.constants.view(np.uint64),  # constants are compared by their bits: 0.0 is not -0.0
        programs.sizes,
        np.array(space.offsets, np.int64),
        _TRAITS,
        register_file(space, metric),
        canonical.opcodes,
        canonical.addresses,
        canonical.constants.view(np.uint64),
        canonical.sizes,
        hashes,
        streams,
    )


@njit(cache=True, nogil=True)
def _canonicalize_batch(
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constant_bits: NDArray[np.uint64],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int64],
    traits: NDArray[np.uint8],
    registers: RegisterFile,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constant_bits: NDArray[np.uint64],
    new_sizes: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    streams: NDArray[np.uint16],
) -> None:
    length = opcodes.shape[1]
    liveness = make_liveness(length, registers.total)
    graph = make_graph(length, registers.total)
    allocation = make_allocation(length, registers.total)
    for program in range(len(opcodes)):
        find_live(program, opcodes, addresses, sizes, offsets, registers, liveness)
        collect_live(program, opcodes, addresses, constant_bits, sizes, offsets, traits, registers, liveness, graph)
        colour_graph(registers, graph)
        for function in range(3):
            link_values(function, registers, liveness, graph)
            schedule(function, graph)
        if not allocate(registers, liveness, graph, allocation):
            rename_by_first_use(registers, graph, allocation)
        hashes[program] = _write(
            program,
            addresses,
            constant_bits,
            offsets,
            traits,
            registers,
            graph,
            allocation,
            new_opcodes,
            new_addresses,
            new_constant_bits,
            new_sizes,
        )
        if len(streams):
            _write_streams(program, opcodes, sizes, offsets, traits, graph, streams)


@njit(cache=True, nogil=True)
def _write(
    program: int,
    addresses: NDArray[np.uint16],
    constant_bits: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    traits: NDArray[np.uint8],
    registers: RegisterFile,
    graph: Graph,
    allocation: Allocation,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constant_bits: NDArray[np.uint64],
    new_sizes: NDArray[np.int32],
) -> np.uint64:
    """Writes one canonical program and returns its hash."""
    digest = np.uint64(0)
    stream = 0
    for function in range(3):
        begin, end = graph.begin[function], graph.begin[function + 1]
        new_sizes[program, function] = end - begin
        digest = mix(digest, np.uint64(end - begin))
        for position in range(begin, end):
            k = graph.order[position]
            old, new = graph.slot[k], offsets[function] + position - begin
            op = graph.op[k]
            row = registers.operands[op]
            in1 = (allocation.in1[k] - row[0]) * row[1]
            in2 = (allocation.in2[k] - row[2]) * row[3]
            out = (allocation.out[k] - row[4]) * row[5]
            if traits[op, _COMMUTATIVE]:
                in1, in2 = min(in1, in2), max(in1, in2)
            elif traits[op, _PARTIAL]:
                in1, in2 = np.int64(addresses[program, old, IN1]), np.int64(addresses[program, old, IN2])
            elif traits[op, _RANDOM]:
                in1 = stream
                stream += 1
            new_opcodes[program, new] = op
            new_addresses[program, new, IN1] = in1
            new_addresses[program, new, IN2] = in2
            new_addresses[program, new, OUT] = out
            digest = mix(digest, np.uint64(((op << 16 | in1) << 16 | in2) << 16 | out))
            for constant in range(traits[op, _CONSTANTS]):
                bits = constant_bits[program, old, constant]
                new_constant_bits[program, new, constant] = bits
                digest = mix(digest, bits)
    return digest


@njit(cache=True, nogil=True)
def _write_streams(
    program: int,
    opcodes: NDArray[np.uint8],
    sizes: NDArray[np.int32],
    offsets: NDArray[np.int64],
    traits: NDArray[np.uint8],
    graph: Graph,
    streams: NDArray[np.uint16],
) -> None:
    """Numbers the streams of one original program: the live ones by canonical rank, then the dead ones."""
    stream = 0
    for position in range(graph.begin[3]):
        k = graph.order[position]
        if traits[graph.op[k], _RANDOM]:
            streams[program, graph.slot[k]] = stream
            stream += 1
    live = 0  # live instructions are collected in the order of their slots
    for function in range(3):
        for slot in range(offsets[function], offsets[function] + sizes[program, function]):
            if live < graph.begin[3] and graph.slot[live] == slot:
                live += 1
            elif traits[opcodes[program, slot], _RANDOM]:
                streams[program, slot] = stream
                stream += 1
