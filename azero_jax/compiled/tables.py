"""A search space and the roles of its registers as integer tables with named columns, for compiled loops.

Registers of all kinds are numbered through: scalars, vectors, matrices, then R = "no input" and R + 1 = "no output".
The tables are few, because a compiled function pays for every array that it is handed.
"""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.compiled.inline import inlined
from azero_jax.language import ops, roles
from azero_jax.language.program import IN1, IN2, OUT, ProgramArrays, field_ranges
from azero_jax.language.roles import Metric, Register
from azero_jax.language.space import SearchSpace

Table = NDArray[np.int64]

SETUP, PREDICT, LEARN = range(3)  # functions, by their place in `SearchSpace.functions`

# Columns of `SpaceTables.functions`; then come the allowed ops' numbers, and, for each kind of output and of an input,
# as `ops_for` has it, how many of them have these, and which.
OP_COUNT, MIN_SIZE, INITIAL_SIZE, MAX_SIZE, OFFSET, FIRST_OP = range(6)
_FITTING, _FITTING_WIDTH = FIRST_OP + len(ops.OPS), 1 + len(ops.OPS)
ANY_INPUT = len(ops.KINDS)  # in place of the kind of an input
# Columns of `SpaceTables.ops`, beside IN1, IN2 and OUT: the first register of each operand's kind.
IN1_USED, IN2_USED, OUT_USED, KEEPS, COMMUTATIVE, RANDOM, CONSTANTS, INPUTS, INDICES = range(3, 12)
LOWEST, COUNT = 12, 15  # of the three address fields: lowest value, and how many values there are
# Columns of `SpaceTables.registers`.
KIND, SET_OUTSIDE, FIXED, FIRST, FIRST_OUTPUT, END = range(6)
# Entries of `SpaceTables.facts`, after the first slots of the three functions.
TOTAL, PREDICTION, LABEL, FEATURES, WORDS, IS_SQUASHED = range(3, 9)


class SpaceTables(NamedTuple):
    """A search space and the registers' roles, for compiled loops.

    Attributes:
      functions: `[3, 862]` int64, a row a function: the columns OP_COUNT to OFFSET, then the allowed ops' numbers, then
        twelve times how many of these there are of some kinds, and their numbers.
      ops: `[65, 18]` int64, a row an op: for IN1, IN2 and OUT the first register of the operand's kind, and whether the
        op has it (if not, its register is R or R + 1); then the op's traits; and what its address fields may hold.
      registers: `[R + 2, 6]` int64, a row a register: its kind (position in `ops.KINDS`), whether it is set before
        Predict and Learn, whether it has a role outside of the program, and of its kind the first register, the first
        that an instruction may write, and the end.
      facts: `[9]` int64: first slots of Setup, Predict and Learn; R; the registers of prediction, label and features;
        how many words a set of registers takes; and whether a probability takes the prediction's place before Learn.
    """

    functions: Table
    ops: Table
    registers: Table
    facts: Table


@functools.lru_cache
def space_tables(space: SearchSpace, metric: Metric = Metric.RMS_ERROR) -> SpaceTables:
    """The tables of `space` with the roles that `metric` gives its registers.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    firsts = np.cumsum([0, *(space.addresses(kind) for kind in ops.KINDS)])
    total = int(firsts[-1])
    metric.check_vectors(space.vectors)

    def number(register: Register) -> int:
        return int(firsts[ops.KINDS.index(register.kind)]) + register.address

    given = [number(register) for register in metric.given]
    label, prediction, features = number(metric.label), number(metric.prediction), number(roles.FEATURES)

    op_table = np.zeros((len(ops.OPS), COUNT + 3), np.int64)
    op_table[:, [IN1, IN2, OUT]] = total, total, total + 1
    for op in ops.OPS:
        for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
            op_table[op.number, field] = firsts[ops.KINDS.index(kind)]
            op_table[op.number, IN1_USED + field] = 1
        traits = op.partial_write, op.commutative, op.random, op.constants, len(op.inputs), op.indices
        op_table[op.number, KEEPS:LOWEST] = traits
    op_table[:, LOWEST:COUNT], op_table[:, COUNT:] = field_ranges(space)

    registers = np.zeros((total + 2, 6), np.int64)
    for place, kind in enumerate(ops.KINDS):
        first, end = firsts[place : place + 2]
        registers[first:end, KIND] = place
        registers[first:end, FIRST:] = first, first + ops.FIRST_OUTPUT_ADDRESS[kind], end
    registers[given, SET_OUTSIDE] = 1
    registers[[*given, prediction], FIXED] = 1
    words = -(-(total + 2) // 64)
    facts = np.array([*space.offsets, total, prediction, label, features, words, metric.is_classification])
    functions = np.zeros((3, _FITTING + len(ops.KINDS) * (ANY_INPUT + 1) * _FITTING_WIDTH), np.int64)
    for row, function, offset in zip(functions, space.functions, space.offsets, strict=True):
        row[:FIRST_OP] = len(function.ops), function.min_size, function.initial_size, function.max_size, offset
        row[FIRST_OP : FIRST_OP + len(function.ops)] = function.ops
        for writes, kind in enumerate(ops.KINDS):
            for reads, read in enumerate((*ops.KINDS, "")):  # "" is in all that ops read
                fitting = [op for op in function.ops if ops.OPS[op].output == kind and read in ops.OPS[op].inputs]
                column = _ops_for(writes, reads)
                row[column : column + 1 + len(fitting)] = len(fitting), *fitting
    return SpaceTables(functions, op_table, registers, facts)


def _ops_for(output: int, given: int) -> int:
    """The column of a function where it says how many of its ops there are, then which, of these kinds.

    Args:
      output: the kind that they write, as its place in `ops.KINDS`.
      given: a kind that they read, likewise; `ANY_INPUT` of all.
    """
    return _FITTING + (output * (ANY_INPUT + 1) + given) * _FITTING_WIDTH


ops_for = inlined(_ops_for)  # for compiled loops


@inlined
def find_register(
    field: int, programs: ProgramArrays, n: int, slot: int | np.uint64, op: int, space: SpaceTables
) -> int:
    """The register that an instruction of program `n` has in its field IN1, IN2 or OUT."""
    return space.ops[op, field] + space.ops[op, IN1_USED + field] * programs.addresses[n, slot, field]
