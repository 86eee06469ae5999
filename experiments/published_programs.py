"""The paper's comparison on real images: evolved program, two-layer net, linear model, and optax baselines.

    python experiments/published_programs.py --data cifar10-jpeg.zip --data /usr/share/datasets/fashion-mnist

For each data set, number of features and seed: constants and hyperparameters are tuned on tasks of the search pairs
(validation examples), then each contestant is trained on tasks of the unseen pairs and judged by test images. The table
gives the mean over seeds and its standard error. One pass over 8000 training examples of each task, unless options
say otherwise.

Results are written after every step, to `--out`, each with its options; a second run with the same `--out` goes on
where the first stopped, and one without data shows the table again. Columns may have options of their own: larger
matrices cost more, so fewer trials and tasks are had for the same time, or more trials by successive halving
(`--rounds`); and pairs that every contestant tells apart are of no use for tuning (`--tune-on hardest`). In a column
all contestants have the same.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from azero_jax.data import Source, default_cache_dir, load_source
from azero_jax.engines.settings import EngineConfig
from azero_jax.judge.baseline_models import Baseline, linear_model, two_layer_net
from azero_jax.judge.baselines import evaluate_baseline, tune_baseline
from azero_jax.judge.pairs import accuracy_by_pair
from azero_jax.judge.run_program import Judge
from azero_jax.judge.tune import tune_constants
from azero_jax.language.library import load_program, program_space
from azero_jax.language.text import parse_program
from azero_jax.recording.environment import describe_environment
from azero_jax.tasks import Tasks
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.pairs import Pair, choose_tasks, split_pairs
from azero_jax.tasks.projected import Projected, prepare

PROGRAMS: Final = ("evolved_cifar10", "evolved_cifar10_as_listed", "two_layer_net", "evolved_net", "logistic_regressor")
BASELINES: Final[dict[str, Baseline]] = {"optax two-layer net": two_layer_net(), "optax logistic": linear_model()}
TUNE_ON: Final = ("random", "hardest")  # of the search pairs: a random choice, or those that are hardest to tell apart
RESULTS: Final = ("mean", "seconds", "tuning", "tuned", "pairs")  # what a cell has besides options; see `result_of`

_HARDNESS_EXAMPLES: Final = 1000  # to train on while finding out

console = Console()


class Sizes(NamedTuple):
    """How much work goes into one cell of the table."""

    trials: int
    tune_tasks: int
    test_tasks: int
    train_examples: int
    tune_examples: int
    rounds: int
    tune_on: str


class Judgement(NamedTuple):
    """A contestant on the test tasks.

    Attributes:
      accuracy: `[T]` of each task.
      tuned: what tuning chose: the constants of a program in the order of its lines, or hyperparameters by name.
      tuning: mean accuracy on the tasks to tune on.
    """

    accuracy: NDArray[np.float64]
    tuned: Any
    tuning: float


def evaluate_text(text: str, tune: Tasks, test: Tasks, sizes: Sizes, seed: int, engine: str) -> Judgement:
    """A program on the test tasks, with its constants tuned on the others."""
    space = program_space(text, tune.features)
    program = parse_program(text, space)
    runs = EngineConfig(engine=engine)
    judge = Judge(space, tune, runs, seed=seed, batch_size=sizes.trials)
    tuned = tune_constants(judge, program, sizes.trials, seed, rounds=sizes.rounds)
    accuracy = Judge(space, test, runs, seed=seed).fitness(tuned.program)[0]
    constants = tuned.program.constants[program.constants != 0]
    return Judgement(accuracy, [float(f"{value:.4g}") for value in constants], tuned.fitness)


def evaluate_tuned_baseline(name: str, tune: Tasks, test: Tasks, sizes: Sizes, seed: int) -> Judgement:
    """An optax baseline on the test tasks, with its hyperparameters tuned on the others."""
    tuned = tune_baseline(BASELINES[name], tune, trials=sizes.trials, rounds=sizes.rounds, seed=seed)
    accuracy = evaluate_baseline(BASELINES[name], test, tuned.hyperparameters, seed=seed)
    return Judgement(np.asarray(accuracy, np.float64), dataclasses.asdict(tuned.hyperparameters), tuned.fitness)


class Sets(NamedTuple):
    """Tasks of one column and seed.

    Attributes:
      tune: to tune on: search pairs, validation examples.
      test: to judge by: unseen pairs, test examples.
      test_pairs: the class pair of each test task, as text.
    """

    tune: Tasks
    test: Tasks
    test_pairs: tuple[str, ...]


def make_sets(source: Source, features: int | None, sizes: Sizes, seed: int, cache_dir: Path) -> Sets:
    """The tasks of a number of features and a seed."""
    pairs = split_pairs(len(source.class_names))
    enough = -(-max(sizes.tune_tasks, sizes.test_tasks) // len(pairs.unseen)) if features else 1
    data = prepare(source, features, projections=enough, seed=seed, cache_dir=cache_dir)
    candidates = hardest_pairs(data, pairs.search)[: sizes.tune_tasks] if sizes.tune_on == "hardest" else pairs.search
    tune = choose_tasks(candidates, enough, sizes.tune_tasks, seed)
    test = choose_tasks(pairs.unseen, enough, min(sizes.test_tasks, enough * len(pairs.unseen)), seed)
    most = 2 * data.sizes.train
    return Sets(
        pair_tasks(data, tune, train_examples=min(sizes.tune_examples, most)),
        pair_tasks(data, test, part="test", train_examples=min(sizes.train_examples, most)),
        tuple("-".join(str(class_) for class_ in choice.pair) for choice in test),
    )


def hardest_pairs(data: Projected, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The pairs, those first that logistic regression with few examples tells apart worst, by validation examples."""
    examples = min(_HARDNESS_EXAMPLES, 2 * data.sizes.train)
    text = load_program("logistic_regressor").text
    judged = accuracy_by_pair(text, data, pairs, projections=(0,), part="valid", train_examples=examples)
    return tuple(row.pair for row in sorted(judged.pairs, key=lambda row: row.mean))


def result_of(judgement: Judgement, test_pairs: tuple[str, ...], seconds: float) -> dict[str, Any]:
    """What a cell says of a contestant: the mean, what was tuned, and the mean of each pair."""
    by_pair = {
        pair: round(float(judgement.accuracy[[other == pair for other in test_pairs]].mean()), 4)
        for pair in dict.fromkeys(test_pairs)
    }
    return {
        "mean": float(judgement.accuracy.mean()),
        "seconds": round(seconds, 1),
        "tuning": round(judgement.tuning, 4),
        "tuned": judgement.tuned,
        "pairs": by_pair,
    }


def show_table(cells: list[dict[str, Any]]) -> None:
    """Prints mean and standard error over seeds, one row a contestant, and the options of each column."""

    def column_of(cell: dict[str, Any]) -> tuple[Any, ...]:
        return (cell["data"], cell["features"], *(cell[name] for name in Sizes._fields))

    columns = list(dict.fromkeys(column_of(cell) for cell in cells))
    table = Table("accuracy on unseen pairs, %", *(f"{data}, F = {features}" for data, features, *_ in columns))
    for contestant in dict.fromkeys(cell["contestant"] for cell in cells):
        row = []
        for column in columns:
            means = [
                100 * cell["mean"] for cell in cells if column_of(cell) == column and cell["contestant"] == contestant
            ]
            error = f" ± {np.std(means, ddof=1) / np.sqrt(len(means)):.2f}" if len(means) > 1 else ""
            row.append(f"{np.mean(means):.2f}{error} ({len(means)})" if means else "")
        table.add_row(contestant, *row)
    console.print(table)
    console.print("Mean ± standard error over seeds (number of seeds).")
    for data, features, *sizes in columns:
        options = ", ".join(f"{name} {value}" for name, value in zip(Sizes._fields, sizes, strict=True))
        console.print(f"{data}, F = {features}: {options}")


def about() -> dict[str, Any]:
    """What the numbers depend on besides the options."""
    environment = describe_environment()
    return {name: environment[name] for name in ("platform", "processors", "python", "packages")}


def load(path: Path) -> list[dict[str, Any]]:
    """The cells that a results file has; none if there is no such file."""
    cells: list[dict[str, Any]] = json.loads(path.read_text())["cells"] if path.exists() else []
    return cells


def save(path: Path, cells: list[dict[str, Any]]) -> None:
    """Writes all results, in one step."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"about": about(), "cells": cells}, indent=1) + "\n")
    os.replace(temporary, path)


@click.command(context_settings={"show_default": True})
@click.option("--data", "paths", multiple=True, help="Data set: a path or a name; may be repeated.")
@click.option("--features", default="16,256", help="Numbers of features, or `full` for no projection.")
@click.option("--seeds", default=5, type=click.IntRange(min=1), help="Seeds: split, projections, tuning, noise.")
@click.option("--trials", default=100, type=click.IntRange(min=1), help="Trials of every tuning.")
@click.option("--tune-tasks", default=8, type=click.IntRange(min=1), help="Tasks to tune on, of the search pairs.")
@click.option("--test-tasks", default=90, type=click.IntRange(min=1), help="Tasks to judge by, of the unseen pairs.")
@click.option("--train-examples", default=8000, type=click.IntRange(min=10), help="Training examples of a task.")
@click.option("--tune-examples", default=8000, type=click.IntRange(min=10), help="Training examples while tuning.")
@click.option("--rounds", default=1, type=click.IntRange(min=1), help="Rounds of successive halving while tuning.")
@click.option("--tune-on", default="random", type=click.Choice(TUNE_ON), help="Which search pairs to tune on.")
@click.option("--only", default="", help="Comma-separated names of the contestants; all if empty.")
@click.option(
    "--program", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with another program, which is called by its name; may be repeated.",
)  # fmt: skip
@click.option("--engine", default="auto", help="auto, warp or xla.")
@click.option("--cache-dir", type=click.Path(path_type=Path), default=None, help="Cache folder; else the user's.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("published_programs.json"), help="Results file.")
def main(
    paths: tuple[str, ...],
    features: str,
    seeds: int,
    trials: int,
    tune_tasks: int,
    test_tasks: int,
    train_examples: int,
    tune_examples: int,
    rounds: int,
    tune_on: str,
    only: str,
    files: tuple[Path, ...],
    engine: str,
    cache_dir: Path | None,
    out: Path,
) -> None:
    """Prints the table of published programs on projected images."""
    cache_dir = cache_dir or default_cache_dir()
    sizes = Sizes(trials, tune_tasks, test_tasks, train_examples, tune_examples, rounds, tune_on)
    others = {file.stem: file.read_text() for file in files}
    contestants = tuple(name.strip() for name in only.split(",")) if only else (*others, *PROGRAMS, *BASELINES)
    cells = load(out)
    known = [{name: value for name, value in cell.items() if name not in RESULTS} for cell in cells]
    try:
        for path in paths:
            source = load_source(path, cache_dir=cache_dir)
            for seed in range(seeds):
                for width in features.split(","):
                    column = {"data": source.name, "features": width, **sizes._asdict(), "seed": seed}
                    todo = [name for name in contestants if {**column, "contestant": name} not in known]
                    if not todo:
                        continue
                    wanted = None if width == "full" else int(width)
                    sets = make_sets(source, wanted, sizes, seed, cache_dir)
                    for contestant in todo:
                        start = time.perf_counter()
                        if contestant in BASELINES:
                            judgement = evaluate_tuned_baseline(contestant, sets.tune, sets.test, sizes, seed)
                        else:
                            text = others.get(contestant) or load_program(contestant).text
                            judgement = evaluate_text(text, sets.tune, sets.test, sizes, seed, engine)
                        result = result_of(judgement, sets.test_pairs, time.perf_counter() - start)
                        cells.append({**column, "contestant": contestant, **result})
                        save(out, cells)
                        console.print(
                            f"{source.name}, F = {width}, seed {seed}, {contestant}: {result['mean']:.4f}"
                            f" in {result['seconds']:.0f} s"
                        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    show_table(cells)


if __name__ == "__main__":
    main()
