"""Workers on Ray: the only module that knows it. The package ray is imported when the first search needs it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
import warnings
from collections.abc import Iterator
from typing import Any, Final

from azero_jax.cluster.actor import Refusal, WorkerActor
from azero_jax.cluster.messages import Answer, Death, Job, NoPlace, Numbers, Order, Report, Started
from azero_jax.cluster.version import package_version
from azero_jax.config.tree import ClusterConfig
from azero_jax.data.libraries import require
from azero_jax.process.cores import held_cores
from azero_jax.process.messages import one_line
from azero_jax.process.patience import Patience
from azero_jax.process.state import State
from azero_jax.process.streams import stderr_dropped
from azero_jax.protocol.finish import Measured
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.signals import StopSignals
from azero_jax.tasks.sets import TaskSets

ANSWER_SECONDS: Final = 10.0  # that a cluster's address has to answer
_ATTEMPTS: Final = 3  # at starting Ray
_JOIN_SECONDS: Final = 60.0  # that joining it may take
PLACE_SECONDS: Final = 60.0  # that a worker waits for a free core or GPU
_MOST_A_CORE: Final = 4  # workers on this machine: more only wait for one another, and each takes memory
_FINISH_SECONDS: Final = 1.5  # that an urgent end waits for the unseen tasks
_POLL_SECONDS: Final = 0.2  # between two looks for a signal at the end
_CONTROL: Final = "control"  # the calls that a worker takes while it is in a round
_AUTHENTICATION: Final = "RAY_AUTH_MODE"
# What Ray would otherwise do of itself: send home how it is used, change which GPUs a process without one sees, and let
# every other process on the machine go first.
_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
}


@contextlib.contextmanager
def ray_running(settings: ClusterConfig) -> Iterator[Any]:
    """The module `ray`, which has joined a cluster or started one on this machine; what was started ends afterwards.

    Raises:
      ValueError: it is not installed, the cluster cannot be joined, or this machine has too few cores.
    """
    before = {name: os.environ.get(name) for name in (*_SETTINGS, _AUTHENTICATION)}
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("ray.widgets").setLevel(logging.ERROR)  # which asks for ipywidgets in a notebook
        ray: Any = require("ray", "more than one worker" if settings.workers > 1 else "--ray-address", "cluster")
        is_ours = not ray.is_initialized()
        if is_ours:
            _init(ray, settings)
    try:
        yield ray
    finally:
        if is_ours:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.shutdown()
            for name, text in before.items():  # what Ray sets for a cluster on this machine does not fit another one
                os.environ.pop(name, None)
                os.environ.update({} if text is None else {name: text})


def _init(ray: Any, settings: ClusterConfig) -> None:
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if settings.ray_address is None:
        with contextlib.suppress(AttributeError):  # Ray's own paragraph about a dead worker, on standard output
            ray._private.worker.print_to_stdstream = lambda *line, **how: None
        cores = held_cores()
        most = _MOST_A_CORE * cores
        if settings.workers > most:
            raise ValueError(
                f"workers is {settings.workers}, but this machine has {cores} cores; take at most {most},"
                f" {_MOST_A_CORE} a core, or the machines of a cluster: --ray-address"
            )
        options |= {"address": "local", "num_cpus": max(settings.workers, cores), "include_dashboard": False}
        _start_here(ray, options)
        return
    address = settings.ray_address
    if address != "auto":
        _check_address(address)
    patience = Patience()
    patience.for_seconds(_JOIN_SECONDS)
    try:
        with stderr_dropped():  # where Ray says at every attempt that nobody answers
            in_time, _ = patience.call(lambda: ray.init(address=address, **options))
    except Exception as error:  # whatever Ray makes of it
        raise ValueError(one_line(f"no Ray cluster can be joined at {address}: {error}")) from None
    if not in_time:
        raise ValueError(f"no Ray cluster could be joined at {address} within {_JOIN_SECONDS:g} s")


def _start_here(ray: Any, options: dict[str, Any]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            ray.init(**options)
        except Exception as error:  # on a machine that is busy it takes longer than Ray waits
            ray.shutdown()
            if attempt == _ATTEMPTS - 1:
                raise ValueError(one_line(f"Ray does not start on this machine: {error}")) from None
        else:
            return


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"ray_address is {address!r}; it must be HOST:PORT, such as 10.0.0.1:6379, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise ValueError(
            f"no Ray cluster answers at {address} within {ANSWER_SECONDS:g} s ({why}); start one with ray start --head"
        ) from None


class RayCrew:
    """Workers as actors of Ray; a `Crew`.

    Attributes:
      one_core: whether each has a core, rather than a GPU.
    """

    def __init__(self, ray: Any, settings: ClusterConfig) -> None:
        """Checks that there is a place for all.

        Raises:
          ValueError: there are too few GPUs or cores.
        """
        self._ray, self._settings = ray, settings
        resources = ray.cluster_resources()
        gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
        no_gpus = os.environ.get("JAX_PLATFORMS") == "cpu" or gpus == 0
        self.one_core = settings.device == "cpu" or (settings.device == "auto" and no_gpus)
        if not self.one_core and settings.workers > gpus:
            fewer = f"at most {gpus}, or " if gpus else ""
            raise ValueError(
                f"workers is {settings.workers}, but there are {gpus} GPUs, one for each;"
                f" take {fewer}--cluster.device cpu"
            )
        if settings.workers > cores:
            raise ValueError(f"workers is {settings.workers}, but the cluster has {cores} cores, one for each")
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}  # answers to come, and whose
        self._greetings: dict[int, tuple[Any, float]] = {}  # of workers that have no process yet, and since when
        self._looks: dict[int, tuple[Any, int]] = {}  # how far workers have come: a question under way, the last answer

    def prepare(self, job: Job, task_sets: TaskSets) -> None:
        """Sends out what all workers are to know.

        Raises:
          ValueError: the tasks cannot be sent.
        """
        self._job = job
        try:
            self._tasks = self._ray.put(task_sets)
        except Exception as error:
            raise ValueError(one_line(f"the tasks cannot be sent to workers: {error}")) from None

    def start(self, worker: int, numbers: Numbers, state: State | None) -> None:
        """See `Crew`."""
        ray, tasks = self._ray, self._tasks
        resources = {"num_cpus": 1} if self.one_core else {"num_cpus": 1, "num_gpus": 1}
        actor = ray.remote(concurrency_groups={_CONTROL: 1}, scheduling_strategy="SPREAD", max_restarts=0, **resources)(
            WorkerActor
        )
        self._actors[worker] = made = actor.remote()
        fetch = _Fetch([tasks])
        self._greetings[worker] = made.hello.options(concurrency_group=_CONTROL).remote(), time.monotonic()
        self._looks.pop(worker, None)
        reply = made.start.remote(package_version(), worker, self._job, fetch, numbers, state)
        self._pending = {answer: whose for answer, whose in self._pending.items() if whose != worker}
        self._pending[reply] = worker

    def order(self, worker: int, order: Order) -> None:
        """See `Crew`."""
        if worker in self._actors:
            self._pending[self._actors[worker].round.remote(order)] = worker

    def wait(self, seconds: float) -> list[Answer]:
        """See `Crew`."""
        missing = self._find_missing()
        if missing or not self._pending:
            if not missing:
                time.sleep(seconds)
            return missing
        pending = list(self._pending)
        done, _ = self._ray.wait(pending, num_returns=1, timeout=seconds)
        if done:
            done, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0)
        answers: list[Answer] = []
        for reply in done:
            worker = self._pending.pop(reply, None)
            answer = None if worker is None else self._read(reply, worker)
            if isinstance(answer, Death):
                self._pending = {other: whose for other, whose in self._pending.items() if whose != worker}
                self._greetings.pop(answer.worker, None)
            if answer is not None:
                answers.append(answer)
        return answers

    def candidates(self) -> dict[int, int]:
        """See `Crew`; asked in passing, so that nobody waits: answers come at the next time."""
        for worker, actor in self._actors.items():
            question, known = self._looks.get(worker, (None, 0))
            if question is not None:
                done, _ = self._ray.wait([question], timeout=0)
                if not done:
                    continue
                with contextlib.suppress(self._ray.exceptions.RayError):
                    known = self._ray.get(question)
            self._looks[worker] = actor.candidates.options(concurrency_group=_CONTROL).remote(), known
        return {worker: known for worker, (_, known) in self._looks.items()}

    def stop(self) -> None:
        """See `Crew`."""
        for actor in self._actors.values():
            actor.stop.options(concurrency_group=_CONTROL).remote()

    def finish(self, hall: HallOfFame, stop: StopSignals, *, tune: bool, is_urgent: bool) -> Measured | None:
        """See `Crew`."""
        errors = self._ray.exceptions.RayError
        for actor in self._actors.values():
            reply = actor.finish.remote(hall, tune=tune, is_urgent=is_urgent)
            with contextlib.suppress(errors):
                if is_urgent:
                    return self._ray.get(reply, timeout=_FINISH_SECONDS)
                while not stop.reason and not self._ray.wait([reply], timeout=_POLL_SECONDS)[0]:
                    pass
                if stop.reason:
                    actor.hurry.options(concurrency_group=_CONTROL).remote()
                return self._ray.get(reply)
        return None

    def close(self) -> None:
        """Ends all workers."""
        for actor in self._actors.values():
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)
        self._actors.clear()

    def _find_missing(self) -> list[Answer]:
        """Workers that have waited for a place for too long."""
        if not self._greetings:
            return []
        questions = {question: worker for worker, (question, _) in self._greetings.items()}
        done, _ = self._ray.wait(list(questions), num_returns=len(questions), timeout=0)
        for question in done:
            del self._greetings[questions[question]]
        now, found = time.monotonic(), list[Answer]()
        for worker, (_, since) in list(self._greetings.items()):
            if now - since > PLACE_SECONDS:
                what = "core" if self.one_core else "GPU"
                found.append(NoPlace(worker, f"the cluster had no free {what} for it within {PLACE_SECONDS:g} s"))
                self._pending = {reply: whose for reply, whose in self._pending.items() if whose != worker}
                self._ray.kill(self._actors.pop(worker))
                del self._greetings[worker]
        return found

    def _read(self, reply: Any, worker: int) -> Answer | None:
        exceptions = self._ray.exceptions
        try:
            answer: Started | Report | Refusal | None = self._ray.get(reply)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, MemoryError):
                self._ray.kill(self._actors[worker])
                return Death(worker, "it ran out of memory")
            raise
        except exceptions.RayError as error:
            return Death(worker, _cause(error))
        if isinstance(answer, Refusal):
            raise ValueError(answer.why)
        return answer


class _Fetch:
    """Fetches what lies in the cluster's memory; a list keeps Ray from doing so itself."""

    def __init__(self, box: list[Any]) -> None:
        self._box = box

    def __call__(self) -> Any:
        import ray

        return ray.get(self._box[0])


def _cause(error: Exception) -> str:
    """Why a worker is no more, in a few words."""
    text = str(error)
    if "running low on memory" in text or "OutOfMemory" in type(error).__name__:
        return "its machine ran out of memory"
    if "node has died" in text or "node died" in text or "Node" in type(error).__name__:
        return "its machine is lost"
    return "its process ended"
