"""The whole search: candidates on search tasks, the best on select tasks, and what was found on unseen tasks, once.

Experiments follow one another until a program is good enough on the select tasks, the budget is spent, or someone says
stop. Time never decides what is searched, only when it ends; so a search that goes on from a checkpoint repeats exactly
what it would have done.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from azero_jax.language.program import Programs
from azero_jax.process.patience import Patience
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.budget import Budget
from azero_jax.protocol.experiment import Arena
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.finish import Session, make_result, measure
from azero_jax.protocol.island_loop import IslandLoop
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.signals import STOP_SIGNALS, StoppedAtOnceError, StopSignals
from azero_jax.recording.run_directory import RunDirectory
from azero_jax.tasks.sets import TaskSets

GRACE_SECONDS: Final = 0.3  # for a step that is under way when the search is to end
FINISH_SECONDS: Final = 0.4  # each for the trial of the leaders and for the unseen tasks, when the end is urgent


class SearchLoop:
    """One search from start, or from a checkpoint, to its end."""

    def __init__(
        self,
        arena: Arena,
        task_sets: TaskSets,
        seeds: Programs | None,
        directory: RunDirectory | None,
        say: Callable[[str], None],
        stop: StopSignals,
        state: State | None = None,
        recorded: Iterable[tuple[str, Finalist]] = (),
    ) -> None:
        """Begins the first experiment, or goes on with the one of a checkpoint.

        Args:
          arena: that of the first experiment, as it was made.
          task_sets: where tasks come from.
          seeds: programs to start from; None for random ones.
          directory: where to record the run, which has begun; None for nowhere.
          say: is told what is going on.
          stop: may ask to stop.
          state: what `state()` gave when the checkpoint was written; None starts afresh.
          recorded: algorithms, with canonical texts, that were found later than that.
        """
        self._task_sets, self._directory, self._say = task_sets, directory, say
        self._config, self._space = arena.config, arena.space
        spent = None if state is None else without_prefix("budget", state)
        self._budget = Budget(self._config.budget, self._config.output.report_every, spent)
        self._stop, self._patience = stop, arena.patience or Patience()
        self._patience.until(self._end)
        self._events: list[dict[str, Any]] = []  # of a search that is not recorded
        self._islands = IslandLoop(arena, task_sets, seeds, say, self._add_event, state=state)
        for canonical, finalist in recorded:
            self._islands.totals.hall.add(canonical, finalist)
        if state is not None:
            say(f"going on from {self._islands.candidates():,} candidates, {self._budget.seconds():.1f} s")

    def run(self, report: Callable[[Progress], None], report_seconds: float, compile_seconds: float) -> SearchResult:
        """Searches until there is a reason to stop; `compile_seconds` go into the result.

        `report` is told about every `report_seconds` how far the search has come. A step that takes too long once there
        is such a reason is given up: no checkpoint is made of it, and a search that goes on does so from the last one.
        """
        try:
            reason = self._search(report, report_seconds)
        except BaseException:
            self._arena.evaluator.close(wait=False)
            raise
        self._write_checkpoint()  # before anything that a search which goes on would not do here
        self._arena.evaluator.close(wait=not self._patience.gave_up)
        is_urgent = self._patience.gave_up or self._arena.engine.is_slow
        is_urgent &= reason == "max_seconds" or reason in STOP_SIGNALS.values()
        self._wait_for_more(is_urgent)
        self._try_leaders(best_first=is_urgent)
        self._write_metrics()
        self._report(report)
        self._wait_for_more(is_urgent)
        return self._finish(reason, compile_seconds, is_urgent)

    def state(self) -> State:
        """Everything that the rest of the search depends on."""
        return {**with_prefix("budget", self._budget.state()), **self._islands.state()}

    @property
    def _arena(self) -> Arena:
        return self._islands.experiment.arena

    def _end(self) -> float:
        """When a step of the search is given up."""
        left = self._budget.seconds_left() if self._config.tasks.of_data else math.inf
        return min(self._stop.moment, time.monotonic() + left) + GRACE_SECONDS

    def _wait_for_more(self, is_urgent: bool) -> None:
        """From here on results are worth little more time, if the end is urgent."""
        if is_urgent:
            self._patience.for_seconds(FINISH_SECONDS)
        else:
            self._patience.until(lambda: self._stop.moment + GRACE_SECONDS)

    def _search(self, report: Callable[[Progress], None], report_seconds: float) -> str:
        """Searches until there is a reason to stop, which it returns."""
        seconds, checkpoint_seconds = self._budget.seconds, self._config.output.checkpoint_seconds
        next_display, next_checkpoint = 0.0, seconds() + checkpoint_seconds
        while True:
            self._islands.note_events()
            candidates, totals = self._islands.candidates(), self._islands.totals
            if self._budget.check_is_due(candidates):
                self._try_leaders()
            if self._budget.report_is_due(candidates):
                self._write_metrics()
            train_steps = totals.counters(self._islands.experiment).train_steps
            reason = self._budget.reason_to_stop(candidates, train_steps, totals.best_select_fitness)
            reason = reason or self._stop.reason or ("max_seconds" if self._patience.gave_up else "")
            if reason:
                break
            if seconds() >= next_display:
                self._report(report)
                next_display = seconds() + report_seconds
            if seconds() >= next_checkpoint:
                self._write_checkpoint()
                next_checkpoint = seconds() + checkpoint_seconds
            if not self._islands.advance():
                self._try_leaders()
                self._islands.begin_next()
        if reason in STOP_SIGNALS.values():
            self._say("stopping, as asked (the same signal again stops at once)")
        return reason

    def _try_leaders(self, *, best_first: bool = False) -> None:
        if self._islands.try_leaders(best_first=best_first):
            self._budget.note_gain(self._islands.candidates())

    def _progress(self) -> Progress:
        return self._islands.progress(self._budget.seconds())

    def _report(self, report: Callable[[Progress], None]) -> None:
        """Reports; a KeyboardInterrupt that the callback raises asks the search to stop."""
        try:
            report(self._progress())
        except StoppedAtOnceError:
            raise
        except KeyboardInterrupt:
            self._stop.ask("interrupt")

    def _finish(self, stopped_by: str, compile_seconds: float, is_urgent: bool) -> SearchResult:
        seconds, hall = self._budget.seconds(), self._islands.totals.hall
        tune = stopped_by not in STOP_SIGNALS.values() and not is_urgent
        places = self._config, self._task_sets, self._space
        measured = measure(hall, hall.front, *places, self._say, self._patience, tune=tune)
        session = Session(
            candidates=self._islands.candidates() - self._islands.experiment.not_run,
            seconds=seconds,
            compile_seconds=compile_seconds,
            stopped_by=stopped_by,
            experiments=self._arena.number + 1,
            metric=self._arena.engine.tasks.metric,
            engine=self._arena.engine.name,
            device=self._arena.engine.device,
            run_directory=str(self._directory.path) if self._directory else None,
            counters=self._islands.totals.counters(self._islands.experiment),
            curve=self._islands.totals.curve.points,
            events=tuple(self._events),
            task_sets=self._task_sets,
        )
        result = make_result(measured, self._config, session)
        if self._directory is not None:
            self._write_best(measured.finalists, measured.front)
            self._directory.write_result(result.as_dict())
        return result

    def _add_event(self, event: dict[str, Any]) -> None:
        event = {**event, "seconds": self._budget.seconds()}
        if self._directory is not None:
            self._directory.add_event(event)
        elif event["event"] in ("ancestor", "best"):  # of which a lineage is made
            self._events.append(event)

    def _write_metrics(self) -> None:
        if self._directory is not None:
            self._directory.add_metrics(self._progress().metrics())

    def _write_checkpoint(self) -> None:
        """Writes down where the search is, unless a step was given up: also while its state waited for the fitness."""
        if self._directory is None:
            return
        state = self.state()
        if not self._patience.gave_up:
            self._write_best(self._islands.totals.hall, self._islands.totals.hall.front)
            self._directory.write_checkpoint(state)

    def _write_best(self, hall: Iterable[Finalist], front: Iterable[Finalist]) -> None:
        if self._directory is not None:
            best, cheapest = ([dataclasses.asdict(finalist) for finalist in part] for part in (hall, front))
            self._directory.write_hall_of_fame(best)
            self._directory.write_front(cheapest)
