"""A search space and the roles of its registers as integer tables with named columns, for compiled loops.

Registers of all kinds are numbered through: scalars, vectors, matrices, then R = "no input" and R + 1 = "no output".
The tables are few, because a compiled function pays for every array that it is handed.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax import ops
from azero_jax.compiled import inlined
from azero_jax.program import IN1, IN2, OUT
from azero_jax.space import SearchSpace
from azero_jax.tasks import Metric

Table = NDArray[np.int64]

SETUP, PREDICT, LEARN = range(3)  # functions, by their place in `SearchSpace.functions`

# Columns of `SpaceTables.ops`, beside IN1, IN2 and OUT: the first register of each operand's kind.
IN1_USED, IN2_USED, OUT_USED, KEEPS, COMMUTATIVE, RANDOM, CONSTANTS = range(3, 10)
# Columns of `SpaceTables.registers`.
KIND, SET_OUTSIDE, FIXED, FIRST, FIRST_OUTPUT, END = range(6)
# Entries of `SpaceTables.facts`, after the first slots of the three functions.
TOTAL, PREDICTION, LABEL, FEATURES, WORDS = range(3, 8)


class SpaceTables(NamedTuple):
    """A search space and the registers' roles, for compiled loops.

    Attributes:
      ops: `[65, 10]` int64, a row an op: for IN1, IN2 and OUT the first register of the operand's kind, and whether the
        op has it (if not, its register is R or R + 1); then the op's traits.
      registers: `[R + 2, 6]` int64, a row a register: its kind (position in `ops.KINDS`), whether it is set before
        Predict and Learn, whether it has a role outside of the program, and of its kind the first register, the first
        that an instruction may write, and the end.
      facts: `[8]` int64: first slots of Setup, Predict and Learn; R; the registers of prediction, label and features;
        and how many words a set of registers takes.
    """

    ops: Table
    registers: Table
    facts: Table


@functools.lru_cache
def space_tables(space: SearchSpace, metric: Metric) -> SpaceTables:
    """The tables of `space` with the roles that `metric` gives its registers.

    Raises:
      ValueError: the metric needs registers that the space does not have.
    """
    firsts = np.cumsum([0, *(space.addresses(kind) for kind in ops.KINDS)])
    total = int(firsts[-1])
    label, prediction = ops.LABEL_ADDRESS, ops.PREDICTION_ADDRESS
    features = int(firsts[1]) + ops.FEATURES_ADDRESS
    set_outside = [ops.LABEL_ADDRESS, features]
    if Metric(metric) is Metric.MULTICLASS_ACCURACY:
        if space.vectors < 3:
            raise ValueError(f"vectors is {space.vectors}; the metric {metric} needs at least 3: v0, v1 and v2")
        label, prediction = features + 1, features + 2
        set_outside.append(label)

    op_table = np.zeros((len(ops.OPS), 10), np.int64)
    op_table[:, [IN1, IN2, OUT]] = total, total, total + 1
    for op in ops.OPS:
        for field, kind in (*enumerate(op.inputs), *((OUT, kind) for kind in op.output)):
            op_table[op.number, field] = firsts[ops.KINDS.index(kind)]
            op_table[op.number, IN1_USED + field] = 1
        op_table[op.number, KEEPS:] = op.partial_write, op.commutative, op.random, op.constants

    registers = np.zeros((total + 2, 6), np.int64)
    for number, kind in enumerate(ops.KINDS):
        first, end = firsts[number : number + 2]
        registers[first:end, KIND] = number
        registers[first:end, FIRST:] = first, first + ops.FIRST_OUTPUT_ADDRESS[kind], end
    registers[set_outside, SET_OUTSIDE] = 1
    registers[[*set_outside, prediction], FIXED] = 1
    words = -(-(total + 2) // 64)
    return SpaceTables(op_table, registers, np.array([*space.offsets, total, prediction, label, features, words]))


@inlined
def find_register(
    field: int, program: int, slot: int | np.uint64, op: int, addresses: NDArray[np.uint16], op_table: Table
) -> int:
    """The register that an instruction has in its field IN1, IN2 or OUT."""
    return op_table[op, field] + op_table[op, IN1_USED + field] * addresses[program, slot, field]
