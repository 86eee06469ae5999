"""What is known of past runs, from their run directories."""

from pathlib import Path
from typing import Any, NamedTuple

from azero_jax.recording.files import lock_holder
from azero_jax.recording.reading import FINALIST, METRICS, RESULT, read_last_line, read_object, read_objects
from azero_jax.recording.run_directory import CONFIG_FILE, HALL_FILE, METRICS_FILE, RESULT_FILE


class RunOverview(NamedTuple):
    """A run as its directory shows it.

    Attributes:
      path: the run directory.
      state: "running (process N)", "solved", "not solved (reason)", "stopped without a result", or, in a list of runs,
        "damaged".
      candidates: programs evaluated, as far as was recorded.
      seconds: of search, as far as was recorded.
      changed: when something was last written, in seconds since 1970.
      hall_of_fame: the best distinct algorithms so far.
    """

    path: Path
    state: str
    candidates: int
    seconds: float
    changed: float
    hall_of_fame: list[dict[str, Any]]


def read_overview(path: Path) -> RunOverview:
    """What is known of the run in a directory.

    Raises:
      ValueError: there is no run, or one of its files is damaged.
    """
    if not (path / CONFIG_FILE).is_file():
        raise ValueError(f"run directory {path}: there is no run ({CONFIG_FILE} is missing)")
    result, hall = read_object(path / RESULT_FILE, RESULT), read_objects(path / HALL_FILE, FINALIST)
    logged = read_last_line(path / METRICS_FILE, METRICS)
    latest = max((logged or {}, result or {}), key=lambda values: values.get("candidates", 0))
    candidates, seconds = latest.get("candidates", 0), latest.get("seconds", 0.0)
    return RunOverview(path, _state(path, result), candidates, seconds, _changed(path), hall)


def list_runs(folder: Path) -> list[RunOverview]:
    """The runs in a folder, the one that changed last first; of a damaged one little is known.

    Raises:
      ValueError: the folder is not there.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: there is no such folder; runs are recorded with --name NAME or --out DIR")
    runs = [_overview_or_damage(path) for path in folder.iterdir() if (path / CONFIG_FILE).is_file()]
    return sorted(runs, key=lambda run: run.changed, reverse=True)


def _overview_or_damage(path: Path) -> RunOverview:
    try:
        return read_overview(path)
    except ValueError:  # one damaged run does not hide the others
        return RunOverview(path, "damaged", 0, 0.0, _changed(path), [])


def _changed(path: Path) -> float:
    return max(file.stat().st_mtime for file in path.iterdir() if file.is_file())


def _state(path: Path, result: dict[str, Any] | None) -> str:
    holder = lock_holder(path)
    if holder is not None:
        return f"running (process {holder})"
    if result is None:
        return "stopped without a result"
    return "solved" if result["solved"] else f"not solved ({result['stopped_by'].replace('_', ' ')})"
