"""The measurements for the day an accelerator is there, rehearsed on the CPU with tiny sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("warp")

ROOT = Path(__file__).parents[1]
STEPS = ["machine", "tests", "batch_size", "tasks", "lanes", "search_linear", "search_affine", "search_teacher"]


def rehearse(folder: Path, *arguments: str) -> list[str]:
    """Runs what has not been run; what it says."""
    script = str(ROOT / "experiments" / "accelerator_day.py")
    done = subprocess.run(
        [sys.executable, script, str(folder), "--rehearsal", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def rows(folder: Path, step: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / f"{step}.json").read_text(encoding="utf-8"))
    return found


def test_every_step_is_run_and_written_down_and_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    said = rehearse(tmp_path, "--minutes", "0")
    assert said == [f"{step}: not run, the 0 minutes are over; the same command goes on" for step in STEPS]
    assert rehearse(tmp_path)[-1] == f"{STEPS[-1]} ..."
    (tests,) = rows(tmp_path, "tests")
    assert (tests["returncode"], tests["passed"]) == (0, 1)
    for step in ("batch_size", "tasks", "lanes"):
        assert all(row["programs_per_second"] > 0 for row in rows(tmp_path, step))
    assert {row["engine"] for row in rows(tmp_path, "batch_size")} == {"warp", "xla"}
    for preset in ("linear", "affine", "teacher"):
        (row,) = rows(tmp_path, f"search_{preset}")
        assert row["candidates"] > 0
        assert all(row[f"{part}_us"] >= 0 for part in ("host", "transfer", "kernel"))
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert [line[3:] for line in table.splitlines() if line.startswith("## ")] == STEPS

    whole = (tmp_path / "search_affine.json").read_text(encoding="utf-8")
    (tmp_path / "search_affine.json").write_text(
        whole[: len(whole) // 2], encoding="utf-8"
    )  # the machine was taken away
    (tmp_path / "lanes.json").unlink()
    assert rehearse(tmp_path) == ["lanes ...", "search_affine ..."]
    assert rows(tmp_path, "search_affine")[0]["candidates"] > 0
