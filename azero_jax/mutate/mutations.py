"""Mutations of any code, for compiled loops, one program at a time; whatever they make is valid for its space.

All randomness comes from one `numpy.random.Generator`, so its state is all that a checkpoint needs.
"""

from typing import Final

import numpy as np
from numpy.random import Generator

from azero_jax.compiled.inline import called, inlined
from azero_jax.compiled.tables import CONSTANTS, INDICES, INPUTS, MAX_SIZE, MIN_SIZE, OFFSET, OP_COUNT, SpaceTables
from azero_jax.language import ops
from azero_jax.language.program import OUT, ProgramArrays
from azero_jax.mutate.drawing import FIRST_GAUSSIAN, below, draw_field, randomize_function, randomize_instruction
from azero_jax.mutate.policy import Mutation, MutationOdds

_SIGN_FLIP_PROBABILITY: Final = 0.1  # original; paper, section 3.1
_NO_OP: Final = ops.NO_OP.number
_REMOVE_PROBABILITY: Final = 2 / 3  # paper: "remove" twice as likely as "insert"


@inlined
def mutate_one(programs: ProgramArrays, n: int, space: SpaceTables, odds: MutationOdds, generator: Generator) -> int:
    """Mutates one program in place; for compiled loops.

    Args:
      programs: `ProgramArrays`.
      n: which of them.
      space: `SpaceTables`.
      odds: of the mutations.
      generator: source of randomness.

    Returns:
      The `Mutation` that was applied, or -1 if the program is known to be as before.
    """
    if odds.probability < 1.0 and generator.random() >= odds.probability:
        return -1
    mutation = draw_mutation(odds, generator)
    return mutation if apply_mutation(mutation, programs, n, space, generator) else -1


@inlined
def draw_mutation(odds: MutationOdds, generator: Generator) -> int:
    """One of the mutations, by their odds."""
    draw = generator.random()
    mutation = 0
    while odds.cumulative[mutation] <= draw:
        mutation += 1
    return mutation


@called
def apply_mutation(mutation: int, programs: ProgramArrays, n: int, space: SpaceTables, generator: Generator) -> bool:
    """Applies one of the release's or the paper's mutations in place; False if it is known to have changed nothing."""
    if mutation == Mutation.IDENTITY.value:
        return False
    if mutation == Mutation.RANDOMIZE_ALGORITHM.value:
        for function in range(3):
            randomize_function(programs, n, function, space, generator)
        return True
    function = _draw_function(space, generator)
    return function >= 0 and _mutate_function(mutation, programs, n, function, space, generator)


@inlined
def _mutate_function(
    mutation: int, programs: ProgramArrays, n: int, function: int, space: SpaceTables, generator: Generator
) -> bool:
    """Mutates one function; False if that is known to have changed nothing."""
    size = programs.sizes[n, function]
    first = space.functions[function, OFFSET]
    if mutation == Mutation.INSERT_OR_REMOVE_INSTRUCTION.value:
        remove = generator.random() < _REMOVE_PROBABILITY
        mutation = Mutation.REMOVE_INSTRUCTION.value if remove else Mutation.INSERT_INSTRUCTION.value
    if mutation == Mutation.INSERT_INSTRUCTION.value:
        if size >= space.functions[function, MAX_SIZE]:
            return False
        slot = first + below(size + 1, generator)
        open_slot(programs, n, slot, first + size)
        randomize_instruction(programs, n, slot, function, space, generator)
        programs.sizes[n, function] = size + 1
    elif size == 0:
        return False
    elif mutation == Mutation.REMOVE_INSTRUCTION.value:
        if size <= space.functions[function, MIN_SIZE]:
            return False
        close_slot(programs, n, first + below(size, generator), first + size)
        programs.sizes[n, function] = size - 1
    elif mutation == Mutation.TRADE_INSTRUCTION.value:
        inserted = below(size + 1, generator)
        removed = below(size + 1, generator)  # counted after the insertion
        if removed == inserted:
            return False
        close_slot(programs, n, first + removed - (removed > inserted), first + size)
        slot = first + inserted - (removed < inserted)
        open_slot(programs, n, slot, first + size - 1)
        randomize_instruction(programs, n, slot, function, space, generator)
    elif mutation == Mutation.RANDOMIZE_INSTRUCTION.value:
        randomize_instruction(programs, n, first + below(size, generator), function, space, generator)
    elif mutation == Mutation.RANDOMIZE_COMPONENT_FUNCTION.value:
        randomize_function(programs, n, function, space, generator)
    else:
        log_normal = mutation == Mutation.ALTER_PARAM.value
        return _alter(programs, n, first + below(size, generator), log_normal, space, generator)
    return True


@inlined
def _draw_function(space: SpaceTables, generator: Generator) -> int:
    """A function that has ops to use, uniformly; -1 if none has."""
    usable = 0
    for function in range(3):
        usable += space.functions[function, OP_COUNT] > 0
    chosen = below(usable, generator)
    for function in range(3):
        if space.functions[function, OP_COUNT] > 0:
            if chosen == 0:
                return function
            chosen -= 1
    return -1


@inlined
def open_slot(programs: ProgramArrays, n: int, position: int, end: int) -> None:
    """Moves the instructions from slot `position` to before `end` on by one."""
    for slot in range(end, position, -1):
        _move(programs, n, slot - 1, slot)


@inlined
def close_slot(programs: ProgramArrays, n: int, position: int, end: int) -> None:
    """Moves the instructions after slot `position` to before `end` back by one, and empties the last slot."""
    for slot in range(position, end - 1):
        _move(programs, n, slot + 1, slot)
    programs.opcodes[n, end - 1] = 0
    for column in range(3):
        programs.addresses[n, end - 1, column] = 0
    for column in range(2):
        programs.constants[n, end - 1, column] = 0.0


@inlined
def _move(programs: ProgramArrays, n: int, source: int, target: int) -> None:
    programs.opcodes[n, target] = programs.opcodes[n, source]
    for column in range(3):
        programs.addresses[n, target, column] = programs.addresses[n, source, column]
    for column in range(2):
        programs.constants[n, target, column] = programs.constants[n, source, column]


@inlined
def _alter(
    programs: ProgramArrays, n: int, slot: int, log_normal: bool, space: SpaceTables, generator: Generator
) -> bool:
    """Changes one parameter of an instruction: an input, the output, or what it writes; whether it is another now."""
    op = programs.opcodes[n, slot]
    if op == _NO_OP:
        return False
    inputs = space.ops[op, INPUTS]
    choice = below(max(inputs, 1) + 1, generator)
    if choice == max(inputs, 1):
        return _redraw(programs, n, slot, OUT, space, generator)
    if inputs > 0:
        return _redraw(programs, n, slot, choice, space, generator)
    choice = below(space.ops[op, INDICES] + space.ops[op, CONSTANTS], generator)
    if choice < space.ops[op, INDICES]:
        return _redraw(programs, n, slot, choice, space, generator)
    alter_data(programs, n, slot, choice - space.ops[op, INDICES], log_normal, space, generator)
    return True


@inlined
def _redraw(programs: ProgramArrays, n: int, slot: int, field: int, space: SpaceTables, generator: Generator) -> bool:
    """Draws an address or index anew; whether it is another one."""
    before = programs.addresses[n, slot, field]
    programs.addresses[n, slot, field] = draw_field(programs.opcodes[n, slot], field, space, generator)
    return programs.addresses[n, slot, field] != before


@inlined
def alter_data(
    programs: ProgramArrays, n: int, slot: int, column: int, log_normal: bool, space: SpaceTables, generator: Generator
) -> None:
    """Changes one constant of an instruction; see `Mutation.ALTER_PARAM` and `ALTER_ARGUMENT`."""
    op = programs.opcodes[n, slot]
    gaussian = op >= FIRST_GAUSSIAN
    may_flip = not (gaussian and column == 1)  # a standard deviation never changes its sign
    altered = _alter_constant(programs.constants[n, slot, column], may_flip, log_normal, generator)
    programs.constants[n, slot, column] = altered
    low, high = programs.constants[n, slot, 0], programs.constants[n, slot, 1]
    if space.ops[op, CONSTANTS] == 2 and not gaussian and low > high:
        programs.constants[n, slot, 0] = high  # an altered interval is put the right way round
        programs.constants[n, slot, 1] = low


@inlined
def _alter_constant(value: float, may_flip: bool, log_normal: bool, generator: Generator) -> float:
    # The paper says both, a new size and with probability 0.1 another sign; the original's code does one or the other.
    if may_flip and generator.random() < _SIGN_FLIP_PROBABILITY:
        return -value
    if log_normal:
        size = abs(value) * np.exp(generator.standard_normal())
        return size if value > 0 else -size
    return value * (0.5 + 1.5 * generator.random())
