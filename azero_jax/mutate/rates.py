"""Learning rates: constants that Setup sets, and with which something of an update in Learn is multiplied.

Without one hardly any update is of use: with what a random program adds to its weights, these grow beyond all bounds.
"""

from typing import Final

from numpy.random import Generator

from azero_jax.analysis.liveness import IS_LIVE
from azero_jax.compiled.inline import called
from azero_jax.compiled.tables import FIRST_OUTPUT, KIND, LEARN, OFFSET, SETUP, TOTAL, SpaceTables
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, ProgramArrays
from azero_jax.mutate.drawing import below, draw_size, has_op
from azero_jax.mutate.live_code import (
    NONE,
    LiveCode,
    draw_free,
    find_code,
    make_room,
    register_at,
    set_register,
    write_op,
)

_CONSTANT: Final = ops.op_number("SCALAR_CONST_SET")
# By the kind of what is scaled; each reads the scalar first.
_SCALING: Final = tuple(ops.op_number(f"SCALAR_{kind}PRODUCT") for kind in ("", "VECTOR_", "MATRIX_"))
_IN_PLACE: Final = 0.5  # of what Learn may write, so that what follows is scaled too


@called
def insert_rate(
    slot: int, learned: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> None:
    """Has an instruction of Learn read one of its inputs, not `learned`, times a new constant that Setup sets.

    Without such ops, registers or slots, or if Setup is frozen, the instruction stays as it is.
    """
    if code.frozen[SETUP]:
        return
    field = below(2, generator)
    given = register_at(field, programs, n, slot, space)
    if given >= space.facts[TOTAL] or given == learned:
        field = 1 - field
        given = register_at(field, programs, n, slot, space)
    if given >= space.facts[TOTAL] or given == learned:
        return
    op = _SCALING[space.registers[given, KIND]]
    find_code(programs, n, space, code)
    is_live = code.found.slots[slot, IS_LIVE]  # or it might make way itself
    rate = draw_free(space.ops[op, IN1], space, code, generator)
    fits = is_live and rate != NONE and has_op(LEARN, op, space) and has_op(SETUP, _CONSTANT, space)
    if not fits or code.holds[rate] or not _set_constant(rate, programs, n, space, code, generator):
        return
    code.holds[rate] = True  # it is no free register any more
    output = given
    if given < space.registers[given, FIRST_OUTPUT] or generator.random() >= _IN_PLACE:
        output = draw_free(given, space, code, generator)
    new = NONE if output == NONE else make_room(programs, n, LEARN, slot, space, code)
    if new == NONE:
        return
    set_register(field, output, programs, n, new + 1, space)
    write_op(op, output, NONE, programs, n, new, space, code, generator)
    set_register(IN1, rate, programs, n, new, space)
    set_register(IN2, given, programs, n, new, space)


@called
def _set_constant(
    register: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """Sets a scalar at the end of Setup to a constant of either sign; False if there is no room."""
    end = space.functions[SETUP, OFFSET] + programs.sizes[n, SETUP]
    slot = make_room(programs, n, SETUP, end, space, code)
    if slot == NONE:
        return False
    write_op(_CONSTANT, register, NONE, programs, n, slot, space, code, generator)
    size = draw_size(generator)
    programs.constants[n, slot, 0] = size if generator.random() < 0.5 else -size
    return True
