"""Mutations of what a program learns: which registers, and their updates in Learn; see `Mutation`."""

from typing import Final

from numpy.random import Generator

from azero_jax.analysis.liveness import IS_LIVE
from azero_jax.compiled.inline import called
from azero_jax.compiled.tables import FIRST, KIND, LEARN, OFFSET, OP_COUNT, PREDICT, SETUP, TOTAL, SpaceTables
from azero_jax.language import ops
from azero_jax.language.program import OUT, ProgramArrays
from azero_jax.mutate.drawing import below, has_op
from azero_jax.mutate.live_code import (
    NONE,
    LiveCode,
    draw_connected,
    draw_fixed,
    draw_free,
    draw_learned,
    draw_live,
    draw_made,
    find_code,
    make_room,
    register_at,
    set_register,
    write_op,
)
from azero_jax.mutate.rates import insert_rate
from azero_jax.mutate.rewiring import insert_connected, remove

_DEEPEST: Final = 3  # instructions that are made for an update
_FED: Final = 0.5  # of the instructions of an update that could do without, this share has an input made for it
_ADDED: Final = 0.5  # of the updates, this share are sums for certain
_SCALED: Final = 0.3  # and this share get a learning rate of their own
_ADDING: Final = tuple(ops.op_number(f"{name.upper()}_SUM") for name in ops.KIND_NAMES.values())  # by kind


@called
def rebuild_update(
    learned: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """`Mutation.REBUILD_UPDATE` of a learned register; False if no op fits."""
    first, writer = space.functions[LEARN, OFFSET], NONE
    for slot in range(first, first + programs.sizes[n, LEARN]):
        if register_at(OUT, programs, n, slot, space) == learned:
            writer = slot
    op = _draw_update(learned, space, generator)
    if op == NONE:
        return False
    _write_update(op, writer, learned, programs, n, space, code, generator)
    return True


@called
def add_learned(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator) -> bool:
    """`Mutation.ADD_LEARNED`; half of the time with a register that Predict reads already and Learn does not write."""
    if generator.random() < 0.5:
        fixed = draw_fixed(programs, n, space, code, generator)
        if fixed != NONE:
            return _insert_update(fixed, programs, n, space, code, generator)
    learned, kinds = NONE, 0
    for first in range(space.facts[TOTAL]):
        if first == space.registers[first, FIRST]:
            register = draw_free(first, space, code, generator)
            if register != NONE and not code.holds[register]:
                kinds += 1
                learned = register if generator.random() * kinds < 1 else learned
    slot = draw_live(PREDICT, LEARN, code, generator)
    if learned == NONE or slot == NONE:
        return False
    code.holds[learned], code.is_parents[0] = True, False  # it is no free register any more
    if not insert_connected(slot, learned, programs, n, space, code, generator):
        return False
    find_code(programs, n, space, code)
    code.holds[learned] = True
    if not _insert_update(learned, programs, n, space, code, generator):
        return False
    if space.functions[SETUP, OP_COUNT] > 0 and generator.random() < 0.5:
        op = draw_connected(SETUP, learned, NONE, space, generator)
        end = space.functions[SETUP, OFFSET] + programs.sizes[n, SETUP]
        find_code(programs, n, space, code)
        new = NONE if op == NONE else make_room(programs, n, SETUP, end, space, code)
        if new != NONE:
            write_op(op, learned, NONE, programs, n, new, space, code, generator)
    return True


@called
def drop_learned(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator) -> bool:
    """`Mutation.DROP_LEARNED`; False if no register is read by Predict and written by Learn."""
    learned = draw_learned(programs, n, space, code, generator)
    if learned == NONE:
        return False
    first = space.functions[LEARN, OFFSET]
    for slot in range(first + programs.sizes[n, LEARN] - 1, first - 1, -1):
        if register_at(OUT, programs, n, slot, space) == learned:
            remove(slot, programs, n, LEARN, space)
    return True


@called
def _insert_update(
    learned: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """Inserts an update of a register into Learn, at a random place; False if no op fits, or there is no room."""
    op = _draw_update(learned, space, generator)
    place = space.functions[LEARN, OFFSET] + below(programs.sizes[n, LEARN] + 1, generator)
    slot = NONE if op == NONE else make_room(programs, n, LEARN, place, space, code)
    if slot == NONE:
        return False
    _write_update(op, slot, learned, programs, n, space, code, generator)
    return True


@called
def _draw_update(learned: int, space: SpaceTables, generator: Generator) -> int:
    """An op for an update of a register, which reads and writes its kind; NONE if there is none."""
    op = _ADDING[space.registers[learned, KIND]]
    if generator.random() < _ADDED and has_op(LEARN, op, space):
        return op
    return draw_connected(LEARN, learned, learned, space, generator)


@called
def _write_update(
    op: int,
    slot: int,
    learned: int,
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    code: LiveCode,
    generator: Generator,
) -> None:
    """Writes `learned = op(learned, x)`; x is a register, or made for it, as what makes it may be.

    An input of what is made last may be multiplied with a learning rate.
    """
    write_op(op, learned, learned, programs, n, slot, space, code, generator)
    last = slot
    for _ in range(_DEEPEST):
        slot = _feed(slot, learned, programs, n, space, code, generator)
        if slot == NONE:
            break
        last = slot
    if generator.random() < _SCALED:
        insert_rate(last, learned, programs, n, space, code, generator)


@called
def _feed(
    slot: int, learned: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> int:
    """Draws the inputs of a new instruction of Learn among what has to do with the example, or makes one of them anew.

    Returns:
      The slot of what makes that input, or NONE.
    """
    fed, inputs = NONE, 0
    for field in range(2):
        given = register_at(field, programs, n, slot, space)
        if given < space.facts[TOTAL] and given != learned:
            given = draw_made(given, programs, n, space, code, generator)
            set_register(field, given, programs, n, slot, space)
            inputs += 1
            fed = field if generator.random() * inputs < 1 else fed
    find_code(programs, n, space, code)
    if fed != NONE and generator.random() >= _FED and code.holds[register_at(fed, programs, n, slot, space)]:
        fed = NONE
    if fed == NONE or not code.found.slots[slot, IS_LIVE]:  # or it might make way itself
        return NONE
    output = draw_free(register_at(fed, programs, n, slot, space), space, code, generator)
    op = NONE if output == NONE else draw_connected(LEARN, output, NONE, space, generator)
    new = NONE if op == NONE else make_room(programs, n, LEARN, slot, space, code)
    if new != NONE:
        set_register(fed, output, programs, n, new + 1, space)
        write_op(op, output, NONE, programs, n, new, space, code, generator)
    return new
