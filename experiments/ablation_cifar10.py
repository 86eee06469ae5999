"""The paper's evolved CIFAR-10 program without one of its ideas at a time, beside the paper's figures.

    python experiments/ablation_cifar10.py --data cifar10-jpeg.zip

For each seed (of split, projections and noise): the constants of the program are tuned on tasks of the search pairs, by
validation examples; then it and the program without each idea are trained on tasks of the unseen pairs and judged by
test images, once with the constants that were tuned for the whole program, and once with constants tuned anew. The
table gives the change in points of accuracy, the mean over seeds and its standard error.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from azero_jax.data import default_cache_dir, load_source
from azero_jax.explain.ideas import recognise
from azero_jax.explain.knockout import without_ideas
from azero_jax.explain.listing import Listing, read_listing
from azero_jax.judge.run_program import Judge
from azero_jax.judge.tune import tune_constants
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric
from azero_jax.language.text import format_program
from azero_jax.recording.environment import describe_environment
from azero_jax.tasks import Tasks
from azero_jax.tasks.classification import pair_tasks
from azero_jax.tasks.pairs import choose_tasks, split_pairs
from azero_jax.tasks.projected import prepare

PAPER: Final = {"weight averaging": -4.11, "bilinear form": -1.46, "normalisation": -1.20, "noise": -0.16}
PROGRAM: Final = "evolved_cifar10"


def tuned(listing: Listing, tasks: Tasks, trials: int, seed: int) -> Listing:
    """The program with the constants that did best on the tasks."""
    space, program = listing.space(tasks.features), listing.programs(tasks.features)
    judge = Judge(space, tasks, seed=seed, batch_size=trials)
    return read_listing(format_program(tune_constants(judge, program, trials, seed).program, 0, space))


def accuracy(listing: Listing, tasks: Tasks, seed: int) -> float:
    """In percent, the mean over the tasks."""
    return 100 * float(
        Judge(listing.space(tasks.features), tasks, seed=seed).fitness(listing.programs(tasks.features)).mean()
    )


def ablations(listing: Listing) -> dict[str, Listing]:
    """The program without each of its ideas, by name."""
    return {
        one.name: one.listing for one in without_ideas(listing, recognise(listing, Metric.ACCURACY), Metric.ACCURACY)
    }


def measure(tune: Tasks, test: Tasks, trials: int, seed: int) -> dict[str, Any]:
    """One seed's accuracies."""
    listing = tuned(read_listing(load_program(PROGRAM).text), tune, trials, seed)
    whole = accuracy(listing, test, seed)
    variants = ablations(listing)
    return {
        "seed": seed,
        "whole": whole,
        "same constants": {name: accuracy(left, test, seed) for name, left in variants.items()},
        "tuned anew": {name: accuracy(tuned(left, tune, trials, seed), test, seed) for name, left in variants.items()},
        "programs": {name: left.text() for name, left in variants.items()} if seed == 0 else {},
    }


def summary(values: NDArray[np.float64]) -> str:
    """Mean and standard error."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else float("nan")
    return f"{values.mean():+.2f} ± {error:.2f}"


@click.command(context_settings={"show_default": True})
@click.option("--data", required=True, help="CIFAR-10: a path or a name.")
@click.option("--features", default=16, type=click.IntRange(min=2), help="Numbers of a projection.")
@click.option("--seeds", default=5, type=click.IntRange(min=1), help="Seeds.")
@click.option("--trials", default=100, type=click.IntRange(min=1), help="Trials of every tuning.")
@click.option("--tune-tasks", default=8, type=click.IntRange(min=1), help="Tasks to tune on.")
@click.option("--test-tasks", default=90, type=click.IntRange(min=1), help="Tasks to judge by.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("ablation_cifar10.json"), help="Results file.")
def main(data: str, features: int, seeds: int, trials: int, tune_tasks: int, test_tasks: int, out: Path) -> None:
    """Prints the table."""
    source = load_source(data, cache_dir=default_cache_dir())
    pairs = split_pairs(len(source.class_names))
    projections = -(-test_tasks // len(pairs.unseen))
    rows = []
    for seed in range(seeds):
        start = time.perf_counter()
        projected = prepare(source, features, projections=projections, seed=seed, cache_dir=default_cache_dir())
        tune = pair_tasks(projected, choose_tasks(pairs.search, projections, tune_tasks, seed))
        test = pair_tasks(projected, choose_tasks(pairs.unseen, projections, test_tasks, seed), part="test")
        rows.append(measure(tune, test, trials, seed))
        print(f"seed {seed}: {rows[-1]['whole']:.2f} in {time.perf_counter() - start:.0f} s", flush=True)
    options = {"features": features, "trials": trials, "tune_tasks": tune_tasks, "test_tasks": test_tasks}
    about = {name: describe_environment()[name] for name in ("platform", "processors", "python", "packages")}
    out.write_text(json.dumps({"about": about, "data": source.name, **options, "seeds": rows}, indent=1) + "\n")
    whole = np.array([row["whole"] for row in rows])
    table = Table("without", "same constants", "tuned anew", "paper", title=f"whole program: {whole.mean():.2f} %")
    for name in rows[0]["same constants"]:
        changes = [np.array([row[how][name] for row in rows]) - whole for how in ("same constants", "tuned anew")]
        paper = next((f"{value:+.2f}" for key, value in PAPER.items() if name.startswith(key)), "")
        table.add_row(name, *map(summary, changes), paper)
    Console().print(table)


if __name__ == "__main__":
    main()
