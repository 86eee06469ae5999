"""What a kernel is compiled for, and how much of the work it has in VMEM at a time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final

import numpy as np

from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.xla.forms import Grouped
from azero_jax.engines.xla.schedule import schedule_offsets
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace

TILE: Final = (8, 128)  # numbers of a TPU's vector register
BLOCK: Final = TILE[0] * TILE[1]  # programs side by side
VMEM: Final = 44 << 20  # bytes for code, registers and state: a TPU v7x has 64 MiB, a v5e 128
VMEM_LIMIT: Final = 60 << 20  # bytes that the compiler may take, its own temporaries included
STREAMED: Final = 8192  # numbers of examples in SMEM at a time
POSITIONS: Final = 64  # most examples at a time
RECORDED: Final = 1024  # most examples of tasks at a time, whose errors may be recorded: 8 MiB, with the previous ones
CODE_WORDS: Final = 6  # arrays of an entry's code


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a kernel is compiled for.

    Attributes:
      space: the search space.
      metric: of the tasks.
      dtype: of the registers.
      lanes: shape of a block of programs.
      tasks: whose registers are in VMEM at a time; a divisor of all.
      positions: examples that are in SMEM at a time.
      exact: whether a lane's memory stays as it was when the lane stopped: later epochs and traces need it.
    """

    space: SearchSpace
    metric: Metric
    dtype: np.dtype[Any]
    lanes: tuple[int, int]
    tasks: int
    positions: int
    exact: bool

    @property
    def form(self) -> Grouped:
        """How programs are encoded."""
        return Grouped(math.prod(self.lanes))

    def count(self, kind: str) -> int:
        """Registers of a kind; one at least, as no array in VMEM may be empty."""
        return max(1, self.space.addresses(kind))

    def size(self, kind: str) -> int:
        """Numbers of one register of a kind."""
        return int(self.space.features ** ops.RANKS[kind])

    def file(self, kind: str) -> tuple[int, ...]:
        """Shape of a register file: `[registers, numbers, tasks, *lanes]`."""
        return (self.count(kind), self.size(kind), self.tasks, *self.lanes)

    def staged(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of where two operands are gathered, for ops that read a number after others are written."""
        families = {ops.OPS[number].family for number in self.space.ops}
        first = families & {Family.TRANSPOSE, Family.MATMUL}
        of_rows = any(ops.OPS[n].output == ops.VECTOR and ops.MATRIX in ops.OPS[n].inputs for n in self.space.ops)
        sizes = (
            self.size(ops.MATRIX) if first else self.size(ops.VECTOR) if of_rows else 1,
            self.size(ops.MATRIX) if Family.MATMUL in families else 1,
        )
        return (sizes[0], 1, *self.lanes), (sizes[1], 1, *self.lanes)

    @property
    def row_numbers(self) -> int:
        """Numbers of an example of one task: features, then the label."""
        return self.space.features + self.metric.outputs(self.space.features)


def make_plan(
    space: SearchSpace, metric: Metric, dtype: np.dtype[Any], tasks: int, epochs: int, block: int = BLOCK
) -> Plan:
    """The plan for so many tasks, as many of them at a time as have room.

    Raises:
      EngineUnavailableError: there is no room for the registers of one task.
    """
    columns = math.gcd(block, TILE[1])
    plan = Plan(space, metric, dtype, (block // columns, columns), 1, 1, epochs > 1)
    fixed, each = _fixed_bytes(plan), _task_bytes(plan)
    fitting = (VMEM - fixed) // each if fixed < VMEM else 0
    if not fitting:
        needs, room = (fixed + each) / 2**20, VMEM / 2**20
        raise EngineUnavailableError(
            f"the Pallas engine would need {needs:.0f} MiB of a TPU's vector memory for {block} programs' registers and"
            f" code, and counts on {room:.0f} MiB; use fewer features, matrices or instructions, or --engine xla"
        )
    chosen = max(count for count in range(1, tasks + 1) if tasks % count == 0 and count <= fitting)
    positions = max(1, min(POSITIONS, STREAMED // (chosen * plan.row_numbers), RECORDED // chosen))
    return dataclasses.replace(plan, tasks=chosen, positions=positions)


def _fixed_bytes(plan: Plan) -> int:
    entries = max(1, schedule_offsets(plan.space)[3])
    staged = sum(shape[0] for shape in plan.staged())
    return (2 * CODE_WORDS * entries + staged) * math.prod(plan.lanes) * plan.dtype.itemsize  # code: this block, next


def _task_bytes(plan: Plan) -> int:
    registers = sum(plan.count(kind) * plan.size(kind) for kind in ops.KINDS)
    state = 3 + 2 * 3  # in scratch, and outputs of this block and the previous one
    return (registers + state) * math.prod(plan.lanes) * plan.dtype.itemsize
