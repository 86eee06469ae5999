"""Does back-propagation appear, and does it generalise, as programs are tried on more teachers (paper, figure 5)?

    python experiments/teacher_tasks.py

Labels are those of two-layer nets with random weights. "learnable, D" searches with D search tasks in the space of
`search_efficiency.py` (4 features, the ops of a net), for programs that have to learn a matrix. "any, D" searches among
all programs in the paper's space (8 features, all ops, sizes 21/3/9), where with one task the weights can be written
into Setup instead of being learned. All have the same number of candidates.

What is counted, of the live instructions, by rules that were written before any result was seen:

* hidden layer: Predict takes the maximum of a vector, and the prediction depends on it;
* first layer learned: a matrix that Predict reads depends on its own past and on the label;
* second layer learned: a vector that an inner product of Predict reads does so;
* through the weights: what is added to the matrix depends on that vector otherwise than through the prediction;
* mask: it depends on a heaviside function otherwise than through the prediction.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dataflow import depends_on
from search_efficiency import TEACHER_SPACE
from searches import Condition, Experiment, Line, command, markdown

import azero_jax as az
from azero_jax.config.leaves import override
from azero_jax.explain.listing import Listing, prune, read, read_listing, written
from azero_jax.language.families import Family
from azero_jax.language.ops import MATRIX, VECTOR
from azero_jax.language.roles import Metric

CANDIDATES: Final = 3_000_000
TASKS: Final = (1, 3, 10, 32, 100)
RULES: Final = ("hidden layer", "first layer learned", "second layer learned", "through the weights", "mask")


def condition(candidates: str, tasks: int, seeds: int) -> Condition:
    """A search with so many search tasks."""
    values: dict[str, Any] = {
        **(TEACHER_SPACE if candidates == "learnable" else {}),
        "tasks.search_tasks": tasks,
        "budget.max_candidates": CANDIDATES,
        "budget.sufficient_fitness": 0.95,
    }
    return Condition(override(az.load_preset("teacher", candidates=candidates), values), seeds)


CONDITIONS: Final = {
    **{f"learnable, {tasks}": condition("learnable", tasks, 2) for tasks in TASKS},
    **{f"any, {tasks}": condition("any", tasks, 1) for tasks in (1, 10)},
}


def parts_of_a_net(listing: Listing, metric: Metric) -> dict[str, bool]:
    """Which parts of a net with back-propagation a program without dead instructions has."""
    everything = depends_on(listing)
    apart = depends_on(listing, frozenset({metric.prediction}))
    learned = {one for one, inputs in everything.items() if one in inputs and metric.label in inputs}
    rectified = {written(one) for one in listing.predict if one.op.family is Family.MAXIMUM and one.op.output == VECTOR}
    used = {register for one in listing.predict for register in read(one)}
    inner = {r for one in listing.predict if one.op.family is Family.INNER_PRODUCT for r in read(one)}
    matrices = {register for register in learned & used if register.kind == MATRIX}
    vectors = learned & inner
    masks = {written(one) for one in listing.learn if one.op.family is Family.HEAVISIDE}
    found = (
        bool(rectified & everything.get(metric.prediction, frozenset())),
        bool(matrices),
        bool(vectors),
        any(apart[matrix] & vectors for matrix in matrices),
        any(apart[matrix] & masks for matrix in matrices),
    )
    return dict(zip(RULES, found, strict=True))


def measure(config: az.Config, result: az.SearchResult) -> Line:
    """The parts of a net that a program has."""
    return dict(parts_of_a_net(prune(read_listing(result.program), result.metric), result.metric))


def table(lines: Sequence[Line]) -> str:
    """A row for each condition."""
    rows = []
    for name in CONDITIONS:
        found = [line for line in lines if line["condition"] == name]
        if found:
            counts = (f"{sum(line[rule] for line in found)} of {len(found)}" for rule in RULES)
            means = (
                f"{statistics.mean(line[f'{where}_fitness'] for line in found):.3f}"
                for where in ("search", "select", "final")
            )
            seconds = f"{statistics.mean(line['cpu_seconds'] for line in found):.0f}"
            rows.append((name, *means, *counts, seconds))
    return markdown(("candidates, search tasks", "search", "select", "unseen", *RULES, "CPU seconds"), rows)


def plot(lines: Sequence[Line], path: Path) -> None:
    """Fitness on search tasks and on unseen teachers against the number of search tasks."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5.5, 3.6))
    for color, marker, where in (("#0072B2", "o", "search"), ("#D55E00", "s", "final")):
        points = [
            (int(line["condition"].partition(", ")[2]), line[f"{where}_fitness"])
            for line in lines
            if line["condition"].startswith("learnable")
        ]
        label = "search tasks" if where == "search" else "unseen teachers"
        axis.scatter(*zip(*points, strict=True), color=color, marker=marker, label=label) if points else None
    axis.set(xscale="log", xlabel="search tasks", ylabel="mean fitness", title="two-layer teachers, learnable programs")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


EXPERIMENT: Final = Experiment("teacher_tasks", CONDITIONS, measure, table, plot)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
