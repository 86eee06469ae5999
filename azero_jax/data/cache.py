"""Arrays on disk that are slow to make: checksummed, written atomically, made again when they cannot be trusted."""

import functools
import hashlib
import json
import logging
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CACHE_VERSION: Final = 1  # raise it whenever what is stored under the same key would differ
CACHE_VARIABLE: Final = "AZERO_JAX_CACHE"  # environment variable that names another cache folder

Arrays = dict[str, NDArray[Any]]

_META: Final = "meta"
_TEMPORARY_SUFFIX: Final = ".tmp"
_LEFTOVER_SECONDS: Final = 3600  # a temporary file that old has no writer any more
_logger = logging.getLogger(__name__)


def default_cache_dir() -> Path | None:
    """The user's cache folder: `$AZERO_JAX_CACHE`, or where this platform keeps caches; None for a user without a home.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, AZERO_JAX_CACHE="elsewhere"):
    ...     str(default_cache_dir())
    'elsewhere'
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = str(Path.home() / "Library" / "Caches")
        else:
            base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        _logger.warning("there is no home folder to keep a cache in; going on without (%s names one)", CACHE_VARIABLE)
        return None
    return Path(base) / "azero_jax"


def digest(parts: Iterable[bytes | str | NDArray[Any]]) -> str:
    """Hexadecimal BLAKE2b of bytes, texts and arrays (their type, shape and content), one after the other."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            array = np.ascontiguousarray(part)
            state.update(f"{array.dtype.str}{array.shape}".encode())
            state.update(array.reshape(-1).view(np.uint8).data)
        else:
            data = part.encode() if isinstance(part, str) else part
            state.update(len(data).to_bytes(8, "little"))
            state.update(data)
    return state.hexdigest()


def cached(kind: str, key: Mapping[str, object], make: Callable[[], Arrays], cache_dir: Path | None) -> Arrays:
    """The arrays stored under `key`, or those that `make` gives, which are then stored.

    The file's name starts with `kind`; `key` has everything that decides the content, as plain numbers, texts and
    lists. A `cache_dir` of None stores nothing.
    """
    arrays = read_entry(kind, key, cache_dir)
    if arrays is None:
        arrays = make()
        write_entry(kind, key, arrays, cache_dir)
    return arrays


def read_entry(kind: str, key: Mapping[str, object], cache_dir: Path | None) -> Arrays | None:
    """The arrays stored under `key`; None if there are none, or (said in the log) if they cannot be read or trusted."""
    if cache_dir is None:
        return None
    path = _entry_path(kind, key, cache_dir)
    try:
        if not path.exists():
            return None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            meta = json.loads(stored[_META].tobytes())
            if meta["version"] != CACHE_VERSION:
                return _distrusted(path, f"was written by version {meta['version']} of the cache, not {CACHE_VERSION}")
            arrays = {name: stored[name] for name in meta["digests"]}
    except PermissionError as error:
        _say_unusable(cache_dir, error.strerror or str(error))
        return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        return _distrusted(path, f"is damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})")
    if meta["key"] != _as_json(key):
        return _distrusted(path, "belongs to other data")
    for name, array in arrays.items():
        if digest([array]) != meta["digests"][name]:
            return _distrusted(path, f"is damaged (checksum of {name})")
    return arrays


def write_entry(kind: str, key: Mapping[str, object], arrays: Arrays, cache_dir: Path | None) -> None:
    """Stores arrays under `key`: first in a temporary file, which then takes the entry's name in one step.

    A disk that cannot be written to is said in the log; the work goes on without the cache.
    """
    if cache_dir is None:
        return
    path = _entry_path(kind, key, cache_dir)
    meta = {
        "version": CACHE_VERSION,
        "key": _as_json(key),
        "digests": {name: digest([array]) for name, array in arrays.items()},
    }
    temporary = None
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(cache_dir)
        with tempfile.NamedTemporaryFile(
            dir=cache_dir, prefix=f".{kind}-", suffix=_TEMPORARY_SUFFIX, delete=False
        ) as file:
            temporary = Path(file.name)
            stored: Any = {_META: np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays}
            np.savez(file, **stored)
        os.replace(temporary, path)
    except OSError as error:
        _say_unusable(cache_dir, error.strerror or str(error))
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _remove_leftovers(cache_dir: Path) -> None:
    """Removes temporary files of processes that were killed while writing."""
    for path in cache_dir.glob(f".*{_TEMPORARY_SUFFIX}"):
        if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
            path.unlink(missing_ok=True)


def _entry_path(kind: str, key: Mapping[str, object], cache_dir: Path) -> Path:
    # The version is not part of the name, so that an entry of another version is found, said and replaced.
    return cache_dir / f"{kind}-{digest([_as_json(key)])}.npz"


def _as_json(key: Mapping[str, object]) -> str:
    return json.dumps(key, sort_keys=True)


@functools.cache
def _say_unusable(cache_dir: Path, why: str) -> None:
    """Says once that a folder is of no use; there may be thousands of entries."""
    _logger.warning("%s: this cache folder cannot be used (%s); going on without", cache_dir, why)


def _distrusted(path: Path, why: str) -> Arrays | None:
    _logger.warning("%s %s; it is made again", path, why)
    return None
