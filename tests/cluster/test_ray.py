"""Workers on Ray for real: killed ones, a lost machine, another number of workers, an address that does not answer."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import azero_jax as az
from azero_jax.cluster import ray_crew, run
from azero_jax.config.file import format_config
from azero_jax.protocol.hall_of_fame import HallOfFame
from azero_jax.protocol.signals import StopSignals
from azero_jax.recording.checkpoint import list_checkpoints, read_checkpoint
from azero_jax.recording.run_directory import read_run_config
from tests.cluster.test_coordinator import found, lines, with_workers
from tests.support.local_crew import LocalCrew, coordinate

pytest.importorskip("ray")


@pytest.fixture(autouse=True)
def open_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the token that a cluster of several machines would have to share."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def machine(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A machine of a Ray cluster, as far as one machine can be several: `ray start`."""
    ports = [f"--{name}=0" for name in ("min-worker-port", "max-worker-port", "dashboard-agent-listen-port")]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=3", *ports, *arguments]
    process = None
    for _ in range(3):  # a machine that is busy takes longer than Ray waits
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        if is_started(process, log):
            break
        end(process)
    assert process is not None
    try:
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        end(process)


def is_started(process: subprocess.Popen[bytes], log: Path) -> bool:
    until = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < until:
        if b"Ray runtime started" in log.read_bytes():
            return True
        time.sleep(0.1)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # and what it may have left behind, while it was starting
    process.wait()


def lose(node: subprocess.Popen[bytes]) -> None:
    """Kills what keeps a machine in the cluster, and its workers with it."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == node.pid and b"raylet" in (folder / "cmdline").read_bytes().partition(b"\0")[0]:
                os.kill(int(folder.name), signal.SIGKILL)
                return
    raise AssertionError("there is no raylet")


def await_processors(config: az.Config, count: int) -> None:
    """Waits until the cluster knows of so many, without which it spreads no workers over its machines."""
    until = time.monotonic() + 60
    with ray_crew.ray_running(config.cluster) as ray:
        while ray.available_resources().get("CPU", 0) < count:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    config = with_workers(2, cluster__worker_lines=True, budget__max_candidates=6000)
    reference = coordinate(config, tmp_path / "reference", LocalCrew(config))
    said, warnings, killed = list[str](), list[str](), list[int]()

    def kill_one(progress: az.Progress) -> None:
        if progress.candidates > 1000 and not killed:
            killed.append(int(next(line for line in said if line.startswith("worker 1 is process")).split()[4]))
            os.kill(killed[0], signal.SIGKILL)

    tell: dict[str, Any] = {"report": kill_one, "report_seconds": 0, "say": said.append, "warn": warnings.append}
    result = az.search(config, out=tmp_path / "run", **tell)
    assert [(one.program, one.select_fitness, one.candidates) for one in result.hall_of_fame] == found(reference)
    assert lines(tmp_path / "run", "metrics.jsonl") == lines(tmp_path / "reference", "metrics.jsonl")
    (warning,) = warnings
    assert warning.startswith("worker 1 died (its process ended); another one goes on from its ")
    assert "RAY_AUTH_MODE" in os.environ


def test_a_search_goes_on_with_another_number_of_workers_on_two_machines_of_which_one_is_lost(tmp_path: Path) -> None:
    before = with_workers(2, budget__max_candidates=2000)
    first = coordinate(before, tmp_path / "run", LocalCrew(before))
    port, warnings, moments = free_port(), list[str](), list[int]()  # when it was lost, and when that was known
    address: dict[str, Any] = {"cluster__ray_address": f"127.0.0.1:{port}"}
    config = with_workers(3, budget__max_candidates=5_000_000, **address)
    head = machine(tmp_path / "head.txt", "--head", f"--port={port}", "--include-dashboard=false")
    with head, machine(tmp_path / "second.txt", f"--address=127.0.0.1:{port}") as second:

        def lose_one(progress: az.Progress) -> None:
            if progress.candidates > 8000 and not moments:
                moments.append(progress.candidates)
                lose(second)
            if warnings and len(moments) == 1:
                moments.append(progress.candidates)
            if len(moments) == 2 and progress.candidates > moments[1] + 5000:
                raise KeyboardInterrupt  # which ends the search

        await_processors(config, 6)
        result = az.search(config, resume=tmp_path / "run", report=lose_one, report_seconds=0, warn=warnings.append)
    assert "another one goes on" in warnings[-1]
    assert result.stopped_by == "interrupt"
    assert result.candidates > moments[0]
    assert result.select_fitness >= first.merged.best_select_fitness
    assert read_run_config(tmp_path / "run").cluster.workers == 3


def test_a_coordinator_that_is_killed_leaves_no_worker_behind_and_another_number_goes_on(tmp_path: Path) -> None:
    folder, short = tmp_path / "run", tmp_path / "short.toml"
    config = with_workers(2, cluster__worker_lines=True, budget__max_candidates=50_000_000)
    short.write_text(format_config(config))
    command = [sys.executable, "-m", "azero_jax.search", "--config", str(short), "--out", str(folder)]
    with (tmp_path / "said.txt").open("wb") as output:
        killed = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while not (folder / "checkpoints").is_dir() or not list_checkpoints(folder / "checkpoints"):
            assert killed.poll() is None, (tmp_path / "said.txt").read_text()
            time.sleep(0.1)
    finally:
        killed.kill()
        killed.wait()
    left = [int(process) for process in re.findall(r"worker \d is process (\d+)", (tmp_path / "said.txt").read_text())]
    assert len(left) == 2
    until = time.monotonic() + 60
    while any(Path(f"/proc/{process}").exists() for process in left):
        assert time.monotonic() < until
        time.sleep(0.1)

    before = json.loads((folder / "hall_of_fame.json").read_text())
    spent = int(read_checkpoint(list_checkpoints(folder / "checkpoints")[0])["totals.finished_candidates"])
    longer = with_workers(3, budget__max_candidates=spent + 5000)
    said = list[str]()
    result = az.search(longer, resume=folder, say=said.append)
    assert any(line.startswith(f"going on from {spent:,} candidates") for line in said)
    assert spent + 5000 <= result.candidates < spent + 8000
    assert result.hall_of_fame[0].select_fitness >= before[0]["select_fitness"]
    assert read_run_config(folder).cluster.workers == 3


def test_an_address_that_does_not_answer_is_said_after_a_stated_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_crew, "ANSWER_SECONDS", 0.5)
    config = with_workers(2, cluster__ray_address=f"127.0.0.1:{free_port()}")
    with pytest.raises(ValueError, match=r"no Ray cluster answers at 127.0.0.1:\d+ within 0.5 s \(Conn.* refused\)"):
        az.search(config)


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1", "host:99999", "host:port"])
def test_an_address_has_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ValueError, match=r"it must be HOST:PORT, such as 10\.0\.0\.1:6379, or auto"):
        az.search(with_workers(1, cluster__ray_address=address))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'more than one worker needs ray: pip install "azero-jax\[cluster\]"'):
        az.search(with_workers(2))


class Resources:
    """As much of Ray as a `RayCrew` looks at first."""

    def __init__(self, **resources: float) -> None:
        self.resources = resources

    def cluster_resources(self) -> dict[str, float]:
        return self.resources


def test_more_workers_than_gpus_or_cores_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    settings = with_workers(3).cluster
    assert not ray_crew.RayCrew(Resources(GPU=3, CPU=8), settings).one_core
    with pytest.raises(ValueError, match="workers is 3, but there are 2 GPUs, one for each; take at most 2, or --clus"):
        ray_crew.RayCrew(Resources(GPU=2, CPU=8), settings)
    with pytest.raises(ValueError, match="workers is 3, but the cluster has 2 cores, one for each"):
        ray_crew.RayCrew(Resources(CPU=2), settings)
    on_cores = with_workers(3, cluster__device="cpu").cluster
    assert ray_crew.RayCrew(Resources(GPU=2, CPU=8), on_cores).one_core


def test_on_this_machine_few_workers_share_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_crew, "held_cores", lambda: 2)
    why = (
        "workers is 9, but this machine has 2 cores; take at most 8, 4 a core, or the machines of a cluster: --ray-add"
    )
    with pytest.raises(ValueError, match=why), ray_crew.ray_running(with_workers(9).cluster):
        pass


class Slow(Resources):
    """As much of Ray as its worker's last work needs, which ends only when it is hurried."""

    exceptions = ray_crew.require("ray", "a test", "cluster").exceptions

    def __init__(self, stop: StopSignals) -> None:
        super().__init__(CPU=1)
        self.stop, self.hurried, self.finish, self.hurry = stop, 0, self, self

    def options(self, concurrency_group: str) -> Slow:
        assert concurrency_group == "control"
        return self

    def remote(self, *hall: Any, **how: Any) -> None:
        self.hurried += not hall

    def wait(self, replies: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        self.stop.ask("interrupt")
        return [], replies

    def get(self, reply: None) -> int:
        return self.hurried


def test_the_first_signal_hurries_what_tunes_and_measures() -> None:
    stop = StopSignals()
    ray = Slow(stop)
    crew = ray_crew.RayCrew(ray, with_workers(1, cluster__device="cpu").cluster)
    crew._actors[0] = ray
    hurried: Any = crew.finish(HallOfFame(1), stop, tune=True, is_urgent=False)
    assert hurried == 1


def test_ray_is_not_imported_where_there_are_no_workers() -> None:
    code = "import azero_jax, sys; from azero_jax.cluster import run; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"False"
    assert run.run.func.__module__ == "azero_jax.protocol.run"
