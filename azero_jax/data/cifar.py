"""The CIFAR-10 batches as their author ships them: the python version (pickles) and the binary version."""

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Source, make_source

CIFAR10_CLASSES: Final = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip

_PIXELS: Final = 3 * 32 * 32
_RECORD: Final = 1 + _PIXELS  # bytes of an example in the binary version: its label, then its pixels
_TRAIN_BATCHES: Final = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST_BATCH: Final = "test_batch"
_MAX_FILE_BYTES: Final = 256 << 20
_TAR_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar")

Files = dict[str, Callable[[], bytes]]


def has_cifar_batches(path: Path) -> bool:
    """Whether a folder (or its only folder) or a tar file holds CIFAR-10 batches."""
    if path.is_file():
        return path.name.lower().endswith(_TAR_SUFFIXES)
    return path.is_dir() and any(_batch_folder(path).glob("data_batch_*"))


def load_cifar(path: Path) -> Source:
    """CIFAR-10 from a folder (or its only folder) or tar file of python or binary batches; those that are there.

    Returns:
      Source of uint8 pixels, each image as `[32, 32, 3]` flattened.

    Raises:
      ValueError: no training batch, or a batch that is damaged, cut off, or holds anything but arrays and numbers.
    """
    files = _tar_files(path) if path.is_file() else _folder_files(_batch_folder(path))
    parts: list[list[tuple[NDArray[Any], ...]]] = [[], []]
    for name in (*_TRAIN_BATCHES, _TEST_BATCH):
        batches = parts[name == _TEST_BATCH]
        if name in files:
            batches.append(_read_python(f"{path}: {name}", files[name]()))
        elif f"{name}.bin" in files:
            batches.append(_read_binary(f"{path}: {name}.bin", files[f"{name}.bin"]()))
    if not parts[0]:
        raise ValueError(f"{path}: holds none of data_batch_1 to data_batch_5 (nor .bin)")
    train, test = ([np.concatenate(arrays) for arrays in zip(*batches, strict=True)] for batches in parts)
    return make_source("cifar10", *train, *test, class_names=CIFAR10_CLASSES)


def _read_binary(where: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if len(content) % _RECORD or not content:
        end = f"its last whole example of {_RECORD} ends at {len(content) // _RECORD * _RECORD}"
        raise ValueError(f"{where}: cut off at byte {len(content)}; {end}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return _channels_last(records[:, 1:]), _check_labels(where, records[:, 0])


def _read_python(where: str, content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = str(error) or type(error).__name__
        raise ValueError(f"{where}: damaged, or cut off at byte {len(content)} ({reason})") from None
    batch = {k.decode() if isinstance(k, bytes) else k: v for k, v in batch.items()} if isinstance(batch, dict) else {}
    pixels, labels = batch.get("data"), batch.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise ValueError(f"{where}: has no uint8 array 'data' of {_PIXELS} pixels an image")
    if not isinstance(labels, list | np.ndarray) or len(labels) != len(pixels):
        raise ValueError(f"{where}: has no 'labels' for its {len(pixels)} images")
    return _channels_last(pixels), _check_labels(where, labels)


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles what the batches consist of (arrays, bytes, texts, numbers, dicts, lists) and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module in ("numpy.core.numeric", "numpy._core.numeric") and name == "_frombuffer":
            return np._core.numeric._frombuffer  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if module == "_codecs" and name == "encode":
            return _encode_latin1  # how Python 3 writes bytes in the old protocols
        raise ValueError(f"holds {module}.{name}; only NumPy arrays, bytes, numbers, dicts and lists are read")


def _encode_latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"holds bytes in the encoding {encoding!r}; only latin1 is read")
    return text.encode("latin1")


def _channels_last(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _check_labels(where: str, labels: Any) -> NDArray[np.int64]:
    try:
        numbers = np.asarray(labels)
    except ValueError:  # lists of several lengths
        numbers = np.empty((0, 0))
    if numbers.ndim != 1:
        raise ValueError(f"{where}: its labels are no plain list; needed is a number from 0 to 9 for each image")
    allowed = np.isin(numbers, np.arange(len(CIFAR10_CLASSES)))
    if not allowed.all():
        example = int(np.argmin(allowed))
        raise ValueError(f"{where}: example {example} has the label {numbers[example]}; allowed: 0 to 9")
    return numbers.astype(np.int64)


def _batch_folder(path: Path) -> Path:
    """The folder itself, or the only one in it, where that has the batches: an archive was unpacked into it."""
    if any(path.glob("data_batch_*")):
        return path
    folders = [entry for entry in path.glob("*") if entry.is_dir() and not entry.name.startswith((".", "__"))]
    return folders[0] if len(folders) == 1 else path


def _folder_files(folder: Path) -> Files:
    return {file.name: file.read_bytes for file in folder.iterdir() if file.is_file()}


def _tar_files(path: Path) -> Files:
    wanted = {name + ending for name in (*_TRAIN_BATCHES, _TEST_BATCH) for ending in ("", ".bin")}
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name not in wanted or not member.isfile():
                    continue
                if member.size > _MAX_FILE_BYTES:
                    raise ValueError(f"{path}: member {member.name!r} has {member.size:,} bytes; not a CIFAR-10 batch")
                file = archive.extractfile(member)
                contents[name] = file.read() if file is not None else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: the archive is damaged or cut off ({error})") from None
    return {name: partial(bytes, content) for name, content in contents.items()}
