"""One way in: recognises what it is given, and reads it."""

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from azero_jax.data.arrays import load_npz, source_of_arrays
from azero_jax.data.bundled import BUNDLED_NAMES, load_bundled
from azero_jax.data.cifar import has_cifar_batches, load_cifar
from azero_jax.data.idx import has_idx_files, load_idx
from azero_jax.data.images import is_images, load_images
from azero_jax.data.named import NAMED_SETS, load_named
from azero_jax.data.source import Source
from azero_jax.data.svhn import is_svhn, load_svhn
from azero_jax.data.table import is_table, load_table, read_frame
from azero_jax.process.messages import listed, one_line
from azero_jax.process.progress import Progress, no_progress


class Format(NamedTuple):
    """One kind of file or folder; `read` takes those `options` of `load_source`, as keywords."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Source]
    options: tuple[str, ...] = ()


FORMATS: Final = (
    Format("idx files", has_idx_files, load_idx),
    Format("CIFAR-10 batches", has_cifar_batches, load_cifar),
    Format("SVHN .mat", is_svhn, load_svhn),
    Format(".npz", lambda path: path.suffix.lower() == ".npz", load_npz, ("regression",)),
    Format(".csv or .tsv table", is_table, load_table, ("label", "regression", "missing")),
    Format("folder or zip of class folders", is_images, load_images, ("cache_dir", "progress")),
)


def load_source(
    data: Any,
    *,
    label: str | None = None,
    regression: bool | None = None,
    missing: Sequence[str] = (),
    download: bool = False,
    cache_dir: Path | None = None,
    progress: Progress = no_progress,
) -> Source:
    """Labelled examples from wherever they are.

    Args:
      data: a path; a name (`digits` and others that scikit-learn brings; `cifar10`, `mnist`, `fashion_mnist`, `svhn`,
        which are downloaded if that is allowed); a pandas data frame; arrays (features, labels) or (features, labels,
        test features, test labels); or a `Source`.
      label: name of a table's label column; None takes the one called label, class, target or y.
      regression: whether labels are numbers to predict; None decides by the values; integers in arrays are classes.
      missing: words that stand for a missing label in a table, beside the empty cell.
      download: whether a data set known by name may be fetched from the network.
      cache_dir: where decoded images are kept; None keeps nothing.
      progress: called while something slow goes on.

    Raises:
      ValueError: nothing is there, it is of no known kind, it is damaged, or something was asked for that such data do
        not have; one line says what and where.

    >>> load_source("iris").class_names
    ('setosa', 'versicolor', 'virginica')
    >>> load_source(([[0.0], [1.0]], [0.5, 1.5]), regression=True).is_regression
    True
    """
    options = {"label": label, "regression": regression, "missing": missing}
    try:
        source = _load(data, options, {"cache_dir": cache_dir, "progress": progress}, download)
        if regression not in (None, source.is_regression):
            found = "numbers to predict" if source.is_regression else "classes"
            raise ValueError(
                f"{source.name}: regression is {str(regression).lower()}, but its labels are {found}; leave it out"
            )
        return source
    except ValueError as error:
        raise ValueError(one_line(str(error))) from None


def _load(data: Any, reading: dict[str, Any], slow: dict[str, Any], download: bool) -> Source:
    if isinstance(data, Source):
        _check_unused(data.name, reading)
        return data
    if isinstance(data, str | os.PathLike):
        return _load_path(data, reading | slow, download)
    if _is_frame(data):
        return read_frame(data, "data frame", **reading)
    if isinstance(data, tuple | list) and len(data) in (2, 4):
        _check_unused("arrays", reading)
        return source_of_arrays("arrays", *data, regression=reading["regression"])
    raise ValueError(f"a {type(data).__name__} is no data; give a path, a name, a data frame or (features, labels)")


def _check_unused(name: str, options: Mapping[str, Any], used: Collection[str] = ()) -> None:
    """Refuses what was said of a table's label column, of data that have none."""
    given = {"label": options["label"], "missing": listed(list(options["missing"])) or None}
    for option, value in given.items():
        if value is not None and option not in used:
            raise ValueError(f"{name}: {option} is {value}, which is for the label column of a table; leave it out")


def reads_labels(data: Any) -> bool:
    """Whether data, as `load_source` takes them, are a table, which has a label column."""
    if isinstance(data, str | os.PathLike):
        path = find_path(data)
        form = None if path is None else _find_format(path)
        return form is not None and "label" in form.options
    return _is_frame(data)


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _find_format(path: Path) -> Format | None:
    """The first format that recognises an existing file or folder."""
    return next((form for form in FORMATS if form.recognises(path)), None)


def find_path(data: str | os.PathLike[str]) -> Path | None:
    """The existing file or folder that is meant; None if there is none, or the text can be no path.

    A name is taken as it stands before `~` is read as somebody's home.
    """
    for find in (Path, lambda name: Path(name).expanduser()):
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # too long, a NUL in it, the home of nobody
            path = find(data)
            if os.fspath(data) and path.exists():
                return path
    return None


def absolute_name(data: str) -> str:
    """The full path of a file or folder that exists, which is found from everywhere; other names as they are."""
    path = find_path(data)
    return data if path is None else str(path.absolute())


def _load_path(data: str | os.PathLike[str], options: dict[str, Any], download: bool) -> Source:
    path = find_path(data)
    if path is None:
        name = os.fspath(data)
        if name in (*BUNDLED_NAMES, *NAMED_SETS):
            _check_unused(name, options)
        if name in BUNDLED_NAMES:
            return load_bundled(name)
        if name in NAMED_SETS:
            return load_named(name, download=download, progress=options["progress"])
        known = ", ".join((*BUNDLED_NAMES, *NAMED_SETS))
        shown = one_line(name, 120)
        raise ValueError(f"{shown!r}: no such file or folder, nor a data set known by name ({known})")
    form = _find_format(path)
    if form is None:
        raise ValueError(f"{path}: of no known kind; known are {', '.join(form.name for form in FORMATS)}")
    _check_unused(str(path), options, form.options)
    try:
        return form.read(path, **{name: options[name] for name in form.options})
    except OSError as error:
        raise ValueError(f"{error.filename or path}: cannot be read ({error.strerror or error})") from None
