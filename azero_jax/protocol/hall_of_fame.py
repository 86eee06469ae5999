"""The best distinct algorithms of a search, by their fitness on the select tasks."""

import dataclasses
import json
from collections.abc import Iterator

import numpy as np

from azero_jax.process.state import State
from azero_jax.protocol.result import Finalist


class HallOfFame:
    """The best algorithms so far, best first; of two that are equally fit the later one.

    Two programs are the same algorithm if their canonical forms have the same text.
    """

    def __init__(self, size: int) -> None:
        """An empty hall for `size` algorithms."""
        self._size = size
        self._entries: dict[str, Finalist] = {}  # by canonical text, the best first

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Finalist]:
        return iter(self._entries.values())

    @property
    def best(self) -> Finalist | None:
        """The best algorithm so far."""
        return next(iter(self), None)

    def admits(self, select_fitness: float) -> bool:
        """Whether an algorithm so fit would get in."""
        return len(self) < self._size or select_fitness >= min(finalist.select_fitness for finalist in self)

    def add(self, canonical: str, finalist: Finalist) -> None:
        """Takes in an algorithm, if it is good enough; an algorithm that is there already keeps its better fitness."""
        if finalist.select_fitness < self._entries.get(canonical, finalist).select_fitness:
            return
        self._entries.pop(canonical, None)
        entries = {canonical: finalist} | self._entries  # sorting leaves equals in this order
        ranked = sorted(entries.items(), key=lambda entry: entry[1].select_fitness, reverse=True)
        self._entries = dict(ranked[: self._size])

    def state(self) -> State:
        """The entries as JSON text."""
        entries = [[canonical, dataclasses.asdict(finalist)] for canonical, finalist in self._entries.items()]
        return {"entries": np.array(json.dumps(entries))}

    def restore(self, state: State) -> None:
        """Sets the entries to what `state()` gave."""
        entries = json.loads(str(state["entries"]))
        self._entries = {canonical: Finalist(**values) for canonical, values in entries}
