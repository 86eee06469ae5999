"""The Pareto front of fitness against cost: the algorithms that no cheaper one equals and no fitter one undercuts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

from azero_jax.protocol.finalist import Finalist

Key = TypeVar("Key")

_COLUMNS: Final = ("cost", "search_fitness", "select_fitness", "final_fitness", "candidates", "program")


class Front(tuple[Finalist, ...]):
    r"""The front as a table, the fittest and dearest first.

    >>> text = "def Setup():\n  s2 = 0.1\ndef Predict():\ndef Learn():\n"
    >>> front = Front([Finalist(text, text, 0.9, 0.8, 0.7, candidates=1000, experiment=1, cost=3.7)])
    >>> print(front)
      cost   search   select   unseen  program
       3.7   0.9000   0.8000   0.7000  s2 = 0.1
    >>> front.rows()[0]["select_fitness"]
    0.8
    """

    def rows(self) -> list[dict[str, Any]]:
        """Plain values, a row an algorithm, for a data frame."""
        return [{name: getattr(finalist, name) for name in _COLUMNS} for finalist in self]

    def pick(self, tolerance: float = 0.0) -> Finalist:
        """The cheapest algorithm whose select fitness is at most `tolerance` below the best.

        Raises:
          ValueError: a negative tolerance.
        """
        if not tolerance >= 0:
            raise ValueError(f"the tolerance is {tolerance}; it must be 0 or more")
        return [finalist for finalist in self if finalist.select_fitness >= self[0].select_fitness - tolerance][-1]

    def __str__(self) -> str:
        """One line an algorithm, with its instructions on one line."""
        lines = [f"{'cost':>6}   search   select   unseen  program"]
        for finalist in self:
            unseen = float("nan") if finalist.final_fitness is None else finalist.final_fitness
            fitness = "".join(f"{value:9.4f}" for value in (finalist.search_fitness, finalist.select_fitness, unseen))
            code = (line.strip() for line in finalist.program.splitlines() if not line.startswith("def"))
            lines.append(f"{finalist.cost:6.1f}{fitness}  {'; '.join(code)}")
        return "\n".join(lines)


def pareto(entries: Iterable[tuple[Key, Finalist]]) -> list[tuple[Key, Finalist]]:
    """The entries on the front, the fittest first; of two that are equally fit and dear the first."""
    front: list[tuple[Key, Finalist]] = []
    for key, finalist in sorted(entries, key=lambda entry: (-entry[1].select_fitness, entry[1].cost)):
        if not front or finalist.cost < front[-1][1].cost:
            front.append((key, finalist))
    return front
