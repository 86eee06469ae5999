"""One search's folder: its configuration, metrics, events, hall of fame, checkpoints and result.

config.toml         the resolved configuration, itself a valid --config
identity.txt        a checksum of all that decides what is searched, the tasks too
start_from.json     texts of the programs that it started from, if any were given
sessions.jsonl      one line a process that worked on it: versions, device, seed, arguments
metrics.jsonl       one line a report interval
events.jsonl        new best programs with parent and mutation, island restarts, new experiments
hall_of_fame.json   the best distinct algorithms
front.json          those that no cheaper one equals: the Pareto front of select fitness against cost
checkpoints/        the latest states of the search
result.json         what was found; written when a session ends, removed when the next one begins
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from azero_jax.config.file import format_config, read_config
from azero_jax.config.tree import Config, OutputConfig
from azero_jax.process.messages import listed
from azero_jax.process.state import State
from azero_jax.recording.checkpoint import list_checkpoints, read_latest, remove_leftovers, write_checkpoint
from azero_jax.recording.environment import describe_environment
from azero_jax.recording.files import LOCK_FILE, FolderLock, folder_in_use, lock_holder, write_atomically
from azero_jax.recording.json_lines import JsonLines
from azero_jax.recording.reading import read_texts
from azero_jax.recording.scalars import TensorBoardScalars

CONFIG_FILE: Final = "config.toml"
IDENTITY_FILE: Final = "identity.txt"
START_FILE: Final = "start_from.json"
SESSIONS_FILE: Final = "sessions.jsonl"
METRICS_FILE: Final = "metrics.jsonl"
EVENTS_FILE: Final = "events.jsonl"
HALL_FILE: Final = "hall_of_fame.json"
FRONT_FILE: Final = "front.json"
RESULT_FILE: Final = "result.json"
CHECKPOINTS: Final = "checkpoints"

_MADE_AT_ONCE: Final = (METRICS_FILE, EVENTS_FILE, CHECKPOINTS)
_LONGEST_LOCK: Final = 20  # bytes: the number of a process
_SIZES: Final = ("metrics_bytes", "events_bytes")  # in a checkpoint: where the logs stood


class RunDirectory:
    """A run directory that this process has to itself; use it as a context manager.

    A file that cannot be written later on (a full disk) is said once, and the search goes on.

    Attributes:
      path: the folder.
    """

    def __init__(
        self, path: Path, output: OutputConfig, identity: str, warn: Callable[[str], None], *, resume: bool
    ) -> None:
        """Makes the folder, or takes one over.

        Args:
          path: the folder.
          output: what it gets.
          identity: which search this is; a run does not go on as another one.
          warn: is told, in single lines, of trouble that does not end the search.
          resume: whether it holds a run (see `read_run_config`) that is to go on.

        Raises:
          ValueError: it cannot be written to, is in use, holds another search, or anything and `resume` is false.
        """
        if resume:
            _check_identity(path, identity)
        self.path, self._output, self._identity, self._warn = path, output, identity, warn
        self._failing: set[str] = set()
        self._scalars: TensorBoardScalars | None = None
        try:
            if not resume:
                _check_is_new(path)
            (path / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(path)
            if self._lock.problem:
                warn(f"run directory {path} is not locked ({self._lock.problem}); see that no other search uses it")
            try:
                remove_leftovers(path / CHECKPOINTS)
                self._metrics = JsonLines(path / METRICS_FILE)
                self._events = JsonLines(path / EVENTS_FILE)
            except OSError:
                self._lock.release()
                raise
        except OSError as error:
            raise ValueError(f"run directory {path} cannot be written to: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._try("the logs", self._flush_logs)
        for log in (self._metrics, self._events):
            log.close()
        if self._scalars is not None:
            self._scalars.close()
        self._lock.release()

    def begin(self, config: Config, start_from: Sequence[str], about: dict[str, Any]) -> State | None:
        """Writes down what is about to run; returns the latest checkpoint's state, with the logs cut back to it.

        Args:
          config: the resolved configuration.
          start_from: texts of the programs that the search starts from.
          about: what else is to be known of this session.

        Raises:
          ValueError: the files cannot be written, the configuration is no text, or an old version began the run.
        """

        def fits(state: State) -> str:
            return "" if str(state.get("identity")) == self._identity else "it belongs to another search"

        state = read_latest(self.path / CHECKPOINTS, fits, self._warn)
        is_of_this_format = (self.path / IDENTITY_FILE).exists()
        if state is None and not is_of_this_format and list_checkpoints(self.path / CHECKPOINTS):
            raise ValueError(
                f"run directory {self.path} is of another version of azero_jax, none of its checkpoints can be used;"
                " nothing was changed"
            )
        encoded = _encode(format_config(config))
        try:
            write_atomically(self.path / IDENTITY_FILE, self._identity.encode())
            if start_from:
                _write_json(self.path / START_FILE, start_from)
            write_atomically(self.path / CONFIG_FILE, encoded)  # with it the folder is a run
            (self.path / RESULT_FILE).unlink(missing_ok=True)  # of the session before
            with contextlib.closing(JsonLines(self.path / SESSIONS_FILE)) as sessions:
                sessions.append(describe_environment() | about)
                sessions.flush()
            sizes = (0, 0) if state is None else (int(state[name]) for name in _SIZES)
            for log, size in zip((self._metrics, self._events), sizes, strict=True):
                if not log.cut(size):
                    self._warn(f"{log.path} is shorter than the checkpoint says; some of its lines are lost")
        except OSError as error:
            raise ValueError(f"run directory {self.path} cannot be written to: {error.strerror}") from None
        return state

    def add_metrics(self, metrics: dict[str, Any]) -> None:
        """Adds a line to the metrics, and with it the events so far."""
        self._metrics.append(metrics)
        self._try("the metrics", self._flush_logs)
        if self._output.tensorboard:
            if self._scalars is None:
                self._scalars = TensorBoardScalars(self.path / "tensorboard", metrics["candidates"])
            self._try("TensorBoard scalars", self._scalars.write, metrics)

    def add_event(self, event: dict[str, Any]) -> None:
        """Adds a line to the events."""
        self._events.append(event)

    def write_checkpoint(self, state: State) -> None:
        """Writes the state of the search, and where the logs stand."""

        def write() -> None:
            self._flush_logs(sync=True)
            sizes = dict(zip(_SIZES, (self._metrics.size, self._events.size), strict=True))
            marks = {name: np.array(mark) for name, mark in {**sizes, "identity": self._identity}.items()}
            write_checkpoint(self.path / CHECKPOINTS, state | marks, self._output.keep_checkpoints)

        self._try("a checkpoint", write)

    def write_hall_of_fame(self, finalists: Sequence[dict[str, Any]]) -> None:
        """Writes the best distinct algorithms."""
        self._try("the hall of fame", _write_json, self.path / HALL_FILE, finalists)

    def write_front(self, finalists: Sequence[dict[str, Any]]) -> None:
        """Writes the Pareto front."""
        self._try("the front", _write_json, self.path / FRONT_FILE, finalists)

    def write_result(self, result: dict[str, Any]) -> None:
        """Writes what was found."""
        self._try("the result", _write_json, self.path / RESULT_FILE, result)

    def _flush_logs(self, *, sync: bool = False) -> None:
        for log in (self._metrics, self._events):
            log.flush(sync=sync)

    def _try(self, what: str, write: Callable[..., None], *arguments: Any) -> None:
        try:
            write(*arguments)
        except OSError as error:
            if what not in self._failing:
                self._warn(
                    f"{what} could not be written to {self.path}: {error.strerror}; the search goes on, earlier"
                    " checkpoints are untouched, writing will be tried again"
                )
            self._failing.add(what)
        else:
            self._failing.discard(what)


def _check_is_new(path: Path) -> None:
    """Checks that a run in this folder would overwrite nothing.

    Raises:
      ValueError: it holds something, or another search is about to begin in it.
      OSError: it cannot be read.
    """
    holder = lock_holder(path)
    if holder is not None:
        raise folder_in_use(path, holder)
    if (path / CONFIG_FILE).exists():
        raise ValueError(f"run directory {path} holds a run already; --resume {path} goes on with it")
    held = sorted(entry.name for entry in path.iterdir() if not _is_unused(entry)) if path.exists() else []
    if held:
        raise ValueError(
            f"run directory {path} is not empty, it holds {listed(held, 4)}; name a new or an empty folder"
        )


def _is_unused(entry: Path) -> bool:
    """Whether a search that was refused or killed before it began leaves such: empty ones, or a process's lock."""
    if entry.name == LOCK_FILE and entry.is_file():
        size = entry.stat().st_size
        return size == 0 or (size < _LONGEST_LOCK and entry.read_bytes().strip().isdigit())
    if entry.name not in _MADE_AT_ONCE:
        return False
    return not any(entry.iterdir()) if entry.is_dir() else not entry.stat().st_size


def _encode(config: str) -> bytes:
    try:
        return config.encode()
    except UnicodeEncodeError as error:
        line = config.split("\n")[config.count("\n", 0, error.start)].strip(" ,")
        raise ValueError(f"{CONFIG_FILE} cannot hold {line!a}, which is not UTF-8; rename the file") from None


def _check_identity(path: Path, identity: str) -> None:
    """Checks that a run is the search that is to go on, before anything of it is changed."""
    try:
        recorded = (path / IDENTITY_FILE).read_text(errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise ValueError(f"{path / IDENTITY_FILE}: cannot be read: {error.strerror}") from None
    if recorded != identity:
        raise ValueError(
            f"run directory {path} began with other tasks, or another version of azero_jax; a run goes on only with"
            " the data or tasks that it began with; nothing was changed"
        )


def _write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=1).encode())


def read_run_config(path: Path) -> Config:
    """The configuration of a run directory.

    Raises:
      ValueError: there is no run, or its configuration is damaged.
    """
    if not (path / CONFIG_FILE).is_file():
        raise ValueError(f"run directory {path}: there is no run to go on with ({CONFIG_FILE} is missing)")
    return read_config(path / CONFIG_FILE)


def read_start_programs(path: Path) -> tuple[str, ...]:
    """Texts of the programs that the run started from.

    Raises:
      ValueError: the file that holds them is damaged.
    """
    return read_texts(path / START_FILE)
