from __future__ import annotations

import functools
import os
from typing import Any

import jax
import pytest

from azero_jax.cluster import actor
from azero_jax.cluster.actor import Refusal, WorkerActor
from azero_jax.cluster.messages import Job, Numbers, Order, Started
from azero_jax.cluster.version import package_version
from azero_jax.cluster.worker import Worker
from azero_jax.tasks.sets import GeneratedTasks
from tests.cluster.test_coordinator import with_workers

CONFIG = with_workers(2)


def start(version: str = package_version(), fetch: Any = lambda: GeneratedTasks(CONFIG.tasks)) -> Started | Refusal:
    return WorkerActor().start(version, 1, Job(CONFIG, (), False), fetch, Numbers(1, 2), None)


def test_a_worker_with_another_version_is_refused_and_both_are_named() -> None:
    answer = start(version="0.0.9+abcdef01")
    assert isinstance(answer, Refusal)
    assert f"has azero_jax {package_version()}, this process 0.0.9+abcdef01; install the same everywhere" in answer.why


def test_a_worker_that_cannot_read_the_data_says_so() -> None:
    def fail() -> GeneratedTasks:
        raise ModuleNotFoundError("No module named 'my_tasks'")

    answer = start(fetch=fail)
    assert isinstance(answer, Refusal)
    assert answer.why.startswith("worker 1 on ")
    assert answer.why.endswith("cannot read the data: ModuleNotFoundError: No module named 'my_tasks'")


def test_a_worker_that_cannot_search_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(worker: Worker, order: Order) -> None:
        raise ValueError("there is no program that can learn;\ntake candidates any")

    monkeypatch.setattr(Worker, "round", fail)
    actor = WorkerActor()
    fetch = functools.partial(GeneratedTasks, CONFIG.tasks)
    assert isinstance(actor.start(package_version(), 1, Job(CONFIG, (), False), fetch, Numbers(1, 2), None), Started)
    answer = actor.round(Order(1, 100, False, 0, None, False))
    assert isinstance(answer, Refusal)
    assert answer.worker == 1
    assert answer.why.endswith(": there is no program that can learn; take candidates any")


def test_a_worker_that_starts_says_what_it_runs_on() -> None:
    answer = start()
    assert isinstance(answer, Started)
    assert (answer.worker, answer.process, answer.candidates) == (1, os.getpid(), 0)


def test_a_worker_without_an_accelerator_keeps_to_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: dict[str, str] = {}
    monkeypatch.setattr(jax.config, "update", updates.__setitem__)
    for name in (*actor._ONE_THREAD, "XLA_FLAGS"):
        monkeypatch.setenv(name, "--other")
    actor.hold_to_one_core()
    assert {os.environ[name] for name in actor._ONE_THREAD} == {"1"}
    assert os.environ["XLA_FLAGS"] == "--other --xla_cpu_multi_thread_eigen=false"
    assert updates == {"jax_platforms": "cpu"}
