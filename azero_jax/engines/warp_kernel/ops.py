# ruff: noqa: RUF046, SIM109, UP018
# mypy: ignore-errors
# These functions are in Warp's dialect of Python: it has its own types, and `int(0)` makes a variable of a constant.
"""The ops as Warp functions: what `azero_jax.ops` computes on arrays, here on a program's register file.

The register file is a one-dimensional array. An element is a *lanes* value: a short vector with one number a task, so
that one instruction is carried out for several tasks at once. `Registers` says where each register lies in it. All
functions of this module are compiled by Warp, for the CPU or for CUDA, and have the one signature

    function(registers, constants, slot, a, b, o, draw)

with `a`, `b` and `o` the instruction's address fields, `slot` its place in `constants`, and `draw` a `Draw`.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import warp as wp

from azero_jax import ops
from azero_jax.engines.random_bits import STREAM_SHIFT
from azero_jax.engines.warp_kernel.lanes import ELEMENTWISE, lanes_square_root
from azero_jax.engines.warp_kernel.random import Draw, make_gaussian, make_uniform, threefry
from azero_jax.engines.warp_kernel.spec import Registers

# How the loops are written, which the speed hangs on. Warp turns `for` over a constant range of at most 16 turns into
# straight code, which is right for the lanes and for `unrolled` elements at a time. A longer `for` becomes an iterator
# object that the compiler does not see through, hence `while` for the rest. Out-of-line calls copy array descriptors,
# hence `inline`.
UNROLLED: Final = 4


def unrolled(count: int) -> int:
    """Elements that one turn of a loop over `count` elements works on."""
    return math.gcd(count, UNROLLED)


def _elementwise_function(op: ops.Op) -> Any | None:
    name = op.name.removesuffix("_OP")
    return ELEMENTWISE.get(name, ELEMENTWISE.get(name.removeprefix(ops.KIND_NAMES[op.output].upper() + "_")))


# ---- whole registers ------------------------------------------------------------------------------------------------


def _unary(op: ops.Op, r: Registers, function: Any) -> Any:
    a_start, a_length = r.start(op.inputs[0]), r.length(op.inputs[0])
    o_start, o_length = r.start(op.output), r.length(op.output)
    a_step = int(op.inputs[0] == op.output)  # 0: a scalar for every element
    block = unrolled(o_length)

    @wp.func(inline=True)
    def unary(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        k = o_start + o * o_length
        e = int(0)
        while e < o_length:
            for u in range(block):
                registers[k + e + u] = function(registers[i + (e + u) * a_step])
            e += block

    return unary


def _binary(op: ops.Op, r: Registers, function: Any) -> Any:
    a_start, a_length = r.start(op.inputs[0]), r.length(op.inputs[0])
    b_start, b_length = r.start(op.inputs[1]), r.length(op.inputs[1])
    o_start, o_length = r.start(op.output), r.length(op.output)
    a_step = int(op.inputs[0] == op.output)  # 0: a scalar for every element
    block = unrolled(o_length)

    @wp.func(inline=True)
    def binary(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        j = b_start + b * b_length
        k = o_start + o * o_length
        e = int(0)
        while e < o_length:
            for u in range(block):
                registers[k + e + u] = function(registers[i + (e + u) * a_step], registers[j + e + u])
            e += block

    return binary


def _norm(count: int, step: int) -> Any:
    @wp.func(inline=True)
    def norm(registers: Any, i: int):
        x = registers[i]
        total = wp.cw_mul(x, x)
        e = int(1)
        while e < count:
            y = registers[i + e * step]
            total = total + wp.cw_mul(y, y)
            e += 1
        return lanes_square_root(total)

    return norm


def _mean(count: int, step: int) -> Any:
    @wp.func(inline=True)
    def mean(registers: Any, i: int):
        total = registers[i]
        e = int(1)
        while e < count:
            total = total + registers[i + e * step]
            e += 1
        return total / total.dtype(float(count))

    return mean


def _st_dev(count: int, step: int) -> Any:
    @wp.func(inline=True)
    def st_dev(registers: Any, i: int):
        total = registers[i]
        squares = wp.cw_mul(total, total)
        e = int(1)
        while e < count:
            x = registers[i + e * step]
            total = total + x
            squares = squares + wp.cw_mul(x, x)
            e += 1
        mean = total / total.dtype(float(count))
        return lanes_square_root(squares / total.dtype(float(count)) - wp.cw_mul(mean, mean))

    return st_dev


def _reduction(op: ops.Op, r: Registers, make: Callable[[int, int], Any]) -> Any:
    """One value of the whole register, or one value a row or a column of a matrix."""
    by_row, by_column = "ROW" in op.name, "COLUMN" in op.name
    count = r.features if by_row or by_column else r.length(op.inputs[0])
    reduce = make(count, r.features if by_column else 1)
    a_start, a_length = r.start(op.inputs[0]), r.length(op.inputs[0])
    o_start, o_length = r.start(op.output), r.length(op.output)
    a_step = 1 if by_column else r.features

    @wp.func(inline=True)
    def reduction(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        k = o_start + o * o_length
        e = int(0)
        while e < o_length:
            registers[k + e] = reduce(registers, i + e * a_step)
            e += 1

    return reduction


def _inner_product(op: ops.Op, r: Registers) -> Any:
    start, features = r.start(ops.VECTOR), r.features

    @wp.func(inline=True)
    def inner_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features
        j = start + b * features
        total = wp.cw_mul(registers[i], registers[j])
        e = int(1)
        while e < features:
            total = total + wp.cw_mul(registers[i + e], registers[j + e])
            e += 1
        registers[o] = total

    return inner_product


def _outer_product(op: ops.Op, r: Registers) -> Any:
    start, o_start, features = r.start(ops.VECTOR), r.start(ops.MATRIX), r.features
    block = unrolled(features)

    @wp.func(inline=True)
    def outer_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features
        j = start + b * features
        k = o_start + o * features * features
        row = int(0)
        while row < features:
            x = registers[i + row]
            column = int(0)
            while column < features:
                for u in range(block):
                    registers[k + column + u] = wp.cw_mul(x, registers[j + column + u])
                column += block
            k += features
            row += 1

    return outer_product


def _broadcast_rows_or_columns(op: ops.Op, r: Registers) -> Any:
    start, o_start, features = r.start(ops.VECTOR), r.start(ops.MATRIX), r.features
    block = unrolled(features)
    by_row, by_column = (1, 0) if "COLUMN" in op.name else (0, 1)

    @wp.func(inline=True)
    def broadcast(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features
        k = o_start + o * features * features
        row = int(0)
        while row < features:
            column = int(0)
            while column < features:
                for u in range(block):
                    registers[k + column + u] = registers[i + row * by_row + (column + u) * by_column]
                column += block
            k += features
            row += 1

    return broadcast


def _transpose(op: ops.Op, r: Registers) -> Any:
    start, features = r.start(ops.MATRIX), r.features

    @wp.func(inline=True)
    def transpose(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
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


# In a product with a matrix, four sums are made side by side: one number is loaded for four products, and an addition
# need not wait for the one before.
_BLOCK: Final = 4


def _four_sums(count: int, a_step: int, b_step: int, b_block_step: int) -> Any:
    """A Warp function: sums over e of `registers[i + e * a_step] * registers[j + e * b_step + n * b_block_step]`."""

    @wp.func(inline=True)
    def four_sums(registers: Any, i: int, j: int):
        x = registers[i]
        t0 = wp.cw_mul(x, registers[j])
        t1 = wp.cw_mul(x, registers[j + b_block_step])
        t2 = wp.cw_mul(x, registers[j + 2 * b_block_step])
        t3 = wp.cw_mul(x, registers[j + 3 * b_block_step])
        e = int(1)
        while e < count:
            y = registers[i + e * a_step]
            k = j + e * b_step
            t0 = t0 + wp.cw_mul(y, registers[k])
            t1 = t1 + wp.cw_mul(y, registers[k + b_block_step])
            t2 = t2 + wp.cw_mul(y, registers[k + 2 * b_block_step])
            t3 = t3 + wp.cw_mul(y, registers[k + 3 * b_block_step])
            e += 1
        return t0, t1, t2, t3

    return four_sums


def _one_sum(count: int, a_step: int, b_step: int) -> Any:
    """A Warp function: the sum over e of `registers[i + e * a_step] * registers[j + e * b_step]`."""

    @wp.func(inline=True)
    def one_sum(registers: Any, i: int, j: int):
        total = wp.cw_mul(registers[i], registers[j])
        e = int(1)
        while e < count:
            total = total + wp.cw_mul(registers[i + e * a_step], registers[j + e * b_step])
            e += 1
        return total

    return one_sum


def _matrix_vector_product(op: ops.Op, r: Registers) -> Any:
    m_start, v_start, spare, features = r.start(ops.MATRIX), r.start(ops.VECTOR), r.spare, r.features
    four_sums, one_sum, blocked = _four_sums(features, 1, 1, features), _one_sum(features, 1, 1), features % _BLOCK == 0

    @wp.func(inline=True)
    def matrix_vector_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = v_start + b * features
        row = int(0)
        while row < features:
            i = m_start + (a * features + row) * features
            if wp.static(blocked):
                t0, t1, t2, t3 = four_sums(registers, j, i)
                registers[spare + row] = t0
                registers[spare + row + 1] = t1
                registers[spare + row + 2] = t2
                registers[spare + row + 3] = t3
                row += _BLOCK
            else:
                registers[spare + row] = one_sum(registers, j, i)
                row += 1
        k = v_start + o * features
        e = int(0)
        while e < features:
            registers[k + e] = registers[spare + e]
            e += 1

    return matrix_vector_product


def _matrix_product(op: ops.Op, r: Registers) -> Any:
    start, spare, features = r.start(ops.MATRIX), r.spare, r.features
    four_sums, one_sum = _four_sums(features, 1, features, 1), _one_sum(features, 1, features)
    blocked = features % _BLOCK == 0

    @wp.func(inline=True)
    def matrix_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = start + b * features * features
        k = start + o * features * features
        target = wp.where(o == a or o == b, spare, k)
        row = int(0)
        while row < features:
            i = start + (a * features + row) * features
            t = target + row * features
            column = int(0)
            while column < features:
                if wp.static(blocked):
                    t0, t1, t2, t3 = four_sums(registers, i, j + column)
                    registers[t + column] = t0
                    registers[t + column + 1] = t1
                    registers[t + column + 2] = t2
                    registers[t + column + 3] = t3
                    column += _BLOCK
                else:
                    registers[t + column] = one_sum(registers, i, j + column)
                    column += 1
            row += 1
        if target != k:
            e = int(0)
            while e < features * features:
                registers[k + e] = registers[spare + e]
                e += 1

    return matrix_product


# ---- constants and random numbers -----------------------------------------------------------------------------------


def _constant_set(op: ops.Op, r: Registers, lanes: Any) -> Any:
    start, length = r.start(op.output), r.length(op.output)
    row_step, column_step = {0: (0, 0), 1: (1, 0), 2: (r.features, 1)}[op.indices]

    @wp.func(inline=True)
    def constant_set(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        registers[start + o * length + a * row_step + b * column_step] = lanes(constants[2 * slot])

    return constant_set


def _random_set(op: ops.Op, r: Registers, lanes: Any, real: Any, width: int) -> Any:
    start, length = r.start(op.output), r.length(op.output)
    distribution = make_uniform(real) if "UNIFORM" in op.name else make_gaussian(real)

    @wp.func(inline=True)
    def random_set(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        x = constants[2 * slot]
        y = constants[2 * slot + 1]
        stream = wp.uint32(a) << wp.uint32(STREAM_SHIFT)
        k = start + o * length
        e = int(0)
        while e < length:
            values = lanes()
            lane = int(0)
            while lane < width:
                task = draw.task + wp.uint32(lane)
                bits0, bits1 = threefry(draw.seed, task, draw.step, stream | wp.uint32(e))
                values[lane] = distribution(bits0, bits1, x, y)
                lane += 1
            registers[k + e] = values
            e += 1

    return random_set


# ---- the table ------------------------------------------------------------------------------------------------------

_REDUCTIONS: Final = {"NORM": _norm, "MEAN": _mean, "DEV": _st_dev}
_PRODUCTS: Final = {
    "VECTOR_INNER_PRODUCT_OP": _inner_product,
    "VECTOR_OUTER_PRODUCT_OP": _outer_product,
    "VECTOR_COLUMN_BROADCAST_OP": _broadcast_rows_or_columns,
    "VECTOR_ROW_BROADCAST_OP": _broadcast_rows_or_columns,
    "MATRIX_TRANSPOSE_OP": _transpose,
    "MATRIX_VECTOR_PRODUCT_OP": _matrix_vector_product,
    "MATRIX_MATRIX_PRODUCT_OP": _matrix_product,
}


def make_op_function(op: ops.Op, registers: Registers, lanes: Any, real: Any, width: int) -> Any:
    """The Warp function of an op.

    Args:
      op: a row of the op table, not NO_OP.
      registers: where the registers lie.
      lanes: Warp's type of a lanes value.
      real: Warp's type of one number, `wp.float32` or `wp.float64`.
      width: lanes of a lanes value.
    """
    if op.random:
        return _random_set(op, registers, lanes, real, width)
    if op.constants:
        return _constant_set(op, registers, lanes)
    if op.name in _PRODUCTS:
        return _PRODUCTS[op.name](op, registers)
    function = _elementwise_function(op)
    if function is not None:
        return (_unary if len(op.inputs) == 1 else _binary)(op, registers, function)
    return _reduction(op, registers, _REDUCTIONS[op.name.removesuffix("_OP").rpartition("_")[2]])
