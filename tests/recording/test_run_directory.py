"""The run directory: what is in it, who may use it, and what happens when it cannot be written."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

import azero_jax as az
from azero_jax.config.file import read_config
from azero_jax.recording import files, run_directory
from azero_jax.recording.files import FolderLock, lock_holder, write_atomically
from azero_jax.recording.json_lines import JsonLines
from azero_jax.recording.overview import list_runs, read_overview
from tests.support.tiny import tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, az.SearchResult]:
    path = tmp_path_factory.mktemp("runs") / "one"
    return path, az.search(tiny(), out=path)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_configuration_is_there_with_the_engine_that_was_used(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    expected = dataclasses.replace(tiny(), engine=dataclasses.replace(tiny().engine, engine=result.engine))
    assert read_config(path / "config.toml") == expected


def test_the_session_is_described(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    (session,) = lines(path / "sessions.jsonl")
    assert session["seed"] == 0
    assert (session["engine"], session["device"]) == (result.engine, result.device)
    assert session["process"] == os.getpid()
    assert session["packages"]["numpy"]


def test_the_result_is_the_one_returned(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    assert json.loads((path / "result.json").read_text()) == result.as_dict()


def test_metrics_come_after_fixed_numbers_of_candidates(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    metrics = lines(path / "metrics.jsonl")
    counts = [line["candidates"] for line in metrics]
    assert counts == sorted(counts)
    assert max(b - a for a, b in itertools.pairwise(counts)) <= 100 + 80  # interval, and largest step
    assert counts[-1] == result.candidates
    assert metrics[-1]["counters"] == dataclasses.asdict(result.counters)
    for line in metrics:
        assert line["best_fitness"] >= line["mean_fitness"] >= 0
        assert line["median_fitness"] <= line["best_fitness"]


def test_the_hall_of_fame_holds_distinct_programs_best_first(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    hall = json.loads((path / "hall_of_fame.json").read_text())
    assert hall == [dataclasses.asdict(finalist) for finalist in result.hall_of_fame]
    assert len({finalist["program"] for finalist in hall}) == len(hall) > 1
    fitness = [finalist["select_fitness"] for finalist in hall]
    assert fitness == sorted(fitness, reverse=True)
    assert (hall[0]["program"], hall[0]["final_fitness"]) == (result.program, result.final_fitness)


def test_finalists_have_the_fitness_of_their_programs(run: tuple[Path, az.SearchResult]) -> None:
    from azero_jax.config.tree import derive_seed
    from azero_jax.tasks.sets import GeneratedTasks

    _, result = run
    tasks = GeneratedTasks(tiny().tasks).final(derive_seed(tiny(), 0, "final"))
    for finalist in result.hall_of_fame:
        fitness = az.evaluate_program(finalist.program, tasks, tiny()).mean()
        assert fitness == pytest.approx(finalist.final_fitness, rel=1e-6)


def test_events_tell_where_a_new_best_came_from(run: tuple[Path, az.SearchResult]) -> None:
    path, _ = run
    events = lines(path / "events.jsonl")
    best = [event for event in events if event["event"] == "new_best"]
    fitness = [event["fitness"] for event in best]
    assert fitness == sorted(set(fitness))
    assert best[0]["parent"] is None
    for event in best[1:]:
        assert (event["parent"] is None) == (event["mutation"] == "")  # an initial program of a later experiment
        assert event["program"] != event["parent"]
    assert {event["event"] for event in events} == {"new_best", "restart", "experiment", "ancestor", "best"}


def test_a_folder_that_holds_a_run_is_refused(run: tuple[Path, az.SearchResult]) -> None:
    path, _ = run
    with pytest.raises(ValueError, match=f"{path} holds a run already; --resume {path} goes on with it"):
        az.search(tiny(), out=path)


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "result.json", "lock", "checkpoints/mine.npz", "notes.txt", ".git/HEAD"]
)
def test_a_folder_that_holds_anything_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    held = name.partition("/")[0]
    with pytest.raises(ValueError, match=rf"mine is not empty, it holds {held}; name a new or an empty folder"):
        az.search(tiny(), out=tmp_path / "mine")
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_folder_of_a_search_that_was_refused_can_be_named_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no program to start from"):
        az.search(tiny(search__frozen=("predict",)), out=tmp_path / "run")
    assert az.search(tiny(budget__max_candidates=100), out=tmp_path / "run").candidates > 0


def test_a_folder_of_a_search_that_was_killed_before_it_began_can_be_named_again(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "lock").write_text("999999999\n")
    (tmp_path / "metrics.jsonl").touch()
    assert az.search(tiny(budget__max_candidates=100), out=tmp_path).candidates > 0


def test_a_run_of_an_old_version_is_left_as_it_is(run: tuple[Path, az.SearchResult], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run[0], tmp_path / "run"))
    for checkpoint in (folder / "checkpoints").glob("*.npz"):
        checkpoint.write_bytes(b"damaged")
    (folder / "identity.txt").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*.json*")}
    with pytest.raises(ValueError, match="is of another version of azero_jax, none of its checkpoints can be used"):
        az.search(tiny(), resume=folder, warn=lambda line: None)
    assert {path: path.read_bytes() for path in folder.rglob("*.json*")} == before


def test_a_folder_without_a_run_cannot_go_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no run to go on with \(config.toml is missing\)"):
        az.search(resume=tmp_path)


def test_a_run_does_not_go_on_as_another_search(run: tuple[Path, az.SearchResult]) -> None:
    path, _ = run
    with pytest.raises(ValueError, match=r"search\.population is 50, but 40 in run directory"):
        az.search(tiny(search__population=50), resume=path)


def test_a_folder_that_is_locked_is_refused_with_the_process(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    assert lock_holder(tmp_path) == os.getpid()
    with pytest.raises(ValueError, match=f"is in use by process {os.getpid()}"):
        az.search(tiny(), out=tmp_path)
    lock.release()
    assert lock_holder(tmp_path) is None


def test_the_lock_of_a_process_that_is_gone_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999999")
    FolderLock(tmp_path).release()


def test_a_lock_of_something_else_has_no_process(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "lock").write_text("mine")
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert lock_holder(tmp_path) == -1


def test_a_place_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written to: Not a directory"):
        az.search(tiny(), out=tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for the superuser")
def test_a_read_only_folder_is_said_at_the_start(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written to: Permission denied"):
        az.search(tiny(), out=tmp_path / "run")


def test_a_full_disk_is_said_once_and_the_program_is_found(
    run: tuple[Path, az.SearchResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, warnings = tmp_path / "run", list[str]()
    write = run_directory.write_checkpoint
    count = 0

    def fail_later(*arguments: object, **keywords: object) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise OSError(28, "No space left on device")
        write(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(run_directory, "write_checkpoint", fail_later)
    result = az.search(tiny(), out=path, warn=warnings.append)
    assert result.hall_of_fame == run[1].hall_of_fame
    assert len(warnings) == 1
    assert "a checkpoint could not be written" in warnings[0]
    assert "No space left on device" in warnings[0]
    monkeypatch.undo()
    again = az.search(resume=path, warn=warnings.append)
    assert (again.program, again.candidates) == (result.program, result.candidates)


class SmallDisk(io.FileIO):
    """A file on a disk with room for so many bytes more."""

    room = 1000

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self.room:
            raise OSError(28, "No space left on device")
        written = super().write(data[: self.room])
        self.room -= written
        return written


def test_a_log_that_could_not_be_written_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SmallDisk(tmp_path / "log", "ab")
    with monkeypatch.context() as opening:
        opening.setattr(Path, "open", lambda *_, **options: disk)
        log = JsonLines(tmp_path / "log")
    log.append({"n": 1})
    log.flush()
    disk.room = 3
    log.append({"n": 2})
    with pytest.raises(OSError, match="No space left"):
        log.flush()
    assert (tmp_path / "log").read_text() == '{"n": 1}\n'
    disk.room = 1000
    log.append({"n": 3})
    log.flush()
    log.close()
    assert [line["n"] for line in lines(tmp_path / "log")] == [1, 2, 3]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_past_runs_are_listed(run: tuple[Path, az.SearchResult]) -> None:
    path, result = run
    (overview,) = list_runs(path.parent)
    assert overview == read_overview(path)
    assert overview.state == "not solved (max candidates)"
    assert overview.candidates == result.candidates


def test_a_run_that_is_going_on_is_shown_with_its_process(run: tuple[Path, az.SearchResult]) -> None:
    lock = FolderLock(run[0])
    assert read_overview(run[0]).state == f"running (process {os.getpid()})"
    lock.release()


DAMAGES = [
    ("result.json", "", "it is not JSON"),
    ("result.json", "[]", "it is not a JSON object"),
    ("result.json", "null", "it is not a JSON object"),
    ("result.json", '{"solved": true}', "its 'stopped_by' is missing or not what it should be"),
    ("hall_of_fame.json", "", "it is not JSON"),
    ("hall_of_fame.json", "{}", "it is not a list"),
    ("hall_of_fame.json", "[{}]", "entry 1: its 'program' is missing"),
    ("hall_of_fame.json", "[3]", "entry 1: it is not a JSON object"),
    ("metrics.jsonl", "{bad\n", "the last line: it is not JSON"),
    ("metrics.jsonl", '{"candidates": "3"}\n', "the last line: its 'candidates' is missing or not what it should be"),
]


@pytest.mark.parametrize(("name", "text", "said"), DAMAGES)
def test_a_damaged_run_is_refused_with_the_file_and_does_not_hide_others(
    run: tuple[Path, az.SearchResult], name: str, text: str, said: str, tmp_path: Path
) -> None:
    shutil.copytree(run[0], tmp_path / "good")
    damaged = Path(shutil.copytree(run[0], tmp_path / "bad")) / name
    damaged.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{damaged}: damaged, {said}")):
        read_overview(damaged.parent)
    states = {overview.path.name: overview.state for overview in list_runs(tmp_path)}
    assert states == {"good": "not solved (max candidates)", "bad": "damaged"}


@pytest.mark.parametrize("text", ["3", '"abc"', "[1]", "{", ""])
def test_damaged_programs_to_start_from_are_refused_with_the_file(
    run: tuple[Path, az.SearchResult], text: str, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(run[0], tmp_path / "run")) / "start_from.json"
    damaged.write_text(text)
    with pytest.raises(ValueError, match=rf"{damaged}: damaged, it is not (JSON|a list of texts)"):
        az.search(resume=damaged.parent)


def test_a_file_that_cannot_be_read_is_said(run: tuple[Path, az.SearchResult], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run[0], tmp_path / "run"))
    (folder / "result.json").unlink()
    (folder / "result.json").mkdir()
    with pytest.raises(ValueError, match=r"result.json: cannot be read: Is a directory"):
        read_overview(folder)


def test_the_result_of_a_session_does_not_stand_for_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "run"
    az.search(tiny(budget__max_candidates=400), out=path)
    assert read_overview(path).state == "not solved (max candidates)"

    def break_off(progress: az.Progress) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        az.search(tiny(budget__max_candidates=4000), resume=path, report=break_off, report_seconds=0)
    assert read_overview(path).state == "stopped without a result"


def test_scalars_for_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    az.search(tiny(output__tensorboard=True, budget__max_candidates=400), out=tmp_path / "run")
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    content = events.read_bytes()
    for name in (b"best_fitness", b"counters/run_in_full", b"counters/stopped_at_hurdle/1"):
        assert name in content


def test_tensorboard_needs_a_run_directory() -> None:
    with pytest.raises(ValueError, match=r"output\.tensorboard is true; it needs a run directory"):
        az.search(tiny(output__tensorboard=True))


def test_tensorboard_without_its_package_is_refused_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tensorboardX", "tensorboardX.writer"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r'output\.tensorboard needs tensorboardX: pip install "azero-jax\[tens'):
        az.search(tiny(output__tensorboard=True), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_file_system_without_locks_is_said_and_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("azero_jax.recording.files.fcntl.flock", refuse)
    said: list[str] = []
    result = az.search(tiny(), out=tmp_path / "run", warn=said.append)
    assert result.candidates > 0
    assert len(said) == 1
    assert "is not locked (Function not implemented)" in said[0]
    assert lock_holder(tmp_path / "run") is None


def test_a_file_system_that_cannot_sync_folders_is_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    write_atomically(tmp_path / "a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
