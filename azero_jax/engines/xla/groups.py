"""Groups of ops: what many programs execute together in one real branch.

A select over all ops computes each of them for every lane; a branch to each op costs an accelerator several operations
whose length hardly depends on how little they do. In between lie groups. Ops that read and write like registers are
one group: to read the operands and to write the result costs more than to compute a few results and select one of
them. What costs much more than that, matrix products, random numbers and reductions of matrices, stays apart, so that
it runs only where a program needs it. Where vectors are small, ops on scalars and on vectors are one group too, for
half as many entries. Predicted for the demo (experiments/accelerator_model.py), which then has no branch at all,
programs a second with two groups and with one: on a TPU v5e 84,000 and 107,000, on an A100 37,000 and 74,000.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import jax
import numpy as np
from jax import lax
from numpy.typing import NDArray

from azero_jax.engines.random_bits import random_words
from azero_jax.engines.xla.step import Draw, LaneInstruction, Registers
from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.families import Family
from azero_jax.language.space import MAX_ADDRESSES, SearchSpace

MERGED_ELEMENTS: Final = 32  # most numbers of a program's vectors, for one group of ops on scalars and on vectors
_KIND_STRIDE: Final = MAX_ADDRESSES
_ALONE: Final = (Family.MATVEC, Family.MATMUL, Family.TRANSPOSE)  # each of them is a group of its own


class Entries(NamedTuple):
    """The schedule of a block, `[E]` or `[E, programs]`; one of its entries without its `E`.

    Attributes:
      group: `[E]` int32, of ops, which every lane that takes part executes one of.
      branch: int32, which op, as in `Code`; 0 in lanes that do not take part.
      in1: int32, first address, index or stream.
      in2: int32, second address or index.
      written: int32, which register is written, as `written_number` has it; -1 in lanes that do not take part.
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
        """Address of a kind that is written, none where another kind is."""
        return self.written - _KIND_STRIDE * ops.KINDS.index(kind)


def written_number(opcodes: NDArray[np.uint8], outputs: NDArray[np.uint16]) -> NDArray[np.int32]:
    """Which register instructions write, as one number for all kinds."""
    kinds = np.array([ops.KINDS.index(op.output) if op.output else 0 for op in ops.OPS], np.int32)
    return kinds[opcodes] * _KIND_STRIDE + outputs


def op_groups(numbers: tuple[int, ...], vector_elements: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The groups of a function's ops, each as (branch, op) pairs; branches count from 1 in the order of `numbers`.

    Args:
      numbers: of the ops.
      vector_elements: numbers that a program's vectors have together.
    """
    groups: dict[tuple[Any, ...], list[tuple[int, int]]] = {}
    for branch, number in enumerate(numbers, 1):
        op = ops.OPS[number]
        alone = op.family if op.family in _ALONE else None
        is_small = op.output != ops.MATRIX and ops.MATRIX not in op.inputs and not op.random
        output = "" if is_small and vector_elements <= MERGED_ELEMENTS else op.output
        key = (output, ops.MATRIX in op.inputs, op.random, alone)
        groups.setdefault(key, []).append((branch, number))
    return tuple(map(tuple, groups.values()))


def function_groups(space: SearchSpace, function: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """`op_groups` of a function of a search space."""
    return op_groups(function_ops(space, function), space.vectors * space.features)


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
        words: dict[tuple[int, ...], RandomWords] = {}

        def draw_once(mask: jax.Array, shape: tuple[int, ...]) -> RandomWords:
            del mask  # whoever is in a group of random ops draws
            if shape not in words:
                words[shape] = random_words(*draw, entry.in1, shape)
            return words[shape]

        lanes, written = LaneInstruction(registers, entry, draw_once), {}
        for kind in ops.KINDS:
            of_kind = [(branch, op) for branch, op in chosen if ops.OPS[op].output == kind]
            if of_kind:
                written[kind] = lanes.select(kind, of_kind)
        return registers._replace(**written)

    groups = op_groups(numbers, math.prod(registers.v.shape[:2]))
    branches: list[Callable[[Registers], Registers]] = [partial(run_group, group) for group in groups]
    return lax.switch(entries.group[number], branches, registers)
