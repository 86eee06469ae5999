"""The command line of `python -m azero_jax.search`: its options, and what each way of calling it does."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import click

from azero_jax.cluster.run import run
from azero_jax.config.file import read_config
from azero_jax.config.leaves import override
from azero_jax.config.presets import DEFAULT_PRESET, PRESETS, choose_config, load_preset
from azero_jax.config.tree import Config
from azero_jax.explain.report import report_run
from azero_jax.judge.comparison import COMPARISON_SECONDS, Comparison, compare_with_linear
from azero_jax.language.library import known_programs
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import parse_program
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
from azero_jax.terminal.options import SETTINGS_SECTIONS, SectionedCommand, given_settings, setting_options
from azero_jax.terminal.runs import show_run, show_runs
from azero_jax.terminal.shell import NOT_SOLVED, SOLVED, FilePath, ReadProgram, absolute_data, read_program, run_command

RUNS: Final = Path("runs")  # where --name and --list look

_INTRODUCTION = f"""Evolve a machine-learning algorithm from scratch.

A program has three functions: Setup runs once, Predict on every example, Learn after every training example. The
search makes random programs, runs each on many small tasks, keeps and mutates those that learn, and prints the best.

\b
Examples:
  python -m azero_jax.search                             the demo: linear regression from nothing, in seconds
  python -m azero_jax.search --preset affine --seed 3    another problem ({", ".join(PRESETS)})
  python -m azero_jax.search --features 8 --population 500 --max-seconds 600
  python -m azero_jax.search --preset digits             class pairs of small images that scikit-learn brings
  python -m azero_jax.search --preset cifar10 --data cifar10.zip
  python -m azero_jax.search --data digits --kind multiclass   all ten classes at once
  python -m azero_jax.search --data my.csv --label price a table of your own: classes or a regression
  python -m azero_jax.search --name first                recorded in runs/first: metrics, checkpoints, result
  python -m azero_jax.search --resume runs/first         go on with it after Ctrl-C, a crash or a reboot
  python -m azero_jax.search --config runs/first/config.toml --seed 1
  python -m azero_jax.search --json 2>/dev/null          the result as one JSON object, for scripts

Every setting has a full name and a short one: --search.population 500 is --population 500. In a TOML file the same
setting is the key `population` of the table [search]. Defaults shown are those of the preset `{DEFAULT_PRESET}`.

Exit code: 0 when the sufficient fitness was reached, 1 when the budget ended first (the best program is still shown),
2 when something in the input is wrong, 70 for a bug (a file with what to send in is named), 130 after Ctrl-C, 141 when
the output was closed (| head), 143 after SIGTERM."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return run_command(make_command(), "python -m azero_jax.search", arguments)


def make_command() -> click.Command:
    """The command, with all its options."""
    file = partial(click.Option, type=FilePath(), metavar="FILE")
    folder = partial(file, metavar="DIR")
    program = f"A program (text file, or one of {', '.join(known_programs())})"
    options = [
        click.Option(["--preset"], help=f"Settings to start from: {', '.join(PRESETS)}. [default: {DEFAULT_PRESET}]"),
        file(["--config"], help="Settings from a TOML file."),
        file(["--start-from"], multiple=True, help=f"{program} to start from instead of random ones; may be repeated."),
        click.Option(["--name"], help=f"Record the run in {RUNS}/NAME."),
        folder(["--out"], help="Record the run in this new folder."),
        folder(["--resume"], help="Go on with the run in this folder; its budget, output and engine may be changed."),
        folder(
            ["--list", "list_folder"],
            metavar="[FOLDER]",
            is_flag=False,
            flag_value=str(RUNS),
            help=f"List the runs in a folder [default: {RUNS}], and end.",
        ),
        folder(["--show", "show_folder"], help="Show the run in this folder, and end."),
        click.Option(["--json", "as_json"], is_flag=True, help="End standard output with the result as one JSON line."),
        click.Option(
            ["--report", "with_report"], is_flag=True, help="Explain the result, in RUN/explained/report.html."
        ),
        click.Option(["--quiet"], is_flag=True, help="No progress, only the result."),
    ]
    return SectionedCommand(
        "search",
        params=[*options, *setting_options(load_preset(DEFAULT_PRESET))],
        callback=_run,
        help=_INTRODUCTION,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        sections={"Run": [str(option.name) for option in options], **SETTINGS_SECTIONS},
    )


def _run(
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
    **words: str | None,
) -> int:
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
        out = RUNS / name
    given = given_settings(words)
    given.update({"source.data": absolute_data(given["source.data"])} if "source.data" in given else {})
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
        if with_report and result.run_directory is not None:
            display.say(f"the report is {report_run(Path(result.run_directory), task_sets, display.say)}")
    if as_json:
        print(json.dumps(values), flush=True)
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
