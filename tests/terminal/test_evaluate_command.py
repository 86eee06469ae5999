"""The command line on the user's data: searches, measurements, and how it refuses what is wrong with them."""

from __future__ import annotations

import json
import logging
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from azero_jax.api import search
from azero_jax.config.file import format_config, read_config
from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.judge.comparison import Comparison
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric
from azero_jax.language.text import prediction_note, read_text
from azero_jax.tasks.settings import DATA_KINDS
from azero_jax.tasks.synthetic import TEACHERS
from azero_jax.terminal import evaluate_command, search_action, search_command
from tests.support.data_files import class_files, png, random_pixels, write_zip
from tests.support.tiny import TINY
from tests.tasks.test_load import small

TINY_SEARCH = {
    "--islands": "1",
    "--population": "20",
    "--batch": "10",
    "--max-candidates": "100",
    "--check-every": "50",
}
LOGISTIC_OPS = (
    "SCALAR_CONST_SET_OP,SCALAR_SUM_OP,SCALAR_DIFF_OP,SCALAR_PRODUCT_OP,"
    "VECTOR_INNER_PRODUCT_OP,SCALAR_VECTOR_PRODUCT_OP,VECTOR_SUM_OP"
)
FLAGS = [word for pair in TINY_SEARCH.items() for word in pair]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AZERO_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pairs_config(tmp_path: Path) -> str:
    """Searches the digits with as little work as can be, on the space of the tiny search."""
    config = small(space=TINY.space, evaluator=TINY.evaluator, tasks__features=2)
    path = tmp_path / "pairs.toml"
    path.write_text(format_config(config))
    return str(path)


def write_table(path: Path, label: Callable[[np.ndarray, np.ndarray], np.ndarray], rows: int = 80) -> str:
    x = np.random.default_rng(0).normal(size=(rows, 2))
    y = label(x[:, 0], x[:, 1])
    path.write_text("a,b,outcome\n" + "".join(f"{a},{b},{c}\n" for (a, b), c in zip(x, y, strict=True)))
    return str(path)


@pytest.fixture
def table(tmp_path: Path) -> str:
    return write_table(tmp_path / "rows.csv", lambda a, b: np.where(a > b, "yes", "no"))


def refused(main: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which a command line refuses."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_search_called_from_python_reads_the_data_of_its_configuration(pairs_config: str) -> None:
    config = override(read_config(Path(pairs_config)), {"search.population": 20, "search.batch": 10})
    result = search(override(config, {"search.islands": 1, "budget.max_candidates": 100}))
    assert 0 <= result.final_fitness <= 1
    right = result.final_fitness * 5 * 8  # of 5 tasks of 8 examples
    assert right == pytest.approx(round(right), abs=1e-4)


def test_a_search_on_class_pairs_shows_a_linear_model_beside_its_program(
    pairs_config: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert search_command.main(["--config", pairs_config, *FLAGS, "--json"]) == 1
    out, err = capfd.readouterr()
    result = json.loads(out)
    assert result["program"].startswith("def Setup():")
    assert result["baseline"]["name"] == "logistic regression"
    assert 0.5 < result["baseline"]["final_fitness"] <= 1
    assert "on unseen tasks: accuracy" in err


@pytest.fixture
def known_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares a test the training of the linear model."""
    baseline = Comparison("logistic regression", 0.75, Metric.ACCURACY)
    monkeypatch.setattr(search_action, "compare_with_linear", lambda *_: baseline)


@pytest.mark.usefixtures("known_baseline")
def test_a_table_alone_is_enough_for_a_search(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert search_command.main(["--data", table, "--label", "outcome", *FLAGS]) == 1
    out = capsys.readouterr().out
    assert "def Predict():" in out
    assert re.search(r"on held-out rows: accuracy [\d.]+ \(program\), accuracy 0.7500 \(logistic regression", out)


@pytest.mark.usefixtures("known_baseline")
@pytest.mark.parametrize(
    "data", [["--data", "digits"], ["--preset", "digits"], ["--preset", "cifar10", "--data", "digits"]]
)
def test_all_classes_at_once_are_searched_with_ops_that_can_tell_them_apart(data: list[str], tmp_path: Path) -> None:
    few = ["--projections", "1", "--train-examples", "20", "--valid-examples", "20", "--select-train-examples", "20"]
    out = tmp_path / "run"
    assert search_command.main([*data, "--kind", "multiclass", *FLAGS, *few, "--quiet", "--out", str(out)]) == 1
    config = read_config(out / "config.toml")
    assert (config.tasks.kind, config.source.data) == ("multiclass", ("digits",))
    assert config.space == load_preset("multiclass").space


@pytest.mark.usefixtures("known_baseline")
def test_a_recorded_search_finds_its_data_again_and_notices_other_data(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert search_command.main(["--data", "rows.csv", "--label", "outcome", *FLAGS, "--out", run]) == 1
    assert read_config(tmp_path / "run" / "config.toml").source.data == (table,)
    monkeypatch.chdir("/")
    assert search_command.main(["--resume", run, "--max-candidates", "150"]) == 1
    assert "going on from 100 candidates" in capsys.readouterr().out
    write_table(Path(table), lambda a, b: np.where(a > -b, "yes", "no"))
    assert search_command.main(["--resume", run, "--max-candidates", "200"]) == 2
    assert "began with other tasks" in capsys.readouterr().err


def test_a_known_program_can_be_started_from(pairs_config: str, tmp_path: Path) -> None:
    arguments = ["--config", pairs_config, *FLAGS, "--vectors", "3", "--scalars", "5", "--predict", "2"]
    arguments += [
        "--ops",
        LOGISTIC_OPS,
        "--learn",
        "5",
        "--start-from",
        "logistic_regressor",
        "--out",
        str(tmp_path / "run"),
    ]
    assert search_command.main(arguments) == 1
    first = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[0])
    assert "s1 = s1 + s4" in first["program"]
    assert first["fitness"] > 0.6


@pytest.mark.parametrize("program", ["logistic_regressor", "found.txt"])
def test_a_program_is_measured_on_each_unseen_pair(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("found.txt").write_text(load_program("logistic_regressor").text)
    flags = ["--features", "4", "--projections", "2", "--engine", "xla", "--json"]
    assert evaluate_command.main([program, "--data", "digits", *flags]) == 0
    out = capfd.readouterr().out
    assert out.count("\n") == 1
    result = json.loads(out)
    assert result["program"] == program
    assert [row["tasks_of"] for row in result["rows"]][:2] == ["0 / 5", "0 / 9"]
    assert len(result["rows"]) == 9
    assert all(row["tasks"] == 2 for row in result["rows"])
    np.testing.assert_allclose(result["mean"], np.mean([row["mean"] for row in result["rows"]]))
    means = np.array([row["mean"] for row in result["rows"]])
    np.testing.assert_allclose(result["standard_error"], means.std(ddof=1) / 3)
    assert result["mean"] > 0.7


def test_pairs_to_judge_by_can_be_named_and_constants_tuned(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--features", "4", "--projections", "2", "--pairs", "0-1,3-8", "--tune", "8", "--engine", "xla"]
    assert evaluate_command.main(["logistic_regressor", "--data", "digits", *flags]) == 0
    out = capsys.readouterr().out
    assert [line.split()[1:4] for line in out.splitlines()[1:3]] == [["0", "/", "1"], ["3", "/", "8"]]
    assert "with its constants tuned on digits:\ndef Setup():" in out


def test_a_program_is_measured_on_held_out_rows(table: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_command.main(["logistic_regressor", "--data", table, "--label", "outcome", "--engine", "xla"]) == 0
    out = capsys.readouterr().out
    assert "rows.csv  held-out rows" in out
    accuracy = re.search(r"logistic_regressor: accuracy ([\d.]+)", out)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8


def test_a_program_that_predicts_something_else_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data", "iris", "--engine", "xla"]
    assert evaluate_command.main(["logistic_regressor", *flags]) == 0
    assert "note: Predict never writes v2, where predictions of many classes are read" in capsys.readouterr().err
    assert evaluate_command.main(["softmax_regressor", *flags, "--json"]) == 0
    captured = capsys.readouterr()
    assert "note" not in captured.err
    assert json.loads(captured.out)["mean"] > 0.6


@pytest.mark.parametrize(
    ("predict", "metric", "noticed"),
    [
        ("s1 = dot(v0, v1)", Metric.ACCURACY, False),
        ("s1 = dot(v0, v1)", Metric.RMS_ERROR, False),
        ("s11 = dot(v0, v1)", Metric.RMS_ERROR, True),
        ("v2[0] = 0.5", Metric.MULTICLASS_ACCURACY, False),
        ("v3 = v2 + v2", Metric.MULTICLASS_ACCURACY, True),
    ],
)
def test_where_predictions_are_read(predict: str, metric: Metric, noticed: bool) -> None:
    text = f"def Setup():\n  s1 = 0.5\n  v2 = s1 * v0\ndef Predict():\n  {predict}\ndef Learn():\n  s1 = s1 + s0\n"
    assert bool(prediction_note(read_text(text), metric)) == noticed


def test_numbers_to_predict_make_a_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_table(tmp_path / "rows.csv", lambda a, b: a + b)
    assert evaluate_command.main(["linear_regressor", "--data", data, "--label", "outcome", "--engine", "xla"]) == 0
    assert "linear_regressor: root mean squared error 0." in capsys.readouterr().out


def test_a_damaged_cache_is_made_again_and_said(
    cache: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["logistic_regressor", "--data", "digits", "--features", "4", "--projections", "1", "--pairs", "0-1"]
    arguments += ["--engine", "xla", "--json"]
    evaluate_command.main(arguments)
    before = json.loads(capsys.readouterr().out)["rows"]
    (entry,) = cache.glob("projection-*.npz")
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    assert evaluate_command.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == before
    assert "is damaged" in caplog.text
    assert len(entry.read_bytes()) == len(whole)


def csv(text: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "bad.csv").write_text(text)
        return folder / "bad.csv"

    return write


def broken_image(folder: Path) -> Path:
    files = class_files()
    files["train/cat/0.png"] = files["train/cat/0.png"][:40]
    return write_zip(folder / "bad.zip", files)


def unequal_images(folder: Path) -> Path:
    return write_zip(folder / "bad.zip", {**class_files(), "train/cat/0.png": png(random_pixels(1, 4, 4, 3)[0])})


def cut_zip(folder: Path) -> Path:
    path = write_zip(folder / "bad.zip", class_files())
    path.write_bytes(path.read_bytes()[:-50])
    return path


def leaving_zip(folder: Path) -> Path:
    return write_zip(folder / "bad.zip", {**class_files(), "../outside.png": b""})


def small_zip(folder: Path) -> Path:
    return write_zip(folder / "bad.zip", class_files(count=3))


def cut_npz(folder: Path) -> Path:
    np.savez(folder / "bad.npz", x=np.zeros((20, 3)), y=np.arange(20) % 2)
    path = folder / "bad.npz"
    path.write_bytes(path.read_bytes()[:-30])
    return path


ROWS = "".join(f"{n},{n % 2}\n" for n in range(30))
BAD_DATA = [
    (csv("a,b\n1,2\n"), ["--label", "c"], "there is no label column 'c'; the columns are a, b"),
    (csv("a,label\n" + "1,0\n" * 20), [], "every training example has the label '0'; at least two classes"),
    (csv("a,label\n" + ROWS + "x,1\n"), [], "column 'a', row 32 is 'x', not a finite number"),
    (csv("a,label\n" + ROWS + ",1\n"), [], "column 'a', row 32 is empty or NaN"),
    (csv("a,label\n" + ROWS + "5,2\n"), [], "class '2' has 1 examples"),
    (csv(""), [], "the file is empty"),
    (broken_image, [], "train/cat/0.png"),
    (unequal_images, [], "cat/0.png"),
    (cut_zip, [], "not a zip file, or cut off"),
    (leaving_zip, [], "'../outside.png' tries to leave the archive's folder"),
    (small_zip, [], "at least 10 are needed"),
    (cut_npz, [], "not a zip file, or cut off"),
]


@pytest.mark.parametrize(("make", "flags", "message"), BAD_DATA)
@pytest.mark.parametrize("command", ["search", "evaluate"])
def test_what_is_wrong_with_data_is_said_in_one_line_and_nothing_is_left_behind(
    command: str,
    make: Callable[[Path], Path],
    flags: list[str],
    message: str,
    tmp_path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = make(tmp_path)
    arguments = ["--data", str(path), *flags]
    if command == "search":
        preset = [] if path.suffix == ".csv" else ["--preset", "cifar10"]
        line = refused(search_command.main, [*preset, *arguments, "--out", str(tmp_path / "run")], capsys)
    else:
        line = refused(evaluate_command.main, ["logistic_regressor", *arguments], capsys)
    assert message in line
    assert "bad." in line
    assert not (tmp_path / "run").exists()
    assert {entry.name.split("-")[0] for entry in cache.glob("*")} <= {"images"}  # what was decoded in full may stay


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (search_command.main, ["--preset", "cifar10"], "tasks of kind pairs are made of data; say which: --data PATH"),
        (search_command.main, ["--preset", "cifar10", "--data", "absent.zip"], "'absent.zip': no such file or folder"),
        (search_command.main, ["--preset", "cifar10", "--data", "mnist"], "would have to be downloaded; allow it"),
        (search_command.main, ["--preset", "linear", "--data", "digits"], "tasks of kind linear are drawn at random"),
        (search_command.main, ["--data", "digits", "--kind", "linear"], "tasks of kind linear are drawn at random"),
        (search_command.main, ["--data", "iris", "--regression", "true"], "regression is true, but its labels are"),
        (search_command.main, ["--data", "iris", "--pairs", "0-1"], "pairs is 0-1, but tasks of kind table have none"),
        (search_command.main, ["--label", "price"], "label is price, but tasks of kind linear are drawn at random"),
        (search_command.main, ["--start-from", "two_layer_nett"], "nor is it a known program (evolved_cifar10"),
        (search_command.main, ["--start-from", "two_layer_net"], "two_layer_net: line"),
        (evaluate_command.main, [], "Missing argument 'PROGRAM'"),
        (evaluate_command.main, ["logistic_regressor"], "say which: --data PATH"),
        (evaluate_command.main, ["absent.txt", "--data", "digits"], "absent.txt: cannot be read: No such file"),
        (evaluate_command.main, ["logistic_regressor", "--data", "digits", "--pairs", "1-10"], "'1-10' is no pair"),
        *(
            (
                evaluate_command.main,
                ["logistic_regressor", "--data", "digits", "--pairs", pairs],
                f"--pairs: {pairs!r} names no class pair; name some, such as 0-5,3-8",
            )
            for pairs in ("", ",", " , ")
        ),
        (evaluate_command.main, ["logistic_regressor", "--data", "digits", "--tune", "-1"], "-1 is not in the range"),
        (evaluate_command.main, ["logistic_regressor", "--data", "digits", "--kind", "linear"], "kind is 'linear'"),
        (
            evaluate_command.main,
            ["logistic_regressor", "--data", "wine", "--kind", "table", "--features", "none", "--pairs", "0-1"],
            "tasks of kind table are not about pairs",
        ),
    ],
)
def test_what_is_wrong_in_the_words_is_said_in_one_line(
    main: Callable[[list[str]], int], arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(main, arguments, capsys)


def test_data_of_few_values_are_measured_with_as_many_features(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["softmax_regressor", "--data", "iris", "--kind", "multiclass", "--projections", "1"]
    assert evaluate_command.main(words) == 0
    assert "iris has few values an example: features is 4 in place of 16" in capsys.readouterr().err
    assert "features is 16; iris can be projected" in refused(
        evaluate_command.main, [*words, "--features", "16"], capsys
    )


def test_data_of_the_same_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "same.npz", x=x, y=x[:, 0] > 0)
    data = ",".join(str(tmp_path / folder / "same.npz") for folder in ("one", "two"))
    words = ["logistic_regressor", "--data", data, "--features", "none", "--tune", "2", "--json", "--quiet"]
    assert evaluate_command.main(words) == 0
    measured = json.loads(capsys.readouterr().out)
    assert [row["data"] for row in measured["rows"]] == ["one/same.npz", "two/same.npz"]
    assert list(measured["programs"]) == ["one/same.npz", "two/same.npz"]


def test_the_help_of_measuring_lists_the_kinds_that_it_takes_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate_command.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f'"{kind}"' in out for kind in DATA_KINDS)
    assert not any(f'"{kind}"' in out for kind in TEACHERS)


@pytest.mark.parametrize("main", [search_command.main, evaluate_command.main])
@pytest.mark.parametrize("library", [None, "offline"])
def test_a_download_without_network_or_library_is_refused_in_one_line(
    main: Callable[[list[str]], int],
    library: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def load_dataset(*arguments: str) -> None:
        logging.getLogger("huggingface_hub").warning("Retrying in 1s")
        raise ConnectionError(f"Couldn't reach {arguments[0]!r} on the Hub\n(no network)")

    stub = None if library is None else types.SimpleNamespace(load_dataset=load_dataset)
    monkeypatch.setitem(sys.modules, "datasets", stub)  # None: as if it were not installed
    program = [] if main is search_command.main else ["logistic_regressor"]
    line = refused(main, [*program, "--data", "mnist", "--download", "true", "--quiet"], capsys)
    if library is None:
        assert 'pip install "azero-jax[hub]"' in line
    else:
        assert "'mnist' could not be downloaded (Couldn't reach 'ylecun/mnist' on the Hub (no network))" in line


def test_a_program_that_does_not_parse_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("def Setup():\n  s2 = sinn(s1)\n")
    line = refused(evaluate_command.main, [str(path), "--data", "digits"], capsys)
    assert line.startswith(f"error: {path}: line 2")
