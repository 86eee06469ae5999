"""What `python -m azero_jax.evaluate` does: train a program on each task, and judge it."""

import json
import math
from pathlib import Path

from rich.text import Text

from azero_jax.config.leaves import override
from azero_jax.config.tree import Config
from azero_jax.data import default_cache_dir
from azero_jax.judge.comparison import describe_fitness
from azero_jax.judge.measure import Measurement, measure_program
from azero_jax.language.text import prediction_note
from azero_jax.process.progress import spoken
from azero_jax.process.streams import stdout_kept_free
from azero_jax.tasks.load import natural_kind
from azero_jax.tasks.settings import DATA_KINDS
from azero_jax.terminal.display import plain_console, show_table
from azero_jax.terminal.options import given_settings
from azero_jax.terminal.shell import names_of_data, read_program


def run_evaluate(
    *, defaults: Config, program: Path, pairs: str | None, tune: int, as_json: bool, quiet: bool, **words: str | None
) -> int:
    """Measures the program, with `words` in place of the default settings; returns the exit code."""
    (config, asked), judged = _config(defaults, words), _pairs(pairs)
    read = read_program(program)
    errors = plain_console(to_stderr=True)
    with stdout_kept_free(as_json):
        measurement = measure_program(
            read.text,
            config,
            pairs=judged,
            trials=tune,
            asked=asked,
            cache_dir=default_cache_dir(),
            progress=spoken(lambda line: None if quiet else errors.print(Text(line), style="dim")),
        )
    if not quiet and (note := prediction_note(read.parsed, measurement.metric)):
        errors.print(Text(f"note: {note}"), style="yellow")
    if as_json:
        print(json.dumps(_as_json(program, measurement)), flush=True)
    else:
        _show(program, measurement, tuned=tune > 0)
    return 0


def _config(defaults: Config, words: dict[str, str | None]) -> tuple[Config, list[str]]:
    """The settings, and the names of those that somebody asked for."""
    given = given_settings(words)
    data = names_of_data(given["source.data"]) if "source.data" in given else ()
    given["source.data"] = data
    kind = given.setdefault("tasks.kind", natural_kind(data[0]) if data else "pairs")
    if kind not in DATA_KINDS:
        raise ValueError(f"kind is {kind!r}; allowed here: {', '.join(DATA_KINDS)}")
    if kind == "table":
        given.setdefault("tasks.features", None)
    given["tasks.select_train_examples"] = given.get("tasks.train_examples")  # of all tasks here
    return override(defaults, given), [path.rpartition(".")[2] for path in given]


def _pairs(words: str | None) -> tuple[str, ...]:
    """The pairs that were named; none where none were asked for."""
    pairs = tuple(pair for pair in (words or "").split(",") if pair.strip())
    if words is not None and not pairs:
        raise ValueError(f"--pairs: {words!r} names no class pair; name some, such as 0-5,3-8")
    return pairs


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
