"""What a person sees: one line of progress, a curve, and where to go on."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console

import azero_jax as az
from azero_jax.explain.sparkline import sparkline
from azero_jax.fitness.counters import Counters
from azero_jax.protocol.result import WorkerProgress
from azero_jax.terminal.display import (
    Display,
    counter_line,
    how_to_go_on,
    progress_line,
    show_programs,
    show_table,
    worker_lines,
)

PROGRESS = az.Progress(
    candidates=2_000_000,
    seconds=10.0,
    best_fitness=0.75,
    mean_fitness=0.5,
    median_fitness=0.4,
    select_fitness=float("nan"),
    experiment=1,
    restarts=3,
    counters=Counters(
        candidates=1000, instructions=100, pruned_instructions=60, known_canonical=450, stopped_at_hurdle=[100, 50]
    ),
    program="def Setup():\n",
)


def test_progress_in_one_line() -> None:
    line = progress_line(PROGRESS)
    assert "2,000,000 candidates" in line
    assert "200,000/s" in line
    assert "best 0.750000" in line
    assert "select" not in line
    assert "select 0.900000" in progress_line(PROGRESS._replace(select_fitness=0.9))


def test_workers_have_a_line_each_where_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert worker_lines(PROGRESS) == []
    workers = (WorkerProgress(0, 1000, 0.5, 0.7, 1), WorkerProgress(1, 12_000, 0.25, 0.8, 2))
    with Display() as display:
        display.report(PROGRESS._replace(workers=workers))
    assert "  worker 1: 12,000 candidates  best 0.800000  experiment 2  0.25 s a round" in capsys.readouterr().out


def test_counters_in_one_line() -> None:
    line = counter_line(PROGRESS.counters)
    for part in ("60% of instructions pruned", "45.0% known programs", "10.0% stopped at hurdle 1"):
        assert part in line
    assert "train budget" not in line
    assert "2.5% over the train budget" in counter_line(dataclasses.replace(PROGRESS.counters, over_budget=25))
    assert "cannot learn" not in line
    assert "30.0% cannot learn" in counter_line(dataclasses.replace(PROGRESS.counters, not_learnable=300))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], ""), ([0.0, 0.5, 1.0], " ▄█"), ([-1.0, 2.0], " █"), ([0.0] * 50 + [1.0] * 50, " " * 5 + "█" * 5)],
)
def test_a_curve_in_one_line(values: list[float], expected: str) -> None:
    assert sparkline(values, width=10) == expected


def test_a_stopped_run_says_how_to_go_on() -> None:
    assert how_to_go_on("runs/my run") == "go on with: python -m azero_jax.search --resume 'runs/my run'"
    assert "nothing was recorded" in how_to_go_on(None)


def test_without_a_terminal_lines_come_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for seconds in (0.0, 1.0, 4.0, 6.0):
            display.report(PROGRESS._replace(seconds=seconds))
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_trouble_is_shown_however_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Display(quiet=True) as display:
        display.say("nothing")
        display.warn("the disk is full")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "warning: the disk is full\n")


FOUND = "def Setup():\n  v1 = gaussian(0.09876543210987654, 0.12345678901234567)\ndef Predict():\ndef Learn():\n"
RAW = "def Setup():\n  s2 = 0.5\n  v1 = gaussian(0.09876543210987654, 0.12345678901234567)\ndef Predict():\n"


def shown(width: int) -> list[str]:
    """The lines in which the two programs are shown in a terminal of so many columns."""
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False)
    show_programs(console, FOUND, RAW)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_programs_stand_side_by_side_where_there_is_room() -> None:
    lines = shown(120)
    assert lines[0].split("  ")[0] == "the program that was found"
    assert lines[0].endswith("as evolution left it")
    assert "v1 = gaussian(0.09876543210987654, 0.12345678901234567)      s2 = 0.5" in lines[2]
    assert len(lines) == 5


@pytest.mark.parametrize("width", [40, 80, 111])
def test_where_there_is_little_room_one_stands_below_the_other_and_no_line_of_code_is_broken(width: int) -> None:
    lines = shown(width)
    assert lines.index("the program that was found") < lines.index("as evolution left it")
    assert [line for line in lines if line and line[0] in "d "] == [*FOUND.splitlines(), *RAW.splitlines()]


ROW = ("/a/long/path/of/a/run/" + "7" * 100, "not solved (max candidates)", "1,000", "2026-05-09 10:00:00")


def table(*, is_terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=80, soft_wrap=True, force_terminal=is_terminal, color_system=None)
    show_table(console, ("run", "state", ">candidates", "last change"), [ROW])
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_pipe_gets_a_table_with_a_line_a_row_and_nothing_cut_off() -> None:
    _, line = table(is_terminal=False).splitlines()
    assert re.split("  +", line.strip()) == list(ROW)


def test_a_terminal_that_is_too_narrow_folds_cells_and_cuts_nothing_off() -> None:
    text = table(is_terminal=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.count("7") == 100
