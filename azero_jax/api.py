"""The two things that a notebook calls: search, and run a program that was found."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from azero_jax.canonical import canonicalize
from azero_jax.config import Config, run_settings
from azero_jax.data import default_cache_dir
from azero_jax.data_tasks import load_task_sets, spoken
from azero_jax.engines import make_engine
from azero_jax.identity import check_same_search
from azero_jax.interrupt import StopSignals
from azero_jax.presets import DEFAULT_PRESET, load_preset
from azero_jax.recording.run_directory import RunDirectory, read_run_config, read_start_programs
from azero_jax.result import Progress, SearchResult
from azero_jax.search_loop import SearchLoop
from azero_jax.task_sets import TaskSets
from azero_jax.tasks import Tasks
from azero_jax.text import parse_program


def search(
    config: Config | None = None,
    *,
    tasks: TaskSets | None = None,
    start_from: tuple[str, ...] = (),
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    report: Callable[[Progress], None] | None = None,
    report_seconds: float = 1.0,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> SearchResult:
    """Evolves a program.

    Ctrl-C (in a notebook: interrupt) ends the search after the current batch and returns what was found, SIGTERM too;
    a second one raises KeyboardInterrupt at once. In a notebook progress is shown, unless `report` or `say` is given.

    Args:
      config: everything that decides the search; None is the preset `linear`, or the configuration of `resume`.
      tasks: the tasks, such as `FixedTasks(search, select, final)`; None draws them as the configuration says.
      start_from: texts of programs to start from instead of random ones.
      out: a new folder in which the run is recorded; None records nothing.
      resume: the folder of a run that is to go on. `config` may then have another budget or output, or another engine;
        `tasks` must be those that the run began with.
      report: is told how far the search has come, about every `report_seconds`.
      report_seconds: seconds between two reports.
      say: is told, in single lines, what is going on besides (engine, compilation, new experiments).
      warn: is told, in single lines, of trouble that does not end the search (a full disk, a damaged checkpoint); None
        makes Python warnings of them.

    Returns:
      The program that did best on the select tasks, measured on the unseen tasks; whether it is sufficient or not.

    Raises:
      ValueError: the configuration does not fit the tasks, the engine is not available, or the run directory cannot be
        used.
    """
    if report is None and say is None and _in_notebook():
        from azero_jax.display import Display  # here only, so that the search itself does not know how it is shown

        with Display() as display:
            return search(
                config,
                tasks=tasks,
                start_from=start_from,
                out=out,
                resume=resume,
                report=display.report,
                report_seconds=report_seconds,
                say=display.say,
                warn=warn,
            )
    say = say or (lambda line: None)
    warn = warn or (lambda line: warnings.warn(line, stacklevel=2))
    if resume is not None:
        if out is not None:
            raise ValueError("out and resume cannot both be given; a run goes on in its own directory")
        saved = read_run_config(Path(resume))
        config = config or saved
        check_same_search(config, saved, f"run directory {resume}")
        start_from = start_from or read_start_programs(Path(resume))
    config = config or load_preset(DEFAULT_PRESET)
    path = out if resume is None else resume
    if path is None and config.output.tensorboard:
        raise ValueError("output.tensorboard is true; it needs a run directory")
    if tasks is None and config.tasks.of_data:
        tasks = load_task_sets(config, cache_dir=default_cache_dir(), progress=spoken(say))
    with contextlib.ExitStack() as stack:
        directory = None
        if path is not None:
            directory = stack.enter_context(RunDirectory(Path(path), warn, resume=resume is not None))
        loop = SearchLoop(config, tasks, start_from, directory, say)
        stop = stack.enter_context(StopSignals())
        return loop.run(stop, report or (lambda progress: None), report_seconds)


def evaluate_program(text: str, tasks: Tasks, config: Config | None = None) -> NDArray[np.float64]:
    """`[T]` fitness of one program, given as text, on each of T tasks.

    Args:
      text: the program, as `SearchResult.program` has it.
      tasks: what to run it on.
      config: the search space and engine; None is the preset `linear`.

    Raises:
      ValueError: the text is not a program of the search space.
    """
    if config is None:
        config = load_preset(DEFAULT_PRESET)
    space = config.space.build(tasks.features)
    canonical = canonicalize(parse_program(text, space), space, tasks.metric).programs
    engine = make_engine(config.engine.engine, space, tasks, run_settings(config, config.seed, 1))
    return np.asarray(engine.evaluate(canonical).fitness)[0].astype(np.float64)


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel, whose output cells rich can draw in."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ in ("ZMQInteractiveShell", "Shell")  # the second is Colab's
