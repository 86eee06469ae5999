"""Folders and zips of class folders: `CLASS/*.png`, or `train/CLASS/*.jpg` beside `test/CLASS/*.jpg`."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.archive import open_zip, read_member
from azero_jax.data.cache import Arrays, cached, digest
from azero_jax.data.libraries import require
from azero_jax.data.source import Source, make_source
from azero_jax.process.progress import Progress, no_progress

SUFFIXES: Final = (".jpg", ".jpeg", ".png")
MAX_PIXELS: Final = 1 << 24  # of one image; a header that announces more is refused before anything is decoded

_PARTS: Final = {"train": "train", "training": "train", "test": "test", "testing": "test"}
_GREY_MODES: Final = ("1", "L", "LA")
_PROGRESS_EVERY: Final = 500  # images


class _Entry(NamedTuple):
    """One image file."""

    name: str
    part: str
    label: str
    stamp: str  # changes when the file does
    read: Callable[[], bytes]


def is_images(path: Path) -> bool:
    """Whether this is a zip, or a folder with images in folders of its own, or of its folders `train` or `test`."""
    if path.suffix.lower() == ".zip":
        return True
    patterns = ("*/*", *(f"{part}/*/*" for part in _PARTS))
    return path.is_dir() and any(_is_image_in(path, file) for pattern in patterns for file in path.glob(pattern))


def load_images(path: Path, *, cache_dir: Path | None = None, progress: Progress = no_progress) -> Source:
    """A folder or zip of class folders; the classes are in the alphabetical order of the folders' names.

    The decoded pixels are kept in the cache, so that JPEGs are decoded once; a `cache_dir` of None keeps nothing.

    Returns:
      Source of uint8 pixels, with test examples where there is a folder `test` beside `train`.

    Raises:
      ValueError: no images, an image that cannot be read or differs in size, or a zip that is unsafe or damaged.
    """
    with _open_entries(path) as entries:
        if not entries:
            raise ValueError(f"{path}: no images; looked for CLASS/*.jpg, .jpeg or .png, also below train/ and test/")
        key = {"files": digest(f"{entry.name}\0{entry.stamp}" for entry in entries)}
        pixels = cached("images", key, lambda: _decode_all(path, entries, progress), cache_dir)["pixels"]
    class_names, labels = np.unique([entry.label for entry in entries], return_inverse=True)
    is_test = np.array([entry.part == "test" for entry in entries])
    if is_test.all():
        raise ValueError(f"{path}: has images below test/ only; those to train on belong below train/")
    test = (pixels[is_test], labels[is_test]) if is_test.any() else (None, None)
    return make_source(path.name, pixels[~is_test], labels[~is_test], *test, class_names=class_names.tolist())


@contextmanager
def _open_entries(path: Path) -> Iterator[list[_Entry]]:
    if path.is_dir():
        yield [_folder_entry(path, file) for file in sorted(path.rglob("*")) if _is_image_in(path, file)]
        return
    with open_zip(path) as archive:
        members = sorted((m for m in archive.infolist() if _is_image(m.filename)), key=lambda member: member.filename)
        yield [
            _make_entry(path, m.filename, f"{m.CRC}-{m.file_size}", partial(read_member, archive, m)) for m in members
        ]


def _folder_entry(folder: Path, file: Path) -> _Entry:
    status = file.stat()
    stamp = f"{folder.resolve()}-{status.st_size}-{status.st_mtime_ns}"
    return _make_entry(folder, file.relative_to(folder).as_posix(), stamp, file.read_bytes)


def _make_entry(path: Path, name: str, stamp: str, read: Callable[[], bytes]) -> _Entry:
    folders = PurePosixPath(name).parts[:-1]
    if not folders or (len(folders) == 1 and folders[0].lower() in _PARTS):
        raise ValueError(f"{path}: image {name!r} is in no class folder")
    part = _PARTS.get(folders[-2].lower(), "train") if len(folders) > 1 else "train"
    return _Entry(name, part, folders[-1], stamp, read)


def _decode_all(path: Path, entries: list[_Entry], progress: Progress) -> Arrays:
    image_library: Any = require("PIL.Image", "reading images")
    with warnings.catch_warnings():
        warnings.simplefilter("error", image_library.DecompressionBombWarning)
        first = _decode(path, entries[0], None)
        pixels = np.empty((len(entries), *first.shape), np.uint8)
        for number, entry in enumerate(entries):
            pixels[number] = _decode(path, entry, first.shape)
            if number % _PROGRESS_EVERY == 0 or number + 1 == len(entries):
                progress(f"decoding {path.name}", number + 1, len(entries))
    return {"pixels": pixels}


def _decode(path: Path, entry: _Entry, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """`[H, W, C]` pixels, C = 1 or 3; `shape` is that of the first image, which the others must have."""
    Image: Any = require("PIL.Image", "reading images")
    where = f"{path}: image {entry.name!r}"
    content = entry.read()
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{where} has {width} x {height} pixels; allowed are {MAX_PIXELS:,}")
            if shape is not None and (height, width) != shape[:2]:
                raise ValueError(f"{where} is {width} x {height}; the first image is {shape[1]} x {shape[0]}")
            channels = shape[2] if shape is not None else 1 if image.mode in _GREY_MODES else 3
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"{where} announces too many pixels ({error})") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"{where} is no JPEG or PNG, or cut off after {len(content)} bytes") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{where} is damaged or cut off after {len(content)} bytes ({error})") from None
    return pixels.reshape(height, width, channels)


def _is_image(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return name.lower().endswith(SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in parts)


def _is_image_in(folder: Path, file: Path) -> bool:
    return _is_image(file.relative_to(folder).as_posix())
