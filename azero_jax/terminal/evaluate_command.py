"""The command line of `python -m azero_jax.evaluate`: how well a program does on data."""

from typing import Any, Final

import click

from azero_jax.config.leaves import override
from azero_jax.config.tree import Config
from azero_jax.language.library import known_programs
from azero_jax.terminal.options import setting_options
from azero_jax.terminal.shell import FilePath, run_command

_INTRODUCTION = f"""Measure a program on data: it is trained anew on each task, and judged by test examples.

PROGRAM is a text file, or one of {", ".join(known_programs())}.

\b
Examples:
  python -m azero_jax.evaluate logistic_regressor --data digits
  python -m azero_jax.evaluate evolved_cifar10 --data cifar10.zip --tune 1000
  python -m azero_jax.evaluate found.txt --data cifar10.zip --features 256 --pairs 3-5,0-8 --json
  python -m azero_jax.evaluate found.txt --data my.csv --label price
  python -m azero_jax.evaluate softmax_regressor --data digits --kind multiclass

Class pairs: by default the unseen ones, each under every projection; a table (.csv, .tsv): its held-out rows.

Exit code: 0, 2 when something in the input is wrong, 70 for a bug (a file with what to send in is named), 130 after
Ctrl-C, 141 when the output was closed (| head)."""

_SETTINGS: Final = (
    "seed",
    "tasks.kind",
    "tasks.features",
    "tasks.train_examples",
    "tasks.epochs",
    "source.data",
    "source.label",
    "source.regression",
    "source.missing",
    "source.projections",
    "source.data_seed",
    "source.download",
    "engine.engine",
    "engine.precision",
)
_HELPS: Final = {
    "tasks.kind": '"pairs": two classes each; "multiclass": all classes; "table": the rows as they are, for a table.',
    "tasks.features": "F, the length of a feature vector, which examples are projected to; none takes them as is.",
    "tasks.train_examples": "Training examples of each task; none takes all that the data have.",
}
_DEFAULTS: Final = override(
    Config(),
    {
        "tasks.kind": "pairs",
        "tasks.features": 16,
        "tasks.train_examples": None,
        "tasks.valid_examples": None,
        "tasks.select_valid_examples": None,
        "tasks.select_tasks": 10,
        "source.projections": 10,
    },
)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return run_command(make_command(), "python -m azero_jax.evaluate", arguments)


def make_command() -> click.Command:
    """The command, with all its options."""
    return click.Command(
        "evaluate",
        params=[
            click.Argument(["program"], type=FilePath()),
            *setting_options(_DEFAULTS, _SETTINGS, _HELPS),
            click.Option(["--pairs"], metavar="PAIRS", help="Class pairs to judge by, such as 0-5,3-8."),
            click.Option(
                ["--tune"],
                default=0,
                type=click.IntRange(min=0),
                metavar="TRIALS",
                help="Trials of random search for better constants, on other pairs and validation examples.",
            ),
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
            click.Option(["--quiet"], is_flag=True, help="No progress, only the result."),
        ],
        callback=_run,
        help=_INTRODUCTION,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )


def _run(**given: Any) -> int:
    from azero_jax.terminal.evaluate_action import run_evaluate  # only now, as in `search_command`

    return run_evaluate(defaults=_DEFAULTS, **given)
