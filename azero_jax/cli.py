"""The command line of `python -m azero_jax.search`: its options, and what each way of calling it does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from azero_jax.api import search
from azero_jax.cli_options import SETTINGS_SECTIONS, SectionedCommand, given_settings, setting_options
from azero_jax.comparison import compare_with_linear
from azero_jax.config import MIN_FEATURES, Config
from azero_jax.config_file import read_config
from azero_jax.data import default_cache_dir
from azero_jax.data_tasks import load_task_sets, natural_preset, spoken, unseen_name, with_kind
from azero_jax.display import Display, show_run, show_runs
from azero_jax.interrupt import EXIT_CODES
from azero_jax.presets import DEFAULT_PRESET, PRESETS, load_preset
from azero_jax.programs import known_programs, load_program
from azero_jax.recording.overview import list_runs, read_overview
from azero_jax.recording.run_directory import read_run_config
from azero_jax.result import SearchResult
from azero_jax.settings import override
from azero_jax.streams import stdout_kept_free
from azero_jax.text import parse_program

SOLVED: Final = 0  # exit codes; those of signals are in EXIT_CODES
NOT_SOLVED: Final = 1
BAD_INPUT: Final = 2
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
2 when something in the input is wrong, 130 after Ctrl-C, 143 after SIGTERM."""

_RUN_SECTION: Final = "Run"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return run_command(_command(), "python -m azero_jax.search", arguments)


def run_command(command: click.Command, name: str, arguments: list[str] | None) -> int:
    """Runs a command; a user's mistake becomes one line on standard error. Returns the exit code."""
    try:
        return int(command.main(arguments, prog_name=name, standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        return _refuse(" ".join(error.format_message().split()))
    except click.Abort as error:  # what click makes of a KeyboardInterrupt
        print("stopped", file=sys.stderr)
        return getattr(error.__cause__, "exit_code", EXIT_CODES["interrupt"])
    except ValueError as error:
        return _refuse(str(error))


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return BAD_INPUT


def _command() -> click.Command:
    file = click.Path(path_type=Path)
    options = [
        click.Option(["--preset"], help=f"Settings to start from: {', '.join(PRESETS)}. [default: {DEFAULT_PRESET}]"),
        click.Option(["--config"], type=file, metavar="FILE", help="Settings from a TOML file."),
        click.Option(
            ["--start-from"],
            type=file,
            multiple=True,
            metavar="FILE",
            help=(
                "A program (text file, or one of "
                + ", ".join(known_programs())
                + ") to start from instead of random ones; may be repeated."
            ),
        ),
        click.Option(["--name"], help=f"Record the run in {RUNS}/NAME."),
        click.Option(["--out"], type=file, metavar="DIR", help="Record the run in this new folder."),
        click.Option(
            ["--resume"],
            type=file,
            metavar="DIR",
            help="Go on with the run in this folder; its budget, output and engine may be changed.",
        ),
        click.Option(
            ["--list", "list_folder"],
            type=file,
            metavar="[FOLDER]",
            is_flag=False,
            flag_value=str(RUNS),
            help=f"List the runs in a folder [default: {RUNS}], and end.",
        ),
        click.Option(["--show", "show_folder"], type=file, metavar="DIR", help="Show the run in this folder, and end."),
        click.Option(["--json", "as_json"], is_flag=True, help="End standard output with the result as one JSON line."),
        click.Option(["--quiet"], is_flag=True, help="No progress, only the result."),
    ]
    return SectionedCommand(
        "search",
        params=[*options, *setting_options(load_preset(DEFAULT_PRESET))],
        callback=_run,
        help=_INTRODUCTION,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        sections={_RUN_SECTION: [str(option.name) for option in options], **SETTINGS_SECTIONS},
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
        if Path(name).name != name or name in (".", ".."):
            raise ValueError(f"--name: {name!r} is not a plain name; --out takes a path")
        out = RUNS / name
    given = given_settings(words)
    given.update({"source.data": absolute_data(given["source.data"])} if given.get("source.data") else {})
    resolved = override(_base_config(preset, config, resume, given), given)
    programs = _read_programs(start_from, resolved)
    if resume is not None and (out is not None or programs):
        raise ValueError("--resume cannot go with --name, --out or --start-from; a run goes on as it began")
    with stdout_kept_free(as_json), Display(quiet=quiet, to_stderr=as_json) as display:
        task_sets = None
        if resolved.tasks.of_data:
            task_sets = load_task_sets(resolved, cache_dir=default_cache_dir(), progress=spoken(display.say))
        result = search(
            resolved,
            tasks=task_sets,
            start_from=programs,
            out=out,
            resume=resume,
            report=display.report,
            say=display.say,
            warn=display.warn,
        )
        display.show(result)
        values = result.as_dict()
        if task_sets is not None and result.stopped_by not in EXIT_CODES:
            display.say("training a linear model on the same tasks, to compare with")
            comparison = compare_with_linear(task_sets, resolved)
            display.show_comparison(result, comparison, unseen_name(resolved))
            values["baseline"] = comparison._asdict()
    if as_json:
        print(json.dumps(values), flush=True)
    return exit_code(result)


def exit_code(result: SearchResult) -> int:
    """What the process returns for a result."""
    return SOLVED if result.solved else EXIT_CODES.get(result.stopped_by, NOT_SOLVED)


def _base_config(preset: str | None, config: Path | None, resume: Path | None, given: Mapping[str, Any]) -> Config:
    """What the settings that were given take the place in."""
    if resume is not None:
        if preset is not None or config is not None:
            raise ValueError("--resume cannot go with --preset or --config; a run goes on with its own settings")
        return read_run_config(resume)
    if config is not None:
        return read_config(config, preset)
    data = given.get("source.data", ())
    if data and preset is None:
        preset = natural_preset(data[0])
    base = load_preset(preset or DEFAULT_PRESET)
    return with_kind(base, given.get("tasks.kind", base.tasks.kind))


def absolute_data(data: tuple[str, ...]) -> tuple[str, ...]:
    """Paths in full, so that a recorded run finds them from everywhere; names as they are."""
    return tuple(str(Path(name).absolute()) if Path(name).exists() else name for name in data)


def read_program(path: Path) -> str:
    """The text of a program in a file, or of a known program.

    Raises:
      ValueError: there is neither.
    """
    if not path.exists() and str(path) in known_programs():
        return load_program(str(path)).text
    try:
        return path.read_text()
    except FileNotFoundError as error:
        known = ", ".join(known_programs())
        raise ValueError(f"{path}: cannot be read: {error.strerror}, nor is it a known program ({known})") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: cannot be read: it is not text") from None


def _read_programs(paths: tuple[Path, ...], config: Config) -> tuple[str, ...]:
    """The texts of the programs in files, checked."""
    space = config.space.build(config.tasks.features or MIN_FEATURES)
    texts = []
    for path in paths:
        texts.append(read_program(path))
        try:
            parse_program(texts[-1], space)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return tuple(texts)
