"""How many cores a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from azero_jax.process import cores as cores_module
from azero_jax.process.cores import usable_cores


@pytest.fixture(autouse=True)
def three_cores_and_no_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 5}, raising=False)
    monkeypatch.setattr(cores_module, "QUOTA", tmp_path / "cpu.max")


def test_the_cores_that_a_process_is_held_to_count() -> None:
    assert usable_cores() == 3


@pytest.mark.parametrize(("limit", "cores"), [("1", 1), ("2", 2), ("64", 3), ("", 3), ("0", 3), ("many", 3)])
def test_a_limit_of_threads_holds_here_too(limit: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert usable_cores() == cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 3), ("200000 100000", 2), ("150000 100000", 2), ("5000 100000", 1), ("800000 100000", 3), ("?", 3)],
)
def test_a_container_that_has_less_time_counts(quota: str, cores: int) -> None:
    cores_module.QUOTA.write_text(f"{quota}\n")
    assert usable_cores() == cores
