"""One instruction on all lanes, in two ways: a real branch for one program, a select for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from azero_jax.engines.random_bits import random_words
from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.roles import Register
from azero_jax.language.space import SearchSpace


class Registers(NamedTuple):
    """Memory, lanes last; they are one axis, or several.

    Attributes:
      s: `[NS, lanes]` scalars.
      v: `[NV, F, lanes]` vectors.
      m: `[NM, F, F, lanes]` matrices.
    """

    s: jax.Array
    v: jax.Array
    m: jax.Array

    def of(self, kind: str) -> jax.Array:
        """Register file of a kind."""
        return getattr(self, kind)

    def read(self, register: Register) -> jax.Array:
        """One register, `[lanes]` or `[F, lanes]`."""
        return self.of(register.kind)[register.address]

    def write(self, register: Register, value: ArrayLike) -> Registers:
        """Memory with another value in one register."""
        return self._replace(**{register.kind: self.of(register.kind).at[register.address].set(value)})


class Code(NamedTuple):
    """Instructions of one program, `[L]`, or of the program of each lane, `[L, lanes]`; one of them without its `L`.

    Every field is an array of its own, and the outputs one a kind: slices of one array, or a test of the op for every
    write, keep XLA's CPU back end from vectorising the select step, which makes it 5 to 10 times slower.

    Attributes:
      branch: int32, 0 for NO_OP, else 1 + position of the op in its function's op list.
      in1: int32, first address, index or stream, as in `Programs`.
      in2: int32, second address or index.
      s: int32, the scalar that is written, -1 if none is.
      v: int32, the same of vectors.
      m: int32, the same of matrices.
      x: first constant.
      y: second constant.
    """

    branch: jax.Array
    in1: jax.Array
    in2: jax.Array
    s: jax.Array
    v: jax.Array
    m: jax.Array
    x: jax.Array
    y: jax.Array

    def at(self, slot: jax.Array) -> Code:
        """The instruction in a slot."""
        return Code(*(lax.dynamic_index_in_dim(field, slot, keepdims=False) for field in self))

    def out(self, kind: str) -> jax.Array:
        """Address of a kind that is written."""
        return getattr(self, kind)


class Draw(NamedTuple):
    """Where random ops draw from: see `random_words`.

    Attributes:
      seed: uint32.
      task: `[lanes]` uint32.
      step: uint32.
    """

    seed: jax.Array
    task: jax.Array
    step: jax.Array


def zero_registers(space: SearchSpace, lanes: tuple[int, ...], dtype: jnp.dtype) -> Registers:
    """Memory before Setup."""
    f = space.features
    return Registers(
        s=jnp.zeros((space.scalars, *lanes), dtype),
        v=jnp.zeros((space.vectors, f, *lanes), dtype),
        m=jnp.zeros((space.matrices, f, f, *lanes), dtype),
    )


def branch_step(numbers: tuple[int, ...], registers: Registers, code: Code, draw: Draw) -> Registers:
    """Executes one instruction that all lanes share: `lax.switch` jumps to its op, and nothing else runs.

    Args:
      numbers: the function's ops.
      registers: memory before.
      code: the instruction; scalars, no lanes.
      draw: of random ops.
    """

    def run_op(op: ops.Op, registers: Registers) -> Registers:
        file, out = registers.of(op.output), code.out(op.output)
        values: dict[str, Any] = {"i": code.in1, "j": code.in2, "x": code.x, "y": code.y, "old": file[out]}
        for name, kind, address in zip("ab", op.inputs, (code.in1, code.in2), strict=False):
            values[name] = registers.of(kind)[address]
        if op.random:
            values["words"] = random_words(*draw, code.in1, file.shape[1:-1])
        value = jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), file.shape[1:])
        return registers._replace(**{op.output: file.at[out].set(value)})

    branches: list[Callable[[Registers], Registers]] = [lambda registers: registers]
    branches += [partial(run_op, ops.OPS[number]) for number in numbers]
    return lax.switch(code.branch, branches, registers)


def select_step(numbers: tuple[int, ...], registers: Registers, code: Code, draw: Draw) -> Registers:
    """Executes one instruction of each lane's own program: every op runs, each lane selects its own.

    `vmap` would make something like it of `branch_step`; this keeps the lanes last, merges results within a kind of
    register only, and writes once a kind, under a mask.

    Args:
      numbers: the function's ops.
      registers: memory before.
      code: the instruction of each lane.
      draw: of random ops.
    """
    lanes = LaneInstruction(registers, code, partial(_words_if, draw, code.in1))
    written = {}
    for kind in ops.KINDS:
        chosen = [(branch, number) for branch, number in enumerate(numbers, 1) if ops.OPS[number].output == kind]
        if chosen:
            written[kind] = lanes.select(kind, chosen)
    return registers._replace(**written)


class LaneInstruction:
    """One instruction of each lane's own program; what it reads is read once, whatever ops there are."""

    def __init__(
        self, registers: Registers, code: Any, words: Callable[[jax.Array, tuple[int, ...]], RandomWords]
    ) -> None:
        """Has read nothing yet.

        Args:
          registers: memory before.
          code: the instruction of each lane, with the fields `branch`, `in1`, `in2`, `x`, `y`, and `out`.
          words: the random words of registers of a shape, in the lanes that are chosen.
        """
        self._registers, self._code, self._words = registers, code, words
        self._inputs: dict[tuple[str, str], jax.Array] = {}

    def select(self, kind: str, chosen: Sequence[tuple[int, int]]) -> jax.Array:
        """A register file after the instruction, if it is one of (branch, op) `chosen`, which all write that kind."""
        file, code = self._registers.of(kind), self._code
        value = None
        for branch, number in chosen:
            result = jnp.broadcast_to(self._compute(ops.OPS[number], branch), file.shape[1:])
            value = result if value is None else jnp.where(code.branch == branch, result, value)
        number_of = jnp.arange(file.shape[0]).reshape(-1, *(1 for _ in file.shape[1:]))
        return jnp.where(number_of == code.out(kind), cast(jax.Array, value), file)

    def _compute(self, op: ops.Op, branch: int) -> jax.Array:
        code = self._code
        values = {"i": code.in1, "j": code.in2, "x": code.x, "y": code.y}
        for name, kind, address in zip("ab", op.inputs, (code.in1, code.in2), strict=False):
            values[name] = self._read(kind, name, address)
        if op.partial_write:
            values["old"] = self._read(op.output, "out", code.out(op.output))
        if op.random:
            shape = self._registers.of(op.output).shape[1 : 1 + ops.RANKS[op.output]]
            values["words"] = self._words(code.branch == branch, shape)
        return op.compute(*(values[name] for name in op.arguments))

    def _read(self, kind: str, operand: str, address: jax.Array) -> jax.Array:
        if (kind, operand) not in self._inputs:
            self._inputs[kind, operand] = _read(self._registers.of(kind), address)
        return self._inputs[kind, operand]


def _read(file: jax.Array, address: jax.Array) -> jax.Array:
    """Each lane's register; a chain of selects vectorises, a gather does not."""
    register = file[0]
    for number in range(1, file.shape[0]):
        register = jnp.where(address == number, file[number], register)
    return register


def _words_if(draw: Draw, stream: jax.Array, chosen: jax.Array, shape: tuple[int, ...]) -> RandomWords:
    """Random words, or zeros where no lane has use for them."""

    def zeros() -> RandomWords:
        empty = jnp.zeros((*shape, *chosen.shape), jnp.uint32)
        return RandomWords(empty, empty, empty)

    return lax.cond(chosen.any(), lambda: random_words(*draw, stream, shape), zeros)
