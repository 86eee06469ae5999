"""Which round each worker is in, and when what came of it counts.

Synchronous rounds count once all workers have reported, in the workers' order, whoever was first; so time decides
nothing. That a worker need not wait for the slowest at every round, it has one round more at hand, which takes in
immigrants of two rounds before. Asynchronous rounds count as they come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from azero_jax.cluster.messages import Order, Report

AT_HAND: Final = 2  # rounds that a worker has, the one that it is in included


class Rounds:
    """The rounds of all workers.

    Attributes:
      workers: those that are there, in order.
      counted: rounds of each worker that have counted.
      is_under_way: whether rounds have been given.
    """

    def __init__(self, workers: Sequence[int], *, asynchronous: bool) -> None:
        """Before the first round."""
        self.workers = list(workers)
        self.counted = dict.fromkeys(workers, 0)
        self.is_under_way = False
        self._asynchronous = asynchronous
        self._ordered = dict.fromkeys(workers, 0)
        self._orders: dict[int, dict[int, Order]] = {
            worker: {} for worker in workers
        }  # that may have to be given again
        self._closed: set[int] = set()  # workers whose latest round is a last one
        self._reports: dict[tuple[int, int], Report] = {}  # that do not count yet, by round and worker

    def due(self) -> Iterator[tuple[int, int]]:
        """The workers that have room for a round, and its number; in synchronous rounds the lowest number first."""
        wanted = [
            (number, worker)
            for worker in self.workers
            for number in range(self._ordered[worker] + 1, self.counted[worker] + AT_HAND + 1)
        ]
        yield from ((worker, number) for number, worker in sorted(wanted))

    def note_order(self, worker: int, order: Order) -> None:
        """Takes note that a worker was given a round."""
        self.is_under_way = True
        self._ordered[worker] = order.round
        self._orders[worker][order.round] = order
        self._closed.discard(worker)
        if order.is_last:
            self._closed.add(worker)

    def next_number(self, worker: int) -> int:
        """Of the round after those that a worker was given."""
        return self._ordered[worker] + 1

    def is_closed(self, worker: int) -> bool:
        """Whether the latest round that a worker was given is a last one."""
        return worker in self._closed

    @property
    def are_over(self) -> bool:
        """Whether the last rounds of all workers have counted."""
        return self._closed.issuperset(self.workers) and not self.outstanding()

    def outstanding(self) -> list[tuple[int, Order]]:
        """The rounds that have been given and do not count yet."""
        return [
            (worker, order)
            for worker in self.workers
            for order in self._orders[worker].values()
            if order.round > self.counted[worker]
        ]

    def add(self, report: Report) -> None:
        """Takes in a report; one of a round that was done again counts only once."""
        if report.worker in self.counted and report.round > self.counted[report.worker]:
            self._reports[report.round, report.worker] = report

    def take(self) -> list[Report]:
        """The reports that count now: those of one synchronous round, or any one; none if there are none yet."""
        if self._asynchronous:
            keys = [key for key in sorted(self._reports) if key[0] == self.counted[key[1]] + 1][:1]
        else:
            keys = [(self.counted[worker] + 1, worker) for worker in self.workers]
            if not all(key in self._reports for key in keys):
                return []
        for number, worker in keys:
            self.counted[worker] = number
        return [self._reports.pop(key) for key in keys]

    def rest(self) -> list[Report]:
        """The reports that do not count, as others are missing before them; they are given away."""
        reports, self._reports = list(self._reports.values()), {}
        return reports

    def forget_counted(self, worker: int) -> None:
        """Takes note that a worker's state is known as it is now: no earlier round will have to be given again."""
        orders = self._orders[worker]
        self._orders[worker] = {number: order for number, order in orders.items() if number > self.counted[worker]}

    def again(self, worker: int) -> list[Order]:
        """The rounds that a worker which takes another's place has to do.

        Synchronous ones are all those since its state was known, so that nothing changes. Of asynchronous ones none:
        it goes on from its state with new ones.
        """
        if not self._asynchronous:
            return [
                order._replace(with_state=False) if self._has_counted(worker, order) else order
                for order in self._orders[worker].values()
            ]
        self._ordered[worker] = self.counted[worker]
        self._orders[worker] = {}
        self._closed.discard(worker)
        return []

    def give_up(self, worker: int) -> None:
        """Goes on without a worker."""
        self.workers.remove(worker)
        self._reports = {key: report for key, report in self._reports.items() if key[1] != worker}

    def _has_counted(self, worker: int, order: Order) -> bool:
        return order.round <= self.counted[worker]
