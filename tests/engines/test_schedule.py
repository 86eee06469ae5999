"""The schedule of a block: every program's instructions, in their order, in few entries."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from azero_jax.engines.xla.groups import function_groups, function_ops
from azero_jax.engines.xla.schedule import group_numbers, make_schedule, schedule_offsets
from azero_jax.language import ops
from azero_jax.language.program import Programs, empty_programs
from azero_jax.language.space import SearchSpace
from tests.support.spaces import DEMO, full_space, some_programs

BLOCK = 32


def blocks_of(programs: Programs) -> np.ndarray:
    return np.arange(len(programs)) // BLOCK


@pytest.mark.parametrize("space", [DEMO, full_space(4, (0, 6, 9))], ids=["demo", "full"])
def test_every_program_finds_its_instructions_in_its_blocks_schedule(space: SearchSpace) -> None:
    programs = some_programs(space, 100, seed=0)
    programs.opcodes[::3, space.offsets[2] : space.offsets[2] + 2] = ops.NO_OP.number
    schedule = make_schedule(programs, blocks_of(programs), 4, space)
    for n in range(len(programs)):
        for function, (first, offset) in enumerate(zip(space.offsets, schedule_offsets(space)[:3], strict=True)):
            slots = np.arange(first, first + programs.sizes[n, function])
            used = slots[programs.opcodes[n, slots] != ops.NO_OP.number]
            entries = schedule.entry[n, used]
            assert (np.diff(entries) > 0).all()  # in the program's own order
            assert (entries >= offset).all()
            assert (entries < offset + schedule.counts[n // BLOCK, function]).all()
            wanted = group_numbers(space)[function, programs.opcodes[n, used]]
            assert_array_equal(schedule.group[n // BLOCK, entries], wanted)
            assert (
                schedule.entry[n, np.setdiff1d(np.arange(first, first + space.max_sizes[function]), used)] < 0
            ).all()


def test_programs_alike_need_no_entry_more_than_one_of_them() -> None:
    programs = some_programs(DEMO, 1, seed=3)[np.zeros(BLOCK, int)]
    schedule = make_schedule(programs, blocks_of(programs), 1, DEMO)
    assert_array_equal(schedule.counts[0], programs.sizes[0])


def test_there_is_room_for_programs_that_share_nothing() -> None:
    """Two groups in turn, and the same the other way round, in a block with all that is longest."""
    space = dataclasses.replace(DEMO, features=64)
    scalar, vector = ops.op_number("SCALAR_DIFF"), ops.op_number("VECTOR_SUM")
    programs = empty_programs(BLOCK, space)
    for n in range(BLOCK):
        programs.opcodes[n] = np.where((np.arange(space.length) * n // 7 + n) % 2, scalar, vector)
    programs.sizes[:] = space.max_sizes
    schedule = make_schedule(programs, blocks_of(programs), 1, space)
    rooms = np.diff(schedule_offsets(space))
    assert (schedule.counts[0] <= rooms).all()
    assert_array_equal(rooms, [2 * size for size in space.max_sizes])


def test_small_vectors_share_every_entry_with_scalars() -> None:
    programs = some_programs(DEMO, BLOCK, seed=4)
    schedule = make_schedule(programs, blocks_of(programs), 1, DEMO)
    assert [len(function_groups(DEMO, function)) for function in range(3)] == [1, 1, 1]
    assert_array_equal(schedule.counts[0], programs.sizes.max(axis=0))
    large = dataclasses.replace(DEMO, features=64)
    assert [len(function_groups(large, function)) for function in range(3)] == [2, 2, 2]


def test_a_schedule_is_shorter_than_going_from_slot_to_slot() -> None:
    space = full_space(4, (8, 8, 8))
    programs = some_programs(space, 64, seed=1)
    schedule = make_schedule(programs, np.zeros(64, int), 1, space)
    groups = group_numbers(space)
    by_slots = [
        sum(len(np.unique(groups[function, programs.opcodes[:, slot]])) for slot in range(first, first + 8))
        for function, first in enumerate(space.offsets)
    ]
    assert (schedule.counts[0] < 0.8 * np.array(by_slots)).all()


def test_a_group_of_large_vectors_writes_one_kind_and_has_every_op_once() -> None:
    space = full_space(16)
    for function in range(3):
        numbers = function_ops(space, function)
        groups = function_groups(space, function)
        assert sorted(pair for group in groups for pair in group) == list(enumerate(numbers, 1))
        for group in groups:
            members = [ops.OPS[number] for _, number in group]
            assert len({(op.output, op.random, "m" in op.inputs) for op in members}) == 1


def test_no_programs_have_an_empty_schedule() -> None:
    schedule = make_schedule(empty_programs(0, DEMO), np.zeros(0, int), 2, DEMO)
    assert_array_equal(schedule.counts, np.zeros((2, 3)))
