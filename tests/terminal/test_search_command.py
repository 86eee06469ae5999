"""The command line, in this process: what it prints, what it returns, and how it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from azero_jax.config.file import format_config, read_config
from azero_jax.config.leaves import all_settings
from azero_jax.config.tree import Config
from azero_jax.engines.base import EngineUnavailableError
from azero_jax.protocol import experiment
from azero_jax.recording.files import FolderLock
from azero_jax.terminal import search_action
from azero_jax.terminal.display import Display
from azero_jax.terminal.search_command import main
from tests.support.tiny import tiny

PROGRAM = "def Setup():\n  s2 = 0.5\ndef Predict():\n  s1 = dot(v1, v0)\ndef Learn():\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(format_config(tiny(budget__max_candidates=300)))
    return str(path)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command line refuses."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_json_is_the_last_line_and_the_only_one_on_standard_output(
    config: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "--json"]) == 1
    out, err = capfd.readouterr()
    assert out.count("\n") == 1
    result = json.loads(out)
    names = "solved search_fitness select_fitness final_fitness program candidates seconds seed engine device"
    assert set(names.split()) <= result.keys()
    assert result["program"].startswith("def Setup():")
    assert "candidates" in err


def test_what_libraries_print_does_not_reach_standard_output(
    config: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    run = search_action.run

    def noisy(*arguments: Any, **keywords: Any) -> Any:
        print("a banner")
        os.write(1, b"a banner from compiled code\n")
        return run(*arguments, **keywords)

    monkeypatch.setattr(search_action, "run", noisy)
    main(["--config", config, "--json"])
    out, err = capfd.readouterr()
    assert json.loads(out)
    assert err.count("a banner") == 2


def test_exit_code_0_when_the_sufficient_fitness_is_reached(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", config, "--sufficient-fitness", "0.01"]) == 0
    assert "solved after" in capsys.readouterr().out


def test_exit_code_1_and_the_best_program_when_the_budget_ends(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", config]) == 1
    out = capsys.readouterr().out
    assert "not solved (max candidates)" in out
    assert "def Predict():" in out
    assert "on unseen tasks" in out


def test_the_first_compile_and_the_engine_are_announced(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--config", config])
    out = capsys.readouterr().out
    assert re.search(r"^engine \w+ on \w+; compiling", out, re.MULTILINE)
    assert re.search(r"^compiled in \d+\.\d s$", out, re.MULTILINE)


def test_quiet_shows_the_result_only(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--config", config, "--quiet"])
    out, err = capsys.readouterr()
    assert out.strip().startswith("not solved")
    assert err == ""


@pytest.mark.parametrize("flag", ["--population", "--search.population"])
def test_a_setting_has_a_full_and_a_short_name(flag: str, config: str, tmp_path: Path) -> None:
    main(["--config", config, flag, "50", "--out", str(tmp_path / "run")])
    assert read_config(tmp_path / "run" / "config.toml").search.population == 50


def test_flags_go_before_the_file_and_the_file_before_the_preset(config: str, tmp_path: Path) -> None:
    main(["--preset", "affine", "--config", config, "--seed", "7", "--out", str(tmp_path / "run")])
    resolved = read_config(tmp_path / "run" / "config.toml")
    assert (resolved.seed, resolved.search.population, resolved.tasks.kind) == (7, 40, "linear")


def test_a_recorded_configuration_repeats_the_search(config: str, tmp_path: Path) -> None:
    main(["--config", config, "--out", str(tmp_path / "one")])
    main(["--config", str(tmp_path / "one" / "config.toml"), "--out", str(tmp_path / "two")])
    one, two = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two"))
    assert (one["program"], one["counters"]) == (two["program"], two["counters"])


def test_nothing_is_written_unless_asked_for(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    main(["--config", config])
    assert list(folder.iterdir()) == []


def test_a_named_run_is_listed_shown_and_goes_on(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["--config", config, "--name", "first"])
    assert "recorded in runs/first" in capsys.readouterr().out
    assert main(["--list"]) == 0
    assert "runs/first" in capsys.readouterr().out
    assert main(["--show", "runs/first"]) == 0
    assert "not solved (max candidates), 320 candidates" in capsys.readouterr().out
    assert main(["--resume", "runs/first", "--max-candidates", "600"]) == 1
    assert "going on from 320 candidates" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_the_program_and_how_to_go_on(
    number: int,
    code: int,
    config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    signals = [number]
    monkeypatch.setattr(Display, "report", lambda *_: os.kill(os.getpid(), signals.pop()) if signals else None)
    run = str(tmp_path / "run")
    assert main(["--config", config, "--out", run]) == code
    out = capsys.readouterr().out
    assert "def Predict():" in out
    assert f"go on with: python -m azero_jax.search --resume {run}" in out
    monkeypatch.undo()
    assert main(["--resume", run]) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_at_once(
    number: int, code: int, config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def report(display: Display, progress: Any) -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(Display, "report", report)
    assert main(["--config", config]) == code
    assert "def Predict():" not in capsys.readouterr().out


def test_help_names_every_setting_under_its_branch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for setting in all_settings(Config):
        assert f"--{setting.path.replace('_', '-')}" in text
    sections = ("Run", "Space", "Tasks", "Search", "Evaluator", "Engine", "Budget", "Output")
    places = [re.search(rf"^{section}:", text, re.MULTILINE) for section in sections]
    assert None not in places
    assert "Examples:" in text


def test_a_program_to_start_from_is_used(config: str, tmp_path: Path) -> None:
    (tmp_path / "seed.txt").write_text(PROGRAM)
    main(["--config", config, "--start-from", str(tmp_path / "seed.txt"), "--out", str(tmp_path / "run")])
    first = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[0])
    assert first["program"].strip() == PROGRAM.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "lineer"], "unknown preset 'lineer'; did you mean linear? allowed: linear, affine, teacher"),
        (["--populaton", "3"], "No such option '--populaton'. (Did you mean one of: '--mutations', '--population'"),
        (["--ops", "SCALAR_SUMM"], "SCALAR_SUM"),
        (["--population", "many"], "--search.population: 'many' is not a whole number"),
        (["--population", "0"], "population is 0; it must be at least 1"),
        (["--train-examples", "5"], "5 training examples; at least 10 are needed"),
        (["--kind", "teacher", "--features", "3"], "teacher tasks need at least 4"),
        (["--max-seconds", "-1"], "max_seconds is -1; it must be above 0"),
        (["--fec-train-examples", "60", "--train-examples", "50"], "fec_train_examples is 60; a task has only 50"),
        (["--seed", "x"], "--seed: 'x' is not a whole number"),
        (["--config", "/absent.toml"], "/absent.toml: cannot be read: No such file or directory"),
        (["--resume", "/absent"], "run directory /absent: there is no run to go on with"),
        (["--show", "/absent"], "run directory /absent: there is no run"),
        (["--list", "/absent"], "/absent: there is no such folder"),
        (["--start-from", "/absent.txt"], "/absent.txt: cannot be read: No such file or directory"),
        (["--name", "a/b"], "--name: 'a/b' is not a plain name"),
        (["--name", "a", "--out", "b"], "--name and --out cannot both be given"),
        (["--resume", "/absent", "--preset", "linear"], "--resume cannot go with --preset or --config"),
        (["--out", "/proc/run"], "run directory /proc/run cannot be written to"),
        (["--tensorboard", "true"], "output.tensorboard is true; it needs a run directory"),
        (["--frozen", "predict"], "frozen is predict, but there is no program to start from; give one"),
        (["--frozen", "forget"], "frozen is forget; allowed: setup, predict, learn"),
        (
            ["--start-from", "linear_regressor", "--start-share", "0", "--scalars", "5"],
            "start_share is 0 and nothing is",
        ),
        (
            ["--start-from", "linear_regressor", "--algorithm", "random", "--scalars", "5"],
            "algorithm is random and nothing is frozen, so the programs to start from would not be used; freeze",
        ),
        (["--start-from", "two_layer_net", "--frozen", "predict"], "two_layer_net: line"),
        (
            ["--initial", "empty"],
            "initial is 'empty', but empty programs cannot learn; take initial random, or candidates",
        ),
        (
            ["--candidates", "any", "--mutations", "add_learned=1"],
            "candidates is 'any', but mutation add_learned is for",
        ),
        (["--candidates", "all"], "candidates is 'all'; allowed: learnable, any"),
        (
            ["--learned", "q"],
            "learned is q; each niche is any, or letters of s (scalar), v (vector), m (matrix), such as",
        ),
        (
            ["--learned", "s,v", "--algorithm", "random"],
            "learned is s,v, 2 niches, but algorithm random has only one, such as learned s",
        ),
        (
            ["--learned", "s,v", "--islands", "1"],
            "learned is s,v, 2 niches, but islands is 1; take as many islands, or one niche: learned s",
        ),
        (
            ["--learned", "m"],
            "no program of this space can learn a matrix: no op of Predict or Learn writes one; allow",
        ),
        (["--learn", "0"], "no program of this space can learn: Learn has no instructions; take candidates any"),
        (["more"], "unexpected extra argument"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(arguments, capsys)


def test_what_is_wrong_in_a_file_is_said_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[search]\npopulaton = 3\n")
    expected = f"error: {path}: unknown key search.populaton; did you mean search.population?\n"
    assert refused(["--config", str(path)], capsys) == expected


def test_a_program_that_does_not_parse_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "seed.txt"
    path.write_text("def Setup():\n  s2 = sinn(s1)\n")
    message = refused(["--start-from", str(path)], capsys)
    assert message.startswith(f"error: {path}: line 2")


def test_an_engine_that_this_machine_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*arguments: Any) -> Any:
        raise EngineUnavailableError("Warp cannot be loaded: No module named 'warp'")

    monkeypatch.setattr(experiment, "make_engine", missing)
    assert "Warp cannot be loaded" in refused(["--engine", "warp"], capsys)


def test_a_run_directory_in_use_is_refused_with_its_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = FolderLock(tmp_path)
    assert f"is in use by process {os.getpid()}" in refused(["--out", str(tmp_path)], capsys)
    lock.release()
