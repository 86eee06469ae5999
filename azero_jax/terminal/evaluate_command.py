"""The command line of `python -m azero_jax.evaluate`: how well a program does on data."""

import json
import math
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from azero_jax.config.leaves import override
from azero_jax.config.tree import Config
from azero_jax.data import default_cache_dir
from azero_jax.judge.comparison import describe_fitness
from azero_jax.judge.measure import Measurement, measure_program
from azero_jax.language.library import known_programs
from azero_jax.language.roles import Metric
from azero_jax.language.text import ProgramText
from azero_jax.process.progress import spoken
from azero_jax.process.streams import stdout_kept_free
from azero_jax.tasks.load import natural_kind
from azero_jax.tasks.settings import DATA_KINDS
from azero_jax.terminal.display import plain_console, show_table
from azero_jax.terminal.options import given_settings, setting_options
from azero_jax.terminal.shell import FilePath, absolute_data, read_program, run_command

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
            click.Option(["--pairs"], default="", metavar="PAIRS", help="Class pairs to judge by, such as 0-5,3-8."),
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


def _run(*, program: Path, pairs: str, tune: int, as_json: bool, quiet: bool, **words: str | None) -> int:
    config = _config(words)
    read = read_program(program)
    errors = plain_console(to_stderr=True)
    with stdout_kept_free(as_json):
        measurement = measure_program(
            read.text,
            config,
            pairs=tuple(pair for pair in pairs.split(",") if pair),
            trials=tune,
            cache_dir=default_cache_dir(),
            progress=spoken(lambda line: None if quiet else errors.print(Text(line), style="dim")),
        )
    if not quiet and (note := prediction_note(read.parsed, measurement.metric)):
        errors.print(Text(note), style="yellow")
    if as_json:
        print(json.dumps(_as_json(program, measurement)), flush=True)
    else:
        _show(program, measurement, tuned=tune > 0)
    return 0


def prediction_note(program: ProgramText, metric: Metric) -> str:
    """What to say of a program that cannot predict what it is asked for; "" where nothing is wrong."""
    if program.predicts(metric.prediction):
        return ""
    what = "many classes" if metric.is_one_hot else "two classes or numbers"
    return f"note: Predict never writes {metric.prediction}, where predictions of {what} are read"


def _config(words: dict[str, str | None]) -> Config:
    given = given_settings(words)
    data = absolute_data(given["source.data"]) if "source.data" in given else ()
    given["source.data"] = data
    kind = given.setdefault("tasks.kind", natural_kind(data[0]) if data else "pairs")
    if kind not in DATA_KINDS:
        raise ValueError(f"kind is {kind!r}; allowed here: {', '.join(DATA_KINDS)}")
    if kind == "table":
        given.setdefault("tasks.features", None)
    given["tasks.select_train_examples"] = given.get("tasks.train_examples")  # of all tasks here
    return override(_DEFAULTS, given)


def _show(program: Path, measurement: Measurement, *, tuned: bool) -> None:
    console = plain_console()
    rows = [
        (row.data, row.tasks_of, str(row.tasks), f"{row.mean:.4f}", _error(row.standard_error))
        for row in measurement.rows
    ]
    show_table(console, ("data", "tasks", ">number", ">fitness", ">standard error"), rows)
    error = _error(measurement.standard_error)
    known_error = f", standard error of this mean {error}" if error else ""
    mean = describe_fitness(measurement.mean, measurement.metric)
    console.print(Text(f"{program}: {mean}{known_error}; {measurement.seconds:.1f} s"))
    if tuned:
        for data, text in measurement.programs.items():
            console.print(Text(f"\nwith its constants tuned on {data}:\n{text}"))


def _error(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def _as_json(program: Path, measurement: Measurement) -> dict[str, object]:
    def plain(value: float) -> float | None:
        return None if math.isnan(value) else value

    return {
        "program": str(program),
        "metric": str(measurement.metric),
        "mean": measurement.mean,
        "standard_error": plain(measurement.standard_error),
        "seconds": measurement.seconds,
        "rows": [{**row._asdict(), "standard_error": plain(row.standard_error)} for row in measurement.rows],
        "programs": measurement.programs,
    }
