"""One instruction on all lanes, in two ways: a real branch for one program, a select for many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from azero_jax.engines.random_bits import random_words
from azero_jax.language import ops
from azero_jax.language.roles import Register
from azero_jax.language.space import SearchSpace


class Registers(NamedTuple):
    """Memory, lanes last.

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


def zero_registers(space: SearchSpace, lanes: int, dtype: jnp.dtype) -> Registers:
    """Memory before Setup."""
    f = space.features
    return Registers(
        s=jnp.zeros((space.scalars, lanes), dtype),
        v=jnp.zeros((space.vectors, f, lanes), dtype),
        m=jnp.zeros((space.matrices, f, f, lanes), dtype),
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
        values = {"i": code.in1, "j": code.in2, "x": code.x, "y": code.y, "old": file[out]}
        for name, kind, address in zip("ab", op.inputs, (code.in1, code.in2), strict=False):
            values[name] = registers.of(kind)[address]
        if op.random:
            values["bits0"], values["bits1"] = random_words(*draw, code.in1, file.shape[1:-1])
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
    inputs: dict[tuple[str, str], jax.Array] = {}

    def read(kind: str, field: str) -> jax.Array:
        if (kind, field) not in inputs:
            inputs[kind, field] = _read(registers.of(kind), getattr(code, field))
        return inputs[kind, field]

    def run_op(op: ops.Op, branch: int) -> jax.Array:
        values = {"i": code.in1, "j": code.in2, "x": code.x, "y": code.y}
        for name, kind, field in zip("ab", op.inputs, ("in1", "in2"), strict=False):
            values[name] = read(kind, field)
        if op.partial_write:
            values["old"] = read(op.output, op.output)
        if op.random:
            shape = registers.of(op.output).shape[1:-1]
            values["bits0"], values["bits1"] = _words_if(code.branch == branch, draw, code.in1, shape)
        return op.compute(*(values[name] for name in op.arguments))

    written = {}
    for kind in ops.KINDS:
        file, value = registers.of(kind), None
        for branch, number in enumerate(numbers, 1):
            if ops.OPS[number].output == kind:
                result = jnp.broadcast_to(run_op(ops.OPS[number], branch), file.shape[1:])
                value = result if value is None else jnp.where(code.branch == branch, result, value)
        if value is not None:
            number_of = jnp.arange(file.shape[0]).reshape(-1, *(1 for _ in file.shape[1:]))
            written[kind] = jnp.where(number_of == code.out(kind), value, file)
    return registers._replace(**written)


def _read(file: jax.Array, address: jax.Array) -> jax.Array:
    """Each lane's register; a chain of selects vectorises, a gather does not."""
    register = file[0]
    for number in range(1, file.shape[0]):
        register = jnp.where(address == number, file[number], register)
    return register


def _words_if(chosen: jax.Array, draw: Draw, stream: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """Random words, or zeros where no lane has use for them."""

    def zeros() -> tuple[jax.Array, jax.Array]:
        empty = jnp.zeros((*shape, *chosen.shape), jnp.uint32)
        return empty, empty

    return lax.cond(chosen.any(), lambda: random_words(*draw, stream, shape), zeros)
