"""Presets with four workers that exchange programs, and with four that do not: candidates to a solution.

    python experiments/exchange.py                   # what is missing, one search after another
    python experiments/exchange.py --minutes 10      # no new search after so many minutes of processor time
    python experiments/exchange.py --report          # a table of what there is

The workers take turns in this process. Their rounds are synchronous, so they find what workers in processes of their
own find. Every search is one line of `results/exchange.jsonl`; what is there is not run again. Every condition has the
same seeds.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from searches import read_lines, run_new

import azero_jax as az
from azero_jax.cluster.coordinator import Coordinator
from azero_jax.cluster.messages import Answer, Job, Numbers, Order
from azero_jax.cluster.worker import Worker
from azero_jax.config.leaves import override
from azero_jax.config.tree import Config
from azero_jax.process.state import State
from azero_jax.protocol.finish import Measured
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.signals import StopSignals
from azero_jax.tasks.sets import GeneratedTasks

RESULTS: Final = Path(__file__).parent / "results" / "exchange.jsonl"
WORKERS: Final = 4
SEEDS: Final = range(9000, 9010)
MIGRANTS: Final = (0, 50)  # of each worker, after every round
MOST_CANDIDATES: Final = {"linear": 600_000, "affine": 2_000_000}  # of the presets as they are


class TakingTurns:
    """Workers in this process, one round each in turn; a `Crew`."""

    def __init__(self, config: Config) -> None:
        """Without workers yet."""
        self._job, self._tasks = Job(config, (), True), GeneratedTasks(config.tasks)
        self._workers: dict[int, Worker] = {}
        self._orders: deque[tuple[int, Order]] = deque()
        self._started: list[Answer] = []

    def start(self, worker: int, numbers: Numbers, state: State | None) -> None:
        """See `Crew`."""
        self._workers[worker] = Worker(worker, self._job, self._tasks, numbers, state)
        self._started.append(self._workers[worker].started())

    def order(self, worker: int, order: Order) -> None:
        """See `Crew`."""
        self._orders.append((worker, order))

    def wait(self, seconds: float) -> list[Answer]:
        """See `Crew`."""
        del seconds
        if self._started:
            started, self._started = self._started, []
            return started
        worker, order = self._orders.popleft()
        return [self._workers[worker].round(order)]

    def candidates(self) -> dict[int, int]:
        """See `Crew`."""
        return {}

    def stop(self) -> None:
        """See `Crew`."""

    def finish(self, hall: HallOfFame, stop: StopSignals, *, tune: bool, is_urgent: bool) -> Measured | None:
        """See `Crew`; nothing is measured."""
        del hall, stop, tune, is_urgent
        return None


def searches() -> Iterator[dict[str, Any]]:
    """All searches, a seed of each first."""
    for seed in SEEDS:
        for preset in MOST_CANDIDATES:
            for migrants in MIGRANTS:
                yield {"preset": preset, "migrants": migrants, "seed": seed}


def run(search: dict[str, Any]) -> dict[str, Any]:
    """One search's line."""
    settings = {
        "seed": search["seed"],
        "cluster.workers": WORKERS,
        "cluster.migrants": search["migrants"],
        "budget.max_candidates": MOST_CANDIDATES[search["preset"]],
    }
    config, before = override(az.load_preset(search["preset"]), settings), time.process_time()
    coordinator = Coordinator(config, TakingTurns(config), None, lambda line: None, lambda line: None)
    coordinator.await_start()
    ending = coordinator.search(StopSignals(), lambda progress: None, 60.0)  # the signals themselves end this process
    return {
        **search,
        "solved": ending.reason == "sufficient_fitness",
        "candidates": coordinator.merged.candidates(),
        "processor_seconds": round(time.process_time() - before, 1),
    }


def report() -> None:
    """A line a condition."""
    for preset in MOST_CANDIDATES:
        for migrants in MIGRANTS:
            some = [line for line in read_lines(RESULTS) if (line["preset"], line["migrants"]) == (preset, migrants)]
            if some:
                counts = [line["candidates"] for line in some]
                solved = f"{sum(line['solved'] for line in some)} of {len(some)} solved"
                mean, median = statistics.mean(counts), statistics.median(counts)
                print(
                    f"{preset}, {migrants} migrants: {solved}, {mean:,.0f} candidates on average, median {median:,.0f}"
                )


@click.command(help=__doc__)
@click.option("--minutes", default=1e9, help="Begin no search after so many minutes of processor time.")
@click.option("--report", "only_report", is_flag=True, help="Only show what there is.")
def main(minutes: float, only_report: bool) -> None:
    """Runs what is missing."""
    if not only_report:
        run_new(searches(), ("preset", "migrants", "seed"), run, RESULTS, minutes)
    report()


if __name__ == "__main__":
    main()
