"""Helpers read arrays and tuples where these lie, and nobody sees a difference to passing them by value."""

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from azero_jax.compiled.inline import called, compiled_loop, inlined


class Pair(NamedTuple):
    """Two arrays."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]


class Box(NamedTuple):
    """A pair, and a number."""

    pair: Pair
    number: int


def sum_of_pair(pair):
    return pair.first[0] + 10 * pair.second[0]


def swap(pair, really):
    if really:
        pair = Pair(pair.second, pair.first)
    return pair.first[0]


def fill(box):
    first = box.pair.first
    for place in range(len(first)):
        first[place] = box.number + place
    return first[0]


@called
def first_of(numbers):
    return numbers[0]


def go_through(box):
    """Passes on parts of what it was given."""
    pair = box.pair
    return first_of(pair.first) + 10 * first_of(box.pair.second) + 100 * box.number


def first_before_swap(pair, rounds):
    """Passes on a part of what its variable held before."""
    total = 0.0
    for _ in range(rounds):
        first = pair.first
        pair = Pair(pair.second, pair.first)
        total = 10 * total + first_of(first)
    return total


KINDS = pytest.mark.parametrize("kind", [inlined, called])


def pair_of(first: float, second: float) -> Pair:
    return Pair(np.full(3, first), np.full(3, second))


@KINDS
def test_a_helper_reads_a_tuple_of_its_caller(kind) -> None:
    helper = kind(sum_of_pair)

    @njit
    def loop(pair):
        return helper(pair)

    assert loop(pair_of(1.0, 2.0)) == 21.0


@KINDS
def test_a_helper_that_gives_its_argument_another_value_leaves_that_of_its_caller(kind) -> None:
    helper = kind(swap)

    @njit
    def loop(pair, really):
        swapped = helper(pair, really)
        return swapped, pair.first[0], helper(pair, really)

    assert loop(pair_of(1.0, 2.0), True) == (2.0, 1.0, 2.0)
    assert loop(pair_of(1.0, 2.0), False) == (1.0, 1.0, 1.0)


@KINDS
def test_a_helper_writes_into_an_array_of_a_tuple_in_a_tuple(kind) -> None:
    helper = kind(fill)

    @njit
    def loop(box):
        return helper(box)

    box = Box(pair_of(1.0, 2.0), 7)
    assert loop(box) == 7.0
    assert box.pair.first.tolist() == [7.0, 8.0, 9.0]
    assert box.pair.second.tolist() == [2.0, 2.0, 2.0]


@KINDS
def test_a_helper_passes_parts_of_its_argument_on(kind) -> None:
    helper = kind(go_through)

    @njit
    def loop(box):
        return helper(box)

    assert loop(Box(pair_of(1.0, 2.0), 3)) == 321.0


@KINDS
def test_a_variable_of_the_caller_is_passed_as_it_is_at_the_call(kind) -> None:
    helper = kind(sum_of_pair)

    @njit
    def loop(pair, rounds):
        total, before = 0.0, pair
        for _ in range(rounds):
            before = pair
            pair = Pair(pair.second, pair.first)
            total = 100 * total + helper(before)
        return total, helper(pair), helper(before)

    assert loop(pair_of(1.0, 2.0), 3) == (211221.0, 12.0, 21.0)


@KINDS
def test_a_part_of_a_variable_is_passed_on_as_it_was_taken(kind) -> None:
    helper = kind(first_before_swap)

    @njit
    def loop(pair):
        return helper(pair, 3)

    assert loop(pair_of(1.0, 2.0)) == 121.0


@KINDS
def test_a_record_that_lies_in_an_array_changes_with_it(kind) -> None:
    @kind
    def helper(record, records):
        before = record.x
        records[0].x = 7.0
        return record.x - before

    @njit
    def loop(records):
        return helper(records[0], records)

    assert loop(np.rec.array([(1.0, 2.0)], dtype=[("x", float), ("y", float)])) == 6.0


@KINDS
def test_a_helper_is_called_with_what_is_passed_in_a_loop_that_is_kept_on_disk(kind) -> None:
    helper = kind(go_through)

    @compiled_loop
    def loop(first, second):
        total = 0.0
        for box in (Box(first, 3), Box(second, 4)):
            total = 1000 * total + helper(box)
        return total

    assert loop(pair_of(1.0, 2.0), pair_of(5.0, 6.0)) == 321465.0


def test_a_helper_that_is_to_be_called_stays_a_function_even_if_an_inlined_one_calls_it_first() -> None:
    callee = called(sum_of_pair)

    @inlined
    def caller(pair):
        return callee(pair)

    @njit
    def loop(pair):
        return caller(pair)

    assert loop(pair_of(1.0, 2.0)) == 21.0
    for helper, is_inlined in ((callee, False), (caller, True)):
        (compiled,) = helper.overloads.values()
        functions = compiled.library.get_defined_functions()
        assert any(b"alwaysinline" in function.attributes for function in functions) == is_inlined


def test_what_a_helper_does_with_an_argument_that_is_none_is_left_out() -> None:
    @inlined
    def helper(numbers, more):
        if more is None:
            return numbers[0]
        return more.second[0]

    @compiled_loop
    def loop(numbers, more):
        return helper(numbers, more)

    numbers = np.full(3, 4.0)
    assert loop(numbers, None) == 4.0
    assert loop(numbers, pair_of(1.0, 2.0)) == 2.0
