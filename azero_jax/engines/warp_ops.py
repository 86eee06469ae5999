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
from azero_jax.engines.random_bits import KEY_PARITY, STREAM_SHIFT
from azero_jax.engines.warp_spec import Registers

# Warp unrolls loops over constant ranges of at most 16 turns: right for lanes and short vectors, far too much code for
# nested loops over a matrix. `int(n)` makes a range non-constant; these are the outer loops below.


@wp.struct
class Draw:
    """What a random op's numbers depend on, besides its stream and the element."""

    seed: wp.uint32
    step: wp.uint32
    task: wp.uint32  # of the first lane


# ---- one element: arithmetic on lanes values ------------------------------------------------------------------------


@wp.func
def lanes_sum(a: Any, b: Any):
    return a + b


@wp.func
def lanes_difference(a: Any, b: Any):
    return a - b


@wp.func
def lanes_product(a: Any, b: Any):
    return wp.cw_mul(a, b)


@wp.func
def lanes_quotient(a: Any, b: Any):
    return wp.cw_div(a, b)


@wp.func
def lanes_absolute(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.abs(a[lane])
    return r


@wp.func
def lanes_reciprocal(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = a.dtype(1.0) / a[lane]
    return r


@wp.func
def lanes_sine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.sin(a[lane])
    return r


@wp.func
def lanes_cosine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.cos(a[lane])
    return r


@wp.func
def lanes_tangent(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.tan(a[lane])
    return r


@wp.func
def lanes_arcsine(a: Any):
    r = type(a)()
    for lane in range(len(a)):  # Warp's asin and acos clamp their argument; out of range is NaN here
        r[lane] = wp.where(wp.abs(a[lane]) <= a.dtype(1.0), wp.asin(a[lane]), a.dtype(wp.nan))
    return r


@wp.func
def lanes_arccosine(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(wp.abs(a[lane]) <= a.dtype(1.0), wp.acos(a[lane]), a.dtype(wp.nan))
    return r


@wp.func
def lanes_arctangent(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.atan(a[lane])
    return r


@wp.func
def lanes_exponential(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.exp(a[lane])
    return r


@wp.func
def lanes_logarithm(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.log(a[lane])
    return r


@wp.func
def lanes_square_root(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.sqrt(a[lane])
    return r


@wp.func
def lanes_scalar_heaviside(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] >= a.dtype(0.0), a.dtype(1.0), a.dtype(0.0))
    return r


@wp.func
def lanes_heaviside(a: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] > a.dtype(0.0), a.dtype(1.0), a.dtype(0.0))
    return r


@wp.func
def lanes_minimum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(b[lane] < a[lane], b[lane], a[lane])
    return r


@wp.func
def lanes_maximum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] < b[lane], b[lane], a[lane])
    return r


@wp.func
def lanes_matrix_minimum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] < b[lane], a[lane], b[lane])
    return r


@wp.func
def lanes_matrix_maximum(a: Any, b: Any):
    r = type(a)()
    for lane in range(len(a)):
        r[lane] = wp.where(a[lane] > b[lane], a[lane], b[lane])
    return r


@wp.func
def lanes_identity(a: Any):
    return a


@wp.func
def lanes_square(a: Any):
    return wp.cw_mul(a, a)


# Ops of the same name on scalars, vectors and matrices; a name with its prefix comes first where they differ.
ELEMENTWISE: Final[dict[str, Any]] = {
    "SUM": lanes_sum,
    "DIFF": lanes_difference,
    "PRODUCT": lanes_product,
    "DIVISION": lanes_quotient,
    "ABS": lanes_absolute,
    "RECIPROCAL": lanes_reciprocal,
    "SIN": lanes_sine,
    "COS": lanes_cosine,
    "TAN": lanes_tangent,
    "ARCSIN": lanes_arcsine,
    "ARCCOS": lanes_arccosine,
    "ARCTAN": lanes_arctangent,
    "EXP": lanes_exponential,
    "LOG": lanes_logarithm,
    "HEAVYSIDE": lanes_heaviside,
    "SCALAR_HEAVYSIDE": lanes_scalar_heaviside,
    "MIN": lanes_minimum,
    "MAX": lanes_maximum,
    "MATRIX_MIN": lanes_matrix_minimum,
    "MATRIX_MAX": lanes_matrix_maximum,
    "SCALAR_VECTOR_PRODUCT": lanes_product,
    "SCALAR_MATRIX_PRODUCT": lanes_product,
    "SCALAR_BROADCAST": lanes_identity,
}


def _elementwise_function(op: ops.Op) -> Any | None:
    name = op.name.removesuffix("_OP")
    return ELEMENTWISE.get(name, ELEMENTWISE.get(name.removeprefix(ops.KIND_NAMES[op.output].upper() + "_")))


# ---- whole registers ------------------------------------------------------------------------------------------------


def _unary(op: ops.Op, r: Registers, function: Any) -> Any:
    a_start, a_length = r.start(op.inputs[0]), r.length(op.inputs[0])
    o_start, o_length = r.start(op.output), r.length(op.output)
    a_step = int(op.inputs[0] == op.output)  # 0: a scalar for every element

    @wp.func
    def unary(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        k = o_start + o * o_length
        for e in range(o_length):
            registers[k + e] = function(registers[i + e * a_step])

    return unary


def _binary(op: ops.Op, r: Registers, function: Any) -> Any:
    a_start, a_length = r.start(op.inputs[0]), r.length(op.inputs[0])
    b_start, b_length = r.start(op.inputs[1]), r.length(op.inputs[1])
    o_start, o_length = r.start(op.output), r.length(op.output)
    a_step = int(op.inputs[0] == op.output)  # 0: a scalar for every element

    @wp.func
    def binary(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        j = b_start + b * b_length
        k = o_start + o * o_length
        for e in range(o_length):
            registers[k + e] = function(registers[i + e * a_step], registers[j + e])

    return binary


def _norm(count: int, step: int) -> Any:
    @wp.func
    def norm(registers: Any, i: int):
        x = registers[i]
        total = wp.cw_mul(x, x)
        for e in range(1, count):
            y = registers[i + e * step]
            total = total + wp.cw_mul(y, y)
        return lanes_square_root(total)

    return norm


def _mean(count: int, step: int) -> Any:
    @wp.func
    def mean(registers: Any, i: int):
        total = registers[i]
        for e in range(1, count):
            total = total + registers[i + e * step]
        return total / total.dtype(float(count))

    return mean


def _st_dev(count: int, step: int) -> Any:
    @wp.func
    def st_dev(registers: Any, i: int):
        total = registers[i]
        squares = wp.cw_mul(total, total)
        for e in range(1, count):
            x = registers[i + e * step]
            total = total + x
            squares = squares + wp.cw_mul(x, x)
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

    @wp.func
    def reduction(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = a_start + a * a_length
        k = o_start + o * o_length
        for e in range(int(o_length)):
            registers[k + e] = reduce(registers, i + e * a_step)

    return reduction


def _inner_product(op: ops.Op, r: Registers) -> Any:
    start, features = r.start(ops.VECTOR), r.features

    @wp.func
    def inner_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features
        j = start + b * features
        total = wp.cw_mul(registers[i], registers[j])
        for e in range(1, features):
            total = total + wp.cw_mul(registers[i + e], registers[j + e])
        registers[o] = total

    return inner_product


def _outer_product(op: ops.Op, r: Registers) -> Any:
    start, o_start, features = r.start(ops.VECTOR), r.start(ops.MATRIX), r.features

    @wp.func
    def outer_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = start + b * features
        for row in range(int(features)):
            x = registers[start + a * features + row]
            k = o_start + (o * features + row) * features
            for column in range(features):
                registers[k + column] = wp.cw_mul(x, registers[j + column])

    return outer_product


def _broadcast_rows_or_columns(op: ops.Op, r: Registers) -> Any:
    start, o_start, features = r.start(ops.VECTOR), r.start(ops.MATRIX), r.features
    by_row, by_column = (1, 0) if "COLUMN" in op.name else (0, 1)

    @wp.func
    def broadcast(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features
        for row in range(int(features)):
            k = o_start + (o * features + row) * features
            for column in range(features):
                registers[k + column] = registers[i + row * by_row + column * by_column]

    return broadcast


def _transpose(op: ops.Op, r: Registers) -> Any:
    start, features = r.start(ops.MATRIX), r.features

    @wp.func
    def transpose(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        i = start + a * features * features
        k = start + o * features * features
        for row in range(int(features)):
            for column in range(row + 1):  # both of a pair are read before either is written: safe in place
                x = registers[i + row * features + column]
                y = registers[i + column * features + row]
                registers[k + row * features + column] = y
                registers[k + column * features + row] = x

    return transpose


def _matrix_vector_product(op: ops.Op, r: Registers) -> Any:
    m_start, v_start, spare, features = r.start(ops.MATRIX), r.start(ops.VECTOR), r.spare, r.features

    @wp.func
    def matrix_vector_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = v_start + b * features
        for row in range(int(features)):
            i = m_start + (a * features + row) * features
            total = wp.cw_mul(registers[i], registers[j])
            for e in range(1, features):
                total = total + wp.cw_mul(registers[i + e], registers[j + e])
            registers[spare + row] = total
        k = v_start + o * features
        for row in range(features):
            registers[k + row] = registers[spare + row]

    return matrix_vector_product


def _matrix_product(op: ops.Op, r: Registers) -> Any:
    start, spare, features = r.start(ops.MATRIX), r.spare, r.features

    @wp.func
    def matrix_product(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        j = start + b * features * features
        k = start + o * features * features
        target = wp.where(o == a or o == b, spare, k)
        for row in range(int(features)):
            i = start + (a * features + row) * features
            for column in range(int(features)):
                total = wp.cw_mul(registers[i], registers[j + column])
                for e in range(1, features):
                    total = total + wp.cw_mul(registers[i + e], registers[j + e * features + column])
                registers[target + row * features + column] = total
        if target != k:
            for e in range(int(features * features)):
                registers[k + e] = registers[spare + e]

    return matrix_product


# ---- constants and random numbers -----------------------------------------------------------------------------------


def _constant_set(op: ops.Op, r: Registers, lanes: Any) -> Any:
    start, length = r.start(op.output), r.length(op.output)
    row_step, column_step = {0: (0, 0), 1: (1, 0), 2: (r.features, 1)}[op.indices]

    @wp.func
    def constant_set(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        registers[start + o * length + a * row_step + b * column_step] = lanes(constants[2 * slot])

    return constant_set


@wp.func
def _rotate(x: wp.uint32, count: wp.uint32):
    return (x << count) | (x >> (wp.uint32(32) - count))


@wp.func
def _threefry_four_rounds(x0: wp.uint32, x1: wp.uint32, r0: int, r1: int, r2: int, r3: int):
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r0)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r1)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r2)) ^ x0
    x0 = x0 + x1
    x1 = _rotate(x1, wp.uint32(r3)) ^ x0
    return x0, x1


@wp.func
def threefry(k0: wp.uint32, k1: wp.uint32, c0: wp.uint32, c1: wp.uint32):
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011; Random123, JAX): two words for a key and a counter."""
    k2 = k0 ^ k1 ^ wp.uint32(KEY_PARITY)
    x0 = c0 + k0
    x1 = c1 + k1
    x0, x1 = _threefry_four_rounds(x0, x1, 13, 15, 26, 6)
    x0, x1 = _threefry_four_rounds(x0 + k1, x1 + k2 + wp.uint32(1), 17, 29, 16, 24)
    x0, x1 = _threefry_four_rounds(x0 + k2, x1 + k0 + wp.uint32(2), 13, 15, 26, 6)
    x0, x1 = _threefry_four_rounds(x0 + k0, x1 + k1 + wp.uint32(3), 17, 29, 16, 24)
    x0, x1 = _threefry_four_rounds(x0 + k1, x1 + k2 + wp.uint32(4), 13, 15, 26, 6)
    return x0 + k2, x1 + k0 + wp.uint32(5)


def _uniform(real: Any) -> Any:
    shift, scale = (9, 2.0**-23) if real is wp.float32 else (0, 2.0**-32)

    @wp.func
    def uniform(bits0: wp.uint32, bits1: wp.uint32, x: Any, y: Any):
        unit = (real(bits0 >> wp.uint32(shift)) + real(0.5)) * real(scale)
        return wp.where(x < y, x + (y - x) * unit, x)

    return uniform


def _gaussian(real: Any) -> Any:
    scale, turn = 2.0**-32, real(2 * math.pi * 2.0**-32)  # a number inside a Warp function has single precision

    @wp.func
    def gaussian(bits0: wp.uint32, bits1: wp.uint32, x: Any, y: Any):
        radius = wp.sqrt(real(-2.0) * wp.log((real(bits0) + real(0.5)) * real(scale)))
        return x + y * (radius * wp.cos(turn * real(bits1)))

    return gaussian


def _random_set(op: ops.Op, r: Registers, lanes: Any, real: Any, width: int) -> Any:
    start, length = r.start(op.output), r.length(op.output)
    distribution = _uniform(real) if "UNIFORM" in op.name else _gaussian(real)

    @wp.func
    def random_set(registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        x = constants[2 * slot]
        y = constants[2 * slot + 1]
        stream = wp.uint32(a) << wp.uint32(STREAM_SHIFT)
        k = start + o * length
        for e in range(int(length)):
            values = lanes()
            for lane in range(int(width)):
                task = draw.task + wp.uint32(lane)
                bits0, bits1 = threefry(draw.seed, task, draw.step, stream | wp.uint32(e))
                values[lane] = distribution(bits0, bits1, x, y)
            registers[k + e] = values

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
