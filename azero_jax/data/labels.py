"""Labels of any type that people have them in: as plain numbers or plain texts, or refused by name."""

import numbers
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.numbers import MISSING_WORDS, to_numbers
from azero_jax.process.messages import listed

MAX_CLASSES: Final = 20  # numeric labels with more distinct values are taken for a regression's

_HINT: Final = "--regression {} ({})"


def plain_labels(values: Any, where: str) -> NDArray[Any]:
    """Labels `[N]` as an array of numbers, booleans or texts.

    Args:
      values: any array or sequence; bytes are decoded, numbers in objects (pandas' nullable types) unpacked.
      where: what messages begin with.

    Raises:
      ValueError: a label is missing, or of another type, or texts and numbers are mixed.

    >>> plain_labels(np.array([b"yes", b"no"]), "t").tolist()
    ['yes', 'no']
    """
    array = (
        values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object if _is_mixed(values) else None)
    )
    if array.dtype.kind in "buifU":
        return array
    if array.dtype.kind == "S":
        return _decoded(array.tolist(), where, array.shape)
    if array.dtype.kind in "mM":
        raise ValueError(f"{where}: the labels are dates or times ({array.dtype}); make numbers or texts of them")
    if array.dtype.kind != "O":
        raise ValueError(f"{where}: the labels are of type {array.dtype}; allowed are numbers, texts and booleans")
    flat = array.reshape(-1).tolist()
    kinds = {_kind(value, row, where) for row, value in enumerate(flat)}
    if len(kinds) > 1 and not kinds <= {"number", "boolean"}:
        raise ValueError(f"{where}: labels are of mixed types ({listed(sorted(kinds))}); make all texts or all numbers")
    if kinds == {"bytes"}:
        return _decoded(flat, where, array.shape)
    return np.array(flat, dtype=str if kinds == {"text"} else None).reshape(array.shape)


def labels_of_texts(
    texts: Sequence[str], name: str, missing: Sequence[str], lines: NDArray[np.int64], regression: bool | None
) -> tuple[NDArray[Any], list[str]]:
    """Labels `[N]` of a text table, numbers if all are, else the texts; and what is to be said of them.

    Args:
      texts: plain texts, of numbers as Python reads them.
      name: file and column, in messages.
      missing: words that stand for a missing label, beside the empty one.
      lines: `[N]` line numbers.
      regression: whether numbers are needed.

    Raises:
      ValueError: a label is missing, or no number where one is needed.
    """
    for text, line in zip(texts, lines.tolist(), strict=True):
        if not text or text in missing:
            counted = "an empty cell" + (f" or {listed(list(missing))}" if missing else "") + " counts as missing"
            raise ValueError(f"{name}, row {line} has no label ({text!r}: {counted}); fill it in, or drop the row")
    values = to_numbers(texts)
    words = np.flatnonzero(np.isnan(values)) if values.dtype.kind == "f" else np.array([], np.int64)
    if not len(words):
        return values, []
    found = sorted({texts[n] for n in words.tolist()})
    if regression or (set(found) <= MISSING_WORDS and len(words) < len(texts)):
        first = f"{name}, row {lines[words[0]]} is {texts[int(words[0])]!r}, not a number"
        others = "a regression needs numbers" if regression else "the others are"
        raise ValueError(f"{first}, while {others}; fill it in, or drop the row")
    odd = [repr(word) for word in found if word in MISSING_WORDS]
    notes = [f"{listed(odd)} in {name} is a class like any other; --missing makes it a missing label"] if odd else []
    return np.array(texts, dtype=str), notes


def is_regression(labels: NDArray[Any], regression: bool | None, column: str) -> tuple[bool, list[str]]:
    """Whether labels are numbers to predict, and what is to be said if that was decided by their values.

    >>> is_regression(np.array([0.5, 1.5]), None, "y")[0], is_regression(np.array(["a", "b"]), None, "y")
    (True, (False, []))
    """
    if regression is not None:
        return regression, []
    if labels.dtype.kind not in "uif":
        return False, []
    count = len(np.unique(labels))
    with np.errstate(invalid="ignore"):  # of infinity, which is refused later
        is_whole = bool(np.equal(np.mod(labels, 1), 0).all())
    if count > MAX_CLASSES or not is_whole:
        how = _HINT.format("false", "regression=False")
        return True, [f"label {column!r} is predicted as a number; {how} makes classes of its {count} values"]
    how = _HINT.format("true", "regression=True")
    return False, [f"label {column!r} is taken for {count} classes; {how} predicts it as a number"]


def _is_mixed(values: Any) -> bool:
    """Whether NumPy would turn numbers into texts to make one array of a plain list."""
    return isinstance(values, list | tuple) and len({isinstance(value, str | bytes) for value in values}) > 1


def _kind(value: Any, row: int, where: str) -> str:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, numbers.Real):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bytes):
        return "bytes"
    name = type(value).__name__
    if value is None or name in ("NAType", "NaTType"):
        raise ValueError(f"{where}, row {row} has no label ({value}); fill it in, or drop the row")
    if name in ("Decimal", "Fraction"):
        return "number"
    raise ValueError(f"{where}, row {row} is a {name}; allowed are numbers, texts and booleans")


def _decoded(values: Sequence[Any], where: str, shape: tuple[int, ...]) -> NDArray[np.str_]:
    try:
        return np.array([value.decode() for value in np.asarray(values, dtype=object).reshape(-1)]).reshape(shape)
    except UnicodeDecodeError:
        raise ValueError(f"{where}: labels are bytes that are not UTF-8; make texts or numbers of them") from None
