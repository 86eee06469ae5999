"""What is to be explained: a recorded run with its tasks, or any program with tasks that settings describe."""

from pathlib import Path
from typing import Any, NamedTuple

from azero_jax.config.tree import Config
from azero_jax.protocol.identity import search_identity
from azero_jax.recording.checkpoint import read_latest
from azero_jax.recording.overview import RunOverview, read_overview
from azero_jax.recording.reading import EVENT, FINALIST, METRICS, RESULT, SESSION, read_lines, read_object, read_objects
from azero_jax.recording.run_directory import (
    CHECKPOINTS,
    EVENTS_FILE,
    FRONT_FILE,
    METRICS_FILE,
    RESULT_FILE,
    SESSIONS_FILE,
    read_run_config,
    read_start_programs,
)


class Run(NamedTuple):
    """What a run directory tells of a search that has ended.

    Attributes:
      path: the directory.
      config: everything that decided the search.
      overview: state, counts and hall of fame.
      result: what was found, as `SearchResult.as_dict` gives it.
      events: new best programs, restarts, new experiments, in order.
      metrics: how far it had come, in order.
      sessions: what it ran on and with.
      front: the programs of which none is both fitter and cheaper; empty if that was not recorded.
    """

    path: Path
    config: Config
    overview: RunOverview
    result: dict[str, Any]
    events: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    sessions: list[dict[str, Any]]
    front: list[dict[str, Any]]


class Subject(NamedTuple):
    """A program and what is known of it.

    Attributes:
      title: what it is called.
      text: the program.
      config: says on what tasks it is explained, and how it is run.
      run: the search that found it; None of a program from elsewhere.
    """

    title: str
    text: str
    config: Config
    run: Run | None = None


def read_run(path: Path) -> Run:
    """The run in a directory.

    Raises:
      ValueError: there is none, it has no result yet, or a file is damaged.
    """
    overview = read_overview(path)
    result = read_object(path / RESULT_FILE, RESULT)
    if result is None:
        hint = "wait for it" if overview.state.startswith("running") else f"--resume {path} goes on with it"
        raise ValueError(f"run directory {path} has no result to explain: it is {overview.state}; {hint}")
    logs = {EVENTS_FILE: EVENT, METRICS_FILE: METRICS, SESSIONS_FILE: SESSION}
    events, metrics, sessions = (read_lines(path / name, fields) for name, fields in logs.items())
    front = read_objects(path / FRONT_FILE, FINALIST)
    return Run(path, read_run_config(path), overview, result, events, metrics, sessions, front)


def check_own_tasks(run: Run) -> None:
    """Checks that the tasks of a run are those that its configuration describes.

    Raises:
      ValueError: they were made in Python, and are not recorded.
    """
    if run.config.tasks.of_data:
        return
    state = read_latest(run.path / CHECKPOINTS, lambda state: "", lambda line: None)
    identity = search_identity(run.config, read_start_programs(run.path), "")
    if state is not None and str(state["identity"]) != identity:
        raise ValueError(
            f"run directory {run.path}: its tasks were made in Python and are not recorded; explain its program with"
            " --data, or call azero_jax.explain_run with tasks"
        )
