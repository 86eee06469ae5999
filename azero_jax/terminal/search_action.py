"""What `python -m azero_jax.search` does: list or show runs, or search."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, cast

from azero_jax.cluster.run import run
from azero_jax.config.file import read_config
from azero_jax.config.leaves import override
from azero_jax.config.presets import choose_config
from azero_jax.config.tree import Config
from azero_jax.explain.report import report_run
from azero_jax.judge.comparison import COMPARISON_SECONDS, Comparison, compare_with_linear
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import parse_program
from azero_jax.process.messages import one_line
from azero_jax.process.patience import Patience
from azero_jax.process.streams import stdout_kept_free
from azero_jax.protocol.result import SearchResult
from azero_jax.protocol.run import REPORT_SECONDS, make_task_sets
from azero_jax.protocol.signals import EXIT_CODES
from azero_jax.recording.overview import list_runs, read_overview
from azero_jax.recording.run_directory import read_run_config
from azero_jax.tasks.load import unseen_name
from azero_jax.tasks.sets import TaskSets
from azero_jax.terminal.display import Display
from azero_jax.terminal.options import given_settings
from azero_jax.terminal.runs import show_run, show_runs
from azero_jax.terminal.shell import NOT_SOLVED, SOLVED, ReadProgram, is_refusal, names_of_data, read_program


def run_search(
    *,
    preset: str | None,
    config: Path | None,
    start_from: tuple[Path, ...],
    name: str | None,
    out: Path | None,
    resume: Path | None,
    list_folder: Path | None,
    show_folder: Path | None,
    as_json: bool,
    with_report: bool,
    quiet: bool,
    runs: Path,
    **words: str | None,
) -> int:
    """Does what the options ask for; `runs` is where `name` lies. Returns the exit code."""
    if list_folder is not None:
        show_runs(list_folder, list_runs(list_folder))
        return 0
    if show_folder is not None:
        show_run(read_overview(show_folder))
        return 0
    if name is not None:
        if out is not None:
            raise ValueError("--name and --out cannot both be given")
        if Path(name).name != name or name in ("", ".", "..") or not name.isprintable():
            raise ValueError(f"--name: {name!r} is not a plain name; --out takes a path")
        out = runs / name
    given = given_settings(words)
    given.update({"source.data": names_of_data(given["source.data"])} if "source.data" in given else {})
    resolved = _resolve(preset, config, resume, given)
    programs = {path: read_program(path) for path in start_from}
    texts = tuple(program.text for program in programs.values())
    if resume is not None and (out is not None or programs):
        raise ValueError("--resume cannot go with --name, --out or --start-from; a run goes on as it began")
    if with_report and out is None and resume is None:
        raise ValueError(
            "--report needs a run directory, which it is written into; record the run with --name or --out"
        )
    with stdout_kept_free(as_json), Display(quiet=quiet, to_stderr=as_json) as display:
        asked = [path.rpartition(".")[2] for path in given]
        task_sets = make_task_sets(resolved, display.say, asked)
        _check_programs(programs, resolved.space.build(task_sets.features))
        report, say, warn = display.report, display.say, display.warn
        result = run(resolved, task_sets, texts, out, resume, report, REPORT_SECONDS, say, warn)
        display.show(result)
        values = result.as_dict()
        if resolved.tasks.of_data and result.stopped_by not in EXIT_CODES:
            comparison = _compare(result, task_sets, resolved, display)
            values["baseline"] = comparison and comparison._asdict()
    if as_json:
        print(json.dumps(values), flush=True)
    if with_report and result.run_directory is not None:
        with stdout_kept_free(as_json):
            _report(Path(result.run_directory), task_sets, display)
    return exit_code(result)


def _compare(result: SearchResult, task_sets: TaskSets, config: Config, display: Display) -> Comparison | None:
    """A linear model on the same tasks; None if that takes too long, or somebody stops it: the result does not wait."""
    display.say("training a linear model on the same tasks, to compare with (Ctrl-C leaves it out)")
    patience = Patience()
    patience.for_seconds(COMPARISON_SECONDS)
    try:
        in_time, comparison = patience.call(partial(compare_with_linear, task_sets, config))
    except KeyboardInterrupt:
        display.say("the comparison is left out, as asked")
        return None
    if not in_time:
        display.say(f"the comparison is left out: it takes more than {COMPARISON_SECONDS:g} s")
        return None
    display.show_comparison(result, cast(Comparison, comparison), unseen_name(config.tasks))
    return cast(Comparison, comparison)


def _report(run_directory: Path, task_sets: TaskSets, display: Display) -> None:
    """Explains the run; if that fails, or somebody stops it, the result stands all the same."""
    display.say("explaining what was found (Ctrl-C leaves the report out)")
    try:
        display.say(f"the report is {report_run(run_directory, task_sets, display.say)}")
    except KeyboardInterrupt:
        display.say(
            f"the report is left out, as asked; python -m azero_jax.explain {quote(str(run_directory))} makes it"
        )
    except (ValueError, OSError, MemoryError) as error:
        if isinstance(error, ValueError) and not is_refusal(error):
            raise
        display.warn(one_line(f"the report is left out: {error or 'there is not enough memory'}"))


def exit_code(result: SearchResult) -> int:
    """What the process returns for a result."""
    return SOLVED if result.solved else EXIT_CODES.get(result.stopped_by, NOT_SOLVED)


def _resolve(preset: str | None, config: Path | None, resume: Path | None, given: Mapping[str, Any]) -> Config:
    """The configuration, with the settings that were given in place of its own."""
    if resume is not None:
        if preset is not None or config is not None:
            raise ValueError("--resume cannot go with --preset or --config; a run goes on with its own settings")
        return override(read_run_config(resume), given)
    if config is not None:
        return override(read_config(config, preset, given.get("search.candidates")), given)
    return choose_config(preset, given)


def _check_programs(programs: Mapping[Path, ReadProgram], space: SearchSpace) -> None:
    for path, program in programs.items():
        try:
            parse_program(program.parsed, space)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
