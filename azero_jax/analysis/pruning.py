"""Pruning: programs without their dead instructions, whole batches at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.liveness import SLOT_COLUMNS, find_live, list_live, make_live_sets
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import WORDS, SpaceTables, Table, space_tables
from azero_jax.language.program import Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace


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


@compiled_loop
def _prune_batch(
    opcodes: NDArray[np.uint8],
    addresses: NDArray[np.uint16],
    constants: NDArray[np.float64],
    sizes: NDArray[np.int32],
    space: SpaceTables,
    new_opcodes: NDArray[np.uint8],
    new_addresses: NDArray[np.uint16],
    new_constants: NDArray[np.float64],
    new_sizes: NDArray[np.int32],
) -> None:
    _functions, op_table, registers, facts = space
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
