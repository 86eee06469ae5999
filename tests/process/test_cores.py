"""How many cores a process may use."""

from __future__ import annotations

import os

import pytest

from azero_jax.process.cores import usable_cores


def test_the_cores_that_a_process_is_held_to_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 5}, raising=False)
    assert usable_cores() == 3


@pytest.mark.parametrize(("limit", "cores"), [("1", 1), ("2", 2), ("64", 3), ("", 3), ("0", 3), ("many", 3)])
def test_a_limit_of_threads_holds_here_too(limit: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 5}, raising=False)
    assert usable_cores() == cores
