"""What a notebook calls: search, and run, explain and compare programs."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azero_jax.cluster.run import run
from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config
from azero_jax.explain.explanation import Explanation, explain
from azero_jax.explain.learning import LearningCurves
from azero_jax.explain.learning import learning_curves as curves_of
from azero_jax.explain.lineage import lineage
from azero_jax.explain.report import report_run
from azero_jax.explain.result import Result, as_result
from azero_jax.explain.settings import TUNING_TRIALS
from azero_jax.explain.subject import Subject, check_own_tasks, read_run
from azero_jax.judge.run_program import judge_program
from azero_jax.learner.reading import program_source
from azero_jax.protocol.result import Progress
from azero_jax.protocol.run import REPORT_SECONDS, make_task_sets
from azero_jax.recording.run_directory import read_run_config
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets
from azero_jax.terminal.notebook import NotebookDisplay, in_notebook


def search(
    config: Config | None = None,
    *,
    data: Any = None,
    tasks: TaskSets | None = None,
    start_from: tuple[str, ...] = (),
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    report: Callable[[Progress], None] | None = None,
    report_seconds: float = REPORT_SECONDS,
    say: Callable[[str], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Result:
    """Evolves a program.

    Ctrl-C (in a notebook: interrupt) ends the search after the current batch and returns what was found, SIGTERM too;
    a second one raises KeyboardInterrupt at once. In a notebook progress is shown, unless `report` or `say` is given.

    Args:
      config: everything that decides the search; None is the preset for the `data`, `linear` where there are none, or
        the configuration of `resume`.
      data: of which tasks are made, in memory: a data frame, (features, labels), or whatever else
        `azero_jax.data.load_source` takes. `config` says the `label`, and may be any preset for data.
      tasks: the tasks themselves, such as `FixedTasks(search, select, final)`; None draws them as the configuration
        says.
      start_from: texts of programs to start from instead of random ones.
      out: a new or empty folder in which the run is recorded; None records nothing.
      resume: the folder of a run that is to go on. `config` may then have another budget or output, or another engine;
        `tasks` must be those that the run began with.
      report: is told how far the search has come, about every `report_seconds`.
      report_seconds: seconds between two reports.
      say: is told, in single lines, what is going on besides (engine, compilation, new experiments).
      warn: is told, in single lines, of trouble that does not end the search (a full disk, a damaged checkpoint); None
        makes Python warnings of them.

    Returns:
      The program that did best on the select tasks, measured on the unseen tasks; whether it is sufficient or not. A
      notebook shows it; see `Result`.

    Raises:
      ValueError: the configuration does not fit the tasks, the engine is not available, or the run directory cannot be
        used.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", islands=2, population=50, batch=25, max_candidates=500)
    >>> result = az.search(config)
    >>> result.stopped_by, result.candidates
    ('max_candidates', 500)
    """
    with contextlib.ExitStack() as stack:
        if report is None and say is None and in_notebook():
            display = stack.enter_context(NotebookDisplay())
            report, say = display.report, display.say
        if data is not None:
            config = config or (_natural_config(data) if resume is None else read_run_config(Path(resume)))
            tasks = _tasks_of(config, data, tasks, say or _silent)
        return as_result(run(config, tasks, start_from, out, resume, report, report_seconds, say, warn))


def evaluate_program(text: str, tasks: Tasks, config: Config | None = None) -> NDArray[np.float64]:
    """`[T]` fitness of one program on each of T tasks.

    Args:
      text: the program, as `SearchResult.program` has it, or what names one: a file, or a known program.
      tasks: what to run it on.
      config: the search space and engine; None takes the smallest space that the program fits into.

    Raises:
      ValueError: the text is not a program of the search space.

    >>> import azero_jax as az
    >>> tasks = az.linear_tasks(tasks=2, features=4, train_examples=4000, valid_examples=50, seed=0)
    >>> (az.evaluate_program("linear_regressor", tasks) > 0.9).tolist()
    [True, True]
    """
    text = program_source(text)
    if config is None:
        return judge_program(text, tasks)
    space = config.space.build(tasks.features)
    return judge_program(text, tasks, config.engine, space=space, epochs=config.tasks.epochs, seed=config.seed)


def load_tasks(config: Config, *, data: Any = None, say: Callable[[str], None] | None = None) -> TaskSets:
    """The tasks of a search, without the search: `sets.search(seed)`, `sets.select(seed)` and `sets.final(seed)`.

    Args:
      config: says what tasks, and of what data.
      data: the data, in memory; see `search`.
      say: is told, in single lines, what is going on.

    Raises:
      ValueError: the data cannot be read, or do not make such tasks.

    >>> import azero_jax as az
    >>> az.load_tasks(az.load_preset("digits", projections=1)).search(0).features
    16
    """
    return make_task_sets(config, say or _silent, data=data)


def explain_program(
    program: str | os.PathLike[str],
    config: Config | None = None,
    *,
    data: Any = None,
    tasks: TaskSets | None = None,
    baselines: bool = True,
    trials: int = TUNING_TRIALS,
    say: Callable[[str], None] | None = None,
) -> Explanation:
    """What a program does in fewer lines, what each line is for, and what it is worth; a notebook shows it.

    Args:
      program: its text, the path of a file, or the name of a known program, such as `evolved_cifar10`.
      config: says on what tasks; None is the preset for the `data`, `linear` where there are none.
      data: of which tasks are made, in memory; see `search`.
      tasks: the tasks themselves.
      baselines: whether a linear model and a net are trained on the same tasks.
      trials: of random search for better constants, beside gradients; 0 tunes nothing.
      say: is told, in single lines, what is going on.

    Raises:
      ValueError: there is no such program, or it does not fit the tasks.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", select_tasks=2, select_train_examples=50)
    >>> explanation = az.explain_program("linear_regressor", config, baselines=False, trials=0)
    >>> print(explanation.renamed.splitlines()[3])
      prediction = dot(features, weights)   # prediction
    """
    say, config = say or _silent, config or _natural_config(data)
    task_sets = _tasks_of(config, data, tasks, say)
    subject = Subject(_title(program), program_source(program), config)
    return explain(subject, task_sets, say, baselines=baselines, trials=trials)


def learning_curves(
    program: str | os.PathLike[str],
    config: Config | None = None,
    *,
    data: Any = None,
    tasks: TaskSets | None = None,
    baselines: bool = True,
) -> LearningCurves:
    """How a program learns: its fitness on unseen tasks over training examples, beside a linear model and a net.

    Arguments and errors are those of `explain_program`.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", final_tasks=2)
    >>> az.learning_curves("linear_regressor", config, baselines=False).examples.tolist()[-1]
    1000
    """
    config = config or _natural_config(data)
    task_sets = _tasks_of(config, data, tasks, _silent)
    programs = {_title(program): program_source(program)}
    return curves_of(programs, task_sets, config, baselines=baselines)


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
    say = say or _silent
    if tasks is None:
        found = read_run(Path(run))
        check_own_tasks(found)
        tasks = make_task_sets(found.config, say)
    return report_run(Path(run), tasks, say, None if out is None else Path(out))


__all__ = ["evaluate_program", "explain_program", "explain_run", "learning_curves", "lineage", "load_tasks", "search"]


def _silent(line: str) -> None:
    """Tells nobody."""


def _natural_config(data: Any) -> Config:
    """The preset for data; that of tables where they have no name."""
    if data is None:
        return load_preset()
    return load_preset(data=data) if isinstance(data, str | os.PathLike) else load_preset("table")


def _tasks_of(config: Config, data: Any, tasks: TaskSets | None, say: Callable[[str], None]) -> TaskSets:
    if data is not None and tasks is not None:
        raise ValueError("data and tasks cannot both be given; tasks are made of data")
    return tasks or make_task_sets(config, say, data=data)


def _title(program: str | os.PathLike[str]) -> str:
    """What a program is called: by its name, or by none."""
    name = os.fspath(program)
    return "the program" if "\n" in name else name
