"""Checkpoints of a search with workers, and of one without: each can go on as the other.

A search without workers has the state of an island loop and of its budget. One with workers has `workers`, which is one
more than the number of the last one, the same again for each of them as `worker.0` and so on, with all that it has done
so far (`candidates`, `counters`), and the totals and the budget of the whole, in which what workers have done that are
no more is counted too.
"""

from collections.abc import Mapping
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


def workers_state(workers: Mapping[int, WorkerState], totals: State, budget: State) -> State:
    """The state of a search with workers, by their numbers."""
    state = {"workers": np.array(max(workers) + 1), **with_prefix("totals", totals), **with_prefix("budget", budget)}
    for number, worker in workers.items():
        one = {**worker.islands, "candidates": np.array(worker.candidates)}
        one |= with_prefix("counters", worker.counters.state())
        state |= with_prefix(f"worker.{number}", one)
    return state


def worker_states(state: State) -> dict[int, State]:
    """The states of the workers that have begun and were not given up; a search without workers is the one worker 0."""
    if "workers" not in state:
        return {0: state}
    found = {number: without_prefix(f"worker.{number}", state) for number in range(int(state["workers"]))}
    return {number: worker for number, worker in found.items() if "number" in worker}


def state_of_one(state: State) -> State:
    """The state for a search without workers: the first worker's, with what the others have done as finished."""
    if "workers" not in state:
        return state
    first = next(iter(worker_states(state).values()))
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
        "next_number": state["totals.experiments"],
        **with_prefix("experiment", without_prefix("experiment", first)),
        **with_prefix("budget", without_prefix("budget", state)),
        **with_prefix("totals.hall", without_prefix("totals.hall", state)),
        **with_prefix("totals.finished", finished.state()),
        "totals.finished_candidates": np.array(candidates),
        "totals.record": state["totals.record"],
        "totals.curve": state["totals.curve"],
    }
