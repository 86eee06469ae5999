"""Breeding, whole batches at once in compiled loops: tournaments, mutated copies, and who makes room for them."""

from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.analysis.learnable import FlowRules
from azero_jax.analysis.liveness import list_live
from azero_jax.compiled.inline import allocating, called, compiled_loop, inlined
from azero_jax.compiled.tables import MAX_SIZE, OFFSET, SpaceTables
from azero_jax.language.program import ProgramArrays
from azero_jax.mutate.learnable import learns
from azero_jax.mutate.live_code import PARENT, find_parent, has_changed, make_live_code
from azero_jax.mutate.live_mutations import mutate_live_code
from azero_jax.mutate.mutations import apply_mutation, draw_mutation, mutate_one
from azero_jax.mutate.policy import FIRST_LIVE, MutationOdds

_TRIES: Final = 16  # at a child
_TRIES_EACH: Final = 4  # with the same mutation, so that those which seldom fit happen too


@compiled_loop
def breed(
    programs: ProgramArrays,
    fitness: NDArray[np.float64],
    tournament: int,
    space: SpaceTables,
    odds: MutationOdds,
    frozen: NDArray[np.bool_],
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
      frozen: `[3]` of Setup, Predict and Learn, whether children have their parents'.
      generator: source of randomness.
      children: `[I * batch]`, overwritten.
      origins: `[I * batch, 2]`, becomes each child's parent, and its `Mutation`, or -1.
    """
    islands, population = fitness.shape
    batch = len(children.opcodes) // islands
    parent_rows, child_rows = _rows(programs), _rows(children)
    is_frozen = frozen.any()
    for island in range(islands):
        scores = fitness[island]
        first = island * batch
        for child in range(first, first + batch):
            origins[child, 0] = island * population + _hold_tournament(scores, tournament, generator)
        for child in range(first, first + batch):  # by themselves, so that the memory serves many at the same time
            _copy(parent_rows, origins[child, 0], child_rows, child)
        for child in range(first, first + batch):
            origins[child, 1] = mutate_one(children, child, space, odds, generator)
            if is_frozen:
                _keep_frozen(frozen, programs, origins[child, 0], children, child, space)


@compiled_loop
def breed_learnable(
    programs: ProgramArrays,
    fitness: NDArray[np.float64],
    tournament: int,
    space: SpaceTables,
    odds: MutationOdds,
    frozen: NDArray[np.bool_],
    rules: FlowRules,
    kinds: NDArray[np.int64],
    generator: Generator,
    children: ProgramArrays,
    origins: NDArray[np.int64],
) -> None:
    """Makes learnable children of all islands, none of which has its parent's live code.

    A mutation is tried again, on the parent as it was, until its child is such a one; after some tries the child is a
    copy. Arguments are those of `breed`, `rules` from `flow_rules`, and `kinds` `[I]`, which each island's programs
    learn, as bits.
    """
    islands, population = fitness.shape
    batch = len(children.opcodes) // islands
    parent_rows, child_rows = _rows(programs), _rows(children)
    is_frozen = frozen.any()
    code = make_live_code(programs.opcodes.shape[1], space, rules, frozen)
    for child in range(len(children.opcodes)):
        island = child // batch
        parent = island * population + _hold_tournament(fitness[island], tournament, generator)
        origins[child, 0], origins[child, 1] = parent, -1
        _copy(parent_rows, parent, child_rows, child)
        if odds.probability < 1.0 and generator.random() >= odds.probability:
            continue
        find_parent(children, child, space, code)
        list_live(children, child, space, code.found, PARENT)
        mutation = 0
        for attempt in range(_TRIES):
            if attempt % _TRIES_EACH == 0:
                mutation = draw_mutation(odds, generator)
            if mutation >= FIRST_LIVE:
                is_made = mutate_live_code(mutation, children, child, space, code, generator)
            else:
                is_made = apply_mutation(mutation, children, child, space, generator)
            if is_frozen:
                _keep_frozen(frozen, programs, parent, children, child, space)
            # What cannot learn is by far the most frequent, and what has not changed the dearest to tell.
            is_made = is_made and learns(children, child, space, kinds[island], code.builder)
            if is_made and has_changed(programs, parent, children, child, space, code):
                origins[child, 1] = mutation
                break
            _copy(parent_rows, parent, child_rows, child)


@called
def _keep_frozen(
    frozen: NDArray[np.bool_], programs: ProgramArrays, parent: int, children: ProgramArrays, n: int, space: SpaceTables
) -> None:
    """Gives a child its parent's frozen functions back."""
    for function in range(3):
        if frozen[function]:
            first = space.functions[function, OFFSET]
            for slot in range(first, first + space.functions[function, MAX_SIZE]):
                children.opcodes[n, slot] = programs.opcodes[parent, slot]
                for field in range(3):
                    children.addresses[n, slot, field] = programs.addresses[parent, slot, field]
                for number in range(2):
                    children.constants[n, slot, number] = programs.constants[parent, slot, number]
            children.sizes[n, function] = programs.sizes[parent, function]


@inlined
def _hold_tournament(scores: NDArray[np.float64], tournament: int, generator: Generator) -> int:
    """The fittest of some programs of an island, drawn with replacement."""
    winner = int(generator.random() * len(scores))
    for _ in range(tournament - 1):
        rival = int(generator.random() * len(scores))
        if scores[rival] > scores[winner]:
            winner = rival
    return winner


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


@allocating
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
