"""Ops that bring vectors and matrices together, or move their elements, as Warp functions; see `functions`."""

from typing import Any, Final

import warp as wp

from azero_jax.engines.warp.kernel.draws import Draw
from azero_jax.engines.warp.kernel.storage import Storage, unrolled
from azero_jax.engines.warp.kernel.sums import SUMS, make_inner_product, make_total
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.program import IN1, IN2


def _inner_product(op: ops.Op, s: Storage) -> Any:
    start, count, add_up = s.registers.first_block(ops.VECTOR), s.registers.blocks(ops.VECTOR), s.add_up
    product = make_inner_product(count)

    @wp.func(inline=True)
    def inner_product(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        registers[o] = add_up(registers, blocks, product(blocks, start + a * count, start + b * count))

    return inner_product


@wp.func(inline=True)
def product_of(x: Any, y: Any):
    return wp.cw_mul(x, y)


@wp.func(inline=True)
def first_of(x: Any, y: Any):
    return x


@wp.func(inline=True)
def second_of(x: Any, y: Any):
    return y


def _make_columns(s: Storage, element: Any, number_field: int, into: Any = second_of) -> Any:
    """A matrix whose elements are `element` of one of a column, `a`, and of the column's number in a vector.

    That vector is `a` too if `number_field` is `IN1`, or `b`. Written is `into` of what was there and the element.
    """
    r, spread, count = s.registers, s.spread, s.registers.blocks(ops.VECTOR)
    column_start, number_start, o_start = r.first_block(ops.VECTOR), r.start(ops.VECTOR), r.first_block(ops.MATRIX)
    features, step, from_first = r.features, unrolled(count), number_field == IN1

    @wp.func(inline=True)
    def columns(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = column_start + a * count
        j = number_start + wp.where(from_first, a, b) * features
        k = o_start + o * features * count
        column = int(0)
        while column < features:
            y = spread(registers[j + column])
            e = int(0)
            while e < count:
                for u in range(step):
                    blocks[k + e + u] = into(blocks[k + e + u], element(blocks[i + e + u], y))
                e += step
            k += count
            column += 1

    return columns


def outer_product(op: ops.Op, s: Storage, into: Any = second_of) -> Any:
    """The outer product, or `o = into(o, a b^T)`."""
    return _make_columns(s, product_of, IN2, into)


def _row_broadcast(op: ops.Op, s: Storage) -> Any:
    return _make_columns(s, second_of, IN1)


def _column_broadcast(op: ops.Op, s: Storage) -> Any:
    return _make_columns(s, first_of, IN1)


def _transpose(op: ops.Op, s: Storage) -> Any:
    start, features = s.registers.start(ops.MATRIX), s.registers.features

    @wp.func(inline=True)
    def transpose(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features * features
        k = start + o * features * features
        row = int(0)
        while row < features:
            column = int(0)
            while column <= row:  # both of a pair are read before either is written: safe in place
                x = registers[i + row * features + column]
                y = registers[i + column * features + row]
                registers[k + row * features + column] = y
                registers[k + column * features + row] = x
                column += 1
            row += 1

    return transpose


# ---- products with a matrix: sums of its columns, each multiplied by a number ----------------------------------------
#
# Four sums are made side by side: one number is loaded for four products, or one block; and an addition need not wait
# for the one before.


def _make_sums(s: Storage, factor_step: int, block_step: int) -> Any:
    """A Warp function that stores four sums.

    They are the sums over e of `registers[i + e + n * factor_step] * blocks[j + e * count + n * block_step]`, n = 0 to
    3, and go to `blocks[k + n * (factor_step / block + block_step)]`: of one vector of factors four blocks of the
    result, or of four vectors of factors one block each.
    """
    count, features, spread = s.registers.blocks(ops.VECTOR), s.registers.features, s.spread
    target_step = factor_step // s.registers.block + block_step

    @wp.func(inline=True)
    def sums(registers: Any, blocks: Any, i: int, j: int, k: int):
        t0 = wp.cw_mul(spread(registers[i]), blocks[j])
        t1 = wp.cw_mul(spread(registers[i + factor_step]), blocks[j + block_step])
        t2 = wp.cw_mul(spread(registers[i + 2 * factor_step]), blocks[j + 2 * block_step])
        t3 = wp.cw_mul(spread(registers[i + 3 * factor_step]), blocks[j + 3 * block_step])
        e = int(1)
        while e < features:
            i += 1
            j += count
            t0 = t0 + wp.cw_mul(spread(registers[i]), blocks[j])
            t1 = t1 + wp.cw_mul(spread(registers[i + factor_step]), blocks[j + block_step])
            t2 = t2 + wp.cw_mul(spread(registers[i + 2 * factor_step]), blocks[j + 2 * block_step])
            t3 = t3 + wp.cw_mul(spread(registers[i + 3 * factor_step]), blocks[j + 3 * block_step])
            e += 1
        blocks[k] = t0
        blocks[k + target_step] = t1
        blocks[k + 2 * target_step] = t2
        blocks[k + 3 * target_step] = t3

    return sums


def _make_one_sum(s: Storage) -> Any:
    """A Warp function that stores the sum over e of `registers[i + e] * blocks[j + e * count]` in `blocks[k]`."""
    count, features, spread = s.registers.blocks(ops.VECTOR), s.registers.features, s.spread

    @wp.func(inline=True)
    def read(registers: Any, blocks: Any, i: int, j: int, e: int):
        return wp.cw_mul(spread(registers[i + e]), blocks[j + e * count])

    total = make_total(features, read)

    @wp.func(inline=True)
    def one_sum(registers: Any, blocks: Any, i: int, j: int, k: int):
        blocks[k] = total(registers, blocks, i, j)

    return one_sum


def _matrix_vector_product(op: ops.Op, s: Storage) -> Any:
    r, count = s.registers, s.registers.blocks(ops.VECTOR)
    a_start, b_start, o_start = r.first_block(ops.MATRIX), r.start(ops.VECTOR), r.first_block(ops.VECTOR)
    features, spare = r.features, r.spare // r.block
    step = SUMS if count % SUMS == 0 else 1
    sums = _make_one_sum(s) if step == 1 else _make_sums(s, 0, 1)

    @wp.func(inline=True)
    def matrix_vector_product(
        registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw
    ):
        i = b_start + b * features
        j = a_start + a * features * count
        k = o_start + o * count
        target = wp.where(o == b, spare, k)
        e = int(0)
        while e < count:
            sums(registers, blocks, i, j + e, target + e)
            e += step
        if target != k:
            e = int(0)
            while e < count:
                blocks[k + e] = blocks[spare + e]
                e += 1

    return matrix_vector_product


def _matrix_product(op: ops.Op, s: Storage) -> Any:
    r, count = s.registers, s.registers.blocks(ops.VECTOR)
    start, b_start, features, spare = r.first_block(ops.MATRIX), r.start(ops.MATRIX), r.features, r.spare // r.block
    step = SUMS if count % SUMS == 0 else 1  # blocks of a column
    column_step = SUMS if step == 1 and features % SUMS == 0 else 1
    sums = _make_one_sum(s) if step == column_step else _make_sums(s, features * (step == 1), int(step > 1))

    @wp.func(inline=True)
    def matrix_product(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = start + a * features * count
        k = start + o * features * count
        target = wp.where(o == a or o == b, spare, k)
        column = int(0)
        while column < features:
            i = b_start + (b * features + column) * features
            e = int(0)
            while e < count:
                sums(registers, blocks, i, j + e, target + column * count + e)
                e += step
            column += column_step
        if target != k:
            e = int(0)
            while e < features * count:
                blocks[k + e] = blocks[spare + e]
                e += 1

    return matrix_product


PRODUCTS: Final = {
    Family.INNER_PRODUCT: _inner_product,
    Family.OUTER_PRODUCT: outer_product,
    Family.COLUMN_BROADCAST: _column_broadcast,
    Family.ROW_BROADCAST: _row_broadcast,
    Family.TRANSPOSE: _transpose,
    Family.MATVEC: _matrix_vector_product,
    Family.MATMUL: _matrix_product,
}
