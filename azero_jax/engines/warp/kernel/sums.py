"""Sums over blocks of the register file, in Warp: four at a time, so that an addition need not wait for the one before.

A sum starts with its first term: a sum of negative zeros is one.
"""

from typing import Any, Final

import warp as wp

SUMS: Final = 4


def make_sum(count: int, step: int, term: Any) -> Any:
    """A Warp function: the sum over e of `term(blocks[i + e * step])`."""

    @wp.func(inline=True)
    def read(registers: Any, blocks: Any, i: int, j: int, e: int):
        return term(blocks[i + e * step])

    total = make_total(count, read)

    @wp.func(inline=True)
    def sum_of(blocks: Any, i: int):
        return total(blocks, blocks, i, 0)

    return sum_of


def make_inner_product(count: int) -> Any:
    """A Warp function: the sum over e of `blocks[i + e] * blocks[j + e]`."""

    @wp.func(inline=True)
    def read(registers: Any, blocks: Any, i: int, j: int, e: int):
        return wp.cw_mul(blocks[i + e], blocks[j + e])

    total = make_total(count, read)

    @wp.func(inline=True)
    def inner_product(blocks: Any, i: int, j: int):
        return total(blocks, blocks, i, j)

    return inner_product


def make_total(count: int, read: Any) -> Any:
    """The sum over e of `read(registers, blocks, i, j, e)`."""

    @wp.func(inline=True)
    def one_by_one(registers: Any, blocks: Any, i: int, j: int):
        total = read(registers, blocks, i, j, 0)
        e = int(1)
        while e < count:
            total = total + read(registers, blocks, i, j, e)
            e += 1
        return total

    @wp.func(inline=True)
    def four_by_four(registers: Any, blocks: Any, i: int, j: int):
        t0 = read(registers, blocks, i, j, 0)
        t1 = read(registers, blocks, i, j, 1)
        t2 = read(registers, blocks, i, j, 2)
        t3 = read(registers, blocks, i, j, 3)
        e = int(SUMS)
        while e < count:
            t0 = t0 + read(registers, blocks, i, j, e)
            t1 = t1 + read(registers, blocks, i, j, e + 1)
            t2 = t2 + read(registers, blocks, i, j, e + 2)
            t3 = t3 + read(registers, blocks, i, j, e + 3)
            e += SUMS
        return (t0 + t1) + (t2 + t3)

    return one_by_one if count % SUMS else four_by_four
