"""The two things that a notebook calls: search, and run a program that was found."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from azero_jax.cluster.run import run
from azero_jax.config.tree import Config
from azero_jax.explain.lineage import lineage
from azero_jax.explain.report import report_run
from azero_jax.explain.subject import check_own_tasks, read_run
from azero_jax.judge.run_program import judge_program
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.run import REPORT_SECONDS, make_task_sets
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets
from azero_jax.terminal.display import Display


def search(
    config: Config | None = None,
    *,
    tasks: TaskSets | None = None,
    start_from: tuple[str, ...] = (),
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    report: Callable[[Progress], None] | None = None,
    report_seconds: float = REPORT_SECONDS,
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

    >>> import azero_jax as az
    >>> small = az.EvolutionSettings(islands=2, population=50, batch=25)
    >>> budget = az.BudgetConfig(max_candidates=500)
    >>> result = az.search(az.Config(space=az.load_preset("linear").space, search=small, budget=budget))
    >>> result.stopped_by, result.candidates
    ('max_candidates', 500)
    """
    with contextlib.ExitStack() as stack:
        if report is None and say is None and _in_notebook():
            display = stack.enter_context(Display())
            report, say = display.report, display.say
        return run(config, tasks, start_from, out, resume, report, report_seconds, say, warn)


def evaluate_program(text: str, tasks: Tasks, config: Config | None = None) -> NDArray[np.float64]:
    """`[T]` fitness of one program, given as text, on each of T tasks.

    Args:
      text: the program, as `SearchResult.program` has it.
      tasks: what to run it on.
      config: the search space and engine; None takes the smallest space that the program fits into.

    Raises:
      ValueError: the text is not a program of the search space.

    >>> import azero_jax as az
    >>> from azero_jax.programs import load_program
    >>> tasks = az.linear_tasks(tasks=2, features=4, train_examples=4000, valid_examples=50, seed=0)
    >>> (az.evaluate_program(load_program("linear_regressor").text, tasks) > 0.9).tolist()
    [True, True]
    """
    if config is None:
        return judge_program(text, tasks)
    space = config.space.build(tasks.features)
    return judge_program(text, tasks, config.engine, space=space, epochs=config.tasks.epochs, seed=config.seed)


def explain_run(
    run: str | os.PathLike[str],
    *,
    tasks: TaskSets | None = None,
    out: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Explains what a recorded search found, and writes a report; what `python -m azero_jax.explain RUN` does.

    Args:
      run: the run directory.
      tasks: those that the search was given, if it was; None makes them as the configuration says.
      out: a folder to write into; None takes `explained` in the run directory.
      say: is told, in single lines, what is going on.

    Returns:
      The report, one HTML file.

    Raises:
      ValueError: the directory holds no run with a result, its tasks are not known, or a package is not installed.

    >>> import azero_jax as az
    >>> az.explain_run("nowhere")
    Traceback (most recent call last):
    ValueError: run directory nowhere: there is no run (config.toml is missing)
    """
    say = say or (lambda line: None)
    if tasks is None:
        found = read_run(Path(run))
        check_own_tasks(found)
        tasks = make_task_sets(found.config, say)
    return report_run(Path(run), tasks, say, None if out is None else Path(out))


__all__ = ["evaluate_program", "explain_run", "lineage", "search"]


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel, whose output cells rich can draw in."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ in ("ZMQInteractiveShell", "Shell")  # the second is Colab's
