"""A search that was stopped at any moment and goes on ends as if it had never been stopped."""

from __future__ import annotations

import dataclasses
import functools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import azero_jax as az
from azero_jax.config.file import format_config
from azero_jax.config.tree import Config
from azero_jax.engines.base import EngineUnavailableError
from azero_jax.mutate.policy import LIVE_MUTATIONS
from azero_jax.recording.checkpoint import list_checkpoints, read_checkpoint
from azero_jax.recording.run_directory import read_run_config
from tests.support.tiny import recorded, tiny

KILLS = int(os.environ.get("AZERO_KILLS", "3"))  # of each engine; 20 take minutes

# A search process that kills itself just before or after its n-th file is moved into place.
SUICIDAL = """
import os, signal, sys
from pathlib import Path
from azero_jax.terminal.search_command import main

moment, count, replace = sys.argv[1], int(sys.argv[2]), Path.replace

def replace_and_die(path, target):
    global count
    count -= 1
    if count == 0 and moment == "during":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if count == 0 and moment in ("before", "during"):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(path, target)
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Path.replace = replace_and_die
sys.exit(main(sys.argv[3:]))
"""


def test_a_run_finds_its_data_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "my.csv").write_text("a,b,label\n" + "".join(f"{n % 7},{n % 5},{n % 2}\n" for n in range(40)))
    monkeypatch.chdir(tmp_path)
    config = az.load_preset("table", data="my.csv", islands=1, population=20, batch=10, tournament=2)
    config = config.replace(max_candidates=20, check_every=10, search_tasks=1, select_tasks=1, tune_trials=0)
    assert config.source.data == ("my.csv",)
    az.search(config, out="run")
    assert read_run_config(Path("run")).source.data == (str(tmp_path / "my.csv"),)
    monkeypatch.chdir("elsewhere")
    assert az.search(resume="../run").candidates == 20
    with pytest.raises(ValueError, match=r"'my\.csv': no such file"):
        az.search(config)


def tiny_on(engine: str, **values: Any) -> Config:
    """The tiny search on an engine; on XLA with less to compile."""
    if engine == "xla":
        values |= {"budget__experiment_candidates": 0, "evaluator__hurdle_examples": (), "budget__max_candidates": 2000}
    return tiny(engine__engine=engine, **values)


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which all searches of this module, in whatever process, share what XLA compiles."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield Path(str(settings["jax_compilation_cache_dir"]))
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="module")
def undisturbed_runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run directory of a search that nothing happened to, by engine."""

    @functools.cache
    def search(engine: str) -> Path:
        path = tmp_path_factory.mktemp(engine) / "run"
        try:
            az.search(tiny_on(engine), out=path)
        except EngineUnavailableError as error:
            pytest.skip(str(error))
        return path

    return search


@pytest.fixture(scope="module")
def undisturbed(undisturbed_runs: Callable[[str], Path]) -> Path:
    """The run directory of a search that nothing happened to, on the engine that is first here."""
    return undisturbed_runs("auto")


@pytest.fixture
def environment(compiled: Path) -> dict[str, str]:
    """Of search processes."""
    settings = {"JAX_COMPILATION_CACHE_DIR": str(compiled), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return {**os.environ, **settings}


def assert_same_run(one: Path, other: Path) -> None:
    """The same metrics, events, hall of fame, result, populations, caches and random state."""
    assert recorded(one) == recorded(other)
    first, second = (read_checkpoint(list_checkpoints(path / "checkpoints")[0]) for path in (one, other))
    assert first.keys() == second.keys()
    for name in first.keys() - {
        "budget.seconds",
        "metrics_bytes",
        "events_bytes",
    }:  # those hold times, or lengths of times
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def contents(run: Path) -> dict[Path, bytes]:
    """All files of a run directory."""
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def stop_after(reports: int) -> Callable[[az.Progress], None]:
    """A callback that asks the search to stop."""
    seen = 0

    def report(progress: az.Progress) -> None:
        nonlocal seen
        seen += 1
        if seen == reports:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(("engine", "reports"), [("auto", 1), ("auto", 20), ("auto", 60), ("xla", 30)])
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(
    engine: str, reports: int, undisturbed_runs: Callable[[str], Path], tmp_path: Path
) -> None:
    config = tiny_on(engine, output__checkpoint_seconds=1000.0)
    first = az.search(config, out=tmp_path / "run", report=stop_after(reports), report_seconds=0)
    assert first.stopped_by == "interrupt"
    assert first.candidates < config.budget.max_candidates
    az.search(resume=tmp_path / "run")
    assert_same_run(tmp_path / "run", undisturbed_runs(engine))


@pytest.mark.parametrize("engine", ["warp", "xla"])
def test_a_search_that_was_killed_goes_on_as_if_nothing_had_happened(
    engine: str, undisturbed_runs: Callable[[str], Path], environment: dict[str, str], tmp_path: Path
) -> None:
    undisturbed = undisturbed_runs(engine)
    config, run = tmp_path / "tiny.toml", tmp_path / "run"
    config.write_text(format_config(tiny_on(engine)))
    rng = random.Random(0)
    start = ["--config", str(config), "--out", str(run)]
    kills = 0
    while kills < KILLS:
        arguments = ["--resume", str(run)] if (run / "config.toml").exists() else start
        if kills < 3:  # in the middle of a file, between a checkpoint's two files, after both
            moment, count = ("during", "before", "after")[kills], str(rng.randrange(10, 60))
            command = [sys.executable, "-c", SUICIDAL, moment, count, *arguments, "--quiet"]
            assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
        else:
            kill_at_random(arguments, environment, run, rng)
        kills += 1
    resume = [sys.executable, "-m", "azero_jax.search", "--resume", str(run), "--quiet"]
    assert subprocess.run(resume, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 1
    assert_same_run(run, undisturbed)


def kill_at_random(arguments: list[str], environment: dict[str, str], run: Path, rng: random.Random) -> None:
    """Kills a search process some moments after its first checkpoint."""
    before = {path.name for path in (run / "checkpoints").glob("*")}
    command = [sys.executable, "-m", "azero_jax.search", *arguments, "--quiet"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not {path.name for path in (run / "checkpoints").glob("*")} - before:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_the_same_seed_gives_the_same_run(undisturbed: Path, tmp_path: Path) -> None:
    az.search(tiny(output__checkpoint_seconds=1000.0), out=tmp_path / "run")
    assert_same_run(tmp_path / "run", undisturbed)


def test_another_seed_gives_another_run(undisturbed: Path, tmp_path: Path) -> None:
    az.search(tiny(seed=1), out=tmp_path / "run")
    assert recorded(tmp_path / "run")["metrics.jsonl"] != recorded(undisturbed)["metrics.jsonl"]


def test_a_larger_budget_continues_the_run_that_the_smaller_one_ended(undisturbed: Path, tmp_path: Path) -> None:
    config = read_run_config(undisturbed)
    az.search(
        dataclasses.replace(config, budget=dataclasses.replace(config.budget, max_candidates=1000)),
        out=tmp_path / "run",
    )
    az.search(config, resume=tmp_path / "run")
    assert_same_run(tmp_path / "run", undisturbed)


def test_a_search_among_learnable_programs_goes_on_too(tmp_path: Path) -> None:
    text = "def Predict():\n  s1 = dot(v0, v1)\ndef Learn():\n  s3 = s0 - s1\n  v1 = s3 * v0\n"
    config = tiny(
        search__candidates="learnable",
        search__mutations=LIVE_MUTATIONS,
        search__learned=("any", "v"),
        search__frozen=("predict",),
        search__start_share=0.0,
    )
    az.search(config, start_from=(text,), out=tmp_path / "whole")
    az.search(config, start_from=(text,), out=tmp_path / "run", report=stop_after(20), report_seconds=0)
    az.search(resume=tmp_path / "run")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_random_search_goes_on_too(tmp_path: Path) -> None:
    config = tiny(search__algorithm="random")
    az.search(config, out=tmp_path / "whole")
    az.search(config, out=tmp_path / "halves", report=stop_after(20), report_seconds=0)
    az.search(resume=tmp_path / "halves")
    assert_same_run(tmp_path / "halves", tmp_path / "whole")


def test_programs_to_start_from_are_remembered(tmp_path: Path) -> None:
    text = "def Setup():\n  s2 = 0.5\ndef Predict():\n  s1 = dot(v1, v0)\ndef Learn():\n  v1 = s2 * v0\n"
    config = tiny(budget__experiment_candidates=600)
    az.search(config, start_from=(text,), out=tmp_path / "whole")
    az.search(config, start_from=(text,), out=tmp_path / "halves", report=stop_after(5), report_seconds=0)
    az.search(resume=tmp_path / "halves")
    assert_same_run(tmp_path / "halves", tmp_path / "whole")


def test_damaged_checkpoints_cost_time_but_change_nothing(undisturbed: Path, tmp_path: Path) -> None:
    run, warnings = tmp_path / "run", list[str]()
    config = tiny()
    az.search(config, out=run, report=stop_after(30), report_seconds=0)
    newest, second, *_ = list_checkpoints(run / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    second.with_suffix(".json").unlink()
    az.search(resume=run, warn=warnings.append)
    assert [name in line for name, line in zip((newest.name, second.name), warnings, strict=True)] == [True, True]
    assert_same_run(run, undisturbed)


def test_without_any_sound_checkpoint_the_run_starts_again(undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    az.search(tiny(), out=run, report=stop_after(30), report_seconds=0)
    for path in list_checkpoints(run / "checkpoints"):
        path.write_bytes(b"")
    az.search(resume=run, warn=lambda line: None)
    assert_same_run(run, undisturbed)


def test_a_checkpoint_of_another_search_is_not_used(tmp_path: Path) -> None:
    for seed, name in ((0, "run"), (1, "other")):
        az.search(tiny(seed=seed, budget__max_candidates=500), out=tmp_path / name)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    for path in (tmp_path / "other" / "checkpoints").iterdir():
        path.rename(tmp_path / "run" / "checkpoints" / path.name)
    warnings: list[str] = []
    before = recorded(tmp_path / "run")
    az.search(resume=tmp_path / "run", warn=warnings.append)
    assert all("belongs to another search" in line for line in warnings)
    assert len(warnings) == 3
    assert recorded(tmp_path / "run") == before


def test_own_tasks_must_be_those_of_the_beginning(tmp_path: Path) -> None:
    def tasks(seed: int) -> az.FixedTasks:
        sizes: dict[str, Any] = {"tasks": 4, "features": 2, "train_examples": 12, "valid_examples": 10}
        return az.FixedTasks(*(az.linear_tasks(**sizes, seed=seed + n) for n in range(3)))

    run = tmp_path / "run"
    az.search(tiny(budget__max_candidates=400), tasks=tasks(0), out=run)
    warnings: list[str] = []
    az.search(tasks=tasks(0), resume=run, warn=warnings.append)
    assert warnings == []
    before = contents(run)
    with pytest.raises(ValueError, match=r"began with other tasks, .*; nothing was changed"):
        az.search(tasks=tasks(7), resume=run)
    assert contents(run) == before


def test_data_must_be_those_of_the_beginning_and_need_no_configuration(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    data, run = (x, x @ [1.0, 2.0, 3.0]), tmp_path / "run"
    sizes: dict[str, Any] = {"population": 20, "islands": 2, "batch": 10, "features": 3}
    config = az.load_preset("table", max_candidates=200, max_seconds=None, tune_trials=0, regression=True, **sizes)
    first = az.search(config, data=data, out=run)
    assert az.search(data=data, resume=run).candidates == first.candidates
    before = contents(run)
    with pytest.raises(ValueError, match="began with other tasks"):
        az.search(data=(x + 1, data[1]), resume=run)
    assert contents(run) == before


def test_programs_to_start_from_must_be_those_of_the_beginning(tmp_path: Path) -> None:
    text, run = "def Predict():\n  s1 = dot(v1, v0)\n", tmp_path / "run"
    az.search(tiny(budget__max_candidates=200), start_from=(text,), out=run)
    before = contents(run)
    with pytest.raises(ValueError, match=r"start_from differs from the programs that run directory .* began with"):
        az.search(start_from=("def Predict():\n  s1 = dot(v0, v0)\n",), resume=run)
    assert contents(run) == before
    az.search(start_from=(text,), resume=run)
