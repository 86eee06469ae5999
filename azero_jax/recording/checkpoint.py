"""Checkpoints: the whole state of a search as `checkpoint-N.npz`, vouched for by `checkpoint-N.json`.

The JSON file is written last and holds the checksum, so a checkpoint without it, or with another content than it says,
does not count. Nothing is pickled.
"""

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from azero_jax.process.state import State
from azero_jax.recording.files import TEMPORARY_SUFFIX, write_atomically

FORMAT: Final = "azero_jax checkpoint"
VERSION: Final = 6

_NAME: Final = re.compile(r"checkpoint-(\d{6,})\.npz")


class CheckpointError(ValueError):
    """A file is not a checkpoint that can be used; the message names it and says why."""


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoint files of a folder, newest first, whether they can be used or not."""
    numbered = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(numbered, reverse=True)]


def write_checkpoint(folder: Path, state: State, keep: int) -> Path:
    """Writes a new checkpoint, then removes all but the latest `keep`.

    Raises:
      OSError: it could not be written; the ones before are untouched.
    """
    known = list_checkpoints(folder)
    number = int(known[0].stem.partition("-")[2]) + 1 if known else 1
    path = folder / f"checkpoint-{number:06d}.npz"
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state)  # type: ignore[arg-type]
    data = buffer.getvalue()
    header = {"format": FORMAT, "version": VERSION, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        write_atomically(path, data)
        write_atomically(path.with_suffix(".json"), json.dumps(header).encode())
    except OSError:
        _remove(path)
        raise
    for old in known[keep - 1 :]:
        _remove(old)
    return path


def read_checkpoint(path: Path) -> State:
    """The state in a checkpoint.

    Raises:
      CheckpointError: it is damaged, of another program or version, or cannot be read.
    """
    header = _read_header(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) != header["bytes"]:
        raise CheckpointError(f"{path}: damaged, it has {len(data)} bytes instead of {header['bytes']}")
    if hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise CheckpointError(f"{path}: damaged, its checksum is wrong")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def read_latest(folder: Path, fits: Callable[[State], str], warn: Callable[[str], None]) -> State | None:
    """The state in the newest checkpoint that can be used; None if there is none.

    `fits` says why a sound one is not to be used, "" if it is; `warn` is told, in one line, of each passed over.
    """
    for path in list_checkpoints(folder):
        try:
            state = read_checkpoint(path)
        except CheckpointError as error:
            warn(f"{error}; the one before it is tried")
            continue
        trouble = fits(state)
        if not trouble:
            return state
        warn(f"{path}: {trouble}; the one before it is tried")
    return None


def remove_leftovers(folder: Path) -> None:
    """Removes what a process that was killed while it wrote a checkpoint left behind."""
    for path in folder.glob(f"*{TEMPORARY_SUFFIX}"):
        path.unlink()


def _read_header(path: Path) -> dict[str, Any]:
    header_path = path.with_suffix(".json")
    try:
        header = json.loads(header_path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{path}: not complete, {header_path.name} is missing") from None
    except OSError as error:
        raise CheckpointError(f"{header_path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise CheckpointError(f"{header_path}: damaged, it is not JSON") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise CheckpointError(f"{header_path}: not a checkpoint of azero_jax")
    if header.get("version") != VERSION:
        raise CheckpointError(f"{header_path}: of format version {header.get('version')}; this is version {VERSION}")
    if not {"bytes", "sha256"} <= header.keys():
        raise CheckpointError(f"{header_path}: damaged, it has no checksum")
    return header


def _remove(path: Path) -> None:
    for part in (path.with_suffix(".json"), path):  # the header first: without it the checkpoint does not count
        with contextlib.suppress(OSError):
            part.unlink()
