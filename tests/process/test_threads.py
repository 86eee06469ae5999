"""Threads that share work: nothing is left undone, and nothing goes on afterwards."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from azero_jax.process import threads
from azero_jax.process.threads import work_together


@pytest.fixture
def two_beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr(threads, "_pool", lambda: pool)
        yield pool


def counting(done: list[int], meet: Callable[[], object] = lambda: None) -> Callable[[], None]:
    """A worker that counts how often each piece is worked on; those who share it meet before they begin."""
    numbers = itertools.count()

    def work() -> None:
        meet()
        while (number := next(numbers)) < len(done):
            done[number] += 1

    return work


@pytest.mark.usefixtures("two_beside")
def test_all_workers_work_at_the_same_time() -> None:
    done = [0] * 1000
    work_together([counting(done, threading.Barrier(3, timeout=60).wait)] * 3)
    assert done == [1] * 1000


def test_workers_whose_threads_are_busy_are_not_waited_for(two_beside: ThreadPoolExecutor) -> None:
    free, done = threading.Event(), [0] * 10
    busy = [two_beside.submit(free.wait) for _ in range(2)]
    work_together([counting(done)] * 3)
    assert done == [1] * 10
    assert not any(one.done() for one in busy)
    free.set()


@pytest.mark.usefixtures("two_beside")
@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_comes_out_when_all_have_ended(failing: int) -> None:
    meeting, ended = threading.Barrier(3, timeout=60), []

    def fail() -> None:
        meeting.wait()
        raise RuntimeError("no")

    def work() -> None:
        meeting.wait()
        threading.Event().wait(0.2)
        ended.append(threading.current_thread().name)

    workers = [work, work, work]
    workers[failing] = fail
    with pytest.raises(RuntimeError, match="no"):
        work_together(workers)
    assert len(ended) == 2
