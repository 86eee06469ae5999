"""One program as straight-line code: no opcodes and no addresses are left when it runs, and it is compiled by itself.

Every instruction is a computation of its own (a conditional that is always true, which only the running code knows), as
it is a branch of its own in the interpreter. So XLA fuses nothing across instructions (a product that goes into a sum
would be rounded once in place of twice), and the results are those of the XLA engine to the last bit.

Measured on one core of a shared virtual AMD EPYC, one task in float64, microseconds a training example, straight line
(compiled in 0.2 to 0.8 s), XLA interpreter, Warp interpreter (its kernel compiled in 1 to 3 s): linear regression F=4
0.08, 1.6, 0.3, F=64 0.3, 3.7, 0.3; two-layer net F=16 1.6, 14, 0.3, F=64 16, 43, 1.0; evolved CIFAR-10 program F=16
3.3, 15, 0.4, F=64 20, 52, 4. So one program on one task is run like this, unless it is long enough to pay for a kernel
of Warp's; many programs or tasks are left to the interpreters.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from azero_jax.engines.random_bits import random_words
from azero_jax.engines.xla.step import Draw
from azero_jax.language import ops
from azero_jax.language.program import IN1, IN2, OUT, Programs
from azero_jax.language.space import SearchSpace

Memory = dict[str, jax.Array]  # registers by name, such as "v0": `[lanes]`, `[F, lanes]` or `[F, F, lanes]`


class Line(NamedTuple):
    """One instruction without its constants: numbers of the op and of its operands, as `Programs` has them."""

    op: int
    in1: int
    in2: int
    out: int


@dataclasses.dataclass(frozen=True)
class StraightLine:
    """The code of one program; constants are given to it when it runs, so that it can be compiled once for all.

    Attributes:
      features: F, the length of a vector.
      registers: names of all registers of the search space.
      lines: the instructions of Setup, Predict and Learn, without NO_OPs.
    """

    features: int
    registers: tuple[str, ...]
    lines: tuple[tuple[Line, ...], tuple[Line, ...], tuple[Line, ...]]

    def zeros(self, lanes: int, dtype: jnp.dtype) -> Memory:
        """Memory before Setup."""
        return {name: jnp.zeros(self.shape(name, lanes), dtype) for name in self.registers}

    def shape(self, register: str, lanes: int) -> tuple[int, ...]:
        """Shape of a register."""
        return (*(self.features,) * ops.RANKS[register[0]], lanes)

    def execute(
        self, function: int, memory: Memory, constants: jax.Array, draw: Draw, always: jax.Array | bool
    ) -> Memory:
        """Memory after Setup (0), Predict (1) or Learn (2).

        Args:
          function: which one.
          memory: before.
          constants: `[lines, 2]` real constants of all three functions, in the dtype of the memory.
          draw: of random ops.
          always: True, but not known to the compiler.
        """
        memory = dict(memory)
        first = sum(map(len, self.lines[:function]))
        for number, line in enumerate(self.lines[function], first):
            op = ops.OPS[line.op]
            out = f"{op.output}{line.out}"
            values = {"x": constants[number, 0], "y": constants[number, 1]}
            for name, kind, address in zip("ab", op.inputs, (line.in1, line.in2), strict=False):
                values[name] = memory[f"{kind}{address}"]
            if op.partial_write:
                values |= {"old": memory[out], "i": jnp.int32(line.in1), "j": jnp.int32(line.in2)}
            used = {name: values[name] for name in op.arguments if name in values}
            memory[out] = _apart(op, line.in1, memory[out], used, draw, always)
        return memory


def read_straight_line(programs: Programs, index: int, space: SearchSpace) -> tuple[StraightLine, NDArray[np.float64]]:
    """The code of program `index`, and its `[lines, 2]` constants."""
    lines, constants = [], []
    for function in range(3):
        first = space.offsets[function]
        slots = range(first, first + int(programs.sizes[index, function]))
        used = [slot for slot in slots if programs.opcodes[index, slot] != ops.NO_OP.number]
        addresses = programs.addresses[index].tolist()
        lines.append(
            tuple(
                Line(int(programs.opcodes[index, slot]), *(addresses[slot][field] for field in (IN1, IN2, OUT)))
                for slot in used
            )
        )
        constants += [programs.constants[index, slot] for slot in used]
    registers = tuple(f"{kind}{address}" for kind in ops.KINDS for address in range(space.addresses(kind)))
    setup, predict, learn = lines
    return StraightLine(space.features, registers, (setup, predict, learn)), np.array(constants).reshape(-1, 2)


def _apart(
    op: ops.Op, stream: int, old: jax.Array, values: dict[str, Any], draw: Draw, always: jax.Array | bool
) -> jax.Array:
    """The result of an op, computed apart from all others."""

    def compute(values: dict[str, Any]) -> jax.Array:
        if op.random:
            values = values | {"words": random_words(*draw, jnp.uint32(stream), old.shape[:-1])}
        return jnp.broadcast_to(op.compute(*(values[name] for name in op.arguments)), old.shape)

    return lax.cond(always, compute, lambda values: jnp.full_like(old, jnp.nan), values)
