"""Random instructions and programs, whole batches at once in compiled loops; all are valid for their space."""

from typing import Final

import numpy as np
from numpy.random import Generator

from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.splitmix import STEP, random_word, unit_interval
from azero_jax.compiled.tables import (
    CONSTANTS,
    COUNT,
    FIRST_OP,
    LOWEST,
    OFFSET,
    OP_COUNT,
    SpaceTables,
    ops_for,
    space_tables,
)
from azero_jax.language import ops
from azero_jax.language.program import ProgramArrays, Programs, empty_programs
from azero_jax.language.space import MAX_FEATURES, SearchSpace

_SCALED_DOWN: Final = 0.5  # of the instructions that mutations of live code make: learning rates are small
_LEAST_SCALE: Final = 0.001
FIRST_GAUSSIAN: Final = ops.op_number("SCALAR_GAUSSIAN_SET")  # ops from here on draw from normal distributions


def random_programs(space: SearchSpace, count: int, generator: Generator) -> Programs:
    """`count` programs of the initial sizes, every instruction random; functions without ops are NO_OPs."""
    programs = no_op_programs(space, count)
    _draw_all(programs.arrays(), space_tables(space), generator)
    return programs


def randomize(programs: Programs, space: SearchSpace, generator: Generator) -> None:
    """Makes every instruction of all programs random, in place; sizes stay, and functions without ops.

    For random search, which does little else: one draw from the generator is where a quicker one (`splitmix`) starts.
    So these are other programs than those of `random_programs`, equally distributed.
    """
    _randomize_all(programs.arrays(), space_tables(space), np.uint64(generator.bit_generator.random_raw()))


def no_op_programs(space: SearchSpace, count: int) -> Programs:
    """`count` programs of the initial sizes, every instruction NO_OP: the original's empty initial population."""
    programs = empty_programs(count, space)
    programs.sizes[:] = [function.initial_size for function in space.functions]
    return programs


@compiled_loop
def _draw_all(programs: ProgramArrays, space: SpaceTables, generator: Generator) -> None:
    for n in range(programs.opcodes.shape[0]):
        for function in range(3):
            randomize_function(programs, n, function, space, generator)


@compiled_loop
def _randomize_all(programs: ProgramArrays, space: SpaceTables, counter: np.uint64) -> None:
    for n in range(programs.opcodes.shape[0]):
        for function in range(3):
            if space.functions[function, OP_COUNT] == 0:
                continue
            begin = space.functions[function, OFFSET]
            for place in range(programs.sizes[n, function]):
                slot = np.uint64(begin + place)  # unsigned: it need not be looked at whether it counts from the end
                counter += STEP
                number = random_word(counter) >> np.uint64(64 - _BITS)
                op = _write_operation(programs, n, slot, function, number, space)
                counter += STEP
                first = unit_interval(random_word(counter))  # always: whether it is used cannot be predicted
                second = 0.0
                if space.ops[op, CONSTANTS] > 1:
                    counter += STEP
                    second = unit_interval(random_word(counter))
                _write_constants(programs, n, slot, op, first, second, space)


@inlined
def below(count: int, generator: Generator) -> int:
    """A whole number from 0 to count - 1."""
    return int(generator.random() * count)


@inlined
def randomize_function(
    programs: ProgramArrays, n: int, function: int, space: SpaceTables, generator: Generator
) -> None:
    """Makes every instruction of one function of program `n` random, if the function has ops."""
    if space.functions[function, OP_COUNT] > 0:
        first = space.functions[function, OFFSET]
        for slot in range(first, first + programs.sizes[n, function]):
            randomize_instruction(programs, n, slot, function, space, generator)


@inlined
def randomize_instruction(
    programs: ProgramArrays, n: int, slot: int, function: int, space: SpaceTables, generator: Generator
) -> None:
    """Makes one instruction of program `n` random."""
    op = _write_operation(programs, n, slot, function, np.uint64(generator.random() * _WHOLE), space)
    first = generator.random() if space.ops[op, CONSTANTS] > 0 else 0.0
    second = generator.random() if space.ops[op, CONSTANTS] > 1 else 0.0
    if op >= FIRST_GAUSSIAN:
        second = generator.random()  # once more, or the searches of a seed would be others than those on record
    _write_constants(programs, n, slot, op, first, second, space)


_BITS: Final = 64 - (MAX_FEATURES - 1).bit_length()  # of a fraction, so that a count times it fits in a word: 52
_WHOLE: Final = float(2**_BITS)
_FRACTION: Final = np.uint64(2**_BITS - 1)


@inlined
def _write_operation(
    programs: ProgramArrays, n: int, slot: int | np.uint64, function: int, number: np.uint64, space: SpaceTables
) -> int:
    """Writes an op and its addresses, and returns the op.

    They are the digits of one number of `_BITS` random bits, because it is drawing that takes time. So every operation
    has its probability to within 2**-52.
    """
    rest = number * np.uint64(space.functions[function, OP_COUNT])
    op = space.functions[function, FIRST_OP + np.int64(rest >> np.uint64(_BITS))]
    programs.opcodes[n, slot] = op
    for field in range(3):
        rest = (rest & _FRACTION) * np.uint64(space.ops[op, COUNT + field])
        programs.addresses[n, slot, field] = space.ops[op, LOWEST + field] + np.int64(rest >> np.uint64(_BITS))
    return op


@inlined
def _write_constants(
    programs: ProgramArrays, n: int, slot: int | np.uint64, op: int, first: float, second: float, space: SpaceTables
) -> None:
    """Writes the constants that an op has, from two numbers from 0 to below 1; a standard deviation stays there."""
    constants = space.ops[op, CONSTANTS]
    programs.constants[n, slot, 0] = 2.0 * first - 1.0 if constants > 0 else 0.0
    second = second if op >= FIRST_GAUSSIAN else 2.0 * second - 1.0
    programs.constants[n, slot, 1] = second if constants > 1 else 0.0


@inlined
def write_instruction(
    programs: ProgramArrays, n: int, slot: int, op: int, space: SpaceTables, generator: Generator
) -> None:
    """Makes one instruction of program `n` a random one of an op; of half of them the constants are scaled down."""
    programs.opcodes[n, slot] = op
    for field in range(3):
        programs.addresses[n, slot, field] = draw_field(op, field, space, generator)
    first = generator.random() if space.ops[op, CONSTANTS] > 0 else 0.0
    second = generator.random() if space.ops[op, CONSTANTS] > 1 else 0.0
    _write_constants(programs, n, slot, op, first, second, space)
    if space.ops[op, CONSTANTS] > 0 and generator.random() < _SCALED_DOWN:
        for column in range(space.ops[op, CONSTANTS]):
            programs.constants[n, slot, column] *= draw_size(generator)


@inlined
def draw_size(generator: Generator) -> float:
    """A number from 1/1000 to 1 of any order of size, as learning rates are: its logarithm is uniform."""
    return np.exp(np.log(_LEAST_SCALE) * generator.random())


@inlined
def has_op(function: int, op: int, space: SpaceTables) -> bool:
    """Whether a function may have an op."""
    has = False
    for k in range(space.functions[function, OP_COUNT]):
        has |= space.functions[function, FIRST_OP + k] == op
    return has


@inlined
def draw_op(function: int, output: int, given: int, space: SpaceTables, generator: Generator) -> int:
    """One of the ops of a function that write and read registers of these kinds, as `ops_for` has them; -1: none."""
    column = ops_for(output, given)
    count = space.functions[function, column]
    return space.functions[function, column + 1 + below(count, generator)] if count > 0 else -1


@inlined
def draw_field(op: int, field: int, space: SpaceTables, generator: Generator) -> int:
    """A random address or index for one field of an op."""
    return space.ops[op, LOWEST + field] + below(space.ops[op, COUNT + field], generator)
