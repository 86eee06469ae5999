"""Breeding, whole batches at once in compiled loops: tournaments, mutated copies, and who makes room for them."""

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import SpaceTables
from azero_jax.language.program import ProgramArrays
from azero_jax.mutate.learnable import learns, make_builder
from azero_jax.mutate.mutations import mutate_one
from azero_jax.mutate.policy import MutationOdds

_TRIES: Final = 8  # at a learnable child


@compiled_loop
def breed(
    programs: ProgramArrays,
    fitness: NDArray[np.float64],
    tournament: int,
    space: SpaceTables,
    odds: MutationOdds,
    generator: Generator,
    children: ProgramArrays,
    origins: NDArray[np.int64],
) -> None:
    """Makes the children of all islands.

    Args:
      programs: `[I * P]` the populations.
      fitness: `[I, P]` of these.
      tournament: programs drawn for each tournament.
      space: the search space.
      odds: of the mutations.
      generator: source of randomness.
      children: `[I * batch]`, overwritten.
      origins: `[I * batch, 2]`, becomes each child's parent, and its `Mutation`, or -1.
    """
    islands, population = fitness.shape
    batch = len(children.opcodes) // islands
    parent_rows, child_rows = _rows(programs), _rows(children)
    for island in range(islands):
        scores = fitness[island]
        first = island * batch
        for child in range(first, first + batch):
            winner = int(generator.random() * population)
            best = scores[winner]
            for _ in range(tournament - 1):
                rival = int(generator.random() * population)
                if scores[rival] > best:
                    winner, best = rival, scores[rival]
            origins[child, 0] = island * population + winner
        for child in range(first, first + batch):  # by themselves, so that the memory serves many at the same time
            _copy(parent_rows, origins[child, 0], child_rows, child)
        for child in range(first, first + batch):
            origins[child, 1] = mutate_one(children, child, space, odds, generator)


@compiled_loop
def breed_anew(
    programs: ProgramArrays,
    space: SpaceTables,
    odds: MutationOdds,
    zero: NDArray[np.bool_],
    generator: Generator,
    children: ProgramArrays,
    origins: NDArray[np.int64],
) -> None:
    """Mutates parents again, a few times, where the children that `breed` made of them cannot learn.

    Arguments are those of `breed`, and `zero` from `zero_table`.
    """
    parent_rows, child_rows = _rows(programs), _rows(children)
    builder = make_builder(space, zero)
    for child in range(len(children.opcodes)):
        for _ in range(_TRIES):
            if origins[child, 1] < 0 or learns(children, child, space, builder):
                break
            _copy(parent_rows, origins[child, 0], child_rows, child)
            origins[child, 1] = mutate_one(children, child, space, odds, generator)


@compiled_loop
def replace_oldest(
    programs: ProgramArrays,
    fitness: NDArray[np.float64],
    children: ProgramArrays,
    child_fitness: NDArray[np.float64],
    oldest: int,
) -> None:
    """Puts children `[I * batch]` of fitness `[I, batch]` into the slots of each island from `oldest` on, in a circle.

    Args:
      programs: `[I * P]` the populations.
      fitness: `[I, P]` of these.
      children: what replaces the oldest.
      child_fitness: of these.
      oldest: the first slot that is taken.
    """
    islands, population = fitness.shape
    batch = child_fitness.shape[1]
    program_rows, child_rows = _rows(programs), _rows(children)
    for island in range(islands):
        for child in range(batch):
            slot = (oldest + child) % population
            _copy(child_rows, island * batch + child, program_rows, island * population + slot)
            fitness[island, slot] = child_fitness[island, child]


class _Rows(NamedTuple):
    """Programs with one axis after the first, whose rows are copied fastest."""

    opcodes: NDArray[np.uint8]
    addresses: NDArray[np.uint16]
    constants: NDArray[np.float64] | NDArray[np.uint64]
    sizes: NDArray[np.int32]


@njit(nogil=True, forceinline=True)
def _rows(programs: ProgramArrays) -> _Rows:
    count = len(programs.opcodes)
    addresses, constants = programs.addresses.reshape(count, -1), programs.constants.reshape(count, -1)
    return _Rows(programs.opcodes, addresses, constants, programs.sizes)


@inlined
def _copy(sources: _Rows, n: int, targets: _Rows, m: int) -> None:
    _copy_row(sources.opcodes, n, targets.opcodes, m)
    _copy_row(sources.addresses, n, targets.addresses, m)
    _copy_row(sources.constants, n, targets.constants, m)
    _copy_row(sources.sizes, n, targets.sizes, m)


@inlined
def _copy_row(source: NDArray[np.generic], n: int, target: NDArray[np.generic], m: int) -> None:
    for column in range(source.shape[1]):
        target[m, column] = source[n, column]
