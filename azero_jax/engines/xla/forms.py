"""The forms in which a block of programs is interpreted: how it is encoded on the host, and executed on the device.

| form   | programs side by side | an instruction is                            | for                             |
| ------ | --------------------- | -------------------------------------------- | ------------------------------- |
| Branch | 1                     | a branch to its op                           | a CPU, many or large ops        |
| Select | as fit the caches     | every op, of which each lane selects its own | a CPU, few ops                  |
| Grouped | thousands            | a branch to its group, then a select         | accelerators                    |

A lane is a (program, task). They are the last axes of every array: one axis, tasks minor, or, on accelerators, whose
registers hold 8 x 128 numbers, three: task, program // 128, program % 128. There what belongs to a task or to a program
alone is never repeated for every lane.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from typing import Any, ClassVar, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import DTypeLike, NDArray

from azero_jax.engines.xla.groups import Entries, group_step, written_number
from azero_jax.engines.xla.schedule import make_schedule, schedule_offsets
from azero_jax.engines.xla.step import Code, Draw, Registers, branch_step, select_step
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.space import SearchSpace

COLUMNS: Final = 128  # of an accelerator's vector registers
_OUTPUT_KIND: Final = np.array([ops.KINDS.index(op.output) if op.output else -1 for op in ops.OPS], np.int8)


@dataclasses.dataclass(frozen=True)
class Form(abc.ABC):
    """How programs are interpreted.

    Attributes:
      block: how many programs run side by side.
    """

    block: int
    name: ClassVar[str]

    @abc.abstractmethod
    def step(
        self, numbers: tuple[int, ...], registers: Registers, code: Any, number: jax.Array, draw: Draw
    ) -> Registers:
        """Executes a numbered instruction, or entry of a schedule, on all lanes; `numbers` are the function's ops."""

    @abc.abstractmethod
    def lanes(self, tasks: int) -> tuple[int, ...]:
        """Shape of the lanes."""

    @abc.abstractmethod
    def spread(self, array: jax.Array) -> jax.Array:
        """What is the same for every program, `[..., T]`, so that it broadcasts with `[..., lanes]`."""

    @abc.abstractmethod
    def by_program(self, array: jax.Array, tasks: int) -> jax.Array:
        """`[P, ..., T]` of `[..., lanes]`."""

    @abc.abstractmethod
    def offsets(self, space: SearchSpace) -> tuple[int, ...]:
        """Where the code of Setup, Predict and Learn begins."""

    @abc.abstractmethod
    def encode(
        self, space: SearchSpace, programs: Programs, rows: NDArray[np.int64], capacity: int, dtype: DTypeLike
    ) -> tuple[Any, NDArray[np.int32]]:
        """Code and sizes as the device takes them: programs in the given rows of `capacity`, the others empty.

        The first axis of every array is programs, or blocks of programs.
        """

    @abc.abstractmethod
    def programs(self, sizes: jax.Array) -> int:
        """How many programs sizes are for."""

    @abc.abstractmethod
    def take_block(self, code: Any, sizes: jax.Array, number: jax.Array, tasks: int) -> tuple[Any, jax.Array]:
        """The code of a block as `step` takes it, and `[3]` how much of each function is executed."""


class _BySlots(Form):
    """Code that lies as it does in `Programs`."""

    def offsets(self, space: SearchSpace) -> tuple[int, ...]:
        """Where the slots of each function begin."""
        return space.offsets

    def encode(
        self, space: SearchSpace, programs: Programs, rows: NDArray[np.int64], capacity: int, dtype: DTypeLike
    ) -> tuple[Code, NDArray[np.int32]]:
        """`[capacity, L]` instructions, `[capacity, 3]` sizes."""

        def pad(array: NDArray[Any], dtype: DTypeLike) -> Any:  # NumPy, which a jitted function takes too
            padded = np.zeros((capacity, *array.shape[1:]), dtype)
            with np.errstate(over="ignore"):  # a constant beyond float32 is infinite
                padded[rows] = array
            return padded

        branches = branch_numbers(space)[np.arange(space.length), programs.opcodes]
        in1, in2, out = (programs.addresses[..., column] for column in (IN1, IN2, OUT))
        kinds = _OUTPUT_KIND[programs.opcodes]
        outputs = [np.where(kinds == kind, out.astype(np.int32), -1) for kind in range(len(ops.KINDS))]
        integers: list[NDArray[Any]] = [branches, in1, in2, *outputs]
        constants = (pad(programs.constants[..., column], dtype) for column in (0, 1))
        return Code(*(pad(array, np.int32) for array in integers), *constants), pad(programs.sizes, np.int32)

    def programs(self, sizes: jax.Array) -> int:
        """See `Form`."""
        return len(sizes)

    def lanes(self, tasks: int) -> tuple[int, ...]:
        """One axis."""
        return (self.block * tasks,)

    def spread(self, array: jax.Array) -> jax.Array:
        """See `Form`."""
        return jnp.tile(array, (*(1 for _ in array.shape[:-1]), self.block))

    def by_program(self, array: jax.Array, tasks: int) -> jax.Array:
        """See `Form`."""
        return jnp.moveaxis(array.reshape(*array.shape[:-1], self.block, tasks), -2, 0)

    def take_block(self, code: Any, sizes: jax.Array, number: jax.Array, tasks: int) -> tuple[Any, jax.Array]:
        """The slots of the block's programs; it runs to the longest of each function."""
        taken, sizes = jax.tree.map(
            lambda array: lax.dynamic_slice_in_dim(array, number * self.block, self.block), (code, sizes)
        )
        return self._with_lanes(taken, tasks), sizes.max(axis=0)

    @abc.abstractmethod
    def _with_lanes(self, code: Code, tasks: int) -> Code: ...


@dataclasses.dataclass(frozen=True)
class Branch(_BySlots):
    """One program at a time; every instruction branches to its op."""

    block: int = 1
    name: ClassVar[str] = "branch"

    def step(
        self, numbers: tuple[int, ...], registers: Registers, code: Code, number: jax.Array, draw: Draw
    ) -> Registers:
        """See `branch_step`."""
        return branch_step(numbers, registers, code.at(number), draw)

    def _with_lanes(self, code: Code, tasks: int) -> Code:
        return jax.tree.map(lambda array: array[0], code)


class Select(_BySlots):
    """A few programs side by side, slot by slot; every op runs, and each lane selects."""

    name: ClassVar[str] = "select"

    def step(
        self, numbers: tuple[int, ...], registers: Registers, code: Code, number: jax.Array, draw: Draw
    ) -> Registers:
        """See `select_step`."""
        return select_step(numbers, registers, code.at(number), draw)

    def _with_lanes(self, code: Code, tasks: int) -> Code:
        return jax.tree.map(lambda array: jnp.repeat(jnp.moveaxis(array, 0, -1), tasks, axis=-1), code)


class Grouped(Form):
    """Thousands of programs side by side, by a schedule that they share; every entry branches to a group of ops."""

    name: ClassVar[str] = "grouped"

    def step(
        self, numbers: tuple[int, ...], registers: Registers, code: Entries, number: jax.Array, draw: Draw
    ) -> Registers:
        """See `group_step`."""
        return group_step(numbers, registers, code, number, draw)

    def lanes(self, tasks: int) -> tuple[int, ...]:
        """Tasks, then the programs in rows of `COLUMNS`."""
        return (tasks, *self._programs)

    @property
    def _programs(self) -> tuple[int, int]:
        columns = math.gcd(self.block, COLUMNS)
        return self.block // columns, columns

    def spread(self, array: jax.Array) -> jax.Array:
        """See `Form`."""
        return array[..., None, None]

    def by_program(self, array: jax.Array, tasks: int) -> jax.Array:
        """See `Form`."""
        return jnp.moveaxis(array.reshape(*array.shape[:-2], self.block), -1, 0)

    def offsets(self, space: SearchSpace) -> tuple[int, ...]:
        """Where the entries of each function begin."""
        return schedule_offsets(space)[:3]

    def encode(
        self, space: SearchSpace, programs: Programs, rows: NDArray[np.int64], capacity: int, dtype: DTypeLike
    ) -> tuple[Entries, NDArray[np.int32]]:
        """`[B]` blocks of entries, `[B, E]` or `[B, E, P // 128, 128]`, and `[B, 3]` counts."""
        blocks = capacity // self.block
        schedule = make_schedule(programs, rows // self.block, blocks, space)
        program, slot = np.nonzero(schedule.entry >= 0)
        row = rows[program]
        place = (row // self.block, schedule.entry[program, slot], row % self.block)

        def spread(values: NDArray[Any], dtype: DTypeLike, fill: int = 0) -> Any:
            array = np.full((blocks, schedule.group.shape[1], self.block), fill, dtype)
            with np.errstate(over="ignore"):
                array[place] = values
            return array.reshape(*array.shape[:-1], *self._programs)

        addresses, constants = programs.addresses[program, slot], programs.constants[program, slot]
        entries = Entries(
            group=schedule.group,  # type: ignore[arg-type]  # NumPy, which a jitted function takes too
            branch=spread(branch_numbers(space)[slot, programs.opcodes[program, slot]], np.int32),
            in1=spread(addresses[:, IN1], np.int32),
            in2=spread(addresses[:, IN2], np.int32),
            written=spread(written_number(programs.opcodes[program, slot], addresses[:, OUT]), np.int32, -1),
            x=spread(constants[:, 0], dtype),
            y=spread(constants[:, 1], dtype),
        )
        return entries, schedule.counts

    def programs(self, sizes: jax.Array) -> int:
        """See `Form`."""
        return len(sizes) * self.block

    def take_block(self, code: Any, sizes: jax.Array, number: jax.Array, tasks: int) -> tuple[Any, jax.Array]:
        """The block's entries."""
        return jax.tree.map(lambda array: lax.dynamic_index_in_dim(array, number, keepdims=False), (code, sizes))


@functools.cache
def branch_numbers(space: SearchSpace) -> NDArray[np.int32]:
    """`[L, 65]`: an op's branch in each slot, 0 for NO_OP and for ops that are not allowed there."""
    branches = np.zeros((space.length, len(ops.OPS)), np.int32)
    for function, offset in zip(space.functions, space.offsets, strict=True):
        numbers = [number for number in function.ops if number != ops.NO_OP.number]
        branches[offset : offset + function.max_size, numbers] = np.arange(1, len(numbers) + 1)
    return branches
