"""Mutations of single live instructions; see `Mutation`."""

from typing import Final

from numpy.random import Generator

from azero_jax.compiled.inline import called, inlined
from azero_jax.compiled.tables import CONSTANTS, END, FIRST_OUTPUT, IN1_USED, MIN_SIZE, OFFSET, TOTAL, SpaceTables
from azero_jax.language.program import OUT, ProgramArrays
from azero_jax.mutate.drawing import below
from azero_jax.mutate.live_code import (
    NONE,
    NOW,
    LiveCode,
    draw_connected,
    draw_free,
    draw_held,
    function_of,
    make_room,
    reads_kind,
    register_at,
    set_register,
    write_op,
)
from azero_jax.mutate.mutations import alter_data, close_slot

_BYPASS: Final = 0.75  # of the removals where an input fits in place of the output
_DRAWS: Final = 8


@called
def change_connection(
    slot: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """`Mutation.CHANGE_CONNECTION` at a live slot; False if it does not fit there."""
    op = programs.opcodes[n, slot]
    inputs = space.ops[op, IN1_USED] + space.ops[op, IN1_USED + 1]
    field = below(inputs + 1, generator)
    field = OUT if field == inputs else field
    before = register_at(field, programs, n, slot, space)
    for _ in range(_DRAWS):
        if field == OUT:
            first = space.registers[before, FIRST_OUTPUT]
            register = first + below(space.registers[before, END] - first, generator)
        else:
            register = draw_held(before, space, code, generator)
        if register != before:
            set_register(field, register, programs, n, slot, space)
            return True
    return False


@called
def change_op(
    slot: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """`Mutation.CHANGE_OP` at a live slot; False if it does not fit there."""
    function, old = function_of(slot, space), programs.opcodes[n, slot]
    output = register_at(OUT, programs, n, slot, space)
    inputs = register_at(0, programs, n, slot, space), register_at(1, programs, n, slot, space)
    op = draw_connected(function, output, NONE, space, generator)
    is_new = op != NONE and op != old
    if not is_new:
        return False
    write_op(op, output, NONE, programs, n, slot, space, code, generator)
    for field in range(2):
        if inputs[field] < space.facts[TOTAL] and reads_kind(op, field, inputs[field], space):
            set_register(field, inputs[field], programs, n, slot, space)
    return True


@called
def change_constant(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator) -> bool:
    """`Mutation.CHANGE_CONSTANT`; False if no live instruction has a constant."""
    count = 0
    for k in range(code.found.begin[NOW, 3]):
        slot = code.found.live[NOW, k]
        for column in range(space.ops[programs.opcodes[n, slot], CONSTANTS]):
            code.choices[count] = 2 * slot + column
            count += 1
    if count == 0:
        return False
    chosen = code.choices[below(count, generator)]
    alter_data(programs, n, chosen // 2, chosen % 2, True, space, generator)
    return True


@called
def insert_connected(
    slot: int, given: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """Inserts before one input of the instruction in `slot`, or behind its output; it reads `given`, if not NONE."""
    function, op = function_of(slot, space), programs.opcodes[n, slot]
    inputs = space.ops[op, IN1_USED] + space.ops[op, IN1_USED + 1]
    field = below(inputs + 1, generator)
    is_input = field < inputs
    old = register_at(field if is_input else OUT, programs, n, slot, space)
    new_op = draw_connected(function, old, given, space, generator)
    if new_op == NONE:
        return False
    new = make_room(programs, n, function, slot if is_input else slot + 1, space, code)
    if new == NONE:
        return False
    output = old
    if is_input:
        may_write = old >= space.registers[old, FIRST_OUTPUT]
        output = old if may_write and generator.random() < 0.5 else draw_free(old, space, code, generator)
        if output == NONE:
            return False
        set_register(field, output, programs, n, new + 1, space)
    first = given if given != NONE else old
    write_op(new_op, output, first, programs, n, new, space, code, generator)
    if given != NONE:  # the other input, if it can, is what was read
        for other in range(2):
            fits = reads_kind(new_op, other, old, space)
            if fits and register_at(other, programs, n, new, space) != given and generator.random() < _BYPASS:
                set_register(other, old, programs, n, new, space)
    return True


@called
def remove_connected(slot: int, programs: ProgramArrays, n: int, space: SpaceTables, generator: Generator) -> bool:
    """`Mutation.REMOVE_CONNECTED` at a live slot; False if it does not fit there."""
    op, function = programs.opcodes[n, slot], function_of(slot, space)
    output, source = register_at(OUT, programs, n, slot, space), NONE
    for field in range(2):
        if reads_kind(op, field, output, space) and (source == NONE or generator.random() < 0.5):
            source = register_at(field, programs, n, slot, space)
    end = space.functions[function, OFFSET] + programs.sizes[n, function]
    if source != NONE and source != output and generator.random() < _BYPASS:
        for reader in range(slot + 1, end):
            for field in range(2):
                if register_at(field, programs, n, reader, space) == output:
                    set_register(field, source, programs, n, reader, space)
            if register_at(OUT, programs, n, reader, space) == output:
                break
    remove(slot, programs, n, function, space)
    return True


@inlined
def remove(slot: int, programs: ProgramArrays, n: int, function: int, space: SpaceTables) -> None:
    """Removes an instruction, or leaves a NO_OP where the function must not become shorter."""
    size, first = programs.sizes[n, function], space.functions[function, OFFSET]
    if size > space.functions[function, MIN_SIZE]:
        close_slot(programs, n, slot, first + size)
        programs.sizes[n, function] = size - 1
    else:
        close_slot(programs, n, slot, slot + 1)


@called
def rebuild_subgraph(
    slot: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> bool:
    """`Mutation.REBUILD_SUBGRAPH` at a live slot; False if it does not fit there."""
    function = function_of(slot, space)
    read = register_at(below(2, generator), programs, n, slot, space)
    maker = slot - 1
    first = space.functions[function, OFFSET]
    while maker >= first and register_at(OUT, programs, n, maker, space) != read:
        maker -= 1
    if read >= space.facts[TOTAL] or maker < first:
        return False
    leaves = (
        register_at(0, programs, n, maker, space),
        register_at(1, programs, n, maker, space),
        register_at(0, programs, n, slot, space),
        register_at(1, programs, n, slot, space),
    )
    for place in (maker, slot):
        output = register_at(OUT, programs, n, place, space)
        given = NONE if place == maker else read
        op = draw_connected(function, output, given, space, generator)
        if op == NONE:
            return False
        write_op(op, output, given, programs, n, place, space, code, generator)
        for field in range(2):
            leaf = leaves[below(4, generator)]
            is_leaf = leaf < space.facts[TOTAL] and leaf != read and reads_kind(op, field, leaf, space)
            if is_leaf and register_at(field, programs, n, place, space) != given:
                set_register(field, leaf, programs, n, place, space)
    return True
