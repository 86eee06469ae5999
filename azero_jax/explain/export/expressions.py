"""What each family of ops is in other notations: one row a family, beside `azero_jax.language.compute`.

In `array`, `np` stands for NumPy or for what JAX has of it; operands are registers of one example: scalars, vectors
`[F]`, matrices `[F, F]`. `{n}` is F, `{axis}` the axes of a reduction as an argument (`, axis=1`), `{draw}` what makes
random words for the output. In `latex` operands are symbols.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from azero_jax.language import ops
from azero_jax.language.families import Family


class Expression(NamedTuple):
    """One family in two notations."""

    array: str
    latex: str


EXPRESSIONS: Final[dict[Family, Expression]] = {
    Family.SUM: Expression("{a} + {b}", "{a} + {b}"),
    Family.DIFFERENCE: Expression("{a} - {b}", "{a} - {b}"),
    Family.PRODUCT: Expression("{a} * {b}", r"{a} \odot {b}"),
    Family.QUOTIENT: Expression("{np}.divide({a}, {b})", r"{a} \oslash {b}"),
    Family.ABSOLUTE: Expression("{np}.abs({a})", r"\left|{a}\right|"),
    Family.RECIPROCAL: Expression("{np}.divide(1.0, {a})", r"1 \oslash {a}"),
    Family.SIN: Expression("{np}.sin({a})", r"\sin {a}"),
    Family.COS: Expression("{np}.cos({a})", r"\cos {a}"),
    Family.TAN: Expression("{np}.tan({a})", r"\tan {a}"),
    Family.ARCSIN: Expression("{np}.arcsin({a})", r"\arcsin {a}"),
    Family.ARCCOS: Expression("{np}.arccos({a})", r"\arccos {a}"),
    Family.ARCTAN: Expression("{np}.arctan({a})", r"\arctan {a}"),
    Family.EXP: Expression("{np}.exp({a})", r"\exp {a}"),
    Family.LOG: Expression("{np}.log({a})", r"\log {a}"),
    Family.SCALAR_HEAVISIDE: Expression("{np}.where({a} >= 0, 1.0, 0.0)", r"\mathbb{{1}}[{a} \geq 0]"),
    Family.HEAVISIDE: Expression("{np}.where({a} > 0, 1.0, 0.0)", r"\mathbb{{1}}[{a} > 0]"),
    # Not np.minimum and np.maximum: what a NaN makes of them is another thing.
    Family.MINIMUM: Expression("{np}.where({b} < {a}, {b}, {a})", r"\min({a}, {b})"),
    Family.MAXIMUM: Expression("{np}.where({a} < {b}, {b}, {a})", r"\max({a}, {b})"),
    Family.MATRIX_MINIMUM: Expression("{np}.where({a} < {b}, {a}, {b})", r"\min({a}, {b})"),
    Family.MATRIX_MAXIMUM: Expression("{np}.where({a} > {b}, {a}, {b})", r"\max({a}, {b})"),
    Family.NORM: Expression("_norm({a}{axis})", r"\left\| {a} \right\|{axis}"),
    Family.MEAN: Expression("{np}.mean({a}{axis})", r"\operatorname{{mean}}{axis}({a})"),
    Family.ST_DEV: Expression("_st_dev({a}{axis})", r"\operatorname{{std}}{axis}({a})"),
    Family.INNER_PRODUCT: Expression("{np}.dot({a}, {b})", r"{a}^\top {b}"),
    Family.OUTER_PRODUCT: Expression("{np}.outer({a}, {b})", r"{a} {b}^\top"),
    Family.MATVEC: Expression("{a} @ {b}", "{a} {b}"),
    Family.MATMUL: Expression("{a} @ {b}", "{a} {b}"),
    Family.COLUMN_BROADCAST: Expression("{np}.repeat({a}[:, None], {n}, axis=1)", r"{a} \mathbf{{1}}^\top"),
    Family.ROW_BROADCAST: Expression("{np}.repeat({a}[None, :], {n}, axis=0)", r"\mathbf{{1}} {a}^\top"),
    Family.TRANSPOSE: Expression("{a}.T", r"{a}^\top"),
    Family.IDENTITY: Expression("{np}.full({n}, {a})", r"{a} \mathbf{{1}}"),
    Family.SET_ELEMENT: Expression("_with({old}, {i}, {x})", "{x}"),
    Family.SET_MATRIX_ELEMENT: Expression("_with({old}, ({i}, {j}), {x})", "{x}"),
    Family.UNIFORM: Expression("_uniform({draw}, {x}, {y})", r"\mathcal{{U}}({x}, {y})"),
    Family.GAUSSIAN: Expression("_gaussian({draw}, {x}, {y})", r"\mathcal{{N}}({x}, ({y})^2)"),
}
# Ops that are written in another way than their family.
_OF_OPS: Final[dict[str, Expression]] = {
    "SCALAR_CONST_SET_OP": Expression("{x}", "{x}"),
    "SCALAR_PRODUCT_OP": Expression("{a} * {b}", "{a} {b}"),
    "SCALAR_VECTOR_PRODUCT_OP": Expression("{a} * {b}", "{a} {b}"),
    "SCALAR_MATRIX_PRODUCT_OP": Expression("{a} * {b}", "{a} {b}"),
    "SCALAR_DIVISION_OP": Expression("{np}.divide({a}, {b})", "{a} / {b}"),
    "SCALAR_RECIPROCAL_OP": Expression("{np}.divide(1.0, {a})", "1 / {a}"),
    # Arrays of NumPy divide by zero without an error, which Python's numbers, as scalars may be, do not.
    "VECTOR_DIVISION_OP": Expression("{a} / {b}", r"{a} \oslash {b}"),
    "MATRIX_DIVISION_OP": Expression("{a} / {b}", r"{a} \oslash {b}"),
    "VECTOR_RECIPROCAL_OP": Expression("1 / {a}", r"1 \oslash {a}"),
    "MATRIX_RECIPROCAL_OP": Expression("1 / {a}", r"1 \oslash {a}"),
}

# Where something is divided by: a sum of terms that are all -0.0 is -0.0 then.
_SIGNED: Final[dict[Family, str]] = {
    Family.INNER_PRODUCT: "_dot({a}, {b})",
    Family.MATVEC: "_dot({a}, {b})",
    Family.MATMUL: "_dot({a}, {b})",
    Family.MEAN: "_mean({a}{axis})",
}
_DIVIDING: Final = (Family.QUOTIENT, Family.RECIPROCAL)


def divides(ops_used: Iterable[ops.Op]) -> bool:
    """Whether any op divides by a register, and so can tell 0.0 and -0.0 apart."""
    return any(op.family in _DIVIDING for op in ops_used)


def expression(op: ops.Op, *, signed: bool = False) -> Expression:
    """An op, which is not NO_OP, in other notations; `signed` keeps the sign of a sum that is zero."""
    found = _OF_OPS.get(op.name) or EXPRESSIONS[op.family]
    return found._replace(array=_SIGNED[op.family]) if signed and op.family in _SIGNED else found
