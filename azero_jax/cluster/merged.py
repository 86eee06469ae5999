"""What the workers of a search amount to together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from statistics import fmean, median
from typing import Any

import numpy as np

from azero_jax.cluster.messages import Report, Started
from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.curve import Curve
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.result import Progress, WorkerProgress


class Merged:
    """Sums over the workers, and the best programs of all.

    Attributes:
      hall: the best distinct algorithms by select fitness.
      experiments: how many have begun.
      latest: the latest report of each worker that counts.
      curve: how the best fitness grew.
    """

    def __init__(self, hall_size: int, state: State | None = None) -> None:
        """Nothing yet, or what a checkpoint has; what its workers have done is then all counted as done by others."""
        self.hall = HallOfFame(hall_size)
        self.experiments = 0
        self.latest: dict[int, Report] = {}
        self._done: dict[int, tuple[int, Counters]] = {}  # by each worker: candidates, and what happened to them
        self._others = (0, Counters())  # by those that are no more
        self._record = -np.inf
        self.curve = Curve()
        self._is_all_of_first = False  # a search without workers has gone on with some
        if state is not None:
            self._restore(state)

    def begin(self, started: Started) -> None:
        """Takes note of a worker that is ready: what it has done already is its own, and no longer that of others."""
        if started.worker in self._done:
            return
        self._done[started.worker] = started.candidates, started.counters
        if self._is_all_of_first:
            return
        self._others[1].subtract(started.counters)
        self._others = self._others[0] - started.candidates, self._others[1]

    def give_up(self, worker: int) -> None:
        """Takes note that a worker is no more; what it has done stays."""
        candidates, counters = self._done.pop(worker, (0, Counters()))
        self.latest.pop(worker, None)
        self._others[1].add(counters)
        self._others = self._others[0] + candidates, self._others[1]

    def add(self, reports: Iterable[Report]) -> tuple[bool, list[dict[str, Any]]]:
        """Takes in what reports say.

        Returns:
          Whether the best select fitness has grown, and the events that are news to all.
        """
        before, reports = self.best_select_fitness, list(reports)
        for report in reports:
            self._done[report.worker] = report.candidates, report.counters
            self.experiments = max(self.experiments, report.progress.experiment)
            if report.is_complete:
                self.latest[report.worker] = report
        for report in reports:
            for canonical, finalist in report.found:
                if self.hall.admits(finalist.select_fitness, finalist.cost):
                    self.hall.add(canonical, dataclasses.replace(finalist, candidates=self.candidates()))
        events = [event for report in reports for event in self._news(report)]
        self.curve.note(self.candidates(), self._record, self.hall.best)
        return not self.best_select_fitness <= before, events

    def candidates(self) -> int:
        """Candidates of all workers."""
        return self._others[0] + sum(candidates for candidates, _ in self._done.values())

    def candidates_of_others(self) -> int:
        """Candidates of workers that are no more."""
        return self._others[0]

    def candidates_of(self, worker: int) -> int:
        """Candidates of one."""
        return self._done.get(worker, (0,))[0]  # one may die before it has begun

    def counters(self) -> Counters:
        """What happened to them."""
        total = Counters()
        for counters in (self._others[1], *(counters for _, counters in self._done.values())):
            total.add(counters)
        return total

    @property
    def best_select_fitness(self) -> float:
        """Of the hall of fame; NaN before the first trial."""
        return self.hall.best.select_fitness if self.hall.best else float("nan")

    def progress(self, seconds: float, ahead: Mapping[int, int], *, lines: bool) -> Progress | None:
        """One view of all; None before the first report.

        Args:
          seconds: of search.
          ahead: candidates of workers in the rounds that they are in.
          lines: whether to tell of each worker too.
        """
        views = {worker: report.progress for worker, report in sorted(self.latest.items())}
        if not views:
            return None
        best = max(views.values(), key=lambda view: view.best_fitness)
        surplus = sum(max(count - self._done[worker][0], 0) for worker, count in ahead.items() if worker in self._done)
        return best._replace(
            candidates=self.candidates() + surplus,
            seconds=seconds,
            mean_fitness=fmean(view.mean_fitness for view in views.values()),
            median_fitness=median(view.median_fitness for view in views.values()),
            select_fitness=self.best_select_fitness,
            experiment=self.experiments,
            restarts=sum(view.restarts for view in views.values()),
            counters=self.counters(),
            workers=tuple(self._line(worker, ahead.get(worker, 0)) for worker in views) if lines else (),
        )

    def state(self) -> State:
        """Totals in the form of `protocol.totals`, for a checkpoint."""
        return {
            **with_prefix("hall", self.hall.state()),
            **with_prefix("finished", self.counters().state()),
            "finished_candidates": np.array(self.candidates()),
            "experiments": np.array(self.experiments),
            "record": np.array(self._record),
            "curve": self.curve.rows(),
        }

    def _line(self, worker: int, ahead: int) -> WorkerProgress:
        report = self.latest[worker]
        view, candidates = report.progress, max(ahead, self._done[worker][0])
        return WorkerProgress(worker, candidates, report.seconds, view.best_fitness, view.experiment)

    def _news(self, report: Report) -> Iterable[dict[str, Any]]:
        """A worker's events that are no news only to itself."""
        for event in report.events:
            if event["event"] == "new_best":
                if not event["fitness"] > self._record:
                    continue
                self._record = event["fitness"]
            if event["event"] == "best" and not self._is_best(event):
                continue
            yield {**event, "candidates": self.candidates(), "worker": report.worker}

    def _is_best(self, event: dict[str, Any]) -> bool:
        best: Finalist | None = self.hall.best
        return best is not None and best.raw_program == event["program"]

    def _restore(self, state: State) -> None:
        self.hall.restore(without_prefix("totals.hall", state))
        self._record = float(state["totals.record"])
        self.curve = Curve(state["totals.curve"])
        self._is_all_of_first = "workers" not in state
        if self._is_all_of_first:
            self.experiments = int(state["next_number"])
            return
        self.experiments = int(state["totals.experiments"])
        counters = Counters()
        counters.restore(without_prefix("totals.finished", state))
        self._others = int(state["totals.finished_candidates"]), counters
