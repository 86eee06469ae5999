"""Reading the files of a run directory; one that is damaged is said with its name and what is wrong."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_LAST: Final = "the last line: "
_TAIL_BYTES: Final = 16_384  # more than a line of metrics has
_NUMBER: Final = (int, float)
_MEASURED: Final = (int, float, type(None))  # None where nothing was measured

FINALIST: Final[Mapping[str, Any]] = {
    "program": str,
    "search_fitness": _NUMBER,
    "select_fitness": _NUMBER,
    "final_fitness": _MEASURED,
    "candidates": int,
    "cost": _NUMBER,
}
RESULT: Final[Mapping[str, Any]] = {
    "solved": bool,
    "stopped_by": str,
    "candidates": int,
    "seconds": _NUMBER,
    "program": str,
    "select_fitness": _MEASURED,
    "final_fitness": _MEASURED,
    "experiments": int,
    "seed": int,
    "engine": str,
    "device": str,
    "counters": dict,
}
METRICS: Final[Mapping[str, Any]] = {"candidates": int, "seconds": _NUMBER}
SESSION: Final[Mapping[str, Any]] = {"python": str, "platform": str, "packages": dict}
EVENT: Final[Mapping[str, Any]] = {"event": str}


def read_object(path: Path, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a file of one JSON object holds; None if there is no such file.

    Args:
      path: the file.
      fields: types of what it must have, by name.

    Raises:
      ValueError: it cannot be read, or is not such an object.
    """
    data = _read(path)
    return None if data is None else _checked(_decode(data, path), fields, path, "")


def read_objects(path: Path, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a file of a JSON list of objects holds, which are as in `read_object`; nothing if there is no such file."""
    data = _read(path)
    values = [] if data is None else _decode(data, path)
    if not isinstance(values, list):
        raise ValueError(f"{path}: damaged, it is not a list")
    return [_checked(value, fields, path, f"entry {n}: ") for n, value in enumerate(values, 1)]


def read_lines(path: Path, fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The whole lines of a log of JSON objects, which are as in `read_object`; none if there is no such file."""
    lines = (_read(path) or b"").splitlines(keepends=True)
    return [
        _checked(_decode(line, path, f"line {n}: "), fields, path, f"line {n}: ")
        for n, line in enumerate(lines, 1)
        if line.endswith(b"\n")
    ]


def read_last_line(path: Path, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last whole line of such a log, whose others are not looked at; None if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"\n")]
    return _checked(_decode(whole[-1], path, _LAST), fields, path, _LAST) if whole else None


def read_texts(path: Path) -> tuple[str, ...]:
    """What a file of a JSON list of texts holds; nothing if there is no such file.

    Raises:
      ValueError: it cannot be read, or is not such a list.
    """
    data = _read(path)
    texts = [] if data is None else _decode(data, path)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{path}: damaged, it is not a list of texts")
    return tuple(texts)


def _read(path: Path) -> bytes | None:
    """What a file holds; None if there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None


def _decode(data: bytes, path: Path, where: str = "") -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: damaged, {where}it is not JSON") from None


def _checked(value: Any, fields: Mapping[str, Any], path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: damaged, {where}it is not a JSON object")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise ValueError(f"{path}: damaged, {where}its {name!r} is missing or not what it should be")
    return value
