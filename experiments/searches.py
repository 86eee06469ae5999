"""What the paper's experiments share: searches that are recorded, go on where they were stopped, and are a line each.

An experiment names its conditions, and says what a finished search is to tell. `command` makes the command line of it:

    python experiments/NAME.py                    # what is missing, one search after another, on one core
    python experiments/NAME.py --condition basic  # only these
    python experiments/NAME.py --report           # the table of what there is
    python experiments/NAME.py --quick            # everything, tiny, on bundled data, in a folder that is thrown away

Each search is recorded in a folder under `--runs` until it has ended, so that one that was killed goes on from its last
checkpoint; then it becomes a line of `results/NAME.jsonl`, which is not run again.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

import azero_jax as az
from azero_jax.config.leaves import override

Line = dict[str, Any]
"""One search: condition, seed, what it found and what it cost."""

FOLDER: Final = Path(__file__).parent / "results"
QUICK: Final[dict[str, Any]] = {
    "budget.max_candidates": 600,
    "budget.max_train_steps": None,
    "budget.check_every": 300,
    "budget.tune_trials": 0,
    "search.islands": 2,
    "search.population": 20,
    "search.tournament": 3,
    "search.batch": 10,
    "tasks.search_tasks": 2,
    "tasks.train_examples": 40,
    "tasks.valid_examples": 20,
    "tasks.epochs": 1,
    "tasks.select_tasks": 2,
    "tasks.select_train_examples": 40,
    "tasks.select_valid_examples": 20,
    "tasks.final_tasks": 2,
}
"""What makes every search end after a second or two."""
QUICK_DATA: Final = ("digits",)
"""What stands in a quick run for images that are not bundled."""


class Condition(NamedTuple):
    """One row of a table: what is searched, how often.

    Attributes:
      config: the search, but for its seed and its data.
      seeds: how many searches, of seeds 0, 1, ...
      data: names of the data that it needs, keys of the command line's `--data`.
      start_from: texts of programs to start from.
      candidates: searches end when they have had so many candidates together; None sets no limit.
    """

    config: az.Config
    seeds: int = 1
    data: tuple[str, ...] = ()
    start_from: tuple[str, ...] = ()
    candidates: int | None = None


class Experiment(NamedTuple):
    """A table of the paper, or of ours.

    Attributes:
      name: of the results file.
      conditions: its rows by name.
      measure: what a line says besides, of a search's configuration and result.
      table: Markdown, of the lines that there are.
      afterwards: makes something else of the lines, such as a plot; its path is that of the results, ending in .png.
    """

    name: str
    conditions: Mapping[str, Condition]
    measure: Callable[[az.Config, az.SearchResult], Line]
    table: Callable[[Sequence[Line]], str]
    afterwards: Callable[[Sequence[Line], Path], None] | None = None


def measure_nothing(config: az.Config, result: az.SearchResult) -> Line:
    """Where a line says nothing besides."""
    return {}


def read_lines(path: Path) -> list[Line]:
    """All searches that a results file has; none if there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append_line(path: Path, line: Line) -> None:
    """Adds a search to a results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def run_new(
    searches: Iterable[Line], keys: Sequence[str], run: Callable[[Line], Line], results: Path, minutes: float
) -> None:
    """Runs the searches that a results file does not have yet, told by these keys, and adds what comes of each.

    None is begun after so many minutes of this process' time.
    """
    done = {tuple(line.get(key) for key in keys) for line in read_lines(results)}
    for search in searches:
        if time.process_time() > 60 * minutes:
            break
        if tuple(search.get(key) for key in keys) not in done:
            line = run(search)
            print(json.dumps(line), flush=True)
            append_line(results, line)


def describe_machine() -> str:
    """The processor, in words."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
    return f"{platform.machine()}, {model}, one core"


def hold_to_one_core(core: int | None = None) -> None:
    """Lets this process run on one core, by default on the last one that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [sorted(os.sched_getaffinity(0))[-1] if core is None else core])


def run_search(config: az.Config, start_from: tuple[str, ...], folder: Path) -> tuple[az.SearchResult, float]:
    """A recorded search, begun or gone on with: its result, and the CPU seconds of all its sessions."""
    spent = folder.with_suffix(".cpu")
    before = float(spent.read_text()) if spent.exists() else 0.0
    start = time.process_time()

    def note(progress: az.Progress) -> None:
        spent.write_text(f"{before + time.process_time() - start:.1f}")

    folder.parent.mkdir(parents=True, exist_ok=True)
    where: dict[str, Any] = {"resume": folder} if folder.exists() else {"out": folder}
    result = az.search(config, start_from=start_from, report=note, report_seconds=10.0, say=click.echo, **where)
    return result, before + time.process_time() - start


def as_line(name: str, seed: int, result: az.SearchResult, cpu_seconds: float) -> Line:
    """What every line has."""
    counters = result.counters
    return {
        "condition": name,
        "seed": seed,
        "solved": result.solved,
        "stopped_by": result.stopped_by,
        "candidates": result.candidates,
        "run_in_full": counters.run_in_full,
        "train_steps": counters.train_steps,
        "instructions": counters.instructions,
        "pruned_instructions": counters.pruned_instructions,
        "experiments": result.experiments,
        "cpu_seconds": round(cpu_seconds, 1),
        "search_fitness": result.search_fitness,
        "select_fitness": result.select_fitness,
        "final_fitness": result.final_fitness,
        "program": result.program,
        "machine": describe_machine(),
    }


def run_missing(
    experiment: Experiment, names: Sequence[str], seeds: int | None, data: Mapping[str, str], runs: Path, results: Path
) -> None:
    """Runs what has no line yet."""
    for name in names:
        condition = experiment.conditions[name]
        for seed in range(condition.seeds if seeds is None else seeds):
            lines = [line for line in read_lines(results) if line["condition"] == name]
            enough = (
                condition.candidates is not None and sum(one["candidates"] for one in lines) >= condition.candidates
            )
            if enough or any(line["seed"] == seed for line in lines):
                continue
            config = override(condition.config, {"seed": seed})
            if condition.data:
                missing = [key for key in condition.data if key not in data]
                if missing:
                    raise click.UsageError(f"{name} needs --data {missing[0]}=PATH")
                config = override(config, {"source.data": tuple(data[key] for key in condition.data)})
            folder = runs / experiment.name / f"{name.replace(' ', '_').replace(',', '')}-{seed}"
            result, cpu_seconds = run_search(config, condition.start_from, folder)
            if result.stopped_by in ("interrupt", "terminate"):
                raise click.ClickException(f"{name}, seed {seed} was stopped; the same command goes on with it")
            line = as_line(name, seed, result, cpu_seconds) | experiment.measure(config, result)
            append_line(results, line)
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".cpu").unlink(missing_ok=True)
            click.echo(
                f"{name}, seed {seed}: {line['candidates']:,} candidates, {line['train_steps']:,} training steps,"
                f" {cpu_seconds:.0f} s of CPU, search {line['search_fitness']:.4f},"
                f" select {line['select_fitness']:.4f}, unseen {line['final_fitness']:.4f}"
            )


def quick(experiment: Experiment) -> Experiment:
    """The same with searches of a second or two."""
    conditions = {}
    for name, condition in experiment.conditions.items():
        values = dict(QUICK)
        if condition.config.search.algorithm == "random":
            values["search.population"] = 100
        conditions[name] = condition._replace(config=override(condition.config, values), seeds=1)
    return experiment._replace(conditions=conditions)


def command(experiment: Experiment, help_text: str | None) -> click.Command:
    """The command line of an experiment."""

    @click.command(help=help_text)
    @click.option(
        "--condition", "names", multiple=True, type=click.Choice(list(experiment.conditions)), help="Only these."
    )
    @click.option(
        "--seeds", type=click.IntRange(min=1), help="Searches of each condition; by default as the table has."
    )
    @click.option("--data", "sources", multiple=True, help="Where data lie, such as cifar10=cifar10.zip; repeatable.")
    @click.option("--quick", "is_quick", is_flag=True, help="Tiny searches on bundled data; nothing is kept.")
    @click.option("--report", is_flag=True, help="Run nothing.")
    @click.option("--core", type=int, help="The core that it runs on; by default the last one.")
    @click.option(
        "--runs", type=click.Path(path_type=Path), default=Path("runs/experiments"), show_default=True,
        help="Where searches are recorded until they have ended.",
    )  # fmt: skip
    @click.option(
        "--results", type=click.Path(path_type=Path), default=FOLDER / f"{experiment.name}.jsonl", show_default=False,
        help=f"The lines; by default results/{experiment.name}.jsonl beside this file.",
    )  # fmt: skip
    def main(
        names: tuple[str, ...],
        seeds: int | None,
        sources: tuple[str, ...],
        is_quick: bool,
        report: bool,
        core: int | None,
        runs: Path,
        results: Path,
    ) -> None:
        names = names or tuple(experiment.conditions)
        hold_to_one_core(core)
        if is_quick:
            with tempfile.TemporaryDirectory() as folder:
                small = quick(experiment)
                keys = {key for condition in small.conditions.values() for key in condition.data}
                digits = dict.fromkeys(keys, QUICK_DATA[0])
                path = Path(folder) / "quick.jsonl"
                run_missing(small, names, 1, digits, Path(folder) / "runs", path)
                click.echo(experiment.table(read_lines(path)))
            return
        data = dict(parse_source(source) for source in sources)
        if not report:
            run_missing(experiment, names, seeds, data, runs, results)
        lines = read_lines(results)
        click.echo(experiment.table(lines))
        if experiment.afterwards is not None and lines:
            experiment.afterwards(lines, results.with_suffix(".png"))

    return main


def parse_source(source: str) -> tuple[str, str]:
    """The key and the path of one `--data`."""
    key, equals, path = source.partition("=")
    if not equals:
        raise click.UsageError(f"--data {source!r}: say what it is, as in cifar10=cifar10.zip")
    return key, path


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])
