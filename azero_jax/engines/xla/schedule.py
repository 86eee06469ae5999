"""In which order a block of programs executes its instructions together: a short common supersequence of their groups.

Programs of a block need not be in the same slot at the same time. An entry of the schedule names a group of ops, and
every program whose next instruction is of that group executes it; each keeps the order of its own instructions, so its
result is what it would be alone. On the host, in NumPy; the device only walks the entries.

The choice is greedy: of the groups that a program with the most instructions left waits for, the one that most
instructions wait behind (a weighted majority merge; to find the shortest supersequence is NP-hard). Every turn of as
many entries as there are groups takes one instruction from each of the longest, so a function of L slots and k groups
never needs more than k L entries, for which there is room.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.xla.groups import function_groups
from azero_jax.language import ops
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace


class Schedule(NamedTuple):
    """The entries of B blocks of P programs each, those of a function at `schedule_offsets`.

    Attributes:
      group: `[B, E]` int32, group of each entry.
      counts: `[B, 3]` int32, entries of Setup, Predict and Learn.
      entry: `[N, L]` int32, entry of each instruction; -1 for NO_OP and beyond a function's size.
    """

    group: NDArray[np.int32]
    counts: NDArray[np.int32]
    entry: NDArray[np.int32]


@functools.cache
def schedule_offsets(space: SearchSpace) -> tuple[int, int, int, int]:
    """First entry of Setup, Predict and Learn, and the number of all."""
    rooms = [size * len(function_groups(space, f)) for f, size in enumerate(space.max_sizes)]
    return (0, rooms[0], sum(rooms[:2]), sum(rooms))


@functools.cache
def group_numbers(space: SearchSpace) -> NDArray[np.int32]:
    """`[3, 65]` number of an op's group in each function; -1 for NO_OP and for ops that are not allowed there."""
    table = np.full((3, len(ops.OPS)), -1, np.int32)
    for function in range(3):
        for number, group in enumerate(function_groups(space, function)):
            table[function, [op for _, op in group]] = number
    return table


def make_schedule(programs: Programs, block_of: NDArray[np.int64], blocks: int, space: SearchSpace) -> Schedule:
    """The schedule of programs that lie in blocks.

    Args:
      programs: N programs of the space.
      block_of: `[N]` block of each program.
      blocks: B.
      space: the search space.
    """
    offsets, table = schedule_offsets(space), group_numbers(space)
    entries = Schedule(
        group=np.zeros((blocks, max(1, offsets[3])), np.int32),
        counts=np.zeros((blocks, 3), np.int32),
        entry=np.full((len(programs), space.length), -1, np.int32),
    )
    for function, (first, size) in enumerate(zip(space.offsets, space.max_sizes, strict=True)):
        slots = slice(first, first + size)
        groups = table[function, programs.opcodes[:, slots]]
        groups[np.arange(size) >= programs.sizes[:, function, None]] = -1
        width = len(function_groups(space, function))
        if width and size and len(programs):
            chosen, entry = _merge(groups, block_of, blocks, width)
            entries.group[:, offsets[function] : offsets[function] + chosen.shape[1]] = np.maximum(chosen, 0)
            entries.counts[:, function] = (chosen >= 0).sum(axis=1)
            entries.entry[:, slots] = np.where(entry < 0, -1, entry + offsets[function])
    return entries


def _merge(
    groups: NDArray[np.int32], block_of: NDArray[np.int64], blocks: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The schedule of one function.

    Args:
      groups: `[N, S]` group of each slot, -1 where nothing is executed.
      block_of: `[N]`.
      blocks: B.
      width: how many groups there are.

    Returns:
      `[B, E]` group of each entry, -1 where a block has no more; `[N, S]` entry of each slot, or -1.
    """
    order = np.argsort(groups < 0, axis=1, kind="stable")  # what is executed comes first, in its order
    waiting = np.take_along_axis(groups, order, axis=1)
    left = (groups >= 0).sum(axis=1)
    entry = np.full(groups.shape, -1, np.int32)
    chosen: list[NDArray[np.int64]] = []
    running = np.flatnonzero(left)
    position = np.zeros(len(groups), np.int64)
    while len(running):
        key = block_of[running] * width + waiting[running, position[running]]
        weight = np.bincount(key, left[running], blocks * width).reshape(blocks, width)
        longest = np.zeros((blocks, width), np.int64)
        np.maximum.at(longest.reshape(-1), key, left[running])
        most = longest.max(axis=1, keepdims=True)
        weight[longest < most] = -1
        pick = np.where(most[:, 0] > 0, weight.argmax(axis=1), -1)
        goes = running[waiting[running, position[running]] == pick[block_of[running]]]
        entry[goes, order[goes, position[goes]]] = len(chosen)
        position[goes] += 1
        left[goes] -= 1
        chosen.append(pick)
        running = running[left[running] > 0]
    stacked = np.stack(chosen, axis=1) if chosen else np.zeros((blocks, 0), np.int64)
    return stacked.astype(np.int32), entry
