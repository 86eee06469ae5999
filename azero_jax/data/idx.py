"""MNIST's and Fashion-MNIST's idx files, plain or gzipped."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Source, make_source

# The third byte of the magic number; the fourth is the number of axes (Yann LeCun's page on MNIST).
_TYPES: Final = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_BYTES: Final = 8 << 30
_MAX_AXES: Final = 8

FASHION_MNIST_CLASSES: Final = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def has_idx_files(path: Path) -> bool:
    """Whether a folder holds a training set in idx files."""
    return path.is_dir() and _find(path, "train", "images") is not None


def load_idx(folder: Path) -> Source:
    """The folder's `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the two `t10k` files, gzipped or not.

    Raises:
      ValueError: a file is missing, is no idx file, or is cut off.
    """
    arrays: list[NDArray[Any] | None] = []
    for prefix in ("train", "t10k"):
        images, labels = (_find(folder, prefix, kind) for kind in ("images", "labels"))
        if images is not None and labels is None:
            raise ValueError(f"{folder}: {images.name} has no {prefix}-labels-idx1-ubyte beside it")
        arrays += [read_idx(images), read_idx(labels)] if images is not None and labels is not None else [None, None]
    if arrays[0] is None or arrays[1] is None:
        raise ValueError(f"{folder}: no train-images-idx3-ubyte (or .gz)")
    names = FASHION_MNIST_CLASSES if "fashion" in folder.name.lower() else None
    return make_source(folder.name, arrays[0], arrays[1], *arrays[2:], class_names=names)


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an idx file.

    Raises:
      ValueError: no idx file, or fewer or more bytes than its header announces (the offset is named).
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read_stream(path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        size = path.stat().st_size
        raise ValueError(f"{path}: the gzip stream is damaged or cut off at byte {size} ({error})") from None


def _read_stream(path: Path, file: BinaryIO | gzip.GzipFile) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or magic[3] == 0:
        raise ValueError(f"{path}: not an idx file (its first bytes are {magic.hex(' ')})")
    if magic[3] > _MAX_AXES:
        raise ValueError(f"{path}: its header announces {magic[3]} axes; allowed are {_MAX_AXES}; is it an idx file?")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError(f"{path}: cut off at byte {4 + len(sizes)}, within its header")
    shape = np.frombuffer(sizes, ">u4").tolist()
    dtype = np.dtype(_TYPES[magic[2]])
    expected = dtype.itemsize * math.prod(shape)
    if not expected:
        raise ValueError(f"{path}: holds nothing; its header announces an array of shape {tuple(shape)}")
    if expected > _MAX_BYTES:
        raise ValueError(f"{path}: its header announces {expected:,} bytes; allowed are {_MAX_BYTES:,}")
    content = file.read(expected + 1)
    start = 4 + len(sizes)
    if len(content) != expected:
        state = "goes on after" if len(content) > expected else f"is cut off at byte {start + len(content)} of"
        raise ValueError(f"{path}: {state} the {start + expected} bytes that its header announces")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _find(folder: Path, prefix: str, kind: str) -> Path | None:
    files = sorted(folder.glob(f"{prefix}-{kind}*"))
    return next((file for file in files if file.name.endswith(("ubyte", "ubyte.gz"))), None)
