"""A program while its live code is rewritten: what is live, which registers hold something, and room for instructions.

For compiled loops, one program at a time; the mutations themselves are in `rewiring`, `updates` and `rates`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from azero_jax.analysis.learnable import FlowRules
from azero_jax.analysis.liveness import BEFORE, IS_LIVE, Liveness, find_live, is_in, list_live, make_liveness
from azero_jax.compiled.inline import allocating, called, inlined
from azero_jax.compiled.tables import (
    ANY_INPUT,
    END,
    FEATURES,
    FIRST,
    FIRST_OUTPUT,
    FIXED,
    IN1_USED,
    KIND,
    LABEL,
    LEARN,
    MAX_SIZE,
    OFFSET,
    PREDICT,
    PREDICTION,
    SET_OUTSIDE,
    TOTAL,
    SpaceTables,
    find_register,
)
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays
from azero_jax.mutate.building import Builder, find_needs, make_builder
from azero_jax.mutate.drawing import below, draw_op, write_instruction
from azero_jax.mutate.mutations import close_slot, open_slot

NONE: Final = -1  # no slot, register or field
PARENT, NOW = range(2)  # rows of `LiveCode.found`
_HELD: Final = 0.75  # of the inputs that are drawn, this share is among registers that hold something


class LiveCode(NamedTuple):
    """Scratch memory for one program at a time.

    Attributes:
      builder: for what is built from nothing.
      found: the live slots of the parent (row PARENT), and of the program that is changed (row NOW).
      child: the live slots of what has come of it.
      holds: `[R + 2]` whether a live instruction writes a register, or it is set from outside.
      choices: `[R + L]` registers or slots to draw from.
      is_parents: `[1]` whether row NOW and `holds` are still those of the parent.
      frozen: `[3]` of Setup, Predict and Learn, whether the child will have its parent's.
    """

    builder: Builder
    found: Liveness
    child: Liveness
    holds: NDArray[np.bool_]
    choices: NDArray[np.int64]
    is_parents: NDArray[np.bool_]
    frozen: NDArray[np.bool_]


@allocating
def make_live_code(length: int, space: SpaceTables, rules: FlowRules, frozen: NDArray[np.bool_]) -> LiveCode:
    """Scratch memory for programs of a space, of `length` slots; `rules` from `flow_rules`."""
    rows = space.facts[TOTAL] + 2
    return LiveCode(
        make_builder(length, space, rules),
        make_liveness(2, length, space),
        make_liveness(1, length, space),
        np.zeros(rows, np.bool_),
        np.zeros(rows + length, np.int64),
        np.zeros(1, np.bool_),
        frozen,
    )


@inlined
def find_parent(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode) -> None:
    """Finds what is live in program `n`, which is still like its parent, and which registers hold something."""
    find_code(programs, n, space, code)
    code.is_parents[0] = True


@called
def find_code(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode) -> None:
    """Finds what is live in program `n` as it is now, and which registers hold something."""
    code.is_parents[0] = False
    find_live(programs, n, space, code.found)
    list_live(programs, n, space, code.found, NOW)
    for register in range(space.facts[TOTAL]):
        code.holds[register] = space.registers[register, SET_OUTSIDE] != 0
    code.holds[space.facts[PREDICTION]] = True
    for k in range(code.found.begin[NOW, 3]):
        slot = code.found.live[NOW, k]
        code.holds[find_register(OUT, programs, n, slot, programs.opcodes[n, slot], space)] = True


@called
def has_changed(
    parents: ProgramArrays, parent: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode
) -> bool:
    """Whether the live code of program `n` is another than that of its parent, which is in row PARENT."""
    found, child = code.found, code.child
    find_live(programs, n, space, child)
    list_live(programs, n, space, child, 0)
    for function in range(4):
        if found.begin[PARENT, function] != child.begin[0, function]:
            return True
    for k in range(found.begin[PARENT, 3]):
        old, new = found.live[PARENT, k], child.live[0, k]
        if parents.opcodes[parent, old] != programs.opcodes[n, new]:
            return True
        for field in range(3):
            if parents.addresses[parent, old, field] != programs.addresses[n, new, field]:
                return True
        for number in range(2):
            if parents.constants[parent, old, number] != programs.constants[n, new, number]:
                return True
    return False


@inlined
def draw_live(first: int, end: int, code: LiveCode, generator: Generator) -> int:
    """A live slot of the functions from `first` to before `end`; NONE if there is none."""
    begin = code.found.begin
    count = begin[NOW, end] - begin[NOW, first]
    return code.found.live[NOW, begin[NOW, first] + below(count, generator)] if count > 0 else NONE


@inlined
def function_of(slot: int, space: SpaceTables) -> int:
    """The function that a slot belongs to."""
    return int(slot >= space.facts[PREDICT]) + int(slot >= space.facts[LEARN])


@inlined
def register_at(field: int, programs: ProgramArrays, n: int, slot: int, space: SpaceTables) -> int:
    """The register in a field of an instruction."""
    return find_register(field, programs, n, slot, programs.opcodes[n, slot], space)


@inlined
def set_register(field: int, register: int, programs: ProgramArrays, n: int, slot: int, space: SpaceTables) -> None:
    """Puts a register into a field of an instruction."""
    programs.addresses[n, slot, field] = register - space.ops[programs.opcodes[n, slot], field]


@called
def draw_held(kind_of: int, space: SpaceTables, code: LiveCode, generator: Generator) -> int:
    """An input of the kind of a register: mostly one that holds something."""
    first, end = space.registers[kind_of, FIRST], space.registers[kind_of, END]
    if generator.random() < _HELD:
        count = 0
        for register in range(first, end):
            if code.holds[register]:
                code.choices[count] = register
                count += 1
        if count > 0:
            return code.choices[below(count, generator)]
    return first + below(end - first, generator)


@called
def draw_made(
    kind_of: int, programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator
) -> int:
    """An input of the kind of a register for Learn: mostly one that has to do with the example.

    That is the features, the label, the prediction, and what live instructions of Predict and Learn write.
    """
    kind, count, found = space.registers[kind_of, KIND], 0, code.found
    for register in (space.facts[FEATURES], space.facts[LABEL], space.facts[PREDICTION]):
        if space.registers[register, KIND] == kind:
            code.choices[count] = register
            count += 1
    for k in range(found.begin[NOW, PREDICT], found.begin[NOW, 3]):
        register = register_at(OUT, programs, n, found.live[NOW, k], space)
        if space.registers[register, KIND] == kind and register != space.facts[PREDICTION]:
            code.choices[count] = register
            count += 1
    if count > 0 and generator.random() < _HELD:
        return code.choices[below(count, generator)]
    return draw_held(kind_of, space, code, generator)


@called
def draw_free(kind_of: int, space: SpaceTables, code: LiveCode, generator: Generator) -> int:
    """A register of the kind of another one that nothing live writes; if there is none, any that can be written."""
    first, end, count = space.registers[kind_of, FIRST_OUTPUT], space.registers[kind_of, END], 0
    for register in range(first, end):
        if not code.holds[register]:
            code.choices[count] = register
            count += 1
    if count > 0:
        return code.choices[below(count, generator)]
    return first + below(end - first, generator) if end > first else NONE


@inlined
def draw_connected(function: int, output: int, given: int, space: SpaceTables, generator: Generator) -> int:
    """An op of a function that writes the kind of register `output`, and reads that of `given`; NONE if none does.

    `given` is NONE where it may read anything.
    """
    read = ANY_INPUT if given == NONE else space.registers[given, KIND]
    return draw_op(function, space.registers[output, KIND], read, space, generator)


@inlined
def reads_kind(op: int, field: int, register: int, space: SpaceTables) -> bool:
    """Whether an op reads, in a field, a register of the same kind as another one."""
    return (
        space.ops[op, IN1_USED + field] != 0
        and space.registers[space.ops[op, field], KIND] == space.registers[register, KIND]
    )


@called
def write_op(
    op: int,
    output: int,
    given: int,
    programs: ProgramArrays,
    n: int,
    slot: int,
    space: SpaceTables,
    code: LiveCode,
    generator: Generator,
) -> None:
    """Writes an instruction into a slot: `output = op(...)`, of whose inputs one is `given` if it fits."""
    write_instruction(programs, n, slot, op, space, generator)
    set_register(OUT, output, programs, n, slot, space)
    fits1 = given != NONE and reads_kind(op, IN1, given, space)
    fits2 = given != NONE and reads_kind(op, IN2, given, space)
    chosen = IN2 if fits2 and (not fits1 or generator.random() < 0.5) else IN1
    for field in range(2):
        if space.ops[op, IN1_USED + field]:
            if field == chosen and (fits1 or fits2):
                set_register(field, given, programs, n, slot, space)
            else:
                register = draw_held(space.ops[op, field], space, code, generator)
                set_register(field, register, programs, n, slot, space)


@called
def make_room(programs: ProgramArrays, n: int, function: int, place: int, space: SpaceTables, code: LiveCode) -> int:
    """Makes room for an instruction right before slot `place`; NONE if the function is full of live ones.

    A dead instruction makes way, if there is one, the nearest. What lies between moves by one; what was at `place` is
    right after the new slot then.
    """
    first, size = space.functions[function, OFFSET], programs.sizes[n, function]
    for distance in range(size + 1):
        before, after = place - 1 - distance, place + distance
        if after < first + size and not code.found.slots[after, IS_LIVE]:
            close_slot(programs, n, after, after + 1)
            open_slot(programs, n, place, after)
            return place
        if before >= first and not code.found.slots[before, IS_LIVE]:
            close_slot(programs, n, before, place)
            return place - 1
    if size < space.functions[function, MAX_SIZE]:
        open_slot(programs, n, place, first + size)
        programs.sizes[n, function] = size + 1
        return place
    return NONE


@called
def draw_learned(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator) -> int:
    """A register that Predict or what follows needs as it finds it, and Learn writes; NONE if there is none.

    None that is set from outside: the label of several classes is a vector that can be written, but not learned.
    """
    count, found = 0, code.found
    for k in range(found.begin[NOW, LEARN], found.begin[NOW, 3]):
        register = register_at(OUT, programs, n, found.live[NOW, k], space)
        is_given = space.registers[register, SET_OUTSIDE] != 0
        if is_in(found.live_sets, BEFORE + PREDICT, register) and not is_given:
            code.choices[count] = register
            count += 1
    return code.choices[below(count, generator)] if count > 0 else NONE


@called
def draw_fixed(programs: ProgramArrays, n: int, space: SpaceTables, code: LiveCode, generator: Generator) -> int:
    """A register from which Predict makes the prediction, as it finds it, and Learn does not write; NONE likewise."""
    count, found = 0, code.found
    find_needs(programs, n, space, code.builder)
    for register in range(space.facts[TOTAL]):
        if code.builder.needs[register] and not space.registers[register, FIXED]:
            is_written = False
            for k in range(found.begin[NOW, LEARN], found.begin[NOW, 3]):
                is_written |= register_at(OUT, programs, n, found.live[NOW, k], space) == register
            if not is_written:
                code.choices[count] = register
                count += 1
    return code.choices[below(count, generator)] if count > 0 else NONE
