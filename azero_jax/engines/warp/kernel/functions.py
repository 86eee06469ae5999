"""The ops as Warp functions: what `azero_jax.language.compute` computes on arrays, here on a program's register file.

The register file is a one-dimensional array (`Storage`). A SIMD register holds a *block* of it: one element of several
tasks, or several neighbouring elements of one task, whichever the kernel's `Layout` says. All functions of this module
are compiled by Warp, for the CPU or for CUDA, and have the one signature

    function(registers, blocks, constants, slot, a, b, o, draw)

with `registers` and `blocks` two views of the register file, `a`, `b` and `o` the instruction's address fields, `slot`
its place in `constants`, and `draw` a `Draw`.
"""

from collections.abc import Callable
from typing import Any, Final

import warp as wp

from azero_jax.analysis.fusion import Fusion
from azero_jax.engines.warp.kernel.draws import Draw, make_fill
from azero_jax.engines.warp.kernel.lanes import ELEMENTWISE, lanes_square, lanes_square_root
from azero_jax.engines.warp.kernel.products import PRODUCTS, outer_product, second_of
from azero_jax.engines.warp.kernel.storage import Storage, not_added_up, same, unrolled
from azero_jax.engines.warp.kernel.sums import make_sum
from azero_jax.language import ops
from azero_jax.language.families import Family

# ---- elements -------------------------------------------------------------------------------------------------------


def _scalar(op: ops.Op, function: Any) -> Any:
    binary_op = len(op.inputs) == 2

    @wp.func(inline=True)
    def scalar(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if wp.static(binary_op):
            registers[o] = function(registers[a], registers[b])
        else:
            registers[o] = function(registers[a])

    return scalar


def _unary(op: ops.Op, s: Storage, function: Any, into: Any = second_of) -> Any:
    """`o = into(o, function(a))`, element by element."""
    start, count = s.registers.first_block(op.output), s.registers.blocks(op.output)
    step = unrolled(count)

    @wp.func(inline=True)
    def unary(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * count
        k = start + o * count
        e = int(0)
        while e < count:
            for u in range(step):
                blocks[k + e + u] = into(blocks[k + e + u], function(blocks[i + e + u]))
            e += step

    return unary


def _binary(op: ops.Op, s: Storage, function: Any) -> Any:
    start, count = s.registers.first_block(op.output), s.registers.blocks(op.output)
    step = unrolled(count)

    @wp.func(inline=True)
    def binary(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * count
        j = start + b * count
        k = start + o * count
        e = int(0)
        while e < count:
            for u in range(step):
                blocks[k + e + u] = function(blocks[i + e + u], blocks[j + e + u])
            e += step

    return binary


def _with_scalar(op: ops.Op, s: Storage, function: Any, into: Any = second_of) -> Any:
    """A vector or matrix from a scalar and, if the op is binary, another vector or matrix; `into` as in `_unary`."""
    start, count, spread = s.registers.first_block(op.output), s.registers.blocks(op.output), s.spread
    step, binary_op = unrolled(count), len(op.inputs) == 2

    @wp.func(inline=True)
    def with_scalar(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        x = spread(registers[a])
        j = start + b * count
        k = start + o * count
        e = int(0)
        while e < count:
            for u in range(step):
                if wp.static(binary_op):
                    blocks[k + e + u] = into(blocks[k + e + u], function(x, blocks[j + e + u]))
                else:
                    blocks[k + e + u] = into(blocks[k + e + u], function(x))
            e += step

    return with_scalar


# ---- sums -----------------------------------------------------------------------------------------------------------


def _norm(count: int, step: int, numbers: int, add_up: Any) -> Any:
    squares = make_sum(count, step, lanes_square)

    @wp.func(inline=True)
    def norm(registers: Any, blocks: Any, i: int):
        return lanes_square_root(add_up(registers, blocks, squares(blocks, i)))

    return norm


def _mean(count: int, step: int, numbers: int, add_up: Any) -> Any:
    sum_of = make_sum(count, step, same)

    @wp.func(inline=True)
    def mean(registers: Any, blocks: Any, i: int):
        total = add_up(registers, blocks, sum_of(blocks, i))
        return total / total.dtype(float(numbers))

    return mean


def _st_dev(count: int, step: int, numbers: int, add_up: Any) -> Any:
    sum_of, squares = make_sum(count, step, same), make_sum(count, step, lanes_square)

    @wp.func(inline=True)
    def st_dev(registers: Any, blocks: Any, i: int):
        total = add_up(registers, blocks, sum_of(blocks, i))
        mean = total / total.dtype(float(numbers))
        square = add_up(registers, blocks, squares(blocks, i)) / total.dtype(float(numbers))
        return lanes_square_root(square - wp.cw_mul(mean, mean))

    return st_dev


def _reduction(op: ops.Op, s: Storage, make: Callable[[int, int, int, Any], Any]) -> Any:
    """One value of the whole register, or one value a column of a matrix."""
    r = s.registers
    count = r.blocks(ops.VECTOR if op.axes == (0,) else ops.MATRIX)
    reduce = make(count, 1, count * r.block, s.add_up)
    a_start, a_length = r.first_block(op.inputs[0]), r.blocks(op.inputs[0])
    o_start, o_length = r.start(op.output), r.length(op.output)

    @wp.func(inline=True)
    def reduction(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        k = o_start + o * o_length
        e = int(0)
        while e < o_length:
            registers[k + e] = reduce(registers, blocks, i + e * count)
            e += 1

    return reduction


def _row_reduction(op: ops.Op, s: Storage, make: Callable[[int, int, int, Any], Any]) -> Any:
    """One value a row of a matrix."""
    r = s.registers
    start, length, o_start = r.first_block(ops.MATRIX), r.blocks(ops.MATRIX), r.first_block(ops.VECTOR)
    count = r.blocks(ops.VECTOR)
    reduce = make(r.features, count, r.features, not_added_up)

    @wp.func(inline=True)
    def reduction(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * length
        k = o_start + o * count
        e = int(0)
        while e < count:
            blocks[k + e] = reduce(registers, blocks, i + e)
            e += 1

    return reduction


# ---- constants and random numbers -----------------------------------------------------------------------------------


def _constant_set(op: ops.Op, s: Storage) -> Any:
    start, length, value = s.registers.start(op.output), s.registers.length(op.output), s.value
    row_step, column_step = {0: (0, 0), 1: (1, 0), 2: (1, s.registers.features)}[op.indices]

    @wp.func(inline=True)
    def constant_set(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        registers[start + o * length + a * row_step + b * column_step] = value(constants[2 * slot])

    return constant_set


def _random_set(op: ops.Op, s: Storage) -> Any:
    """Numbers lie as their places are counted in `azero_jax.engines.random_bits`: a matrix column by column."""
    start, length = s.registers.start(op.output), s.registers.length(op.output)
    fill, is_gaussian = make_fill(s.real, len(s.value()), length), op.family is Family.GAUSSIAN

    @wp.func(inline=True)
    def random_set(registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        x = constants[2 * slot]
        y = constants[2 * slot + 1]
        fill(registers.ptr, start + o * length, length, is_gaussian, a, x, y, draw)

    return random_set


# ---- the table ------------------------------------------------------------------------------------------------------

_REDUCTIONS: Final = {Family.NORM: _norm, Family.MEAN: _mean, Family.ST_DEV: _st_dev}


def make_op_function(op: ops.Op, storage: Storage) -> Any:
    """The Warp function of an op, which is a row of the op table and not NO_OP."""
    if op.random:
        return _random_set(op, storage)
    if op.constants:
        return _constant_set(op, storage)
    if op.family in PRODUCTS:
        return PRODUCTS[op.family](op, storage)
    if op.family in _REDUCTIONS:
        make = _row_reduction if op.axes == (1,) else _reduction
        return make(op, storage, _REDUCTIONS[op.family])
    function = ELEMENTWISE[op.family]
    if op.output == ops.SCALAR:
        return _scalar(op, function)
    if op.inputs[0] == ops.SCALAR:
        return _with_scalar(op, storage, function)
    return (_unary if len(op.inputs) == 1 else _binary)(op, storage, function)


def make_fused_function(fusion: Fusion, storage: Storage) -> Any:
    """The Warp function of a fused instruction, `o = second(o, first(a, b))`."""
    op, into = fusion.first, ELEMENTWISE[fusion.second.family]
    if op.family is Family.OUTER_PRODUCT:
        return outer_product(op, storage, into)
    make = _with_scalar if op.inputs[0] == ops.SCALAR else _unary
    return make(op, storage, ELEMENTWISE[op.family], into)
