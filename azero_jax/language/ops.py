"""The op table: one row for each of the 65 instructions, and the one source of truth about them.

The parser, the printer, the mutator, the pruner, the engines and the tests all read this table. The ops, their numbers
and their edge cases are those of the original AutoML-Zero system (Real, Liang, So, Le, ICML 2020, arXiv 2003.03384);
the cost constants are the ones that its train budget uses.

Registers are arrays whose last axis is *lanes* (independent tasks): a scalar register is `[lanes]`, a vector register
`[F, lanes]`, a matrix register `[F, F, lanes]` with rows first. `Op.compute` takes and returns such arrays, in float32
or float64, and never raises: NaN and infinity are ordinary values. Its result broadcasts to the shape of the output
register.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from azero_jax.language.families import Family

if TYPE_CHECKING:
    import jax

SCALAR: Final = "s"
VECTOR: Final = "v"
MATRIX: Final = "m"
KINDS: Final = (SCALAR, VECTOR, MATRIX)
RANKS: Final = {SCALAR: 0, VECTOR: 1, MATRIX: 2}  # axes of a register without its lanes
KIND_NAMES: Final = {SCALAR: "scalar", VECTOR: "vector", MATRIX: "matrix"}

FIRST_OUTPUT_ADDRESS: Final = {SCALAR: 1, VECTOR: 1, MATRIX: 0}  # s0 and v0 are read-only


@dataclasses.dataclass(frozen=True)
class Op:
    """One row of the table.

    Attributes:
      number: position in the table, the opcode of a program tensor.
      name: the original's name, such as `SCALAR_SUM_OP`.
      inputs: kind letters of the inputs (`"sv"`: a scalar, then a vector); at most two.
      output: kind letter of the output, or `""` for NO_OP.
      form: how the instruction is printed. `o` is the output, `a` and `b` the inputs, `i` and `j` indices, `x` and `y`
        constants; everything else is literal.
      cost: cost constant of the original's train budget (arbitrary units).
      family: what it computes.
      aliases: further forms that the parser accepts.
      axes: axes of the input that a reduction removes (1 leaves a number a row); empty for other ops.
      commutative: swapping the inputs never changes a bit of the result.
      indices: how many indices into the output it has (a partial write, which keeps the other elements).
      constants: how many real constants it has.
    """

    number: int
    name: str
    inputs: str
    output: str
    form: str
    cost: float
    family: Family
    aliases: tuple[str, ...] = ()
    axes: tuple[int, ...] = ()
    commutative: bool = False
    indices: int = 0
    constants: int = 0

    @property
    def compute(self) -> Callable[..., jax.Array]:
        """Makes the result of what `arguments` names."""
        from azero_jax.language.compute import FUNCTIONS  # which imports JAX

        function = FUNCTIONS[self.family]
        return partial(function, axes=self.axes) if self.axes else function

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return self.family in (Family.UNIFORM, Family.GAUSSIAN)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of what `compute` takes, in order.

        `a`, `b` (input registers), `old` (the output register before), `i`, `j` (integer indices), `words`
        (`RandomWords` of the output's shape), `x`, `y` (real constants); indices, constants are scalars or `[lanes]`.
        """
        inputs = ("a", "b")[: len(self.inputs)]
        old = ("old",) if self.partial_write else ()
        words = ("words",) if self.random else ()
        return (*inputs, *old, *("i", "j")[: self.indices], *words, *("x", "y")[: self.constants])

    @property
    def partial_write(self) -> bool:
        """Whether the output keeps elements that it had before."""
        return self.indices > 0


OPS: Final[tuple[Op, ...]] = (
    Op(0, "NO_OP", "", "", "pass", 3013921, Family.NOTHING),
    Op(1, "SCALAR_SUM_OP", "ss", "s", "o = a + b", 4703759, Family.SUM, commutative=True),
    Op(2, "SCALAR_DIFF_OP", "ss", "s", "o = a - b", 5102027, Family.DIFFERENCE),
    Op(3, "SCALAR_PRODUCT_OP", "ss", "s", "o = a * b", 4418347, Family.PRODUCT, commutative=True),
    Op(4, "SCALAR_DIVISION_OP", "ss", "s", "o = a / b", 3963916, Family.QUOTIENT),
    Op(5, "SCALAR_ABS_OP", "s", "s", "o = abs(a)", 3684352, Family.ABSOLUTE),
    Op(6, "SCALAR_RECIPROCAL_OP", "s", "s", "o = 1 / a", 4212086, Family.RECIPROCAL),
    Op(7, "SCALAR_SIN_OP", "s", "s", "o = sin(a)", 7538523, Family.SIN),
    Op(8, "SCALAR_COS_OP", "s", "s", "o = cos(a)", 7452807, Family.COS),
    Op(9, "SCALAR_TAN_OP", "s", "s", "o = tan(a)", 7583203, Family.TAN),
    Op(10, "SCALAR_ARCSIN_OP", "s", "s", "o = arcsin(a)", 9145616, Family.ARCSIN),
    Op(11, "SCALAR_ARCCOS_OP", "s", "s", "o = arccos(a)", 7673039, Family.ARCCOS),
    Op(12, "SCALAR_ARCTAN_OP", "s", "s", "o = arctan(a)", 9273978, Family.ARCTAN),
    Op(13, "SCALAR_EXP_OP", "s", "s", "o = exp(a)", 11755929, Family.EXP),
    Op(14, "SCALAR_LOG_OP", "s", "s", "o = log(a)", 11627725, Family.LOG),
    Op(15, "SCALAR_HEAVYSIDE_OP", "s", "s", "o = heaviside(a, 1.0)", 4057075, Family.SCALAR_HEAVISIDE),
    Op(16, "VECTOR_HEAVYSIDE_OP", "v", "v", "o = heaviside(a, 1.0)", 3965743, Family.HEAVISIDE),
    Op(17, "MATRIX_HEAVYSIDE_OP", "m", "m", "o = heaviside(a, 1.0)", 6728311, Family.HEAVISIDE),
    Op(18, "SCALAR_VECTOR_PRODUCT_OP", "sv", "v", "o = a * b", 3705015, Family.PRODUCT, ("o = b * a",)),
    Op(19, "SCALAR_BROADCAST_OP", "s", "v", "o = bcast(a)", 4165814, Family.IDENTITY),
    Op(20, "VECTOR_RECIPROCAL_OP", "v", "v", "o = 1 / a", 6311851, Family.RECIPROCAL),
    Op(21, "VECTOR_NORM_OP", "v", "s", "o = norm(a)", 4810562, Family.NORM, axes=(0,)),
    Op(22, "VECTOR_ABS_OP", "v", "v", "o = abs(a)", 3713533, Family.ABSOLUTE),
    Op(23, "VECTOR_SUM_OP", "vv", "v", "o = a + b", 4701519, Family.SUM, commutative=True),
    Op(24, "VECTOR_DIFF_OP", "vv", "v", "o = a - b", 4165747, Family.DIFFERENCE),
    Op(25, "VECTOR_PRODUCT_OP", "vv", "v", "o = a * b", 4504555, Family.PRODUCT, commutative=True),
    Op(26, "VECTOR_DIVISION_OP", "vv", "v", "o = a / b", 4556237, Family.QUOTIENT),
    Op(27, "VECTOR_INNER_PRODUCT_OP", "vv", "s", "o = dot(a, b)", 4294617, Family.INNER_PRODUCT, commutative=True),
    Op(28, "VECTOR_OUTER_PRODUCT_OP", "vv", "m", "o = outer(a, b)", 9833707, Family.OUTER_PRODUCT),
    Op(29, "SCALAR_MATRIX_PRODUCT_OP", "sm", "m", "o = a * b", 5986302, Family.PRODUCT, ("o = b * a",)),
    Op(30, "MATRIX_RECIPROCAL_OP", "m", "m", "o = 1 / a", 24336141, Family.RECIPROCAL),
    Op(31, "MATRIX_VECTOR_PRODUCT_OP", "mv", "v", "o = dot(a, b)", 9310002, Family.MATVEC, ("o = matmul(a, b)",)),
    Op(32, "VECTOR_COLUMN_BROADCAST_OP", "v", "m", "o = bcast(a, axis=0)", 10993088, Family.COLUMN_BROADCAST),
    Op(33, "VECTOR_ROW_BROADCAST_OP", "v", "m", "o = bcast(a, axis=1)", 11087322, Family.ROW_BROADCAST),
    Op(34, "MATRIX_NORM_OP", "m", "s", "o = norm(a)", 6422746, Family.NORM, axes=(0, 1)),
    Op(35, "MATRIX_COLUMN_NORM_OP", "m", "v", "o = norm(a, axis=0)", 6682187, Family.NORM, axes=(0,)),
    Op(36, "MATRIX_ROW_NORM_OP", "m", "v", "o = norm(a, axis=1)", 13351123, Family.NORM, axes=(1,)),
    Op(37, "MATRIX_TRANSPOSE_OP", "m", "m", "o = transpose(a)", 9394756, Family.TRANSPOSE),
    Op(38, "MATRIX_ABS_OP", "m", "m", "o = abs(a)", 4630926, Family.ABSOLUTE),
    Op(39, "MATRIX_SUM_OP", "mm", "m", "o = a + b", 5579381, Family.SUM, commutative=True),
    Op(40, "MATRIX_DIFF_OP", "mm", "m", "o = a - b", 5429452, Family.DIFFERENCE),
    Op(41, "MATRIX_PRODUCT_OP", "mm", "m", "o = a * b", 5475227, Family.PRODUCT, commutative=True),
    Op(42, "MATRIX_DIVISION_OP", "mm", "m", "o = a / b", 18234378, Family.QUOTIENT),
    Op(43, "MATRIX_MATRIX_PRODUCT_OP", "mm", "m", "o = matmul(a, b)", 14516296, Family.MATMUL, ("o = dot(a, b)",)),
    Op(44, "SCALAR_MIN_OP", "ss", "s", "o = minimum(a, b)", 3677265, Family.MINIMUM),
    Op(45, "VECTOR_MIN_OP", "vv", "v", "o = minimum(a, b)", 3989956, Family.MINIMUM),
    Op(46, "MATRIX_MIN_OP", "mm", "m", "o = minimum(a, b)", 5457728, Family.MATRIX_MINIMUM),
    Op(47, "SCALAR_MAX_OP", "ss", "s", "o = maximum(a, b)", 4573695, Family.MAXIMUM),
    Op(48, "VECTOR_MAX_OP", "vv", "v", "o = maximum(a, b)", 3974229, Family.MAXIMUM),
    Op(49, "MATRIX_MAX_OP", "mm", "m", "o = maximum(a, b)", 5840952, Family.MATRIX_MAXIMUM),
    Op(50, "VECTOR_MEAN_OP", "v", "s", "o = mean(a)", 4280443, Family.MEAN, axes=(0,)),
    Op(51, "MATRIX_MEAN_OP", "m", "s", "o = mean(a)", 4595196, Family.MEAN, axes=(0, 1)),
    Op(52, "MATRIX_ROW_MEAN_OP", "m", "v", "o = mean(a, axis=1)", 9763956, Family.MEAN, axes=(1,)),
    Op(53, "MATRIX_ROW_ST_DEV_OP", "m", "v", "o = std(a, axis=1)", 16766477, Family.ST_DEV, axes=(1,)),
    Op(54, "VECTOR_ST_DEV_OP", "v", "s", "o = std(a)", 5585730, Family.ST_DEV, axes=(0,)),
    Op(55, "MATRIX_ST_DEV_OP", "m", "s", "o = std(a)", 10640216, Family.ST_DEV, axes=(0, 1)),
    Op(56, "SCALAR_CONST_SET_OP", "", "s", "o = x", 3691108, Family.IDENTITY, constants=1),
    Op(57, "VECTOR_CONST_SET_OP", "", "v", "o[i] = x", 3991421, Family.SET_ELEMENT, indices=1, constants=1),
    Op(58, "MATRIX_CONST_SET_OP", "", "m", "o[i, j] = x", 3693035, Family.SET_MATRIX_ELEMENT, indices=2, constants=1),
    Op(59, "SCALAR_UNIFORM_SET_OP", "", "s", "o = uniform(x, y)", 26610704, Family.UNIFORM, constants=2),
    Op(60, "VECTOR_UNIFORM_SET_OP", "", "v", "o = uniform(x, y)", 57817372, Family.UNIFORM, constants=2),
    Op(61, "MATRIX_UNIFORM_SET_OP", "", "m", "o = uniform(x, y)", 208339446, Family.UNIFORM, constants=2),
    Op(62, "SCALAR_GAUSSIAN_SET_OP", "", "s", "o = gaussian(x, y)", 20775635, Family.GAUSSIAN, constants=2),
    Op(63, "VECTOR_GAUSSIAN_SET_OP", "", "v", "o = gaussian(x, y)", 77483018, Family.GAUSSIAN, constants=2),
    Op(64, "MATRIX_GAUSSIAN_SET_OP", "", "m", "o = gaussian(x, y)", 277690384, Family.GAUSSIAN, constants=2),
)

OP_BY_NAME: Final[dict[str, Op]] = {op.name: op for op in OPS}
NO_OP: Final = OPS[0]


def op_number(name: str) -> int:
    """Number of the op called `name` (upper or lower case, with or without the ending `_OP`).

    Raises:
      ValueError: no op has that name; the message suggests the nearest one.
    """
    key = name.strip().upper()
    for candidate in (key, f"{key}_OP"):
        if candidate in OP_BY_NAME:
            return OP_BY_NAME[candidate].number
    nearest = difflib.get_close_matches(key, OP_BY_NAME, n=1, cutoff=0)
    raise ValueError(f"unknown op {name!r}; did you mean {nearest[0]}?")
