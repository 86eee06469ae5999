"""Pruning: programs without their dead instructions, whole batches at once."""

import numpy as np

from azero_jax.analysis.liveness import Liveness, find_live, list_live, make_liveness
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import SpaceTables, space_tables
from azero_jax.language.program import ProgramArrays, Programs, empty_programs
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
    _prune_batch(programs.bits(), space_tables(space, metric), pruned.bits())
    return pruned


@inlined
def write_live(
    programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness, b: int, pruned: ProgramArrays, row: int
) -> None:
    """Writes the live instructions of one program into a row that may hold another program.

    Args:
      programs: the batch that it is in.
      n: its place there.
      space: the search space.
      found: its live slots.
      b: their row.
      pruned: where the program is written; constants are bits where those of `programs` are.
      row: its place there.
    """
    for function in range(3):
        begin, end, offset = found.begin[b, function], found.begin[b, function + 1], space.facts[function]
        for k in range(begin, end):
            slot = np.uint64(found.live[b, k])
            to = offset - begin + k
            pruned.opcodes[row, to] = programs.opcodes[n, slot]
            for field in range(3):
                pruned.addresses[row, to, field] = programs.addresses[n, slot, field]
            for number in range(2):
                pruned.constants[row, to, number] = programs.constants[n, slot, number]
        for unused in range(offset + end - begin, offset + pruned.sizes[row, function]):
            pruned.opcodes[row, unused] = 0
            for field in range(3):
                pruned.addresses[row, unused, field] = 0
            for number in range(2):
                pruned.constants[row, unused, number] = 0
        pruned.sizes[row, function] = end - begin


@compiled_loop
def _prune_batch(programs: ProgramArrays, space: SpaceTables, pruned: ProgramArrays) -> None:
    found = make_liveness(1, programs.opcodes.shape[1], space)
    for n in range(len(programs.opcodes)):
        find_live(programs, n, space, found)
        list_live(programs, n, space, found, 0)
        write_live(programs, n, space, found, 0, pruned, n)
