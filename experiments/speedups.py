"""What each measure against waste brings on projected binary CIFAR-10, at equal training steps (paper, table S2).

    python experiments/speedups.py --data cifar10=cifar10.zip --data fashion=/usr/share/datasets/fashion-mnist

Class pairs of images, 16 features, the baseline space of the paper's section S5 (addresses 5/9/2, sizes up to
7/11/23), 10 search tasks of 8000 + 1000 examples, one population of 100, tournaments of 10, empty initial programs.
Each condition adds one thing to the one before. What was found is judged by test images of unseen CIFAR-10 pairs,
also where half of the search tasks are Fashion-MNIST. Migration needs several populations: it is measured apart,
among four that share the training steps, beside four that keep to themselves. Training steps are examples that a
program was trained on, over all tasks, probes and hurdles included.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence
from typing import Any, Final

from searches import Condition, Experiment, Line, command, markdown

import azero_jax as az
from azero_jax.config.leaves import override
from azero_jax.data import default_cache_dir
from azero_jax.judge.run_program import judge_program
from azero_jax.tasks import Tasks
from azero_jax.tasks.load import load_task_sets

STEPS: Final = 4_000_000_000
BASIC: Final[dict[str, Any]] = {
    "search.islands": 1,
    "search.population": 100,
    "search.tournament": 10,
    "search.batch": 10,
    "search.initial": "empty",
    "evaluator.cache_size": 0,
    "evaluator.canonical": False,
    "evaluator.fec_size": 0,
    "evaluator.constants": False,
    "evaluator.hurdle_examples": (),
    "tasks.search_tasks": 10,
    "tasks.train_examples": 8000,
    "tasks.valid_examples": 1000,
    "tasks.select_tasks": 45,
    "tasks.select_train_examples": 8000,
    "tasks.select_valid_examples": 1000,
    "tasks.final_tasks": 45,
    "source.projections": 10,
    "budget.sufficient_fitness": 1.0,
    "budget.max_seconds": None,
    "budget.check_every": 5000,
}
FEC: Final[dict[str, Any]] = {"evaluator.fec_size": 100_000}
HURDLES: Final[dict[str, Any]] = {"evaluator.hurdle_examples": (0.2,), "evaluator.hurdle_percentile": 75.0}
CACHE: Final[dict[str, Any]] = {"evaluator.cache_size": 200_000, "evaluator.canonical": True}
CONSTANTS: Final[dict[str, Any]] = {"evaluator.constants": True}
FOUR: Final[dict[str, Any]] = {"search.islands": 4}
MIGRATION: Final[dict[str, Any]] = {**FOUR, "search.migration_every": 1000}  # of each: ten times the population
ISLANDS: Final[dict[str, Any]] = {"search.islands": 16, "search.batch": 5}
LEARNABLE: Final[dict[str, Any]] = {
    name: getattr(az.load_preset("cifar10").search, name.removeprefix("search."))
    for name in ("search.candidates", "search.initial", "search.mutations", "search.mutation_probability")
}
NICHES: Final[dict[str, Any]] = {
    **{f"search.{name}": getattr(az.load_preset("cifar10").search, name) for name in ("population", "tournament")},
    "search.batch": az.load_preset("cifar10").search.batch,
    "search.learned": ("any", "m"),
}


def searches_of(values: dict[str, Any], steps: int = STEPS) -> az.Config:
    """The basic search with other settings, of so many training steps."""
    preset = az.load_preset("cifar10", candidates="any")
    return override(preset, {**BASIC, "budget.max_train_steps": steps, **values})


def conditions(steps: int, seeds: int) -> dict[str, Condition]:
    """The rows, each with one thing more than the one before."""
    added: dict[str, dict[str, Any]] = {
        "basic": {},
        "+ functional equivalence cache": FEC,
        "+ half Fashion-MNIST": {},
        "+ hurdles": HURDLES,
        "+ canonical cache": CACHE,
        "+ constant predictors": CONSTANTS,
        "+ 16 islands": ISLANDS,
        "+ learnable programs": LEARNABLE,
        "+ niches, larger populations": NICHES,
    }
    rows, values, data = {}, {}, ("cifar10",)
    for name, change in added.items():
        values = values | change
        if name == "+ half Fashion-MNIST":
            data = ("cifar10", "fashion")
        elif name == "+ canonical cache":
            data = ("cifar10",)  # from here on what the paper does not have, on CIFAR-10 alone
        rows[name] = Condition(searches_of(values, steps), seeds, data)
    for name, change in (("basic, 4 islands", FOUR), ("basic, 4 islands, + migration", MIGRATION)):
        rows[name] = Condition(searches_of(change, steps), seeds, ("cifar10",))
    return rows


@functools.cache
def unseen_tasks(source: az.SourceConfig, tasks: az.TaskConfig) -> Tasks:
    """Tasks of unseen pairs, judged by test images."""
    return load_task_sets(tasks, source, cache_dir=default_cache_dir()).final(0)


def measure(config: az.Config, result: az.SearchResult) -> Line:
    """The accuracy on unseen pairs of the first data set, CIFAR-10, after one pass over 8000 examples of each."""
    source = override(config, {"source.data": config.source.data[:1]}).source
    fitness = judge_program(result.program, unseen_tasks(source, config.tasks), epochs=config.tasks.epochs)
    return {"unseen_cifar10": float(fitness.mean())}


def summary(values: Sequence[float]) -> str:
    """The mean in percent, and the range where there are several."""
    mean = f"{100 * statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def table(lines: Sequence[Line]) -> str:
    """A row for each condition, means over seeds."""
    rows = []
    for name in dict.fromkeys(line["condition"] for line in lines):
        found = [line for line in lines if line["condition"] == name]
        steps = statistics.mean(line["train_steps"] for line in found)
        pruned = statistics.mean(line["pruned_instructions"] / max(line["instructions"], 1) for line in found)
        cells = (
            str(len(found)),
            f"{steps / 1e9:.1f}",
            f"{statistics.mean(line['candidates'] for line in found):,.0f}",
            f"{statistics.mean(line['run_in_full'] for line in found):,.0f}",
            f"{100 * pruned:.0f}",
            summary([line["select_fitness"] for line in found]),
            summary([line["unseen_cifar10"] for line in found]),
            f"{statistics.mean(line['cpu_seconds'] for line in found):,.0f}",
        )
        rows.append((name, *cells))
    head = ("condition", "searches", "training steps, 10^9", "candidates", "run in full", "% of instructions pruned")
    return markdown((*head, "select, %", "unseen CIFAR-10 pairs, %", "CPU seconds"), rows)


EXPERIMENT: Final = Experiment("speedups", conditions(STEPS, seeds=2), measure, table)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
