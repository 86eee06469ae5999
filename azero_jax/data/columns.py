"""What a table's columns give away: row numbers, and columns that determine the label by themselves."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_INDEX_NAMES: Final = ("index", "idx", "id", "rowid", "row_id", "rownames", "level_0")
_LEAST_ROWS: Final = 10  # with fewer, a column determines the label by chance
_LEAST_REPEATS: Final = 2  # rows that share a value, on average, before a value's own label means anything
_EXACT: Final = 1e-9  # how near to 1 the correlation of a copy is


def is_unnamed(name: Any) -> bool:
    """Whether a column has no name, or the one that pandas gives such a column."""
    return not str(name).strip() or str(name).startswith("Unnamed: ")


def is_index(name: Any, values: NDArray[Any]) -> bool:
    """Whether a column of numbers `[N]` is called like an index, and has another whole number in each row.

    >>> is_index("id", np.array([3, 1, 2])), is_index("age", np.array([3, 1, 2]))
    (True, False)
    """
    if str(name).strip().lower() not in _INDEX_NAMES or values.dtype.kind not in "iuf" or len(values) < 2:
        return False
    return bool(np.equal(np.mod(values, 1), 0).all()) and len(np.unique(values)) == len(values)


def telling_columns(features: NDArray[np.float64], labels: NDArray[Any], *, regression: bool) -> list[int]:
    """Numbers of the columns of `[N, D]` that determine the labels `[N]` by themselves.

    For classes: each value has one class, and values are repeated or each class is an interval of them. For numbers:
    the label is a linear or at least a monotonous function of the column, or each of its repeated values has one label.
    """
    if len(labels) < _LEAST_ROWS:
        return []
    classes = np.unique(labels, return_inverse=True)[1]
    tells = _tells_number if regression else _tells_class
    return [n for n in range(features.shape[1]) if tells(features[:, n], labels, classes)]


def _tells_class(column: NDArray[np.float64], labels: NDArray[Any], classes: NDArray[np.int64]) -> bool:
    del labels
    order = np.argsort(column, kind="stable")
    values, ordered = column[order], classes[order]
    new_value, new_class = values[1:] != values[:-1], ordered[1:] != ordered[:-1]
    if (new_class & ~new_value).any():
        return False
    is_interval = int(new_class.sum()) + 1 == int(classes.max()) + 1
    return is_interval or (int(new_value.sum()) + 1) * _LEAST_REPEATS <= len(values)


def _tells_number(column: NDArray[np.float64], labels: NDArray[Any], classes: NDArray[np.int64]) -> bool:
    distinct = len(np.unique(column))
    if distinct < 2:
        return False
    with np.errstate(all="ignore"):
        scaled = [values / (np.abs(values).max() or 1.0) for values in (column, labels.astype(np.float64))]
        x, y = (values - values.mean() for values in scaled)
        correlation = abs(float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())))
    if correlation > 1 - _EXACT:
        return True
    order = np.argsort(column, kind="stable")
    new_value, new_label = np.diff(column[order]) != 0, np.diff(classes[order])
    if (new_label[~new_value] != 0).any():
        return False
    is_monotonous = bool((new_label[new_value] > 0).all() or (new_label[new_value] < 0).all())
    return is_monotonous or distinct * _LEAST_REPEATS <= len(labels)


def names_of(columns: Sequence[Any], numbers: Sequence[int]) -> list[str]:
    """The names of some columns, in quotes."""
    return [repr(str(columns[number])) for number in numbers]
