"""A source: labelled examples as they come from a file, a name or memory, before any task is made of them."""

import dataclasses
import functools
import numbers
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.data.cache import digest
from azero_jax.data.labels import plain_labels
from azero_jax.process.messages import one_line

_LARGEST_WHOLE: Final = 1e15  # of a float class that is named by its digits
ROUNDING: Final = 8 * float(np.finfo(np.float64).eps)
"""Numbers whose half range is no more than so much of the largest are taken for one."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """N labelled examples.

    Attributes:
      features: `[N, D]`, uint8 (pixels) or floating point; an image is flattened row by row, its channels last.
      labels: `[N]`, int64 class numbers, or float64 targets of a regression.

    >>> len(Examples(np.zeros((3, 2)), np.array([0, 1, 0])))
    3
    """

    features: NDArray[Any]
    labels: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Source:
    """Labelled examples of one data set; make it with `make_source`, which checks them.

    Attributes:
      name: what messages call it.
      train: examples to make training and validation examples of.
      test: examples that the data set itself keeps apart for the last judgement; None if it does not.
      class_names: the classes in the order of their numbers; empty for a regression.
      notes: what a person should know of how the data were read, a line each.

    >>> source = make_source("toy", [[0.0], [1.0]], ["no", "yes"])
    >>> source.class_names, source.dimension, source.is_regression
    (('no', 'yes'), 1, False)
    """

    name: str
    train: Examples
    test: Examples | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_regression(self) -> bool:
        """Whether the labels are numbers to predict rather than classes."""
        return not self.class_names

    @property
    def dimension(self) -> int:
        """D, the length of an example."""
        return self.train.features.shape[1]

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of everything in the source but its name and notes."""
        parts: list[Any] = list(self.class_names)
        for examples in (self.train, self.test):
            parts += [] if examples is None else [examples.features, examples.labels]
        return digest(parts)


def make_source(
    name: str,
    features: ArrayLike,
    labels: ArrayLike,
    test_features: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    regression: bool = False,
    notes: tuple[str, ...] = (),
) -> Source:
    """A checked source from arrays.

    Args:
      name: what messages call it.
      features: `[N, ...]` numbers; further axes are flattened.
      labels: `[N]`: class numbers from 0 where `class_names` is given, else any numbers or texts, whose sorted
        distinct values become the classes; targets for a regression.
      test_features: `[M, ...]`, shaped like `features`.
      test_labels: `[M]`, like `labels`.
      class_names: the classes' names in the order of their numbers.
      regression: whether labels are numbers to predict.
      notes: what a person should know of how the data were read.

    Raises:
      ValueError: shapes that disagree, values that are not finite numbers, fewer than two classes, labels of a
        regression that are all the same, or a test label that no training example has.

    >>> make_source("toy", [[0.0], [1.0], [2.0]], ["yes", "no", "yes"]).train.labels.tolist()
    [1, 0, 1]
    """
    parts = [("training", features, labels)]
    if test_features is not None and test_labels is not None:
        parts.append(("test", test_features, test_labels))
    arrays = [(_as_features(name, part, x), _as_labels(name, part, y)) for part, x, y in parts]
    dimension = arrays[0][0].shape[1]
    for (part, _, _), (x, y) in zip(parts, arrays, strict=True):
        if len(x) != len(y):
            raise ValueError(f"{name}: {len(x)} {part} examples, but {len(y)} labels")
        if x.shape[1] != dimension:
            raise ValueError(f"{name}: a test example has {x.shape[1]} values, a training example {dimension}")
    values = [y for _, y in arrays]
    names: tuple[str, ...] = ()
    if regression:
        values = [_as_targets(name, y) for y in values]
    else:
        values, names = _number_classes(name, values, class_names)
    train, *test = (Examples(x, y) for (x, _), y in zip(arrays, values, strict=True))
    return Source(name, train, test[0] if test else None, names, notes)


def _as_features(name: str, part: str, values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: the {part} examples are not all of the same size") from None
    if array.dtype.kind == "O":
        array = _unpack(array)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name}: the {part} examples are not numbers (they are of type {array.dtype})")
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{name}: the {part} examples have shape {array.shape}; [examples, values] is needed")
    flat = array.reshape(len(array), -1)
    if array.dtype == np.uint8:
        return flat
    with np.errstate(over="ignore"):  # of what is longer than float64; infinity is refused below
        is_single = array.dtype.itemsize <= 4 and array.dtype.kind == "f"
        flat = flat.astype(np.float32 if is_single else np.float64, copy=False)
    if not np.isfinite(flat).all():
        example, value = np.argwhere(~np.isfinite(flat))[0]
        where = f"{part} example {example}, value {value}"
        raise ValueError(f"{name}: {where} is {flat[example, value]}; it must be finite")
    return flat


def _unpack(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers in objects, such as the rows of a data frame with columns of several types, as float64."""
    if not all(isinstance(value, numbers.Real | np.bool_) for value in array.reshape(-1)):
        return array
    return array.astype(np.float64)


def _as_labels(name: str, part: str, values: ArrayLike) -> NDArray[Any]:
    array = plain_labels(values, f"{name}: the {part} labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name}: the {part} labels have shape {array.shape}; one label an example is needed")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name}: {part} label {int(np.argmin(np.isfinite(array)))} is not a finite number")
    return array


def _as_targets(name: str, labels: NDArray[Any]) -> NDArray[np.float64]:
    try:
        targets = labels.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: the labels are not numbers, which a regression needs") from None
    if not np.isfinite(targets).all():
        raise ValueError(f"{name}: label {int(np.argmin(np.isfinite(targets)))} is not a finite number")
    if len(targets) and is_constant(targets):
        raise ValueError(f"{name}: every label is {targets[0]:g}; there is nothing to predict; at least two are needed")
    return targets


def is_constant(values: NDArray[Any]) -> bool:
    """Whether numbers differ by no more than their rounding."""
    low, high = float(values.min()), float(values.max())
    return high / 2 - low / 2 <= ROUNDING * max(abs(low), abs(high))


def _number_classes(
    name: str, labels: list[NDArray[Any]], class_names: Sequence[str] | None
) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """Labels as class numbers, and the classes' names."""
    if class_names is None:
        values = np.unique(labels[0])
        names = tuple(_class_name(value) for value in values)
    else:
        values, names = np.arange(len(class_names)), tuple(class_names)
    numbered = []
    for part, array in zip(("training", "test"), labels, strict=False):
        known = np.isin(array, values)
        if not known.all():
            stranger = array[np.argmin(known)]
            raise ValueError(
                f"{name}: {part} label {one_line(_class_name(stranger), 60)!r} is not one of the {len(names)} classes"
            )
        numbered.append(np.searchsorted(values, array).astype(np.int64))
    if len(np.unique(numbered[0])) < 2:
        only = names[int(numbered[0][0])] if len(numbered[0]) else "none"
        raise ValueError(
            f"{name}: every training example has the label {one_line(only, 60)!r}; at least two classes are needed"
        )
    return numbered, names


def _class_name(value: Any) -> str:
    is_whole = isinstance(value, np.floating) and abs(float(value)) < _LARGEST_WHOLE and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)
