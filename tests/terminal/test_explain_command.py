"""The command line that explains: runs and programs, and how it refuses what is wrong with them."""

from __future__ import annotations

import json
import os
import shutil
import types
from pathlib import Path
from typing import Any

import pytest

from azero_jax.api import search
from azero_jax.config.presets import load_preset
from azero_jax.explain.listing import read_listing
from azero_jax.language.library import load_program
from azero_jax.tasks import FixedTasks, linear_tasks
from azero_jax.terminal import explain_action
from azero_jax.terminal.explain_command import main
from tests.support.tiny import tiny

FEW = ["--select-tasks", "3", "--select-train-examples", "100", "--no-baselines", "--tune", "0"]


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    search(tiny(), out=folder)
    return folder


@pytest.fixture
def run(recorded_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded_run, tmp_path / "tiny"))


def explained(capfd: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json", "--no-baselines", "--tune", "0"]) == 0
    return json.loads(capfd.readouterr().out)


def test_a_run_is_explained_in_its_directory(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = json.loads((run / "result.json").read_text())
    explanation = explained(capfd, str(run))
    folder = run / "explained"
    assert explanation["folder"] == str(folder)
    assert read_listing((folder / "program.txt").read_text()).size <= read_listing(result["program"]).size
    kept = json.loads((folder / "explanation.json").read_text())
    assert len(kept["ablation"]["instructions"]) == kept["instructions"]["simplified"]


def test_other_numbers_of_features_are_allowed_and_said(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert explained(capfd, str(run), "--features", "3")["notes"] == [
        "the search had 2 features, these tasks have 3",
        *explained(capfd, str(run))["notes"],
    ]


def test_a_run_on_pairs_is_explained_on_tasks_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_preset("digits", pairs=("0-1",))
    run = types.SimpleNamespace(config=config, result={"program": ""})
    monkeypatch.setattr(explain_action, "read_run", lambda path: run)
    subject = explain_action._read_subject(tmp_path, None, {"tasks.kind": "table"})
    assert subject.config == config.replace(kind="table", pairs=())


def test_a_known_program_is_shown_with_roles(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["linear_regressor", *FEW]) == 0
    shown = capfd.readouterr().out
    assert "error = label - prediction" in shown
    assert "# prediction error" in shown
    assert (tmp_path / "linear_regressor-explained" / "readable.txt").exists()


def test_a_program_that_predicts_nothing_is_noted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "found.txt").write_text("def Predict():\n  s2 = dot(v0, v1)\ndef Learn():\n  s1 = s0 + s2\n")
    explanation = explained(capfd, str(tmp_path / "found.txt"), *FEW, "--out", str(tmp_path / "out"))
    assert "Predict never writes s1, where predictions of two classes or numbers are read" in explanation["notes"]


def refusal(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--no-baselines", "--tune", "0", "--quiet"]) == 2
    captured = capfd.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 300
    return captured.err


def test_a_run_without_a_result_is_refused(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (run / "result.json").unlink()
    assert "has no result to explain" in refusal(capfd, str(run))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("result.json", "{", "it is not JSON"),
        ("front.json", "[{}]", "entry 1: its 'program' is missing"),
        ("events.jsonl", "[1]\n", "line 1: it is not a JSON object"),
        ("metrics.jsonl", "{}\n", "the last line: its 'candidates' is missing"),
        ("sessions.jsonl", "{}\n", "line 1: its 'python' is missing"),
    ],
)
def test_damaged_files_are_refused(
    name: str, text: str, said: str, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (run / name).write_text(text)
    assert f"{name}: damaged, {said}" in refusal(capfd, str(run))


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "there is no run" in refusal(capfd, str(tmp_path))


def test_tasks_that_were_made_in_python_are_not_guessed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = linear_tasks(tasks=4, features=2, train_examples=20, valid_examples=10, seed=0)
    search(tiny(budget__max_candidates=200), tasks=FixedTasks(tasks, tasks, tasks), out=tmp_path / "own")
    assert "made in Python" in refusal(capfd, str(tmp_path / "own"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def Predict():\n  s1 = dot(v0, v1\n", ["found.txt: line 2", "did you mean"]),
        ("def Predict():\n  s2 = dot(v0, v1)\n", ["found.txt: Predict never writes s1,", "nothing to explain"]),
        ("def Predict():\n  v1[9] = 0.5\n  s1 = dot(v0, v1)\n", ["line 2", "index 9 is out of range"]),
    ],
)
def test_programs_with_errors_are_refused(
    text: str, words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "found.txt").write_text(text)
    message = refusal(capfd, str(tmp_path / "found.txt"), "--out", str(tmp_path / "out"))
    assert all(word in message for word in words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing.txt"], "nor is it a known program"),
        (["linear_regressor", "--preset", "linaer"], "did you mean linear"),
        (["linear_regressor", "--select-tasks", "0"], "at least 1"),
        (["linear_regressor", "--data", "nowhere.csv"], "nowhere.csv"),
        (["linear_regressor", "--preset", "cifar10"], "say which: --data"),
        (["linear_regressor", "--out", ""], "'--out': it is empty"),
        ([""], "it is empty"),
        ([], "Missing argument"),
    ],
)
def test_wrong_words_are_refused(words: list[str], expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert expected in refusal(capfd, *words)


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in refusal(capfd, "linear_regressor", *FEW[:4], "--out", str(tmp_path / "file" / "x"))


def test_programs_stay_readable_as_programs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    explained(capfd, "linear_regressor", *FEW, "--out", str(tmp_path))
    written = (tmp_path / "program.txt").read_text()
    assert read_listing(written) == read_listing(load_program("linear_regressor").text)


def test_a_program_file_may_have_any_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / os.fsdecode(b"found\xff.txt")
    program.write_text(load_program("linear_regressor").text)
    explained(capfd, str(program), *FEW, "--out", str(tmp_path / "out"))
    assert r"found\udcff.txt" in (tmp_path / "out" / "report.html").read_text()
