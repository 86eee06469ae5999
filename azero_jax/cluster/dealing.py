"""What each worker of a session begins with: where one of an earlier session stood, and experiments of its own."""

from __future__ import annotations

from collections.abc import Mapping

from azero_jax.cluster.messages import Numbers
from azero_jax.process.state import State
from azero_jax.protocol.worker_states import worker_states


def deal_states(state: State | None, workers: int, *, mixed: bool) -> dict[int, State | None]:
    """Where each worker is to go on; None is from the beginning.

    Args:
      state: of a checkpoint, by whatever number of workers, if there is one.
      workers: how many there are now.
      mixed: whether each has data of its own, so that none can go on for another one.
    """
    known = {} if state is None else worker_states(state)
    if not mixed:
        known = dict(enumerate(known.values()))
    return {worker: known.get(worker) for worker in range(workers)}


def deal_numbers(states: Mapping[int, State | None], free: int) -> dict[int, Numbers]:
    """Which experiments each worker has: none that another one has or had.

    Those that they had been dealt stay theirs if they are as many as then, and none of them is missing.

    Args:
      states: what `deal_states` gave.
      free: the lowest number of an experiment that nobody has begun.
    """
    count = len(states)
    is_same = all(state is not None and int(state["stride"]) == count for state in states.values())
    return {
        worker: Numbers(free + worker, count, None if is_same or state is None else free + worker)
        for worker, state in states.items()
    }
