"""The coordinator of a search with workers: it keeps the pool, the hall of fame, the totals, the budget and the clock.

It evaluates nothing itself. What it keeps lies in the run directory, from which the search goes on with as many workers
as there are then. Programs that are on their way from worker to worker are not kept: they migrate anew from then on.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from azero_jax.cluster.crew import Crew
from azero_jax.cluster.dealing import deal_numbers, deal_states
from azero_jax.cluster.merged import Merged
from azero_jax.cluster.messages import Answer, Death, NoPlace, Order, Report, Started
from azero_jax.cluster.pool import Pool
from azero_jax.cluster.rounds import Rounds
from azero_jax.cluster.snapshots import Snapshots
from azero_jax.config.tree import Config
from azero_jax.process.state import State, without_prefix
from azero_jax.protocol.budget import Budget
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.result import Progress
from azero_jax.protocol.signals import STOP_SIGNALS, StoppedAtOnceError, StopSignals
from azero_jax.protocol.worker_states import workers_state
from azero_jax.recording.run_directory import RunDirectory

_POLL_SECONDS: Final = 0.2  # between two looks at the clock
_HALL_SECONDS: Final = 1.0  # between two times that the hall of fame is written
_LAST_REPORTS_SECONDS: Final = 1.2  # that stopped workers have to say how far they have come
_FIRST_CHECKPOINT_SECONDS: Final = 1.0
_MOST_DEATHS: Final = 10  # of a worker, one after the other, without a round in between


class Ending(NamedTuple):
    """How the workers' search ended.

    Attributes:
      reason: as in `SearchResult.stopped_by`.
      seconds: of search.
      is_urgent: whether somebody waits for the end.
    """

    reason: str
    seconds: float
    is_urgent: bool


class Coordinator:
    """One search with workers.

    Attributes:
      merged: what they amount to.
      events: of a search that is not recorded, those that a lineage is made of.
    """

    def __init__(
        self,
        config: Config,
        crew: Crew,
        directory: RunDirectory | None,
        say: Callable[[str], None],
        warn: Callable[[str], None],
        state: State | None = None,
        hall: Sequence[tuple[str, Finalist]] = (),
    ) -> None:
        """Starts the workers, which go on from a checkpoint, if there is one.

        Args:
          config: everything that decides the search.
          crew: runs the workers.
          directory: where to record the run, which has begun; None for nowhere.
          say: is told what is going on.
          warn: is told of trouble that does not end the search.
          state: of a checkpoint, by whatever number of workers; None starts afresh.
          hall: algorithms, with canonical texts, that were recorded later than that.
        """
        self._config, self._crew, self._directory, self._say, self._warn = config, crew, directory, say, warn
        self._rounds = Rounds(range(config.cluster.workers), asynchronous=config.cluster.asynchronous)
        self._pool = Pool(config.search.topology, config.seed)
        self._aims = dict.fromkeys(self._rounds.workers, 0)
        self._deaths = dict.fromkeys(self._rounds.workers, 0)
        self.merged = Merged(config.output.hall_of_fame, state)
        self.events: list[dict[str, Any]] = []
        for canonical, finalist in hall:
            self.merged.hall.add(canonical, finalist)
        self._hall_is_new = True
        self._spent = None if state is None else without_prefix("budget", state)
        states = deal_states(state, config.cluster.workers, mixed=config.cluster.mixed)
        self._numbers, self._snapshots = deal_numbers(states, self.merged.experiments), Snapshots(states)
        for worker in self._rounds.workers:
            crew.start(worker, self._numbers[worker], self._snapshots.state(worker))

    def await_start(self) -> Started:
        """Waits until all workers are ready, and says so; returns what the first one said.

        Raises:
          ValueError: a worker refuses, or finds no place.
        """
        ready: dict[int, Started] = {}
        while len(ready) < len(self._rounds.workers):
            for answer in self._crew.wait(_POLL_SECONDS):
                if isinstance(answer, Started):
                    ready[answer.worker] = answer
                    self.merged.begin(answer)
                    self._aims[answer.worker] = answer.candidates
                    if self._config.cluster.worker_lines:
                        self._say(
                            f"worker {answer.worker} is {answer.place}, engine {answer.engine} on {answer.device}"
                        )
                elif isinstance(answer, NoPlace):
                    raise ValueError(f"worker {answer.worker} cannot be started: {answer.why}")
                elif isinstance(answer, Death):
                    self._replace(answer)
        return ready[self._rounds.workers[0]]

    def search(self, stop: StopSignals, report: Callable[[Progress], None], report_seconds: float) -> Ending:
        """Gives out rounds until there is a reason to stop; see `SearchLoop.run`."""
        self._budget = Budget(self._config.budget, self._config.output.report_every, self._spent)
        if self._spent is not None:
            self._say(f"going on from {self.merged.candidates():,} candidates, {self._budget.seconds():.1f} s")
        next_display, next_hall, reason = 0.0, 0.0, ""
        self._plan_checkpoint()
        self._give_out()
        while not reason:
            for answer in self._crew.wait(min(_POLL_SECONDS, max(self._budget.seconds_left(), 0.0))):
                self._take(answer)
            while not reason and (reports := self._rounds.take()):
                reason = self._count(reports)
            reason = reason or self._reason_to_stop() or stop.reason
            now = self._budget.seconds()
            if now >= next_hall:
                self._write_hall()
                next_hall = now + _HALL_SECONDS
            if now >= next_display and not reason:
                self._report(report, stop)
                next_display = now + report_seconds
        is_urgent = reason == "max_seconds" or reason in STOP_SIGNALS.values()
        if reason in STOP_SIGNALS.values():
            self._say("stopping, as asked (the same signal again stops at once)")
        self._crew.stop()
        is_known = self._rounds.are_over
        if is_urgent or len(self.merged.hall) == 0:
            is_known = self._take_last_reports()
        if is_known:
            self._write_checkpoint()
        self._write_hall()
        self._write_metrics()
        self._report(report, stop)
        return Ending(reason, self._budget.seconds(), is_urgent)

    def _give_out(self) -> None:
        """Gives rounds to all workers that have room for one; when no candidates are left, to each a last one."""
        if self._budget.seconds() >= self._next_checkpoint:
            self._snapshots.ask()
        migrants, sizes = self._config.cluster.migrants, dict[int, int]()
        for worker, number in list(self._rounds.due()):
            if number not in sizes:
                sizes[number] = self._round_size()
            if sizes[number] > 0:
                self._aims[worker] += sizes[number]
                immigrants = self._pool.take(worker, self._rounds.workers, number)
                with_state = self._snapshots.is_asked(worker)
                self._give(worker, Order(number, self._aims[worker], False, migrants, immigrants, with_state))
            elif not self._rounds.is_closed(worker):
                self._give_last(worker)

    def _give_last(self, worker: int) -> None:
        self._give(worker, Order(self._rounds.next_number(worker), self._aims[worker], True, 0, None, with_state=True))

    def _give(self, worker: int, order: Order) -> None:
        self._rounds.note_order(worker, order)
        self._crew.order(worker, order)

    def _round_size(self) -> int:
        """Candidates of each worker in the next round; 0 or less if no more are wanted."""
        done = sum(self._aims.values()) // len(self._rounds.workers)
        size, left = self._config.cluster.round_size(self._config.budget.check_every, done), self._left()
        return min(size, math.ceil(left / len(self._rounds.workers))) if left < math.inf else size

    def _left(self) -> float:
        """Candidates that nobody has been told to make yet."""
        most = self._config.budget.max_candidates
        return math.inf if most is None else most - self.merged.candidates_of_others() - sum(self._aims.values())

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Report):
            self._deaths[answer.worker] = 0
            self._rounds.add(answer)
        elif isinstance(answer, Death):
            self._replace(answer)
        elif isinstance(answer, NoPlace):
            self._give_up(answer.worker, answer.why)
        else:
            self._say(f"worker {answer.worker} goes on as {answer.place}")

    def _count(self, reports: list[Report]) -> str:
        """Takes in the reports that count now, and gives out what is next; returns a reason to stop, or ""."""
        self._merge(reports)
        for report in reports:
            # A step is done whole, and the first one makes the populations: a worker may be well past its aim.
            self._aims[report.worker] = max(self._aims[report.worker], report.candidates)
            if report.emigrants is not None:
                self._pool.put(report.worker, report.emigrants)
        if self._budget.report_is_due(self.merged.candidates()):
            self._write_metrics()
        is_known = [self._snapshots.take(report) for report in reports]
        for report in reports:
            if report.state is not None:
                self._rounds.forget_counted(report.worker)
                self._numbers[report.worker] = self._numbers[report.worker]._replace(next_number=None)  # the state's
        if any(is_known):
            self._write_checkpoint()
        reason = self._reason_to_stop()
        if not reason:
            self._give_out()
        return reason

    def _reason_to_stop(self) -> str:
        """A reason in what has counted, or ""; enough candidates are one when all have tried their leaders too."""
        train_steps = self.merged.counters().train_steps
        reason = self._budget.reason_to_stop(self.merged.candidates(), train_steps, self.merged.best_select_fitness)
        if reason == "max_candidates" and not self._rounds.are_over:
            return "max_seconds" if self._budget.seconds_left() <= 0 else ""
        return reason

    def _merge(self, reports: Sequence[Report]) -> None:
        """Adds what reports say to what all amount to, and tells of what is new."""
        has_gained, events = self.merged.add(reports)
        self._hall_is_new |= any(report.found for report in reports)
        if has_gained:
            self._budget.note_gain(self.merged.candidates())
        for event in events:
            event |= {"seconds": self._budget.seconds()}
            if self._directory is not None:
                self._directory.add_event(event)
            elif event["event"] in ("ancestor", "best"):  # of which a lineage is made
                self.events.append(event)

    def _replace(self, death: Death) -> None:
        """Starts another worker in a dead one's place, which does again what is not in its latest known state."""
        worker = death.worker
        self._deaths[worker] += 1
        if self._deaths[worker] > _MOST_DEATHS:
            self._give_up(worker, f"it died {self._deaths[worker]} times in a row, the last time because {death.why}")
            return
        state, again = self._snapshots.state(worker), self._rounds.again(worker)
        where = "its last checkpoint" if state is not None else "its beginning"
        self._warn(
            f"worker {worker} died ({death.why}); another one goes on from {where}; of the hall of fame nothing is lost"
        )
        self._crew.start(worker, self._numbers[worker], state)
        if self._config.cluster.asynchronous:
            self._snapshots.ask_again(worker)
            self._aims[worker] = self.merged.candidates_of(worker)
        for order in again:
            self._crew.order(worker, order)
        if self._rounds.is_under_way:
            self._give_out()

    def _give_up(self, worker: int, why: str) -> None:
        """Goes on without a worker; the others do what it would still have done.

        Raises:
          ValueError: it was the last one.
        """
        self._rounds.give_up(worker)
        if not self._rounds.workers:
            raise ValueError(f"worker {worker} is given up: {why}; there is no other, so the search ends")
        self._warn(f"worker {worker} is given up: {why}; {len(self._rounds.workers)} go on")
        self.merged.give_up(worker)
        self._snapshots.give_up(worker)
        del self._aims[worker]
        self._pool.remove(worker)
        if self._rounds.is_under_way:
            self._give_out()

    def _take_last_reports(self) -> bool:
        """Takes in what the workers have done when they were stopped, as far as they say so in time.

        Returns:
          Whether all have said where they stand: not those whose last step was given up.
        """
        for worker in self._rounds.workers:
            if not self._rounds.is_closed(worker):
                self._give_last(worker)
        orders, reports = self._rounds.outstanding(), self._rounds.rest()
        waited = {(worker, order.round) for worker, order in orders} - {(one.worker, one.round) for one in reports}
        end = time.monotonic() + _LAST_REPORTS_SECONDS
        has_some = len(self.merged.hall) > 0  # or it waits for the first
        while waited and (time.monotonic() < end or not (has_some or any(report.found for report in reports))):
            for answer in self._crew.wait(_POLL_SECONDS):
                if isinstance(answer, Report) and (answer.worker, answer.round) in waited:
                    waited.discard((answer.worker, answer.round))
                    reports.append(answer)
                elif isinstance(answer, Death | NoPlace):
                    waited = {(worker, number) for worker, number in waited if worker != answer.worker}
        reports.sort(key=lambda report: (report.round, report.worker))
        self._merge(reports)
        if len(self.merged.hall) == 0:
            raise ValueError("the search was stopped before a program could be tried; there is no result")
        for report in reports:
            self._snapshots.take(report)
        told = {(report.worker, report.round) for report in reports if report.state is not None}
        return all((worker, order.round) in told for worker, order in orders if order.is_last)

    def _progress(self, *, is_shown: bool) -> Progress | None:
        ahead = self._crew.candidates() if is_shown else {}
        lines = is_shown and self._config.cluster.worker_lines
        return self.merged.progress(self._budget.seconds(), ahead, lines=lines)

    def _report(self, report: Callable[[Progress], None], stop: StopSignals) -> None:
        """Reports; a KeyboardInterrupt that the callback raises asks the search to stop."""
        progress = self._progress(is_shown=True)
        try:
            if progress is not None:
                report(progress)
        except StoppedAtOnceError:
            raise
        except KeyboardInterrupt:
            stop.ask("interrupt")

    def _write_metrics(self) -> None:
        progress = self._progress(is_shown=False)
        if self._directory is not None and progress is not None:
            self._directory.add_metrics(progress.metrics())

    def _write_checkpoint(self) -> None:
        if self._directory is not None:
            self._write_hall()
            state = workers_state(self._snapshots.all(), self.merged.state(), self._budget.state())
            self._directory.write_checkpoint(state)
        self._plan_checkpoint()

    def _plan_checkpoint(self) -> None:
        """The next one, the first ones sooner: a search of a minute shall not have to start again from nothing."""
        now, longest = self._budget.seconds(), self._config.output.checkpoint_seconds
        self._next_checkpoint = now + min(longest, max(now, _FIRST_CHECKPOINT_SECONDS))

    def _write_hall(self) -> None:
        """Writes down the best programs if there are new ones: more often than checkpoints, so that none is lost."""
        if self._directory is not None and self._hall_is_new:
            hall = self.merged.hall
            self._directory.write_hall_of_fame([dataclasses.asdict(finalist) for finalist in hall])
            self._directory.write_front([dataclasses.asdict(finalist) for finalist in hall.front])
        self._hall_is_new = False
