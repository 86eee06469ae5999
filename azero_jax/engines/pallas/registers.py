"""Registers of a block of programs in VMEM: each lane reads and writes those that its own program names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from azero_jax.engines.pallas.plan import Plan
from azero_jax.language import ops

LARGEST_PIECE: Final = 8  # vector registers of the TPU that one operand takes, of its 64


@dataclasses.dataclass(frozen=True)
class Tasks:
    """A few neighbouring tasks, `count` from `start` on."""

    start: Any
    count: int

    @property
    def slice(self) -> Any:
        """For an axis of tasks."""
        return pl.ds(self.start, self.count)


@dataclasses.dataclass(frozen=True)
class RegisterFiles:
    """References to the files, by kind, each `[registers, numbers, tasks, *lanes]`."""

    plan: Plan
    files: dict[str, Any]

    def read(self, kind: str, address: jax.Array, start: Any, count: int, tasks: Tasks) -> jax.Array:
        """`[count, tasks, *lanes]` numbers from `start` on of the register that each lane names.

        Every register is read, and each lane selects: a TPU has no address for each lane.
        """
        file, numbers = self.files[kind], pl.ds(start, count)
        found = file[0, numbers, tasks.slice]
        for number in range(1, self.plan.count(kind)):
            found = jnp.where(address == number, file[number, numbers, tasks.slice], found)
        return found

    def write(
        self, kind: str, address: jax.Array, start: Any, value: jax.Array, tasks: Tasks, keep: jax.Array | None = None
    ) -> None:
        """Writes numbers from `start` on of the register that each lane names, nothing where that is none.

        Args:
          kind: of the registers.
          address: `[*lanes]` or `[tasks, *lanes]`.
          start: of the numbers.
          value: `[count, tasks, *lanes]`.
          tasks: whose registers.
          keep: like `value`, true where the number stays; None writes all.
        """
        file, numbers = self.files[kind], pl.ds(start, value.shape[0])
        for number in range(ops.FIRST_OUTPUT_ADDRESS[kind], self.plan.count(kind)):
            is_written = address == number
            if keep is not None:
                is_written = is_written & ~keep
            file[number, numbers, tasks.slice] = jnp.where(is_written, value, file[number, numbers, tasks.slice])

    def fill(self, value_of: Callable[[str, Any, Any], jax.Array]) -> None:
        """Sets every number; `value_of` gives it for all tasks from kind, register and number."""
        for kind in ops.KINDS:
            size = self.plan.size(kind)

            def one(place: Any, kind: str = kind, size: int = size) -> None:
                register, number = divide(place, size)
                self.files[kind][register, number] = value_of(kind, register, number)

            repeat(self.plan.count(kind) * size, one)


def repeat(count: int, body: Callable[[Any], None]) -> None:
    """Runs `body` with 0, 1, ..., `count` - 1."""
    if count == 1:
        body(0)
    else:

        def step(number: jax.Array, nothing: None) -> None:
            body(number)

        lax.fori_loop(jnp.int32(0), jnp.int32(count), step, None)


def piece(features: int) -> int:
    """Numbers of a vector, or of a matrix's row, that are worked on at a time; a divisor of F."""
    return max(size for size in range(1, LARGEST_PIECE + 1) if features % size == 0)


def divide(number: Any, divisor: int) -> tuple[Any, Any]:
    """Quotient and remainder of a number that is not negative; `//` would look at the sign."""
    if isinstance(number, int):
        return divmod(number, divisor)
    by = jnp.asarray(divisor, number.dtype)
    return lax.div(number, by), lax.rem(number, by)
