"""The best program that azero_jax evolves by itself on binary CIFAR-10, and what it is worth on other data.

    python experiments/best_program.py --data cifar10=cifar10.zip
    python experiments/published_programs.py --program experiments/results/best_program.txt --only best_program
        --features 16 --data cifar10.zip --data /usr/share/datasets/fashion-mnist --out best_program.json

The first searches from random learnable programs, with the settings of the preset `cifar10` and a larger budget, or
with those of `baselines.py` for an hour ("8000 examples": its row "learnable, one hour", the same search), or from what
that search has found, with more search tasks, for 40 minutes. It writes the program with the best select fitness,
simplified by proved steps, beside its lines. The second tunes its constants and judges it exactly as the paper's
programs, the linear model and the nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from baselines import CONDITIONS as BASELINES
from searches import FOLDER, Condition, Experiment, Line, command, markdown, read_lines

import azero_jax as az
from azero_jax.config.leaves import override
from azero_jax.explain.listing import read_listing
from azero_jax.explain.simplify import simplify
from azero_jax.language.roles import Metric

_LONG: Final[dict[str, Any]] = {
    "budget.sufficient_fitness": 1.0,
    "budget.max_seconds": None,
    "budget.max_train_steps": 20_000_000_000,
    "tasks.select_train_examples": 8000,
}
_HOUR: Final = "8000 examples"
_GO_ON: Final[dict[str, Any]] = {
    "search.start_share": 0.25,
    "search.learned": (),
    "tasks.search_tasks": 24,
    "budget.max_seconds": 2400.0,
}
_FOUND: Final = tuple(
    line["program"] for line in read_lines(FOLDER / "best_program.jsonl") if line["condition"] == _HOUR
)
CONDITIONS: Final = {
    "1600 examples": Condition(override(az.load_preset("cifar10"), _LONG), 3, ("cifar10",)),
    "4000 examples": Condition(
        override(az.load_preset("cifar10"), {**_LONG, "tasks.train_examples": 4000}), 2, ("cifar10",)
    ),
    _HOUR: BASELINES["learnable, one hour"],
    "from there, 24 tasks": Condition(
        override(BASELINES["learnable, one hour"].config, _GO_ON), 1, ("cifar10",), _FOUND
    ),
}


def measure(config: az.Config, result: az.SearchResult) -> Line:
    """The program, simplified."""
    return {"simplified": simplify(read_listing(result.program), Metric.ACCURACY).text()}


def table(lines: Sequence[Line]) -> str:
    """A row for each search."""
    rows = [
        (
            line["condition"],
            str(line["seed"]),
            f"{line['candidates']:,}",
            *(f"{100 * line[f'{where}_fitness']:.2f}" for where in ("search", "select", "final")),
            str(line["simplified"].count("=")),
            f"{line['cpu_seconds']:.0f}",
        )
        for line in lines
    ]
    head = ("search", "seed", "candidates", "search, %", "select, %", "unseen, %", "instructions", "CPU seconds")
    return markdown(head, rows)


def write_best(lines: Sequence[Line], path: Path) -> None:
    """The program with the best select fitness."""
    best = max(lines, key=lambda line: line["select_fitness"])
    path.with_suffix(".txt").write_text(best["simplified"])


EXPERIMENT: Final = Experiment("best_program", CONDITIONS, measure, table, write_best)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
