"""A worker: the island loop of a search, driven in rounds. It knows nothing of how orders reach it."""

from __future__ import annotations

import math
import os
import platform
import time
from typing import Any

from azero_jax.cluster.messages import Job, Numbers, Order, Report, Started
from azero_jax.fitness.counters import Counters
from azero_jax.language.text import read_programs
from azero_jax.process.patience import Patience
from azero_jax.process.state import State, with_prefix, without_prefix
from azero_jax.protocol.budget import Budget
from azero_jax.protocol.experiment import Arena
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.finish import Measured, measure
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.island_loop import IslandLoop
from azero_jax.protocol.loop import FINISH_SECONDS, GRACE_SECONDS
from azero_jax.tasks.sets import TaskSets


class Worker:
    """One of the workers of a search."""

    def __init__(
        self, number: int, job: Job, task_sets: TaskSets, numbers: Numbers, state: State | None = None
    ) -> None:
        """Compiles what will run.

        Args:
          number: of the worker, from 0.
          job: the search.
          task_sets: where its tasks come from.
          numbers: its experiments.
          state: of its island loop; None begins afresh.

        Raises:
          ValueError: the search cannot begin here.
        """
        self._number, self._config, self._task_sets, self._numbers = number, job.config, task_sets, numbers
        self._space = job.config.space.build(task_sets.features)
        self._seeds = read_programs(job.start_from, self._space) if job.start_from else None
        self._patience, self._stop_moment, self._finish_moment = Patience(), math.inf, math.inf
        self._patience.until(lambda: self._stop_moment)
        self._found: list[tuple[str, Finalist]] = []
        self._events: list[dict[str, Any]] = []
        first = numbers.first if state is None else int(state["number"])
        self._arena = Arena(job.config, task_sets, self._space, first, patience=self._patience, one_core=job.one_core)
        self._compile_seconds = self._arena.warm_up()
        self._islands = None if state is None else self._make_islands(state)
        spent = None if state is None else without_prefix("budget", state)
        self._budget = Budget(job.config.budget, job.config.output.report_every, spent)

    def started(self) -> Started:
        """What is to be known of it."""
        engine, counters, candidates = self._arena.engine, Counters(), 0
        if self._islands is not None:
            counters.add(self._islands.totals.counters(self._islands.experiment))
            candidates = self._islands.candidates()
        place = f"process {os.getpid()} on {platform.node()}"
        seconds = self._compile_seconds
        return Started(self._number, place, os.getpid(), engine.name, engine.device, seconds, candidates, counters)

    def round(self, order: Order) -> Report:
        """Does a round of work, or as much of it as there is time for."""
        start = time.perf_counter()
        self._found.clear()
        self._events.clear()
        islands = self._islands = self._islands or self._make_islands(None)
        self._search(islands, order)
        is_complete = not self._is_stopped()
        emigrants = islands.emigrants(order.emigrants) if is_complete and order.emigrants else None  # drawn at random
        state = self._state(islands, is_complete=is_complete) if order.with_state else None
        if order.is_last:
            if not is_complete:
                self._patience.for_seconds(FINISH_SECONDS)
            islands.try_leaders(best_first=not is_complete)
        seconds = time.perf_counter() - start
        return self._report(islands, order, seconds, is_complete=is_complete, emigrants=emigrants, state=state)

    def stop(self) -> None:
        """Ends the round that is under way, and those that follow, from another thread."""
        self._stop_moment = time.monotonic() + GRACE_SECONDS

    def candidates(self) -> int:
        """How far it has come; from another thread."""
        return 0 if self._islands is None else self._islands.candidates()

    def finish(self, hall: HallOfFame, *, tune: bool, is_urgent: bool) -> Measured:
        """Tunes and measures what all workers have found."""
        if is_urgent:
            self._patience.for_seconds(FINISH_SECONDS)
        else:
            self._patience.until(lambda: self._finish_moment)
        places = self._config, self._task_sets, self._space
        return measure(hall, hall.front, *places, lambda line: None, self._patience, tune=tune)

    def hurry(self) -> None:
        """Ends `finish`, from another thread, with what has been measured until then."""
        self._finish_moment = time.monotonic() + GRACE_SECONDS

    def _make_islands(self, state: State | None) -> IslandLoop:
        return IslandLoop(
            self._arena,
            self._task_sets,
            self._seeds,
            lambda line: None,
            self._events.append,
            lambda canonical, finalist: self._found.append((canonical, finalist)),
            self._numbers.stride,
            self._numbers.next_number,
            state,
        )

    def _search(self, islands: IslandLoop, order: Order) -> None:
        """Makes candidates up to the aim of a round; one batch at least if there are immigrants, who come with it."""
        must_advance = order.immigrants is not None
        if order.immigrants is not None and not self._is_stopped():
            islands.take_in(order.immigrants)
        while not self._is_stopped() and (must_advance or islands.candidates() < order.aim):
            if not islands.advance():
                islands.try_leaders()
                islands.begin_next()
            must_advance = False
            islands.note_events()
            if self._budget.check_is_due(islands.candidates()):
                islands.try_leaders()

    def _is_stopped(self) -> bool:
        return self._stop_moment < math.inf or self._patience.gave_up

    def _state(self, islands: IslandLoop, *, is_complete: bool) -> State | None:
        """Where it stands; None if a step was given up, also while its state waited for the fitness."""
        if self._patience.gave_up:
            return None
        if not is_complete:
            self._patience.for_seconds(FINISH_SECONDS)
        state = {**islands.state(), **with_prefix("budget", self._budget.state())}
        return None if self._patience.gave_up else state

    def _report(self, islands: IslandLoop, order: Order, seconds: float, **what: Any) -> Report:
        counters = Counters()
        counters.add(islands.totals.counters(islands.experiment))
        return Report(
            worker=self._number,
            round=order.round,
            candidates=islands.candidates() - islands.experiment.not_run,
            counters=counters,
            progress=islands.progress(0.0),
            found=tuple(self._found),
            events=tuple(self._events),
            seconds=seconds,
            **what,
        )
