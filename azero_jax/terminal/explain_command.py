"""The command line of `python -m azero_jax.explain`: what a program does, and what its parts are worth."""

from typing import Any, Final

import click

from azero_jax.config.presets import DEFAULT_PRESET, PRESETS, load_preset
from azero_jax.explain.settings import TUNING_TRIALS
from azero_jax.language.library import known_programs
from azero_jax.terminal.options import setting_options
from azero_jax.terminal.shell import FilePath, run_command

_INTRODUCTION = f"""Explain a program: what it does in fewer lines, what each line is for, and what it is worth.

SUBJECT is the directory of a run, a program's text file, or one of {", ".join(known_programs())}. What is found out is
shown, and written into RUN/explained, of a program into NAME-explained, or where --out says.

\b
Examples:
  python -m azero_jax.search --name first; python -m azero_jax.explain runs/first
  python -m azero_jax.explain two_layer_net --preset teacher
  python -m azero_jax.explain evolved_cifar10 --data cifar10.zip
  python -m azero_jax.explain found.txt --data my.csv --label price --json

A run is explained on tasks as those that it was selected by, drawn anew; settings that are given take the place of its
own. Programs from elsewhere are run on the tasks of a preset (by default `{DEFAULT_PRESET}`) or of --data.

Exit code: 0, or 2 when something in the input is wrong."""

_SETTINGS: Final = (
    "seed",
    "tasks.kind",
    "tasks.features",
    "tasks.epochs",
    "tasks.select_tasks",
    "tasks.select_train_examples",
    "tasks.select_valid_examples",
    "source.data",
    "source.label",
    "source.regression",
    "source.projections",
    "source.data_seed",
    "source.download",
    "engine.engine",
    "engine.precision",
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return run_command(make_command(), "python -m azero_jax.explain", arguments)


def make_command() -> click.Command:
    """The command, with all its options."""
    return click.Command(
        "explain",
        params=[
            click.Argument(["subject"], type=FilePath()),
            click.Option(["--preset"], help=f"Tasks of a program from elsewhere: {', '.join(PRESETS)}."),
            click.Option(["--out"], type=FilePath(), metavar="DIR", help="Where files are written."),
            *setting_options(load_preset(DEFAULT_PRESET), _SETTINGS),
            click.Option(["--baselines/--no-baselines"], default=True, help="Train a linear model and a net too."),
            click.Option(
                ["--tune"],
                default=TUNING_TRIALS,
                show_default=True,
                type=click.IntRange(min=0),
                metavar="TRIALS",
                help="Trials of random search for better constants, beside gradients; 0 tunes nothing.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
            click.Option(["--quiet"], is_flag=True, help="No progress, only the result."),
        ],
        callback=_run,
        help=_INTRODUCTION,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _run(**given: Any) -> int:
    from azero_jax.terminal.explain_action import run_explain  # only now, as in `search_command`

    return run_explain(**given)
