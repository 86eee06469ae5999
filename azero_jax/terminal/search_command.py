"""The command line of `python -m azero_jax.search`: its options, and what each way of calling it does."""

from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from azero_jax.config.presets import DEFAULT_PRESET, PRESETS, load_preset
from azero_jax.language.library import known_programs
from azero_jax.terminal.options import SETTINGS_SECTIONS, SectionedCommand, setting_options
from azero_jax.terminal.shell import FilePath, run_command

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
        folder(["--out"], help="Record the run in this new or empty folder."),
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


def _run(**given: Any) -> int:
    # Imported only now: nobody should wait for JAX and Numba to read a help text.
    from azero_jax.terminal.search_action import run_search

    return run_search(runs=RUNS, **given)
