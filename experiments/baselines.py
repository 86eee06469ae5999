"""One process of the paper's baseline search on projected binary CIFAR-10, 100 billion training steps (section S5).

    python experiments/baselines.py --data cifar10=cifar10.zip --data fashion=/usr/share/datasets/fashion-mnist

"basic" is plain regularized evolution, "full" has functional equivalence checking, hurdles and half of its tasks from
Fashion-MNIST (its migration needs several processes), "learnable" is what azero_jax does today: 16 islands of programs
that can learn, niches, the canonical cache. All have the same space, tasks and number of training steps; the settings
are those of `speedups.py`. The paper's figures are means over 100 repeats of the accuracy of the best program on 100
tasks. Whoever has less time than the 100 billion steps take runs the conditions that end after one hour by the wall
clock, such as `--condition "basic, one hour"`, on a core with nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, Final

from searches import Condition, Experiment, Line, command, markdown
from speedups import CACHE, CONSTANTS, FEC, HURDLES, ISLANDS, LEARNABLE, NICHES, measure, searches_of, summary

STEPS: Final = 100_000_000_000
PAPER: Final = {"basic": "67.1", "full": "68.4"}
OURS: Final = {**FEC, **HURDLES, **CACHE, **CONSTANTS, **ISLANDS, **LEARNABLE, **NICHES}
_ROWS: Final[dict[str, tuple[dict[str, Any], tuple[str, ...]]]] = {
    "basic": ({}, ("cifar10",)),
    "full": ({**FEC, **HURDLES}, ("cifar10", "fashion")),
    "learnable": (OURS, ("cifar10",)),
}
CONDITIONS: Final = {
    **{name: Condition(searches_of(values, STEPS), 1, data) for name, (values, data) in _ROWS.items()},
    **{
        f"{name}, one hour": Condition(searches_of(values | {"budget.max_seconds": 3600.0}, STEPS), 1, data)
        for name, (values, data) in _ROWS.items()
    },
}


def table(lines: Sequence[Line]) -> str:
    """A row for each condition, means over seeds."""
    rows = []
    for name in CONDITIONS:
        found = [line for line in lines if line["condition"] == name]
        if found:
            cells = (
                str(len(found)),
                f"{statistics.mean(line['train_steps'] for line in found) / 1e9:.0f}",
                f"{statistics.mean(line['candidates'] for line in found):,.0f}",
                summary([line["select_fitness"] for line in found]),
                summary([line["unseen_cifar10"] for line in found]),
                PAPER.get(name, ""),
                f"{statistics.mean(line['cpu_seconds'] for line in found) / 3600:.2f}",
            )
            rows.append((name, *cells))
    head = ("condition", "searches", "training steps, 10^9", "candidates", "select, %", "unseen CIFAR-10 pairs, %")
    return markdown((*head, "paper, %", "CPU hours"), rows)


EXPERIMENT: Final = Experiment("baselines", CONDITIONS, measure, table)
main = command(EXPERIMENT, __doc__)

if __name__ == "__main__":
    main()
