"""The paper's experiments, each run tiny from its command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
NAMES = ("search_difficulty", "speedups", "baselines", "teacher_tasks", "adaptation", "best_program")


def run(name: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(EXPERIMENTS.parent), "MPLBACKEND": "Agg"}
    command = [sys.executable, str(EXPERIMENTS / f"{name}.py"), "--core", "0", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_quick_run_makes_a_row_for_each_condition(name: str, tmp_path: Path) -> None:
    done = run(name, "--quick", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    searches = sum(", seed 0: " in line for line in done.stdout.splitlines())
    assert searches > 0
    assert len(rows) == searches + 2  # head and rule
    assert list(tmp_path.iterdir()) == []  # nothing is kept


def test_search_with_a_line_is_not_run_again(tmp_path: Path) -> None:
    results = tmp_path / "lines.jsonl"
    line = {"condition": "affine, learnable, random", "seed": 0, "solved": True, "candidates": 10, "cpu_seconds": 1.0}
    results.write_text(json.dumps(line) + "\n")
    words = ("--condition", "affine, learnable, random", "--seeds", "1", "--results", str(results))
    done = run("search_difficulty", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| affine, learnable, random | 1 of 1 | 10 |" in done.stdout
    assert results.read_text() == json.dumps(line) + "\n"


def test_missing_data_are_named(tmp_path: Path) -> None:
    done = run("baselines", "--condition", "full", "--results", str(tmp_path / "lines.jsonl"), folder=tmp_path)
    assert done.returncode == 2
    assert "full needs --data cifar10=PATH" in done.stderr
