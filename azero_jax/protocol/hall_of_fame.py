"""The best distinct algorithms of a search, by their fitness on the select tasks, and the cheapest of like fitness."""

import dataclasses
import itertools
import json
from collections.abc import Iterator

import numpy as np

from azero_jax.process.state import State
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.front import Front, pareto


class HallOfFame:
    """The best algorithms so far, best first; of two that are equally fit the later one.

    Two programs are the same algorithm if their canonical forms have the same text. Besides the best, those on the
    Pareto front of fitness against cost are kept.
    """

    def __init__(self, size: int) -> None:
        """An empty hall for `size` algorithms, and the front."""
        self._size = size
        self._entries: dict[str, Finalist] = {}  # by canonical text, the best first

    def __len__(self) -> int:
        return min(len(self._entries), self._size)

    def __iter__(self) -> Iterator[Finalist]:
        return itertools.islice(self._entries.values(), self._size)

    @property
    def best(self) -> Finalist | None:
        """The best algorithm so far."""
        return next(iter(self), None)

    @property
    def front(self) -> Front:
        """The Pareto front of fitness against cost."""
        return Front(finalist for _, finalist in pareto(self._entries.items()))

    def admits(self, select_fitness: float, cost: float) -> bool:
        """Whether an algorithm so fit and so dear would get in."""
        if len(self) < self._size or select_fitness >= min(finalist.select_fitness for finalist in self):
            return True
        return all(cost < other.cost or select_fitness > other.select_fitness for other in self._entries.values())

    def add(self, canonical: str, finalist: Finalist) -> None:
        """Takes in an algorithm, if it is good enough; an algorithm that is there already keeps its better fitness."""
        if finalist.select_fitness < self._entries.get(canonical, finalist).select_fitness:
            return
        self._entries.pop(canonical, None)
        entries = {canonical: finalist} | self._entries  # sorting leaves equals in this order
        ranked = sorted(entries.items(), key=lambda entry: entry[1].select_fitness, reverse=True)
        kept = {key for key, _ in (*ranked[: self._size], *pareto(ranked))}
        self._entries = {key: entry for key, entry in ranked if key in kept}

    def state(self) -> State:
        """The entries as JSON text."""
        entries = [[canonical, dataclasses.asdict(finalist)] for canonical, finalist in self._entries.items()]
        return {"entries": np.array(json.dumps(entries))}

    def restore(self, state: State) -> None:
        """Sets the entries to what `state()` gave."""
        entries = json.loads(str(state["entries"]))
        self._entries = {canonical: Finalist(**values) for canonical, values in entries}
