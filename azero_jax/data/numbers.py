"""Numbers as people and spreadsheets write them: `1.234,5`, `1,234.5`, `1 234,5`, `1'234.5`, with any minus sign."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.libraries import require

# Words that pandas, R and databases write where a number is missing.
MISSING_WORDS: Final = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip

_EXPONENT: Final = r"(?:[eE][+-]?\d+)?"
# Nobody writes thousands that begin with a zero: 0,125 has a decimal comma.
_GROUPED_BY_COMMA: Final = re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:,\d{{3}})+(?:\.\d*)?{_EXPONENT}")
_GROUPED_BY_POINT: Final = re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:\.\d{{3}})+(?:,\d*)?{_EXPONENT}")
_COMMA_DECIMALS: Final = re.compile(rf"[+-]?(?:\d+,\d*|,\d+){_EXPONENT}")
_BLANK_GROUPS: Final = re.compile(r"(?<=\d)[ '\u00a0\u2009\u202f\u2019](?=\d{3}(?!\d))")
_LOOKS_LIKE_NUMBER: Final = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?")
_DASHES: Final = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013", "-"))


def plain(text: str) -> str:
    """A number's text with a plain minus sign, and without blanks or apostrophes between groups of three digits.

    >>> plain("\u22121 234,5")
    '-1234,5'
    """
    text = text.strip().translate(_DASHES)
    return _BLANK_GROUPS.sub("", text) if _LOOKS_LIKE_NUMBER.fullmatch(_BLANK_GROUPS.sub("", text)) else text


def decimal_mark(columns: Iterable[Sequence[str]], separator: str) -> str:
    """The decimal mark of a table's numbers: "," or "."; "" where nothing tells.

    Args:
      columns: plain texts of the columns that are not numbers as they stand.
      separator: between the table's fields; where it is a comma, `1,234` has a thousands separator, else a decimal one.
    """
    cells = [
        cell for column in columns if _are_numbers(column) for cell in column if "," in cell or cell.count(".") > 1
    ]
    if not cells:
        return ""
    points = all(_GROUPED_BY_COMMA.fullmatch(cell) for cell in cells)
    commas = all(_COMMA_DECIMALS.fullmatch(cell) or _GROUPED_BY_POINT.fullmatch(cell) for cell in cells)
    if points and commas:
        return "." if separator == "," else ","
    return "." if points else "," if commas else ""


def doubtful_point(column: Sequence[str]) -> str:
    """Of a column's plain texts one whose point may part decimals, where the table has decimal commas; "" if none does.

    A point parts thousands for certain where it stands before three digits in every number that has one, and another
    number of the column has a comma or several points.

    >>> doubtful_point(["1.234", "0,5"]), doubtful_point(["1.234", "2.500"]), doubtful_point(["1.234", "2.5", "0,5"])
    ('', '1.234', '2.5')
    """
    pointed = [cell for cell in column if "." in cell] if _are_numbers(column) else []
    decimals = [cell for cell in pointed if not _GROUPED_BY_POINT.fullmatch(cell)]
    if decimals:
        return decimals[0]
    is_certain = any("," in cell or cell.count(".") > 1 for cell in column)
    return pointed[0] if pointed and not is_certain else ""


def with_point(text: str, decimal: str) -> str:
    """A plain number's text as Python reads it, where `decimal` is the table's decimal mark."""
    if not _LOOKS_LIKE_NUMBER.fullmatch(text):
        return text
    if decimal == ",":
        return text.replace(".", "").replace(",", ".") if "." not in text or _GROUPED_BY_POINT.fullmatch(text) else text
    return text.replace(",", "") if decimal == "." and _GROUPED_BY_COMMA.fullmatch(text) else text


def _are_numbers(column: Sequence[str]) -> bool:
    return all(_LOOKS_LIKE_NUMBER.fullmatch(cell) for cell in column if cell not in MISSING_WORDS)


def to_numbers(texts: Sequence[str]) -> NDArray[Any]:
    """`[N]` int64 or float64, NaN where a text is no number."""
    pandas: Any = require("pandas", "reading tables")
    numbers = pandas.to_numeric(pandas.Series(texts, dtype=object), errors="coerce").to_numpy()
    return numbers if numbers.dtype.kind in "iuf" else numbers.astype(np.float64)
