"""One instruction on all lanes, in two ways: a real branch for one program, a select for many."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from azero_jax import ops
from azero_jax.engines.random_bits import random_words
from azero_jax.program import IN1, IN2, OUT
from azero_jax.space import SearchSpace


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


class Code(NamedTuple):
    """Instructions of one program, or of the program of each lane; the first axis is dropped in a single instruction.

    Attributes:
      branch: `[L]` or `[L, lanes]` int32, 0 for NO_OP, else 1 + position of the op in its function's op list.
      addresses: `[L, 3]` or `[L, 3, lanes]` int32, as in `Programs`.
      constants: `[L, 2]` or `[L, 2, lanes]`.
    """

    branch: jax.Array
    addresses: jax.Array
    constants: jax.Array

    def at(self, slot: jax.Array) -> Code:
        """The instruction in a slot."""
        return Code(*(lax.dynamic_index_in_dim(field, slot, keepdims=False) for field in self))


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

    def make_branch(op: ops.Op):
        def branch(registers: Registers) -> Registers:
            file = registers.of(op.output)
            values = {
                "old": file[code.addresses[OUT]],
                "i": code.addresses[IN1],
                "j": code.addresses[IN2],
                "x": code.constants[0],
                "y": code.constants[1],
            }
            for name, kind, column in zip("ab", op.inputs, (IN1, IN2), strict=False):
                values[name] = registers.of(kind)[code.addresses[column]]
            if op.random:
                words = random_words(*draw, code.addresses[IN1], file.shape[1:-1])
                values["bits0"], values["bits1"] = words
            value = jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), file.shape[1:])
            return registers._replace(**{op.output: file.at[code.addresses[OUT]].set(value)})

        return branch

    branches = [lambda registers: registers, *(make_branch(ops.OPS[number]) for number in numbers)]
    return lax.switch(code.branch, branches, registers)


def select_step(numbers: tuple[int, ...], registers: Registers, code: Code, draw: Draw) -> Registers:
    """Executes one instruction of each lane's own program: every op runs, each lane selects its own.

    This is what `vmap` makes of `branch_step`, but with the lanes kept last, the results merged within a kind of register
    only, and one masked write a kind.

    Args:
      numbers: the function's ops.
      registers: memory before.
      code: the instruction of each lane.
      draw: of random ops.
    """
    written = {}
    for kind in ops.KINDS:
        branches = [
            (branch, ops.OPS[number]) for branch, number in enumerate(numbers, 1) if ops.OPS[number].output == kind
        ]
        if branches:
            written[kind] = _select_kind(kind, branches, registers, code, draw)
    return registers._replace(**written)


def _select_kind(
    kind: str, branches: list[tuple[int, ops.Op]], registers: Registers, code: Code, draw: Draw
) -> jax.Array:
    """The register file of a kind after the instruction."""
    file = registers.of(kind)
    inputs: dict[tuple[str, int], jax.Array] = {}

    def read(kind: str, column: int) -> jax.Array:
        if (kind, column) not in inputs:
            inputs[kind, column] = _read(registers.of(kind), code.addresses[column])
        return inputs[kind, column]

    value = None
    writes = jnp.zeros(code.branch.shape, bool)
    for branch, op in branches:
        chosen = code.branch == branch
        values = {
            "i": code.addresses[IN1],
            "j": code.addresses[IN2],
            "x": code.constants[0],
            "y": code.constants[1],
        }
        for name, input_kind, column in zip("ab", op.inputs, (IN1, IN2), strict=False):
            values[name] = read(input_kind, column)
        if op.partial_write:
            values["old"] = read(kind, OUT)
        if op.random:
            values["bits0"], values["bits1"] = _words_if(chosen, draw, code.addresses[IN1], file.shape[1:-1])
        result = jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), file.shape[1:])
        value = result if value is None else jnp.where(chosen, result, value)
        writes = writes | chosen
    # Without the barrier the value would be computed again for every register of the file.
    value = lax.optimization_barrier(value)
    target = jnp.where(writes, code.addresses[OUT], file.shape[0])
    number = jnp.arange(file.shape[0]).reshape(-1, *(1 for _ in file.shape[1:]))
    return jnp.where(number == target, value, file)


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
