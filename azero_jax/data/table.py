"""Tables with a label column: CSV and TSV files, and pandas data frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.columns import is_index, is_unnamed, names_of, telling_columns
from azero_jax.data.delimited import read_columns, read_delimited
from azero_jax.data.labels import is_regression, labels_of_texts, plain_labels
from azero_jax.data.numbers import to_numbers
from azero_jax.data.source import Source, make_source
from azero_jax.process.messages import listed

LABEL_NAMES: Final = ("label", "class", "target", "y")  # looked for, in any case, where no column is named
_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}


def is_table(path: Path) -> bool:
    """Whether this is a CSV or TSV file, gzipped or not, by its name."""
    return _suffix(path) in _SEPARATORS


def load_table(
    path: Path, *, label: str | None = None, regression: bool | None = None, missing: Sequence[str] = ()
) -> Source:
    """A CSV (`.csv`) or TSV (`.tsv`) file with a header line; see `read_frame`.

    Separators, encodings and decimal marks other than those that the name promises are found, and told in the source's
    notes. `missing` are words that stand for a missing label, beside the empty cell.

    Raises:
      ValueError: no table, or one that `read_frame` refuses.
    """
    table = read_delimited(
        path, _SEPARATORS[_suffix(path)], lambda names: names.index(_label_column(names, str(path), label))
    )
    header, column = table.header, table.label
    lines = table.lines[~table.is_blank]
    others = [n for n in range(len(header)) if n != column]
    if not others or not len(lines):
        raise ValueError(f"{path}: has {len(lines)} rows and {len(others)} columns beside the label {header[column]!r}")
    frame, texts, decimal = read_columns(table, path, others)
    where = f"{path}: column {header[column]!r}"
    labels, notes = labels_of_texts(texts, where, missing, lines, regression)
    notes = [*table.notes, *([f"numbers have the decimal mark {decimal!r}"] if decimal else []), *notes]
    if table.is_blank.any():
        notes.append(f"{int(table.is_blank.sum())} rows without any value are left out")
    frame.columns = [header[n] for n in others]
    return _make(path, frame, labels, header[column], lines, regression, notes)


def read_frame(
    frame: Any, name: str, *, label: Any = None, regression: bool | None = None, missing: Sequence[str] = ()
) -> Source:
    """A source from a pandas data frame.

    Args:
      frame: the data frame; every column but the label must be numeric and complete. A column without a name, and one
        that is called like an index and numbers the rows, is left out, which the source's notes tell.
      name: what messages call it.
      label: the label column; None looks for one called label, class, target or y.
      regression: whether the label is a number to predict; None decides by its values: texts, booleans and up to 20
        distinct whole numbers are classes.
      missing: words that stand for a missing label.

    Raises:
      ValueError: no such label column, a column that is not numeric, an empty cell, or fewer than two classes.
    """
    label = _label_column(list(frame.columns), name, label)
    others = frame.drop(columns=[label])
    if not others.shape[1] or not len(frame):
        raise ValueError(f"{name}: has {len(frame)} rows and {others.shape[1]} columns beside the label {label!r}")
    absent = np.asarray(frame[label].isna()) | np.asarray(frame[label].isin(list(missing)))
    if absent.any():
        row = int(np.argmax(absent))
        hint = "fill it in, or drop the row; pandas.read_csv(..., keep_default_na=False) keeps words such as None"
        raise ValueError(f"{name}: row {row} has no label in column {str(label)!r}; {hint}")
    where = f"{name}: column {str(label)!r}"
    labels = plain_labels(frame[label].to_numpy(), where)
    if regression and labels.dtype.kind == "U":
        texts = labels.tolist()
        labels, _ = labels_of_texts(texts, where, (), np.arange(len(frame)), regression)
    return _make(Path(name), others, labels, str(label), np.arange(len(frame)), regression, [])


def _make(
    path: Path, frame: Any, labels: NDArray[Any], label: str, lines: NDArray[np.int64], regression: bool | None,
    notes: list[str],
) -> Source:  # fmt: skip
    """A source of a frame of features; `lines` are the numbers of its rows in messages."""
    frame, dropped = _without_indices(frame)
    columns = list(frame.columns)
    if not columns:
        raise ValueError(
            f"{path}: the only column beside the label {label!r} numbers the rows; nothing to predict from"
        )
    features = np.stack([_numbers(frame.iloc[:, n], str(path), lines) for n in range(len(columns))], axis=1)
    regression, taken = is_regression(labels, regression, label)
    notes = [*notes, *dropped, *taken]
    if telling := telling_columns(features, labels, regression=regression):
        words = listed(names_of(columns, telling), 4)
        notes.append(f"alone determines the label {label!r}: {words}; leave it out if it would not be known beforehand")
    return make_source(
        path.name, features, labels, regression=regression, notes=tuple(f"{path.name}: {n}" for n in notes)
    )


def _without_indices(frame: Any) -> tuple[Any, list[str]]:
    """The frame without columns that only number or name its rows, and what is to be said of that."""
    columns = list(frame.columns)
    unnamed = [n for n, name in enumerate(columns) if is_unnamed(name)]
    indices = [n for n, name in enumerate(columns) if n not in unnamed and is_index(name, frame.iloc[:, n].to_numpy())]
    if len(unnamed) + len(indices) == len(columns):
        indices = []  # there is nothing else to predict from
    left_out = unnamed + indices
    if not left_out:
        return frame, []
    names = listed(names_of(columns, left_out), 4)
    kept = [n for n in range(len(columns)) if n not in left_out]
    return frame.iloc[:, kept], [f"column {names} is left out, because it numbers the rows or has no name"]


def _label_column(columns: list[Any], name: str, label: Any) -> Any:
    double = sorted({str(column) for column in columns if str(column).strip() and columns.count(column) > 1})
    if double:
        raise ValueError(f"{name}: two columns have the same name {double[0]!r}; rename or drop one")
    shown = listed([str(column) for column in columns], 12)
    if label is not None:
        found = [column for column in columns if column == label] or [c for c in columns if str(c) == str(label)]
        if len(found) != 1:
            raise ValueError(f"{name}: there is no label column {label!r}; the columns are {shown}")
        return found[0]
    found = [column for column in columns if str(column).strip().lower() in LABEL_NAMES]
    if len(found) != 1:
        headless = sum(not np.isnan(to_numbers([str(column)])).any() for column in columns) >= max(len(columns) - 1, 1)
        hint = " (the first line must name the columns)" if headless else ""
        raise ValueError(f"{name}: say which column is the label; the columns are {shown}{hint}")
    return found[0]


def _numbers(column: Any, name: str, lines: NDArray[np.int64]) -> NDArray[np.float64]:
    """A column `[N]` as float64; pandas' own types as their plain twins."""
    where = f"{name}: column {str(column.name)!r}"
    kind = str(column.dtype)
    if kind.startswith(("datetime", "timedelta", "timestamp", "period", "interval", "date", "duration", "complex")):
        raise ValueError(f"{where} is of type {kind}; make numbers of it, or drop it")
    cells = column.astype(object).where(column.notna(), None)
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"
    numbers = column.to_numpy() if is_plain else to_numbers([_unpacked(cell) for cell in cells])
    values = np.asarray(numbers, dtype=np.float64)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        cell = column.iloc[row]
        if cells.iloc[row] is None:
            raise ValueError(f"{where}, row {lines[row]} is empty or NaN; fill or drop it")
        problem = f"{str(cell)[:40]!r}, not a finite number"
        raise ValueError(f"{where}, row {lines[row]} is {problem}; encode the column as numbers or drop it")
    return values


def _unpacked(cell: Any) -> Any:
    """Booleans and decimals as floats; dates and other objects as texts, which pandas' conversion refuses."""
    if isinstance(cell, bool | np.bool_):
        return float(cell)
    if isinstance(cell, str | int | float | np.number) or cell is None:
        return cell
    try:
        return float(cell) if type(cell).__name__ in ("Decimal", "Fraction") else str(cell)
    except (ValueError, OverflowError):
        return str(cell)


def _suffix(path: Path) -> str:
    """The ending that tells the kind, without that of a packer."""
    return Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
