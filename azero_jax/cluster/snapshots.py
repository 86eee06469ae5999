"""Where the workers stood when they told last: what replaces a worker goes on from there, and a checkpoint holds it."""

from __future__ import annotations

from collections.abc import Mapping

from azero_jax.cluster.messages import Report
from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State
from azero_jax.protocol.worker_states import WorkerState


class Snapshots:
    """The latest known states of all workers, and the round of questions that is going on."""

    def __init__(self, known: Mapping[int, State | None]) -> None:
        """The states that the workers begin with."""
        self._states = {worker: WorkerState(state or {}, 0, Counters()) for worker, state in known.items()}
        self._to_ask: set[int] = set()
        self._missing: set[int] = set()

    def ask(self) -> None:
        """Wants all workers' states, each after the next round that it is given, unless it waits for some already."""
        if not self._missing:
            self._to_ask, self._missing = set(self._states), set(self._states)

    def is_asked(self, worker: int) -> bool:
        """Whether a worker is to tell its state after the round that it is about to be given."""
        wanted = worker in self._to_ask
        self._to_ask.discard(worker)
        return wanted

    def ask_again(self, worker: int) -> None:
        """Takes note that the round has been lost in which a worker was to tell its state."""
        if worker in self._missing:
            self._to_ask.add(worker)

    def take(self, report: Report) -> bool:
        """Takes the state in a report, if there is one: whether it is the last one that was asked for."""
        if report.state is None:
            return False
        self._states[report.worker] = WorkerState(report.state, report.candidates, report.counters)
        was_missing = report.worker in self._missing
        self._missing.discard(report.worker)
        return was_missing and not self._missing

    def state(self, worker: int) -> State | None:
        """Where a worker stood; None if it had not begun."""
        return self._states[worker].islands or None

    def give_up(self, worker: int) -> None:
        """Forgets a worker."""
        del self._states[worker]
        self._to_ask.discard(worker)
        self._missing.discard(worker)

    def all(self) -> dict[int, WorkerState]:
        """Where all workers stood."""
        return dict(self._states)
