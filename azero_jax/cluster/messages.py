"""What a coordinator and its workers tell one another: plain values and arrays."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from azero_jax.config.tree import Config
from azero_jax.evolve.migration import Migrants
from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.result import Progress


@dataclasses.dataclass(frozen=True)
class Job:
    """What all workers of a search are to know; the tasks travel apart.

    Attributes:
      config: everything that decides the search.
      start_from: texts of the programs to start from.
      one_core: whether a worker has one core and no more, rather than an accelerator too.
    """

    config: Config
    start_from: tuple[str, ...]
    one_core: bool


class Numbers(NamedTuple):
    """Which experiments are a worker's, so that no two have the same.

    Attributes:
      first: its first one, if it begins afresh.
      stride: from one to the next.
      next_number: its next one, if it goes on from another session's state; None takes the state's.
    """

    first: int
    stride: int
    next_number: int | None = None


class Started(NamedTuple):
    """A worker is ready.

    Attributes:
      worker: its number, from 0.
      place: host and process, for a person.
      process: the process id.
      engine: what runs programs.
      device: on what.
      compile_seconds: it took to compile.
      candidates: it has evaluated already, if it goes on.
      counters: what happened to them.
    """

    worker: int
    place: str
    process: int
    engine: str
    device: str
    compile_seconds: float
    candidates: int
    counters: Counters


class Order(NamedTuple):
    """A round of work.

    Attributes:
      round: its number, from 1.
      aim: candidates that the worker is to have evaluated in all when it ends.
      is_last: whether to make no more candidates, tell the state, and then try the leaders whether that is due or not.
      emigrants: programs to give away at the end.
      immigrants: programs to take in at the beginning.
      with_state: whether to tell the state at the end, before leaders are tried that a search going on would not try.
    """

    round: int
    aim: int
    is_last: bool
    emigrants: int
    immigrants: Migrants | None
    with_state: bool


class Report(NamedTuple):
    """What came of a round.

    Attributes:
      worker: whose.
      round: its number.
      is_complete: False if the worker was stopped in it.
      candidates: all that the worker has evaluated, without those that were not run.
      counters: what happened to them.
      progress: how far the worker has come, with an own best fitness, an own experiment and so on.
      found: canonical text and entry of what got into the worker's hall of fame in this round.
      events: of this round.
      emigrants: programs to give away.
      state: of the island loop; None also if the last step was given up.
      seconds: the round took.
    """

    worker: int
    round: int
    is_complete: bool
    candidates: int
    counters: Counters
    progress: Progress
    found: tuple[tuple[str, Finalist], ...]
    events: tuple[dict[str, Any], ...]
    emigrants: Migrants | None
    state: State | None
    seconds: float


class Death(NamedTuple):
    """A worker is no more.

    Attributes:
      worker: its number.
      why: in a few words.
    """

    worker: int
    why: str


class NoPlace(NamedTuple):
    """A worker found no place in the cluster; it is given up.

    Attributes:
      worker: its number.
      why: in a few words.
    """

    worker: int
    why: str


Answer = Started | Report | Death | NoPlace
