"""Mutated copies of programs, by the mutations of any code (those of live code take a learnable parent)."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop
from azero_jax.compiled.tables import SpaceTables, space_tables
from azero_jax.language.program import ProgramArrays, Programs
from azero_jax.language.space import SearchSpace
from azero_jax.mutate.mutations import mutate_one
from azero_jax.mutate.policy import MutationOdds, MutationPolicy


def mutate(
    programs: Programs, space: SearchSpace, policy: MutationPolicy, generator: Generator
) -> tuple[Programs, NDArray[np.int8]]:
    """The children, and `[N]` which `Mutation` made each one, -1 where it is known to be a copy of its parent."""
    assert policy.names_of_live_code() == []
    children = programs.copy()
    applied = np.empty(len(programs), np.int8)
    _mutate_all(children.arrays(), applied, space_tables(space), policy.odds(), generator)
    return children, applied


@compiled_loop
def _mutate_all(
    programs: ProgramArrays, applied: NDArray[np.int8], space: SpaceTables, odds: MutationOdds, generator: Generator
) -> None:
    for n in range(programs.opcodes.shape[0]):
        applied[n] = mutate_one(programs, n, space, odds, generator)
