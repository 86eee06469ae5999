"""The lineage of what a search found: from an initial program to the best, step by step.

A step is an ancestor of the best program that was fitter, on the search tasks, than all of its own ancestors; see
`azero_jax.evolve.ancestry`. Between two steps lie mutations that brought no gain; each step shows the parent that it
was made from.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from azero_jax.explain.listing import Listing, prune, read_listing
from azero_jax.explain.simplify import simplify
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import Metric
from azero_jax.protocol.result import SearchResult
from azero_jax.recording.overview import read_overview
from azero_jax.recording.reading import EVENT, read_lines
from azero_jax.recording.run_directory import EVENTS_FILE, HALL_FILE

INITIAL: Final = "initial program"
LATER: Final = "a later descendant"
TUNED: Final = "constants tuned"


class LineageStep(NamedTuple):
    """One program on the way.

    Attributes:
      candidates: programs that had been evaluated before it, over all experiments.
      experiment: in which it was found, from 1.
      fitness: on the search tasks.
      mutation: what made it of its parent, such as `change_op`.
      program: as evolution left it.
      parent: its parent; None of an initial program.

    >>> LineageStep(1000, 1, 0.5, INITIAL, "def Predict(): ...", None).mutation
    'initial program'
    """

    candidates: int
    experiment: int
    fitness: float
    mutation: str
    program: str
    parent: str | None


def lineage(run: str | os.PathLike[str] | SearchResult) -> tuple[LineageStep, ...]:
    """The programs through which the best of a search came about, the initial one first.

    Args:
      run: the result of a search, or the run directory of one that was recorded.

    Raises:
      ValueError: the directory holds no run, or there is no best program yet.

    >>> import azero_jax as az
    >>> config = az.load_preset("linear", islands=2, population=50, batch=25, max_candidates=500)
    >>> az.lineage(az.search(config))[0].mutation
    'initial program'
    """
    if isinstance(run, SearchResult) and run.run_directory is None:
        return _make(list(run.events), run.program, "the search")
    path = Path(run.run_directory or "" if isinstance(run, SearchResult) else run)
    hall = read_overview(path).hall_of_fame
    if not hall:
        raise ValueError(f"{path / HALL_FILE}: there is no best program")
    return _make(read_lines(path / EVENTS_FILE, EVENT), hall[0]["program"], f"run directory {path}")


def _make(events: list[dict[str, Any]], found: str, where: str) -> tuple[LineageStep, ...]:
    """The steps to the program that was found."""
    best = next((event for event in reversed(events) if event["event"] == "best"), None)
    if best is None:
        raise ValueError(f"{where}: no program was tried on the select tasks yet, so there is no best one")
    steps = _follow(events, best)
    if steps[-1].program != best["program"]:
        steps.append(_step(best, best["candidates"], LATER, steps[-1].program))
    if _without_constants(read_listing(found)) and _only_constants_differ(found, best["program"]):
        steps.append(_step({**best, "program": found}, best["candidates"], TUNED, best["program"]))
    return tuple(steps)


def changes(before: str, after: str) -> list[tuple[str, str]]:
    r"""Lines of two programs, each with " ", "+" (only after) or "-" (only before).

    >>> changes("def Predict():\n  s1 = s2\n", "def Predict():\n  s1 = s3\n")
    [(' ', 'def Predict():'), ('-', '  s1 = s2'), ('+', '  s1 = s3')]
    """
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [(line[0], line[2:]) for line in compared if line[0] != "?"]


def simplified_steps(steps: Sequence[LineageStep], metric: Metric) -> list[tuple[LineageStep, str]]:
    """The steps with their simplified programs, without those that only changed constants or dead code, but the last.

    The last of several steps whose programs differ in constants only stands for all of them.
    """
    shown: list[tuple[LineageStep, str]] = []
    for step in steps:
        text = simplify(read_listing(step.program), metric).text()
        if shown and _without_constants(read_listing(shown[-1][1])) == _without_constants(read_listing(text)):
            shown[-1] = (step, text)
        else:
            shown.append((step, text))
    return shown


def _follow(events: list[dict[str, Any]], best: dict[str, Any]) -> list[LineageStep]:
    """The steps from the first ancestor to the one that `best` names."""
    known = {(event["experiment"], event["number"]): event for event in events if event["event"] == "ancestor"}
    steps = []
    number = best["number"]
    while (event := known.get((best["experiment"], number))) is not None:
        steps.append(_step(event, event["born"], event["mutation"] or INITIAL, event["parent"]))
        number = event["before"]
    if not steps:
        steps.append(_step(best, best["candidates"], LATER, None))
    return steps[::-1]


def _step(event: dict[str, Any], candidates: int, mutation: str, parent: str | None) -> LineageStep:
    return LineageStep(candidates, event["experiment"], event["fitness"], mutation, event["program"], parent)


def _without_constants(listing: Listing) -> Listing:
    bodies = (tuple(Instruction(**(one._asdict() | {"x": 0.0, "y": 0.0})) for one in body) for body in listing)
    return Listing(*bodies)


def _only_constants_differ(first: str, second: str) -> bool:
    """Whether two programs have the same live instructions, but other constants, by any metric."""
    ours = read_listing(first)
    for metric in Metric:
        theirs = prune(read_listing(second), metric)
        if _without_constants(ours) == _without_constants(theirs):
            return ours != theirs
    return False
