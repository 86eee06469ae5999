"""Mutations of live code, which keep a program learnable; see `Mutation`.

They read the graph of a program (which live instruction makes what another one reads), change it, and give new values
registers that hold nothing yet. What they make is valid for its space; a child that is not learnable, or computes the
same as its parent, is made again by `evolve.breeding`. The idea of mutating only among learnable programs is Mishima
and Ono's ("valid algorithm graphs", Institute of Science Tokyo, 2024 and 2025).
"""

from numpy.random import Generator

from azero_jax.compiled.inline import called
from azero_jax.compiled.tables import LEARN, SETUP, SpaceTables
from azero_jax.language.program import ProgramArrays
from azero_jax.mutate.building import Builder, build_learn, build_predict, draw_needed, find_needs
from azero_jax.mutate.live_code import NONE, LiveCode, draw_learned, draw_live, find_parent
from azero_jax.mutate.policy import Mutation
from azero_jax.mutate.rewiring import (
    change_connection,
    change_constant,
    change_op,
    insert_connected,
    rebuild_subgraph,
    remove_connected,
)
from azero_jax.mutate.updates import add_learned, drop_learned, rebuild_update


@called
def mutate_live_code(
    mutation: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """Mutates the live code of program `n` in place; False if the mutation does not fit the program.

    The program is like its parent, of which `find_parent` has found what is live.
    """
    if not code.is_parents[0]:
        find_parent(programs, n, space, code)
    if mutation == Mutation.REBUILD_FUNCTION.value:
        return _rebuild_function(programs, n, space, code.builder, generator)
    if mutation == Mutation.ADD_LEARNED.value:
        return add_learned(programs, n, space, code, generator)
    if mutation == Mutation.DROP_LEARNED.value:
        return drop_learned(programs, n, space, code, generator)
    if mutation == Mutation.REBUILD_UPDATE.value:
        learned = draw_learned(programs, n, space, code, generator)
        return learned != NONE and rebuild_update(learned, programs, n, space, code, generator)
    slot = draw_live(SETUP, LEARN + 1, code, generator)
    if slot == NONE:
        return False
    if mutation == Mutation.CHANGE_CONNECTION.value:
        return change_connection(slot, programs, n, space, code, generator)
    if mutation == Mutation.CHANGE_OP.value:
        return change_op(slot, programs, n, space, code, generator)
    if mutation == Mutation.CHANGE_CONSTANT.value:
        return change_constant(programs, n, space, code, generator)
    if mutation == Mutation.INSERT_CONNECTED.value:
        return insert_connected(slot, NONE, programs, n, space, code, generator)
    if mutation == Mutation.REMOVE_CONNECTED.value:
        return remove_connected(slot, programs, n, space, generator)
    return rebuild_subgraph(slot, programs, n, space, code, generator)


@called
def _rebuild_function(
    programs: ProgramArrays, n: int, space: SpaceTables, builder: Builder, generator: Generator
) -> bool:
    """`Mutation.REBUILD_FUNCTION`; always possible."""
    if generator.random() < 0.5:
        build_predict(programs, n, space, generator, builder)
    else:
        find_needs(programs, n, space, builder)
        build_learn(draw_needed(space, generator, builder), programs, n, space, generator, builder)
    return True
