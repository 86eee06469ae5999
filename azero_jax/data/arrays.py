"""NumPy arrays: `.npz` files and arrays in memory."""

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.data.archive import open_zip
from azero_jax.data.labels import is_regression, plain_labels
from azero_jax.data.source import Source, make_source

# Names under which the arrays are looked for, first come first served; Keras writes x_train, MedMNIST train_images.
_NAMES: Final = {
    "features": ("x_train", "train_images", "x", "features", "images", "data"),
    "labels": ("y_train", "train_labels", "y", "labels", "label", "target"),
    "test features": ("x_test", "test_images"),
    "test labels": ("y_test", "test_labels"),
}


def load_npz(path: Path, *, regression: bool | None = None) -> Source:
    """Arrays x and y (or x_train, y_train, x_test, y_test; features and labels, ...) of a `.npz` file.

    Raises:
      ValueError: a damaged file or member, or a missing array.
    """
    with open_zip(path) as archive:
        members = {Path(name).stem.lower(): name for name in archive.namelist() if name.endswith(".npy")}
        arrays = {role: _find(path, archive, members, names) for role, names in _NAMES.items()}
    for role in ("features", "labels"):
        if arrays[role] is None:
            found = ", ".join(sorted(members)) or "none"
            raise ValueError(f"{path}: no array of {role} (one of {', '.join(_NAMES[role])}); it has {found}")
    x, y, test_x, test_y = (arrays[role] for role in _NAMES)
    assert x is not None
    assert y is not None
    if (test_x is None) != (test_y is None):
        raise ValueError(f"{path}: has test features without test labels, or the other way round")
    return source_of_arrays(path.name, x, y, test_x, test_y, regression=regression)


def source_of_arrays(
    name: str,
    features: ArrayLike,
    labels: ArrayLike,
    test_features: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    regression: bool | None = None,
) -> Source:
    """A source of arrays, as `make_source` takes them.

    Of a `regression` of None the labels decide: integers and texts are classes, floats what they would be in a table.

    Raises:
      ValueError: one that `make_source` raises.

    >>> source = source_of_arrays("toy", [[0.0], [1.0]], [0.5, 1.5])
    >>> source.is_regression, len(source.notes)
    (True, 1)
    """
    plain = plain_labels(labels, f"{name}: the training labels")
    decided, notes = (bool(regression), []) if plain.dtype.kind in "ui" else is_regression(plain, regression, "y")
    made_of = (features, plain, test_features, test_labels)
    return make_source(name, *made_of, regression=decided, notes=tuple(f"{name}: {note}" for note in notes))


def _find(path: Path, archive: zipfile.ZipFile, members: dict[str, str], names: tuple[str, ...]) -> NDArray[Any] | None:
    for name in names:
        if name in members:
            try:
                with archive.open(members[name]) as file:
                    return np.lib.format.read_array(file, allow_pickle=False)
            except Exception as error:  # a damaged header can raise nearly anything
                reason = " ".join(str(error).split()) or type(error).__name__
                raise ValueError(f"{path}: member {members[name]!r} cannot be read ({reason})") from None
    return None
