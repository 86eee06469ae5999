"""Groups of ops: what many programs execute together in one real branch.

A select over all ops computes each of them for every lane; a branch to each op costs an accelerator several operations
whose length hardly depends on how little they do. In between lie groups. Ops that read and write like registers are
one group: to read the operands and to write the result costs more than to compute a few results and select one of
them. What costs much more than that, matrix products, random numbers and reductions of matrices, stays apart, so that
it runs only where a program needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import jax
from jax import lax

from azero_jax.engines.random_bits import random_words
from azero_jax.engines.xla.step import Draw, LaneInstruction, Registers
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.space import SearchSpace

_ALONE: Final = (Family.MATVEC, Family.MATMUL, Family.TRANSPOSE)  # each of them is a group of its own


class Entries(NamedTuple):
    """The schedule of a block, `[E]` or `[E, programs]`; one of its entries without its `E`.

    Attributes:
      group: `[E]` int32, of ops, which every lane that takes part executes one of.
      branch: int32, which op, as in `Code`; 0 in lanes that do not take part.
      in1: int32, first address, index or stream.
      in2: int32, second address or index.
      written: int32, address of the output; -1 in lanes that do not take part.
      x: first constant.
      y: second constant.
    """

    group: jax.Array
    branch: jax.Array
    in1: jax.Array
    in2: jax.Array
    written: jax.Array
    x: jax.Array
    y: jax.Array

    def at(self, number: jax.Array) -> Entries:
        """One entry."""
        return Entries(*(lax.dynamic_index_in_dim(field, number, keepdims=False) for field in self))

    def out(self, kind: str) -> jax.Array:
        """Address that is written; a group has one kind of output."""
        del kind
        return self.written


def op_groups(numbers: tuple[int, ...]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The groups of a function's ops, each as (branch, op) pairs; branches count from 1 in the order of `numbers`."""
    groups: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for branch, number in enumerate(numbers, 1):
        op = ops.OPS[number]
        alone = op.family if op.family in _ALONE else None
        key = (op.output, ops.MATRIX in op.inputs, op.random, alone)
        groups.setdefault(key, []).append((branch, number))
    return tuple(map(tuple, groups.values()))


def function_ops(space: SearchSpace, function: int) -> tuple[int, ...]:
    """Numbers of a function's ops without NO_OP."""
    return tuple(number for number in space.functions[function].ops if number != ops.NO_OP.number)


def group_step(
    numbers: tuple[int, ...], registers: Registers, entries: Entries, number: jax.Array, draw: Draw
) -> Registers:
    """Executes one entry of the schedule: a real branch to its group, in which each lane selects its own op.

    Args:
      numbers: the function's ops.
      registers: memory before.
      entries: the schedule.
      number: of the entry.
      draw: of random ops.
    """

    def run_group(chosen: tuple[tuple[int, int], ...], registers: Registers) -> Registers:
        entry = entries.at(number)  # here, so that what the group does not use is not read
        words: dict[tuple[int, ...], tuple[jax.Array, jax.Array]] = {}

        def draw_once(mask: jax.Array, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
            del mask  # whoever is in a group of random ops draws
            if shape not in words:
                words[shape] = random_words(*draw, entry.in1, shape)
            return words[shape]

        kind = ops.OPS[chosen[0][1]].output
        return registers._replace(**{kind: LaneInstruction(registers, entry, draw_once).select(kind, chosen)})

    branches: list[Callable[[Registers], Registers]] = [partial(run_group, group) for group in op_groups(numbers)]
    return lax.switch(entries.group[number], branches, registers)
