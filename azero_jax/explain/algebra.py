"""Values of registers as sums of products, by which two programs are proved to compute the same.

A value is a sum of monomials, each a number times scalar atoms times atoms of the value's own kind, element by element.
An atom is something that is not taken apart: an entry value, a draw, the result of an op that is linear in none of its
inputs, or of one that is, such as a dot product, of single atoms. Numbers are taken for real ones: two values that are
equal here differ in floating point by rounding only, as long as nothing overflows.

Ops that make NaN or infinity of finite numbers would break that (0 / 0 is not 0). `Algebra(exact=True)` is for
programs that have one: there only equal ops of equal inputs are equal, numbers are only folded with numbers, and -0.0
is another number than 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import numpy as np

from azero_jax.language import ops
from azero_jax.language.families import Family

Monomial = tuple[tuple[int, ...], tuple[int, ...]]  # scalar atoms and atoms of the own kind, each sorted

UNSAFE: Final = frozenset(
    {
        *(Family.QUOTIENT, Family.RECIPROCAL, Family.EXP, Family.LOG, Family.TAN),
        *(Family.ARCSIN, Family.ARCCOS, Family.ST_DEV),
    }
)  # NaN or infinity of finite inputs, or the sign of a zero made visible

_MOST_TERMS: Final = 32  # of a product that is multiplied out
_ONE: Final[Monomial] = ((), ())
_TOLERANCE: Final = 1e-10  # relative, of coefficients, which have been rounded several times

_LINEAR: Final = frozenset(
    {
        *(Family.INNER_PRODUCT, Family.OUTER_PRODUCT, Family.MATVEC, Family.MATMUL, Family.COLUMN_BROADCAST),
        *(Family.ROW_BROADCAST, Family.TRANSPOSE, Family.IDENTITY, Family.MEAN),
    }
)
_KEEP_ONES: Final = frozenset({Family.COLUMN_BROADCAST, Family.ROW_BROADCAST, Family.TRANSPOSE, Family.MEAN})


def _step(least: bool) -> Callable[[float], float]:
    return lambda x: float(x >= 0) if least else float(x > 0)


_NUMERIC: Final[dict[Family, Callable[..., float]]] = {
    Family.SUM: lambda a, b: a + b,
    Family.DIFFERENCE: lambda a, b: a - b,
    Family.PRODUCT: lambda a, b: a * b,
    Family.QUOTIENT: lambda a, b: float(np.float64(a) / np.float64(b)),
    Family.RECIPROCAL: lambda a: float(1 / np.float64(a)),
    Family.ABSOLUTE: abs,
    Family.SIN: np.sin,
    Family.COS: np.cos,
    Family.TAN: np.tan,
    Family.ARCSIN: np.arcsin,
    Family.ARCCOS: np.arccos,
    Family.ARCTAN: np.arctan,
    Family.EXP: np.exp,
    Family.LOG: np.log,
    Family.SCALAR_HEAVISIDE: _step(True),
    Family.HEAVISIDE: _step(False),
    Family.MINIMUM: min,
    Family.MAXIMUM: max,
    Family.MATRIX_MINIMUM: min,
    Family.MATRIX_MAXIMUM: max,
}
_IDEMPOTENT: Final = frozenset({Family.MINIMUM, Family.MAXIMUM, Family.MATRIX_MINIMUM, Family.MATRIX_MAXIMUM})


class Value(NamedTuple):
    """What a register holds: its kind, and coefficients by monomial; none is zero, but an exact algebra keeps -0.0."""

    kind: str
    terms: dict[Monomial, float]

    @property
    def number(self) -> float | None:
        """The number that every element is, if that is known."""
        if not self.terms:
            return 0.0
        return self.terms.get(_ONE) if len(self.terms) == 1 else None


class Algebra:
    """Makes values; those of one algebra can be compared.

    Attributes:
      exact: see the module.
    """

    def __init__(self, *, exact: bool) -> None:
        self.exact = exact
        self._numbers: dict[object, int] = {}
        self._keys: list[object] = []

    def number(self, kind: str, number: float) -> Value:
        """The value whose elements are all one number."""
        is_kept = number != 0 or (self.exact and math.copysign(1, number) < 0)
        return Value(kind, {_ONE: float(number)} if is_kept else {})

    def atom(self, kind: str, *key: object) -> Value:
        """A value that is not taken apart; equal keys are equal values."""
        name = self._numbers.setdefault((kind, *key), len(self._numbers))
        if name == len(self._keys):
            self._keys.append((kind, *key))
        return Value(kind, {((name,), ()) if kind == ops.SCALAR else ((), (name,)): 1.0})

    def key(self, atom: int) -> tuple:
        """What an atom was made of: its kind, then its key."""
        key = self._keys[atom]
        assert isinstance(key, tuple)
        return key

    def atoms(self, value: Value) -> set[int]:
        """All atoms that a value is made of, the innermost too."""
        found: set[int] = set()
        pending = [atom for scalars, own in value.terms for atom in (*scalars, *own)]
        while pending:
            atom = pending.pop()
            if atom not in found:
                found.add(atom)
                pending += [inner for part in self.key(atom) for inner in _atoms_in(part)]
        return found

    def scaled(self, value: Value, factor: float) -> Value:
        """A value times a number."""
        return Value(value.kind, {key: c * factor for key, c in value.terms.items()} if factor != 0 else {})

    def apply(self, op: ops.Op, inputs: tuple[Value, ...]) -> Value:
        """What an op without constants makes of its inputs."""
        numbers = [value.number for value in inputs]
        if op.family in _IDEMPOTENT and self._are_both_zeros(numbers):
            return self._opaque(op, inputs)
        if op.family in _NUMERIC and all(number is not None for number in numbers):
            with np.errstate(all="ignore"):
                folded = float(_NUMERIC[op.family](*numbers))
            return self.number(op.output, folded) if math.isfinite(folded) else self._opaque(op, inputs)
        if op.family is Family.IDENTITY and numbers[0] is not None:
            return self.number(op.output, numbers[0])
        if self.exact:
            return self._opaque(op, inputs)
        if op.family in (Family.SUM, Family.DIFFERENCE):
            return _added(inputs[0], self.scaled(inputs[1], 1.0 if op.family is Family.SUM else -1.0))
        if op.family is Family.PRODUCT:
            return self._multiplied(op, inputs)
        if op.family in _LINEAR:
            return self._linear(op, inputs)
        if op.family is Family.NORM and numbers[0] == 0:
            return self.number(op.output, 0.0)
        if op.family in _IDEMPOTENT and ratio(inputs[0], inputs[1]) == 1.0:
            return inputs[0]
        return self._opaque(op, inputs)

    def _are_both_zeros(self, numbers: list[float | None]) -> bool:
        """Whether 0.0 and -0.0 meet, of which engines may take either for the larger."""
        return self.exact and {str(number) for number in numbers} == {"0.0", "-0.0"}

    def _opaque(self, op: ops.Op, inputs: Iterable[Value]) -> Value:
        keys = [freeze(value) for value in inputs]
        return self.atom(op.output, op.number, *(sorted(keys) if op.commutative else keys))

    def _multiplied(self, op: ops.Op, inputs: tuple[Value, ...]) -> Value:
        first, second = inputs
        if len(first.terms) * len(second.terms) > _MOST_TERMS:
            return self._opaque(op, inputs)
        terms: dict[Monomial, float] = {}
        for (scalars1, own1), c1 in first.terms.items():
            for (scalars2, own2), c2 in second.terms.items():
                key = (tuple(sorted((*scalars1, *scalars2))), tuple(sorted((*own1, *own2))))
                terms[key] = terms.get(key, 0.0) + c1 * c2
        return Value(op.output, _without_zeros(terms))

    def _linear(self, op: ops.Op, inputs: tuple[Value, ...]) -> Value:
        """What an op makes that is linear in each of its inputs: scalars are taken out of it."""
        if op.family is Family.IDENTITY:  # a scalar that fills a vector
            return Value(op.output, dict(inputs[0].terms))
        total = 1
        for value in inputs:
            total *= len(value.terms)
        if total > _MOST_TERMS:
            return self._opaque(op, inputs)
        parts: list[tuple[tuple[int, ...], tuple[tuple[int, ...], ...], float]] = [((), (), 1.0)]
        for value in inputs:
            parts = [
                ((*scalars, *own_scalars), (*cores, own), c * own_c)
                for scalars, cores, c in parts
                for (own_scalars, own), own_c in value.terms.items()
            ]
        result = self.number(op.output, 0.0)
        for scalars, cores, c in parts:
            if cores == ((),) and op.family in _KEEP_ONES:
                core = self.number(op.output, 1.0)
            else:
                core = self.atom(op.output, op.number, *(sorted(cores) if op.commutative else cores))
            ((own_scalars, own),) = core.terms
            key = (tuple(sorted((*scalars, *own_scalars))), own)
            result = _added(result, Value(op.output, {key: c}))
        return result


def freeze(value: Value) -> tuple:
    """A value as something that can be hashed and sorted; coefficients are rounded."""
    return tuple(sorted((scalars, own, float(f"{c:.11g}")) for (scalars, own), c in value.terms.items()))


def ratio(first: Value, second: Value) -> float | None:
    """The number by which the first value is a multiple of the second; 1 of two zeros, None if there is none."""
    if first.terms.keys() != second.terms.keys():
        return None
    if 0 in first.terms.values() or 0 in second.terms.values():  # -0.0 is a multiple of itself only
        return 1.0 if first.terms == second.terms else None
    factors = [c / second.terms[key] for key, c in first.terms.items()]
    if not factors:
        return 1.0
    middle = factors[0]
    if any(abs(factor - middle) > _TOLERANCE * abs(middle) for factor in factors):
        return None
    return 1.0 if abs(middle - 1) <= _TOLERANCE else middle


def equal(first: Value, second: Value) -> bool:
    """Whether two values are the same."""
    return ratio(first, second) == 1.0


def _added(first: Value, second: Value) -> Value:
    terms = dict(first.terms)
    for key, c in second.terms.items():
        old = terms.get(key, 0.0)
        new = old + c
        terms[key] = 0.0 if abs(new) <= _TOLERANCE * abs(c) else new
    return Value(first.kind, _without_zeros(terms))


def _without_zeros(terms: dict[Monomial, float]) -> dict[Monomial, float]:
    return {key: c for key, c in terms.items() if c != 0}


def _atoms_in(part: object) -> list[int]:
    """The atoms in a part of a key: the whole numbers in nested tuples, in which coefficients are floats."""
    if not isinstance(part, tuple):
        return []
    return [atom for inner in part for atom in ([inner] if isinstance(inner, int) else _atoms_in(inner))]
