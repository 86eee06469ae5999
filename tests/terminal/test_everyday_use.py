"""What people type, and where they run it: every way out is a documented exit code and at most one line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import azero_jax
from azero_jax.engines.settings import ENGINES
from azero_jax.process.messages import MAX_MESSAGE
from azero_jax.process.patience import Patience
from azero_jax.recording.overview import read_overview
from azero_jax.terminal import evaluate_command, search_action, shell
from azero_jax.terminal.search_command import main

TABLE = "a,b,label\n" + "".join(f"{(7 * n) % 10},{(3 * n) % 11},{n % 2}\n" for n in range(40))
QUICK = ["--max-candidates", "300", "--islands", "2", "--population", "50", "--batch", "25", "--search-tasks", "2"]
LINEAR = "def Predict():\n  s1 = dot(v0, v1)\n"


def one_line_of(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert len(line) <= MAX_MESSAGE
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--population", "2000000000"], ("memory", "population = 2000000000", "free")),
        (["--select-tasks", "2000000000"], ("memory", "select_tasks = 2000000000")),
        (["--cache-size", "20000000000000"], ("memory", "cache_size = 20000000000000")),
        (["--start-from", "def Setup():\n  s1 = s2 + s3"], ("is a program's text", "file")),
        (["--start-from", "x" * 5000], ("name too long",)),
        (["--config", "x" * 5000], ("name too long",)),
        (["--data", "x" * 5000], ("no such file",)),
        (["--data", "~nobody/x.csv"], ("~nobody/x.csv", "no such file")),
        (["--data", ""], ("--data is empty",)),
        (["--data", "a\0b"], ("no such file",)),
        (["--out", ""], ("is empty",)),
        (["--name", ""], ("--name: ''", "not a plain name")),
        (["--config", "/dev/zero"], ("/dev/zero", "bytes")),
        (["--seed", "9" * 5000], ("--seed",)),
        (["--fec-decimals", "-1"], ("fec_decimals is -1",)),
        (["--train-budget", "nan"], ("train_budget is nan",)),
        (["--max-seconds", "nan"], ("max_seconds is nan",)),
    ],
)  # fmt: skip
def test_what_nobody_can_mean_is_one_line(arguments, said, capsys):
    assert main(arguments) == 2
    line = one_line_of(capsys).lower()
    for words in said:
        assert words.lower() in line


@pytest.mark.parametrize("name", ["a,b.csv", "a, b.csv", "prog[final].csv", "~me.csv", "größe €.csv"])
def test_an_existing_file_wins_whatever_its_name(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(TABLE)
    assert main(["--data", name, *QUICK, "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["baseline"]["name"] == "logistic regression"


def test_data_whose_name_cannot_be_recorded_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"rows\xff.csv")
    Path(name).write_text(TABLE)
    assert main(["--data", name, *QUICK, "--quiet", "--out", "run"]) == 2
    line = one_line_of(capsys)
    assert line.startswith("error: config.toml cannot hold ")
    assert r"rows\udcff.csv" in line
    assert line.endswith("which is not UTF-8; rename the file")


def test_a_file_name_is_printed_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("prog[final].txt").write_bytes(b"\xef\xbb\xbf" + LINEAR.encode())
    Path("t.csv").write_text(TABLE)
    assert evaluate_command.main(["prog[final].txt", "--data", "t.csv"]) == 0
    assert "prog[final].txt: accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ""),
        (["--cluster.device", "gpu"], "note: device gpu: that is for workers, of which there are none"),
        (["--migrants", "50", "--asynchronous", "true"], "note: asynchronous true, migrants 50: that is for workers"),
        (["--round-candidates", "100"], "note: round_candidates 100: that is for workers"),
    ],
)
def test_what_makes_no_difference_without_workers_is_said(arguments, said, capsys):
    assert main([*QUICK, *arguments]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert bool(said) == ("that is for workers" in out)


def _fail_with(error):
    def fail(*arguments, **keywords):
        raise error

    return fail


@pytest.mark.parametrize(
    "error", [KeyError("seed"), RecursionError("too deep"), AssertionError(), RuntimeError("a\nb" * 500), EOFError()]
)
def test_a_bug_ends_with_70_and_a_file_to_send_in(error, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(search_action, "run", _fail_with(error))
    assert main([]) == shell.BUG == 70
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"bug: {type(error).__name__}")
    assert len(line) <= MAX_MESSAGE
    (report,) = tmp_path.iterdir()
    assert str(report) in line
    assert "Traceback (most recent call last)" in report.read_text()


def test_an_error_of_a_library_is_no_refusal(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(search_action, "run", lambda *_: np.zeros((2, 3)) @ np.zeros((2, 3)))
    assert main([]) == 70


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MemoryError(), 2, "not enough memory"),
        (OSError(28, "No space left on device", "/x/y"), 2, "/x/y: No space left on device"),
        (BrokenPipeError(), 141, ""),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_every_other_way_out_has_its_code(error, code, said, monkeypatch, capsys):
    monkeypatch.setattr(shell.os, "dup2", lambda *_: None)
    monkeypatch.setattr(search_action, "run", _fail_with(error))
    assert main(["--quiet"]) == code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("how", ["interrupt", "too slow"])
def test_the_result_does_not_wait_for_the_comparison(how, tmp_path, monkeypatch, capsys):
    (tmp_path / "t.csv").write_text(TABLE)
    if how == "interrupt":
        monkeypatch.setattr(search_action, "compare_with_linear", _fail_with(KeyboardInterrupt()))
    else:
        monkeypatch.setattr(Patience, "call", lambda self, function: (False, None))
    assert main(["--data", str(tmp_path / "t.csv"), *QUICK, "--json"]) in (0, 1)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["baseline"] is None
    assert "the comparison is left out" in captured.err


def _refuse(path, *arguments):
    read_overview(path / "absent")


@pytest.mark.parametrize(
    ("fail", "code", "said"),
    [
        (_fail_with(KeyboardInterrupt()), 1, "the report is left out, as asked; python -m azero_jax.explain"),
        (_fail_with(OSError(28, "No space left on device")), 1, "No space left on device"),
        (_refuse, 1, "the report is left out: run directory"),
        (_fail_with(RuntimeError("a bug")), 70, "bug: RuntimeError"),
    ],
    ids=["interrupt", "full disk", "refusal", "bug"],
)
def test_the_result_does_not_wait_for_the_report(fail, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(search_action, "report_run", fail)
    assert main([*QUICK, "--out", str(tmp_path / "run"), "--report", "--json"]) == code
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1
    assert "program" in json.loads(captured.out)
    assert said in captured.err


def run_python(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        cwd=Path(azero_jax.__file__).parents[1],
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("command", "platform"),
    [(["azero_jax.search"], "cuda"), (["azero_jax.evaluate", "linear_regressor", "--data", "digits"], "nowhere")],
    ids=["search", "evaluate"],
)
def test_a_platform_that_is_not_there_is_one_line(command, platform):
    done = run_python("-m", *command, JAX_PLATFORMS=platform)
    assert done.returncode == 2
    assert f"JAX_PLATFORMS={platform}" in done.stderr.splitlines()[-1]
    assert len(done.stderr.splitlines()[-1]) <= 300
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
def test_a_batch_beyond_the_memory_is_one_line(engine, capsys):
    assert main(["--engine", engine, "--engine.batch-size", "1000000000000"]) == 2
    error = capsys.readouterr().err
    size = r"the search would need [\d,.]+ GiB of memory, most of it \([\d,.]+ GiB\) for batch_size = 1000000000000; "
    assert re.search(size + r"[\d,.]+ GiB are free; take less$", error.strip())
    assert "Traceback" not in error


@pytest.mark.parametrize("door", ["search", "evaluate", "explain"])
def test_a_help_text_waits_for_no_library_that_it_does_not_need(door):
    script = f"""
import sys
from azero_jax.terminal.{door}_command import main
assert main(["--help"]) == 0
slow = {{"jax", "numba", "warp", "optax", "sklearn", "matplotlib", "ray"}}
print(sorted(slow & set(sys.modules)))
"""
    done = run_python("-c", script)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_docstrings_there_is_less_help_but_no_error():
    done = run_python("-OO", "-m", "azero_jax.search", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--search.population" in done.stdout


def test_switches_of_python_and_jax_make_no_difference():
    switches = {
        "JAX_NUMPY_DTYPE_PROMOTION": "strict",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_DEBUG_NANS": "1",
        "FORCE_COLOR": "1",
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONHASHSEED": "7",
    }
    arguments = ("-m", "azero_jax.search", "--data", "iris", *QUICK)
    plain, strange = run_python(*arguments), run_python(*arguments, **switches)
    assert strange.returncode == plain.returncode
    assert "\x1b" not in strange.stdout

    def program(text):
        return text[text.index("the program that was found") : text.index("candidates:")]

    assert program(strange.stdout) == program(plain.stdout)
