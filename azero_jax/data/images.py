"""Folders and zips of class folders: `CLASS/*.png`, or `train/CLASS/*.jpg` beside `test/CLASS/*.jpg`.

As in torchvision's ImageFolder the top folder is the class, however deep a picture lies below it; one folder around
everything is no class.
"""

import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
from azero_jax.process.messages import listed
from azero_jax.process.progress import Progress, no_progress

SUFFIXES: Final = (".jpg", ".jpeg", ".png")
MAX_PIXELS: Final = 1 << 24  # of one image; a header that announces more is refused before anything is decoded

_PARTS: Final = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val",
}  # fmt: skip
_GREY_MODES: Final = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_DEEP_MODES: Final = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # 16 bits
_FORM: Final = 2  # of the decoded pixels in the cache; raise it when the same files give others
_PROGRESS_EVERY: Final = 500  # images


class _File(NamedTuple):
    """One image file."""

    name: str
    stamp: str  # changes when the file does
    read: Callable[[], bytes]


class _Entry(NamedTuple):
    """One image file, and what it is for."""

    name: str
    part: str
    label: str
    stamp: str  # changes when the file does
    read: Callable[[], bytes]


def is_images(path: Path) -> bool:
    """Whether this is a zip, or a folder with images in folders of its own."""
    if path.suffix.lower() == ".zip":
        return True
    return path.is_dir() and any(_is_image_in(path, file) and file.parent != path for file in path.rglob("*"))


def load_images(path: Path, *, cache_dir: Path | None = None, progress: Progress = no_progress) -> Source:
    """A folder or zip of class folders; the classes are in the alphabetical order of the folders' names.

    Pictures are grey if all of them are. Transparent ones are laid over white, those of 16 bits scaled to 8. What lies
    below `val` is never trained on: it is for the last judgement where there is no `test`, else left out. The decoded
    pixels are kept in the cache, so that JPEGs are decoded once; a `cache_dir` of None keeps nothing.

    Returns:
      Source of uint8 pixels, with test examples where there is a folder `test` or `val` beside `train`.

    Raises:
      ValueError: no images, an image that cannot be read or differs in size, or a zip that is unsafe or damaged.
    """
    with _open_files(path) as (files, skipped):
        entries, notes = _sort_out(path, files)
        notes += _describe_skipped(skipped)
        if not entries:
            looked = "looked for CLASS/*.jpg, .jpeg or .png, also below train/ and test/"
            raise ValueError(f"{path}: no images; {'; '.join([looked, *_describe_skipped(skipped)])}")
        key = {"files": digest(f"{entry.name}\0{entry.stamp}" for entry in entries), "form": _FORM}
        pixels = cached("images", key, lambda: _decode_all(path, entries, progress), cache_dir)["pixels"]
    class_names, labels = np.unique([entry.label for entry in entries], return_inverse=True)
    is_test = np.array([entry.part == "test" for entry in entries])
    if is_test.all():
        raise ValueError(f"{path}: has images below test/ only; those to train on belong below train/")
    test = (pixels[is_test], labels[is_test]) if is_test.any() else (None, None)
    return make_source(
        path.name, pixels[~is_test], labels[~is_test], *test, class_names=class_names.tolist(),
        notes=tuple(f"{path.name}: {note}" for note in notes),
    )  # fmt: skip


@contextmanager
def _open_files(path: Path) -> Iterator[tuple[list[_File], Counter[str]]]:
    """The images, by name, and how many other files have which ending."""
    if path.is_dir():
        names = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
        yield [_folder_file(path, name, names[name]) for name in names if _is_image(name)], _others(names)
        return
    with open_zip(path) as archive:
        members = sorted(
            (m for m in archive.infolist() if m.filename and not m.is_dir()), key=lambda member: member.filename
        )
        yield (
            [_File(m.filename, f"{m.CRC}-{m.file_size}", partial(read_member, archive, m)) for m in members
             if _is_image(m.filename)],
            _others(m.filename for m in members),
        )  # fmt: skip


def _folder_file(folder: Path, name: str, file: Path) -> _File:
    status = file.stat()
    return _File(name, f"{folder.resolve()}-{status.st_size}-{status.st_mtime_ns}", file.read_bytes)


def _others(names: Iterable[str]) -> Counter[str]:
    """Endings of the files that are no images, without those that systems leave behind."""
    shown = (name for name in names if not _is_image(name) and not _is_hidden(name) and not name.endswith("Thumbs.db"))
    return Counter(PurePosixPath(name).suffix.lower() or PurePosixPath(name).name for name in shown)


def _describe_skipped(skipped: Counter[str]) -> list[str]:
    if not skipped:
        return []
    endings = listed([f"{ending} ({count})" for ending, count in skipped.most_common()], 5)
    return [f"{skipped.total()} files are left out, as only JPEG and PNG are read: {endings}"]


def _sort_out(path: Path, files: list[_File]) -> tuple[list[_Entry], list[str]]:
    """The pictures with their parts and classes, those to use, and what is to be said of that."""
    folders = [PurePosixPath(file.name).parts[:-1] for file in files]
    while folders and all(len(parts) > 1 for parts in folders) and _is_wrapper({parts[0] for parts in folders}):
        folders = [parts[1:] for parts in folders]
    entries = [_make_entry(path, file, parts) for file, parts in zip(files, folders, strict=True)]
    parts_there = Counter(entry.part for entry in entries)
    if not parts_there["val"]:
        return entries, []
    if parts_there["test"]:
        kept = [entry for entry in entries if entry.part != "val"]
        return kept, [f"{parts_there['val']} pictures below val are left out; those below test are for the judgement"]
    judged = [entry._replace(part="test") if entry.part == "val" else entry for entry in entries]
    return judged, [f"{parts_there['val']} pictures below val are not trained on, but for the last judgement"]


def _is_wrapper(tops: set[str]) -> bool:
    """Whether all pictures lie in one folder that is no part."""
    return len(tops) == 1 and next(iter(tops)).lower() not in _PARTS


def _make_entry(path: Path, file: _File, folders: tuple[str, ...]) -> _Entry:
    part = _PARTS.get(folders[0].lower()) if folders else None
    if not folders or (part and len(folders) == 1):
        raise ValueError(f"{path}: image {file.name!r} is in no class folder")
    return _Entry(file.name, part or "train", folders[1] if part else folders[0], file.stamp, file.read)


def _decode_all(path: Path, entries: list[_Entry], progress: Progress) -> Arrays:
    image_library: Any = require("PIL.Image", "reading images")
    with warnings.catch_warnings():
        warnings.simplefilter("error", image_library.DecompressionBombWarning)
        first = _decode(path, entries[0], None)
        pixels = np.empty((len(entries), *first.shape), np.uint8)
        for number, entry in enumerate(entries):
            decoded = _decode(path, entry, first.shape)
            if decoded.shape[2] > pixels.shape[3]:  # the first picture in colour after grey ones
                pixels = np.repeat(pixels, decoded.shape[2], axis=3)
            pixels[number] = decoded
            if number % _PROGRESS_EVERY == 0 or number + 1 == len(entries):
                progress(f"decoding {path.name}", number + 1, len(entries))
    return {"pixels": pixels}


def _decode(path: Path, entry: _Entry, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """`[H, W, C]` pixels, C = 1 for a grey picture, else 3; `shape` has the height and width that it must have."""
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
            pixels = _pixels(image, Image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"{where} announces too many pixels ({error})") from None
    except Image.UnidentifiedImageError:
        raise ValueError(f"{where} is no JPEG or PNG, or cut off after {len(content)} bytes") from None
    except Exception as error:  # what is damaged can raise nearly anything
        if isinstance(error, ValueError) and str(error).startswith(where):
            raise
        raise ValueError(f"{where} is damaged or cut off after {len(content)} bytes ({error})") from None
    return pixels.reshape(height, width, -1)


def _pixels(image: Any, library: Any) -> NDArray[np.uint8]:
    """Grey or red, green and blue, 8 bits each; transparent pixels as over white."""
    if image.mode in _DEEP_MODES:
        return np.rint(np.asarray(image, np.float64).clip(0, 65535) / 257).astype(np.uint8)
    is_grey = image.mode in _GREY_MODES
    if "A" in image.mode.upper().replace("LAB", "") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        ground = library.new("RGBA", image.size, "white")
        image = library.alpha_composite(ground, coloured)
    return np.asarray(image.convert("L" if is_grey else "RGB"))


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not _is_hidden(name)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _is_image_in(folder: Path, file: Path) -> bool:
    return _is_image(file.relative_to(folder).as_posix())
