"""Workers in this process, one round at a time, in an order and with deaths that a test chooses.

Whatever they and the coordinator tell one another is pickled in between, as between processes.
"""

from __future__ import annotations

import pickle
import random
from collections import deque
from pathlib import Path
from typing import TypeVar

from azero_jax.cluster.coordinator import Coordinator, Ending
from azero_jax.cluster.messages import Answer, Death, Job, NoPlace, Numbers, Order
from azero_jax.cluster.worker import Worker
from azero_jax.config.tree import Config
from azero_jax.process.state import State
from azero_jax.protocol.finish import Measured
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.identity import search_identity
from azero_jax.protocol.recorded_hall import recorded_hall
from azero_jax.protocol.run import begin_recording
from azero_jax.protocol.signals import StopSignals
from azero_jax.recording.run_directory import RunDirectory
from azero_jax.tasks.sets import GeneratedTasks

T = TypeVar("T")


def sent(message: T) -> T:
    """What arrives of a message."""
    arrived: T = pickle.loads(pickle.dumps(message))
    return arrived


class LocalCrew:
    """A `Crew`; `seed` decides who is first, `deaths` says after how many rounds of all which worker dies."""

    def __init__(self, config: Config, seed: int = 0, deaths: dict[int, int] | None = None) -> None:
        self.job, self.tasks = sent(Job(config, (), True)), GeneratedTasks(config.tasks)
        self.workers: dict[int, Worker] = {}
        self.orders: dict[int, deque[Order]] = {}
        self.news: list[Answer] = []
        self.random, self.deaths, self.rounds = random.Random(seed), deaths or {}, 0
        self.ending: Ending | None = None
        self.lost: set[int] = set()  # workers that will find no place when they are replaced

    def start(self, worker: int, numbers: Numbers, state: State | None) -> None:
        self.orders[worker] = deque()
        if worker in self.lost:
            self.news.append(NoPlace(worker, "the cluster had no free core for it within 60 s"))
            return
        self.workers[worker] = Worker(worker, self.job, self.tasks, numbers, sent(state))
        self.news.append(sent(self.workers[worker].started()))

    def order(self, worker: int, order: Order) -> None:
        self.orders[worker].append(sent(order))

    def wait(self, seconds: float) -> list[Answer]:
        del seconds
        if self.news:
            news, self.news = self.news, []
            return news
        waiting = [worker for worker in self.workers if self.orders[worker]]
        assert waiting, "nobody has anything to do, and the search goes on for ever"
        worker = self.random.choice(waiting)
        self.rounds += 1
        if self.deaths.get(self.rounds) == worker or worker in self.lost:
            del self.workers[worker]
            self.orders[worker].clear()
            return [Death(worker, "its process ended")]
        return [sent(self.workers[worker].round(self.orders[worker].popleft()))]

    def candidates(self) -> dict[int, int]:
        return {}

    def stop(self) -> None:
        for worker in self.workers.values():
            worker.stop()

    def finish(self, hall: HallOfFame, stop: StopSignals, *, tune: bool, is_urgent: bool) -> Measured | None:
        del stop
        return sent(next(iter(self.workers.values())).finish(sent(hall), tune=tune, is_urgent=is_urgent))


def coordinate(
    config: Config,
    folder: Path,
    crew: LocalCrew,
    warnings: list[str] | None = None,
    *,
    resume: bool = False,
    stop: StopSignals | None = None,
) -> Coordinator:
    """A search with workers of a `LocalCrew`, recorded in a folder."""
    warn = (warnings if warnings is not None else []).append
    with RunDirectory(folder, config.output, search_identity(config, (), ""), warn, resume=resume) as directory:
        hall = recorded_hall(folder, config.space.build(crew.tasks.features), crew.tasks.metric)
        state = begin_recording(directory, config, (), "auto", "workers")
        coordinator = Coordinator(config, crew, directory, lambda line: None, warn, state, hall)
        coordinator.await_start()
        crew.ending = coordinator.search(stop or StopSignals(), lambda progress: None, 1.0)
    return coordinator
