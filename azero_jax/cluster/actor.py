"""What runs in a worker's process: it holds the process to its device, and a `Worker`.

Ray calls its methods; it is not Ray's own kind of class, so that this module can be imported without Ray.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import jax

from azero_jax.cluster.messages import Job, Numbers, Order, Report, Started
from azero_jax.cluster.mixed import tasks_of
from azero_jax.cluster.version import package_version
from azero_jax.cluster.worker import Worker
from azero_jax.process.messages import one_line
from azero_jax.process.state import State
from azero_jax.protocol.finish import Measured
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.tasks.sets import TaskSets

# What makes XLA, and libraries below NumPy, start one thread instead of one a core; Warp and Numba have one anyway.
_ONE_THREAD: Final = {"NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_ONE_THREAD_XLA: Final = "--xla_cpu_multi_thread_eigen=false"


class Refusal(NamedTuple):
    """A worker cannot do its work; `why` is for a person."""

    worker: int
    why: str


class WorkerActor:
    """One worker's process."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._number = 0

    def hello(self) -> tuple[str, int]:
        """Host and process id, as soon as there is a process."""
        return platform.node(), os.getpid()

    def start(
        self,
        version: str,
        number: int,
        job: Job,
        fetch_tasks: Callable[[], TaskSets],
        numbers: Numbers,
        state: State | None,
    ) -> Started | Refusal:
        """Makes the worker; see `Worker`. `version` is the coordinator's, `fetch_tasks` gives the tasks of all."""
        self._number = number
        if version != package_version():
            return self._refusal(
                f" has azero_jax {package_version()}, this process {version}; install the same everywhere"
            )
        if job.one_core:
            hold_to_one_core()
        try:
            tasks = fetch_tasks()
        except Exception as error:
            return self._refusal(f" cannot read the data: {type(error).__name__}: {error}")
        try:
            self._worker = Worker(
                number, job, tasks_of(tasks, number) if job.config.cluster.mixed else tasks, numbers, state
            )
        except ValueError as error:
            return self._refusal(f": {error}")
        return self._worker.started()

    def round(self, order: Order) -> Report | Refusal | None:
        """See `Worker`; None if it refused to start."""
        try:
            return None if self._worker is None else self._worker.round(order)
        except ValueError as error:
            return self._refusal(f": {error}")

    def stop(self) -> None:
        """See `Worker`."""
        if self._worker is not None:
            self._worker.stop()

    def candidates(self) -> int:
        """See `Worker`."""
        return 0 if self._worker is None else self._worker.candidates()

    def finish(self, hall: HallOfFame, **how: Any) -> Measured | None:
        """See `Worker`."""
        return None if self._worker is None else self._worker.finish(hall, **how)

    def hurry(self) -> None:
        """See `Worker`."""
        if self._worker is not None:
            self._worker.hurry()

    def _refusal(self, why: str) -> Refusal:
        return Refusal(self._number, one_line(f"worker {self._number} on {platform.node()}{why}"))


def hold_to_one_core() -> None:
    """Keeps this process, in which JAX has not run yet, to one thread of work on the CPU."""
    os.environ.update(_ONE_THREAD)
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD_XLA}".strip()
    jax.config.update("jax_platforms", "cpu")
