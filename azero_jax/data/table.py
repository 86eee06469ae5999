"""Tables with a label column: CSV and TSV files, and pandas data frames."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Source, make_source, require

LABEL_NAMES: Final = ("label", "class", "target", "y")  # looked for, in any case, where no column is named
_SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_MAX_CLASSES: Final = 20  # a numeric label column with more distinct values is taken for a regression's
_SHOWN_COLUMNS: Final = 12


def is_table(path: Path) -> bool:
    """Whether this is a CSV or TSV file, by its name."""
    return path.suffix.lower() in _SEPARATORS


def load_table(path: Path, *, label: str | None = None, regression: bool | None = None) -> Source:
    """A CSV (`.csv`) or TSV (`.tsv`) file with a header line; see `read_frame`.

    Raises:
      ValueError: no table, or one that `read_frame` refuses.
    """
    pandas: Any = require("pandas", "reading tables")
    try:
        frame = pandas.read_csv(path, sep=_SEPARATORS[path.suffix.lower()])
    except pandas.errors.EmptyDataError:
        raise ValueError(f"{path}: the file is empty") from None
    except (pandas.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable table ({' '.join(str(error).split())})") from None
    return read_frame(frame, str(path), label=label, regression=regression, first_line=2)


def read_frame(
    frame: Any, name: str, *, label: str | None = None, regression: bool | None = None, first_line: int = 0
) -> Source:
    """A source from a pandas data frame.

    Args:
      frame: the data frame; every column but the label must be numeric and complete.
      name: what messages call it.
      label: the label column; None looks for one called label, class, target or y.
      regression: whether the label is a number to predict; None decides by its values: texts, booleans and up to 20
        distinct whole numbers are classes.
      first_line: number of the first row in messages (2 for a file with a header line).

    Raises:
      ValueError: no such label column, a column that is not numeric, an empty cell, or fewer than two classes.
    """
    label = _label_column(frame, name, label)
    columns = [column for column in frame.columns if column != label]
    if not columns or not len(frame):
        raise ValueError(f"{name}: has {len(frame)} rows and {len(columns)} columns beside the label {label!r}")
    features = np.stack([_numbers(frame[column], name, first_line) for column in columns], axis=1)
    missing = np.asarray(frame[label].isna())
    if missing.any():
        raise ValueError(f"{name}: row {first_line + int(np.argmax(missing))} has no label in column {label!r}")
    labels = frame[label].to_numpy()
    if regression is None:
        regression = _looks_continuous(labels)
    if not regression and labels.dtype.kind not in "buif":
        labels = labels.astype(str)
    return make_source(Path(name).name, features, labels, regression=regression)


def _label_column(frame: Any, name: str, label: str | None) -> Any:
    columns = list(frame.columns)
    if len(set(columns)) < len(columns):
        raise ValueError(f"{name}: two columns have the same name")
    shown = ", ".join(map(str, columns[:_SHOWN_COLUMNS])) + (", ..." if len(columns) > _SHOWN_COLUMNS else "")
    if label is not None:
        if label not in columns:
            raise ValueError(f"{name}: there is no label column {label!r}; the columns are {shown}")
        return label
    found = [column for column in columns if str(column).lower() in LABEL_NAMES]
    if len(found) != 1:
        raise ValueError(f"{name}: say which column is the label; the columns are {shown}")
    return found[0]


def _numbers(column: Any, name: str, first_line: int) -> NDArray[np.float64]:
    pandas: Any = require("pandas", "reading tables")
    values = pandas.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        cell = column.iloc[row]
        where = f"{name}: column {column.name!r}, row {first_line + row}"
        if pandas.isna(cell):
            raise ValueError(f"{where} is empty or NaN; fill or drop it")
        raise ValueError(f"{where} is {str(cell)[:40]!r}, not a finite number; encode the column as numbers or drop it")
    return values


def _looks_continuous(labels: NDArray[Any]) -> bool:
    if labels.dtype.kind not in "uif":
        return False
    return len(np.unique(labels)) > _MAX_CLASSES or not np.equal(np.mod(labels, 1), 0).all()
