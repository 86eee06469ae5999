"""Random programs and mutations, whole batches at once in compiled loops; whatever they make is valid for its space.

The release's eight mutations follow the original's source, the paper's set its section 3.1 and appendix (arXiv
2003.03384). All randomness comes from one `numpy.random.Generator`, so its state is all that a checkpoint needs.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import functools
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from azero_jax import ops, splitmix
from azero_jax.compiled import inlined, source_digest
from azero_jax.program import OUT, Programs, empty_programs, field_ranges
from azero_jax.space import MAX_FEATURES, SearchSpace
from azero_jax.splitmix import STEP, random_word, unit_interval


class Mutation(enum.IntEnum):
    """What a mutation does to one function, drawn uniformly from those that have an op to use.

    ALTER_PARAM: redraws one address or index, or changes one constant: its sign with probability 0.1, else its size by
      a factor exp(N(0, 1)).
    RANDOMIZE_INSTRUCTION: replaces one instruction by a random one.
    RANDOMIZE_COMPONENT_FUNCTION: replaces all instructions.
    INSERT_INSTRUCTION: inserts a random instruction, below the largest size.
    REMOVE_INSTRUCTION: removes one instruction, above the smallest size.
    TRADE_INSTRUCTION: inserts one and removes one, whatever the limits.
    RANDOMIZE_ALGORITHM: replaces all instructions of all functions.
    IDENTITY: nothing.
    INSERT_OR_REMOVE_INSTRUCTION: the paper's: removes with probability 2/3, else inserts.
    ALTER_ARGUMENT: the paper's: as ALTER_PARAM, but a constant's size changes by U[0.5, 2].
    """

    ALTER_PARAM = 0
    RANDOMIZE_INSTRUCTION = 1
    RANDOMIZE_COMPONENT_FUNCTION = 2
    INSERT_INSTRUCTION = 3
    REMOVE_INSTRUCTION = 4
    TRADE_INSTRUCTION = 5
    RANDOMIZE_ALGORITHM = 6
    IDENTITY = 7
    INSERT_OR_REMOVE_INSTRUCTION = 8
    ALTER_ARGUMENT = 9


RELEASE_MUTATIONS: Final = tuple(Mutation)[: Mutation.IDENTITY + 1]
PAPER_MUTATIONS: Final = (
    Mutation.INSERT_OR_REMOVE_INSTRUCTION,
    Mutation.RANDOMIZE_COMPONENT_FUNCTION,
    Mutation.ALTER_ARGUMENT,
)

_SIGN_FLIP_PROBABILITY: Final = 0.1  # original; paper, section 3.1
_REMOVE_PROBABILITY: Final = 2 / 3  # paper: "remove" twice as likely as "insert"


@dataclasses.dataclass(frozen=True)
class MutationPolicy:
    """Which mutations happen, and how often.

    Attributes:
      probability: that a child is mutated at all; the others are copies of their parent.
      weights: relative frequency of each mutation, as pairs such as `("alter_param", 2.0)`.

    Raises:
      ValueError: an unknown mutation, a negative weight, no positive weight, or a probability outside 0 to 1.
    """

    probability: float = 0.9
    weights: tuple[tuple[str, float], ...] = (
        ("alter_param", 1.0),
        ("randomize_instruction", 1.0),
        ("randomize_component_function", 1.0),
    )

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"mutation probability is {self.probability}; it must be from 0 to 1")
        names = [mutation.name.lower() for mutation in Mutation]
        for name, weight in self.weights:
            if name.lower() not in names:
                nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]
                raise ValueError(f"unknown mutation {name!r}; did you mean {nearest}? allowed: {', '.join(names)}")
            if not 0 <= weight < np.inf:
                raise ValueError(f"the weight of mutation {name} is {weight}; it must be 0 or more, and finite")
        if not sum(weight for _, weight in self.weights) > 0:
            raise ValueError("no mutation has a positive weight; at least one must")

    def cumulative(self) -> NDArray[np.float64]:
        """`[10]` cumulative probabilities in the order of `Mutation`."""
        weights = np.zeros(len(Mutation))
        for name, weight in self.weights:
            weights[Mutation[name.upper()]] += weight
        return np.cumsum(weights) / weights.sum()


class SpaceArrays(NamedTuple):
    """A search space as two arrays, for compiled loops (each array that a compiled function takes costs it time).

    Attributes:
      functions: `[3, 5 + 65]` int64, a row a function: the columns OP_COUNT to OFFSET, then the allowed ops' numbers.
      fields: `[65, 9]` int64, a row an op: lowest values of its three address fields, how many values they may have,
        and the columns INPUTS to CONSTANTS.
    """

    functions: NDArray[np.int64]
    fields: NDArray[np.int64]


OP_COUNT, MIN_SIZE, INITIAL_SIZE, MAX_SIZE, OFFSET, FIRST_OP = range(6)  # columns of `SpaceArrays.functions`
LOWEST, COUNT, INPUTS, INDICES, CONSTANTS = 0, 3, 6, 7, 8  # columns of `SpaceArrays.fields`


@functools.lru_cache
def space_arrays(space: SearchSpace) -> SpaceArrays:
    """The search space as arrays, for compiled loops, which only read them."""
    functions = np.zeros((3, FIRST_OP + len(ops.OPS)), np.int64)
    for row, function, offset in zip(functions, space.functions, space.offsets, strict=True):
        row[:FIRST_OP] = len(function.ops), function.min_size, function.initial_size, function.max_size, offset
        row[FIRST_OP : FIRST_OP + len(function.ops)] = function.ops
    lowest, counts = field_ranges(space)
    operands = np.array([(len(op.inputs), op.indices, op.constants) for op in ops.OPS], np.int64)
    return SpaceArrays(functions, np.concatenate([lowest, counts, operands], axis=1))


def random_programs(space: SearchSpace, count: int, generator: np.random.Generator) -> Programs:
    """`count` programs of the initial sizes, every instruction random; functions without ops are NO_OPs."""
    programs = no_op_programs(space, count)
    _draw_all(programs.arrays(), space_arrays(space), generator)
    return programs


def randomize(programs: Programs, space: SearchSpace, generator: np.random.Generator) -> None:
    """Makes every instruction of all programs random, in place; sizes stay, and functions without ops.

    For random search, which does little else: one draw from the generator is where a quicker one (`azero_jax.splitmix`)
    starts. So these are other programs than those of `random_programs`, equally distributed.
    """
    _randomize_all(programs.arrays(), space_arrays(space), np.uint64(generator.bit_generator.random_raw()))


def no_op_programs(space: SearchSpace, count: int) -> Programs:
    """`count` programs of the initial sizes, every instruction NO_OP: the original's empty initial population."""
    programs = empty_programs(count, space)
    programs.sizes[:] = [function.initial_size for function in space.functions]
    return programs


def mutate(
    programs: Programs, space: SearchSpace, policy: MutationPolicy, generator: np.random.Generator
) -> tuple[Programs, NDArray[np.int8]]:
    """Mutated copies of all programs.

    Returns:
      The children, and `[N]` int8: which `Mutation` made each one, -1 where it is known to be a copy of its parent.
    """
    children = programs.copy()
    applied = np.empty(len(programs), np.int8)
    arrays = space_arrays(space)
    _mutate_all(children.arrays(), applied, arrays, policy.probability, policy.cumulative(), generator)
    return children, applied


@njit(cache=True, nogil=True)
def _draw_all(programs, space, generator):  # type: ignore[no-untyped-def]
    for n in range(programs.opcodes.shape[0]):
        for function in range(3):
            _randomize_function(programs, n, function, space, generator)


def _compile(version: str) -> Callable[..., None]:
    """The compiled loop over a batch; the version is part of its key in Numba's cache on disk."""

    @njit(cache=True, nogil=True)
    def randomize_all(programs, space, counter):  # type: ignore[no-untyped-def]
        _ = version
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
                    if space.fields[op, CONSTANTS] > 1:
                        counter += STEP
                        second = unit_interval(random_word(counter))
                    _write_constants(programs, n, slot, op, first, second, space)

    return randomize_all


_randomize_all: Final = _compile(source_digest(splitmix))


@njit(cache=True, nogil=True)
def _mutate_all(programs, applied, space, probability, cumulative, generator):  # type: ignore[no-untyped-def]
    for n in range(programs.opcodes.shape[0]):
        applied[n] = mutate_one(programs, n, space, probability, cumulative, generator)


@inlined
def mutate_one(programs, n, space, probability, cumulative, generator):  # type: ignore[no-untyped-def]
    """Mutates one program in place; for compiled loops.

    Args:
      programs: `ProgramArrays`.
      n: which of them.
      space: `SpaceArrays`.
      probability: that it is mutated at all.
      cumulative: `[10]`, see `MutationPolicy.cumulative`.
      generator: source of randomness.

    Returns:
      The `Mutation` that was applied, or -1 if the program is known to be as before.
    """
    if probability < 1.0 and generator.random() >= probability:
        return -1
    draw = generator.random()
    mutation = 0
    while cumulative[mutation] <= draw:
        mutation += 1
    if mutation == Mutation.IDENTITY.value:
        return -1
    if mutation == Mutation.RANDOMIZE_ALGORITHM.value:
        for function in range(3):
            _randomize_function(programs, n, function, space, generator)
        return mutation
    function = _draw_function(space, generator)
    if function < 0 or not _mutate_function(mutation, programs, n, function, space, generator):
        return -1
    return mutation


@inlined
def _mutate_function(mutation, programs, n, function, space, generator):  # type: ignore[no-untyped-def]
    """Mutates one function; False if that is known to have changed nothing."""
    size = programs.sizes[n, function]
    first = space.functions[function, OFFSET]
    if mutation == Mutation.INSERT_OR_REMOVE_INSTRUCTION.value:
        remove = generator.random() < _REMOVE_PROBABILITY
        mutation = Mutation.REMOVE_INSTRUCTION.value if remove else Mutation.INSERT_INSTRUCTION.value
    if mutation == Mutation.INSERT_INSTRUCTION.value:
        if size >= space.functions[function, MAX_SIZE]:
            return False
        slot = first + _below(size + 1, generator)
        _open_slot(programs, n, slot, first + size)
        _randomize_instruction(programs, n, slot, function, space, generator)
        programs.sizes[n, function] = size + 1
    elif size == 0:
        return False
    elif mutation == Mutation.REMOVE_INSTRUCTION.value:
        if size <= space.functions[function, MIN_SIZE]:
            return False
        _close_slot(programs, n, first + _below(size, generator), first + size)
        programs.sizes[n, function] = size - 1
    elif mutation == Mutation.TRADE_INSTRUCTION.value:
        inserted = _below(size + 1, generator)
        removed = _below(size + 1, generator)  # counted after the insertion
        if removed == inserted:
            return False
        _close_slot(programs, n, first + removed - (removed > inserted), first + size)
        slot = first + inserted - (removed < inserted)
        _open_slot(programs, n, slot, first + size - 1)
        _randomize_instruction(programs, n, slot, function, space, generator)
    elif mutation == Mutation.RANDOMIZE_INSTRUCTION.value:
        _randomize_instruction(programs, n, first + _below(size, generator), function, space, generator)
    elif mutation == Mutation.RANDOMIZE_COMPONENT_FUNCTION.value:
        _randomize_function(programs, n, function, space, generator)
    else:
        log_normal = mutation == Mutation.ALTER_PARAM.value
        return _alter(programs, n, first + _below(size, generator), log_normal, space, generator)
    return True


@inlined
def _below(count, generator):  # type: ignore[no-untyped-def]
    """A whole number from 0 to count - 1."""
    return int(generator.random() * count)


@inlined
def _draw_function(space, generator):  # type: ignore[no-untyped-def]
    """A function that has ops to use, uniformly; -1 if none has."""
    usable = 0
    for function in range(3):
        usable += space.functions[function, OP_COUNT] > 0
    chosen = _below(usable, generator)
    for function in range(3):
        if space.functions[function, OP_COUNT] > 0:
            if chosen == 0:
                return function
            chosen -= 1
    return -1


@inlined
def _randomize_function(programs, n, function, space, generator):  # type: ignore[no-untyped-def]
    if space.functions[function, OP_COUNT] > 0:
        first = space.functions[function, OFFSET]
        for slot in range(first, first + programs.sizes[n, function]):
            _randomize_instruction(programs, n, slot, function, space, generator)


@inlined
def _randomize_instruction(programs, n, slot, function, space, generator):  # type: ignore[no-untyped-def]
    op = _write_operation(programs, n, slot, function, np.uint64(generator.random() * _WHOLE), space)
    first = generator.random() if space.fields[op, CONSTANTS] > 0 else 0.0
    second = generator.random() if space.fields[op, CONSTANTS] > 1 else 0.0
    if op >= _FIRST_GAUSSIAN:
        second = generator.random()  # once more, or the searches of a seed would be others than those on record
    _write_constants(programs, n, slot, op, first, second, space)


_BITS: Final = 64 - (MAX_FEATURES - 1).bit_length()  # of a fraction, so that a count times it fits in a word: 52
_WHOLE: Final = float(2**_BITS)
_FRACTION: Final = np.uint64(2**_BITS - 1)


@inlined
def _write_operation(programs, n, slot, function, number, space):  # type: ignore[no-untyped-def]
    """Writes an op and its addresses, and returns the op.

    They are the digits of one number of `_BITS` random bits, because it is drawing that takes time. So every operation
    has its probability to within 2**-52.
    """
    rest = number * np.uint64(space.functions[function, OP_COUNT])
    op = space.functions[function, FIRST_OP + np.int64(rest >> np.uint64(_BITS))]
    programs.opcodes[n, slot] = op
    for field in range(3):
        rest = (rest & _FRACTION) * np.uint64(space.fields[op, COUNT + field])
        programs.addresses[n, slot, field] = space.fields[op, LOWEST + field] + np.int64(rest >> np.uint64(_BITS))
    return op


@inlined
def _write_constants(programs, n, slot, op, first, second, space):  # type: ignore[no-untyped-def]
    """Writes the constants that an op has, from two numbers from 0 to below 1; a standard deviation stays there."""
    constants = space.fields[op, CONSTANTS]
    programs.constants[n, slot, 0] = 2.0 * first - 1.0 if constants > 0 else 0.0
    second = second if op >= _FIRST_GAUSSIAN else 2.0 * second - 1.0
    programs.constants[n, slot, 1] = second if constants > 1 else 0.0


@inlined
def _draw_field(op, field, space, generator):  # type: ignore[no-untyped-def]
    return space.fields[op, LOWEST + field] + _below(space.fields[op, COUNT + field], generator)


_NO_OP: Final = ops.NO_OP.number
_FIRST_GAUSSIAN: Final = ops.op_number("SCALAR_GAUSSIAN_SET")


@inlined
def _open_slot(programs, n, position, end):  # type: ignore[no-untyped-def]
    for slot in range(end, position, -1):
        _move(programs, n, slot - 1, slot)


@inlined
def _close_slot(programs, n, position, end):  # type: ignore[no-untyped-def]
    for slot in range(position, end - 1):
        _move(programs, n, slot + 1, slot)
    programs.opcodes[n, end - 1] = 0
    for column in range(3):
        programs.addresses[n, end - 1, column] = 0
    for column in range(2):
        programs.constants[n, end - 1, column] = 0.0


@inlined
def _move(programs, n, source, target):  # type: ignore[no-untyped-def]
    programs.opcodes[n, target] = programs.opcodes[n, source]
    for column in range(3):
        programs.addresses[n, target, column] = programs.addresses[n, source, column]
    for column in range(2):
        programs.constants[n, target, column] = programs.constants[n, source, column]


@inlined
def _alter(programs, n, slot, log_normal, space, generator):  # type: ignore[no-untyped-def]
    """Changes one parameter of an instruction: an input, the output, or what it writes; whether it is another now."""
    op = programs.opcodes[n, slot]
    if op == _NO_OP:
        return False
    inputs = space.fields[op, INPUTS]
    choice = _below(max(inputs, 1) + 1, generator)
    if choice == max(inputs, 1):
        return _redraw(programs, n, slot, OUT, space, generator)
    if inputs > 0:
        return _redraw(programs, n, slot, choice, space, generator)
    choice = _below(space.fields[op, INDICES] + space.fields[op, CONSTANTS], generator)
    if choice < space.fields[op, INDICES]:
        return _redraw(programs, n, slot, choice, space, generator)
    _alter_data(programs, n, slot, choice - space.fields[op, INDICES], log_normal, space, generator)
    return True


@inlined
def _redraw(programs, n, slot, field, space, generator):  # type: ignore[no-untyped-def]
    """Draws an address or index anew; whether it is another one."""
    before = programs.addresses[n, slot, field]
    programs.addresses[n, slot, field] = _draw_field(programs.opcodes[n, slot], field, space, generator)
    return programs.addresses[n, slot, field] != before


@inlined
def _alter_data(programs, n, slot, column, log_normal, space, generator):  # type: ignore[no-untyped-def]
    op = programs.opcodes[n, slot]
    gaussian = op >= _FIRST_GAUSSIAN
    may_flip = not (gaussian and column == 1)  # a standard deviation never changes its sign
    altered = _alter_constant(programs.constants[n, slot, column], may_flip, log_normal, generator)
    programs.constants[n, slot, column] = altered
    low, high = programs.constants[n, slot, 0], programs.constants[n, slot, 1]
    if space.fields[op, CONSTANTS] == 2 and not gaussian and low > high:
        programs.constants[n, slot, 0] = high  # an altered interval is put the right way round
        programs.constants[n, slot, 1] = low


@inlined
def _alter_constant(value, may_flip, log_normal, generator):  # type: ignore[no-untyped-def]
    if may_flip and generator.random() < _SIGN_FLIP_PROBABILITY:
        return -value
    if log_normal:
        size = abs(value) * np.exp(generator.standard_normal())
        return size if value > 0 else -size
    return value * (0.5 + 1.5 * generator.random())
