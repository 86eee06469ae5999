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
        self._entries: list[tuple[str, Finalist]] = []  # canonical text, entry

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Finalist]:
        return (finalist for _, finalist in self._entries)

    @property
    def best(self) -> Finalist | None:
        """The best algorithm so far."""
        return self._entries[0][1] if self._entries else None

    def admits(self, select_fitness: float) -> bool:
        """Whether an algorithm so fit would get in."""
        return len(self._entries) < self._size or select_fitness >= self._entries[-1][1].select_fitness

    def add(self, canonical: str, finalist: Finalist) -> None:
        """Takes in an algorithm, if it is good enough; an algorithm that is there already keeps its better fitness."""
        for place, (text, known) in enumerate(self._entries):
            if text == canonical:
                if finalist.select_fitness < known.select_fitness:
                    return
                del self._entries[place]
                break
        place = 0
        while place < len(self._entries) and self._entries[place][1].select_fitness > finalist.select_fitness:
            place += 1
        self._entries.insert(place, (canonical, finalist))
        del self._entries[self._size :]

    def state(self) -> State:
        """The entries as JSON text."""
        entries = [[canonical, dataclasses.asdict(finalist)] for canonical, finalist in self._entries]
        return {"entries": np.array(json.dumps(entries))}

    def restore(self, state: State) -> None:
        """Sets the entries to what `state()` gave."""
        entries = json.loads(str(state["entries"]))
        self._entries = [(canonical, Finalist(**values)) for canonical, values in entries]
