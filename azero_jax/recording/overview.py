"""What is known of past runs, from their run directories."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from azero_jax.recording.files import lock_holder
from azero_jax.recording.run_directory import CONFIG_FILE, HALL_FILE, METRICS_FILE, RESULT_FILE

_TAIL_BYTES = 16_384  # more than a line of metrics has


class RunOverview(NamedTuple):
    """A run as its directory shows it.

    Attributes:
      path: the run directory.
      state: "running (process N)", "solved", "not solved (reason)", or "stopped without a result".
      candidates: programs evaluated, as far as was recorded.
      seconds: of search, as far as was recorded.
      changed: when something was last written, in seconds since 1970.
      metrics: the last line of metrics; empty if there is none.
      result: what the latest session found; empty if none has ended.
      hall_of_fame: the best distinct algorithms so far.
    """

    path: Path
    state: str
    candidates: int
    seconds: float
    changed: float
    metrics: dict[str, Any]
    result: dict[str, Any]
    hall_of_fame: list[dict[str, Any]]


def read_overview(path: Path) -> RunOverview:
    """What is known of the run in a directory.

    Raises:
      ValueError: there is no run.
    """
    if not (path / CONFIG_FILE).is_file():
        raise ValueError(f"run directory {path}: there is no run ({CONFIG_FILE} is missing)")
    result, hall = _read_json(path / RESULT_FILE, {}), _read_json(path / HALL_FILE, [])
    metrics = _last_line(path / METRICS_FILE)
    latest = max((metrics, result), key=lambda values: values.get("candidates", 0))
    return RunOverview(
        path=path,
        state=_state(path, result),
        candidates=latest.get("candidates", 0),
        seconds=latest.get("seconds", 0.0),
        changed=max(file.stat().st_mtime for file in path.iterdir() if file.is_file()),
        metrics=metrics,
        result=result,
        hall_of_fame=hall,
    )


def list_runs(folder: Path) -> list[RunOverview]:
    """The runs in a folder, the one that changed last first.

    Raises:
      ValueError: the folder is not there.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; runs are recorded with --name NAME or --out DIR")
    runs = [read_overview(path) for path in folder.iterdir() if (path / CONFIG_FILE).is_file()]
    return sorted(runs, key=lambda run: run.changed, reverse=True)


def _state(path: Path, result: dict[str, Any]) -> str:
    holder = lock_holder(path)
    if holder is not None:
        return f"running (process {holder})"
    if not result:
        return "stopped without a result"
    return "solved" if result["solved"] else f"not solved ({result['stopped_by'].replace('_', ' ')})"


def _read_json(path: Path, missing: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return missing
    except ValueError:
        raise ValueError(f"{path}: damaged, it is not JSON") from None


def _last_line(path: Path) -> dict[str, Any]:
    """The last whole line of a log."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
        lines = file.read().splitlines(keepends=True)
    whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"\n")]
    return json.loads(whole[-1]) if whole else {}
