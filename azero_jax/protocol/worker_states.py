"""Checkpoints of a search with workers, and of one without: each can go on as the other.

A search without workers has the state of an island loop and of its budget. One with W workers has `workers` = W, the
same again for each of them as `worker.0` and so on, with all that it has done so far (`candidates`, `counters`), and
the totals and the budget of the whole, in which what workers have done that are no more is counted too.
"""

from typing import NamedTuple

import numpy as np

from azero_jax.fitness.counters import Counters
from azero_jax.process.state import State, with_prefix, without_prefix


class WorkerState(NamedTuple):
    """Where a worker stands.

    Attributes:
      islands: of its island loop and its budget; empty if it has not begun.
      candidates: it has evaluated.
      counters: what happened to them.
    """

    islands: State
    candidates: int
    counters: Counters


def workers_state(workers: list[WorkerState], totals: State, budget: State) -> State:
    """The state of a search with workers."""
    state = {"workers": np.array(len(workers)), **with_prefix("totals", totals), **with_prefix("budget", budget)}
    for number, worker in enumerate(workers):
        one = {**worker.islands, "candidates": np.array(worker.candidates)}
        one |= with_prefix("counters", worker.counters.state())
        state |= with_prefix(f"worker.{number}", one)
    return state


def worker_states(state: State) -> list[State]:
    """The states of the workers that have begun; a search without workers is one."""
    if "workers" not in state:
        return [state]
    found = (without_prefix(f"worker.{number}", state) for number in range(int(state["workers"])))
    return [worker for worker in found if "number" in worker]


def state_of_one(state: State) -> State:
    """The state for a search without workers: the first worker's, with what the others have done as finished."""
    if "workers" not in state:
        return state
    first, *others = worker_states(state)
    finished = Counters()
    finished.restore(without_prefix("totals.finished", state))
    running, own = Counters(), Counters()  # of the first worker: all, and what it has finished
    running.restore(without_prefix("counters", first))
    own.restore(without_prefix("totals.finished", first))
    running.subtract(own)
    finished.subtract(running)
    candidates = int(state["totals.finished_candidates"]) - int(first["candidates"])
    candidates += int(first["totals.finished_candidates"])
    return {
        "number": first["number"],
        "next_number": np.array(max(int(other["number"]) for other in (first, *others)) + 1),
        **with_prefix("experiment", without_prefix("experiment", first)),
        **with_prefix("budget", without_prefix("budget", state)),
        **with_prefix("totals.hall", without_prefix("totals.hall", state)),
        **with_prefix("totals.finished", finished.state()),
        "totals.finished_candidates": np.array(candidates),
        "totals.record": state["totals.record"],
        "totals.curve": state["totals.curve"],
    }
