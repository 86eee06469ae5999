"""The day an accelerator is there: checks and measures all that needs one, in one command, without a network.

    python experiments/accelerator_day.py results/h100                     # at most 25 minutes
    python experiments/accelerator_day.py results/h100 --cifar cifar10.zip  # with CIFAR-10 among the searches

Steps follow one another: the golden and agreement tests; programs a second of each engine by batch size, by number of
tasks and, on a CPU, by lanes; and searches, whose time is split into host, transfer and kernel. After every step its
figures are in `FOLDER/STEP.json`, and all of them in `FOLDER/table.md`. The same command again goes on with the steps
that have no such file; none begins after `--minutes`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import click
import jax
import numpy as np
from bench_engines import WORKLOADS, Workload, measure
from bench_search import ENGINE_PHASES

from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config
from azero_jax.engines.base import Engine, EngineUnavailableError
from azero_jax.engines.pallas.engine import PallasEngine
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.layout import GROUP_COST
from azero_jax.engines.warp.spec import Layout
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.language.program import Programs
from azero_jax.protocol.experiment import Arena, Experiment
from azero_jax.protocol.run import make_task_sets

Row = dict[str, Any]
Step = Callable[[], list[Row]]

ROOT: Final = Path(__file__).parents[1]
ENGINES: dict[str, Callable[..., Engine]] = {"warp": WarpEngine, "xla": XlaEngine}
if jax.default_backend() == "tpu":
    ENGINES = {"pallas": PallasEngine, "xla": XlaEngine}
TESTS: Final = tuple(f"tests/engines/test_{name}.py" for name in ("golden", "agreement", "random_ops", "pallas"))


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much each step does.

    Attributes:
      tests: arguments of pytest.
      workloads: of `bench_engines`, for batches of all sizes; the first alone for the rest.
      batch_sizes: programs of a call.
      tasks: numbers of tasks.
      fixed: programs of a call where the number of tasks or of lanes changes, and tasks where that of programs does.
      pool: different programs; larger batches repeat them.
      repeats: of a timing.
      search_seconds: of each search.
      settings: of each search, by dotted name.
    """

    tests: tuple[str, ...] = TESTS
    workloads: tuple[str, ...] = ("demo", "neural_net")
    batch_sizes: tuple[int, ...] = (256, 1024, 4096, 16384, 65536)
    tasks: tuple[int, ...] = (8, 10, 16, 32, 64)
    fixed: tuple[int, int] = (16384, 32)
    pool: int = 4096
    repeats: int = 5
    search_seconds: float = 45.0
    settings: tuple[tuple[str, Any], ...] = ()


REHEARSAL: Final = Sizes(
    tests=(f"{TESTS[0]}::test_every_op_in_float64[warp_lanes-4]",),
    workloads=("demo",),
    batch_sizes=(16, 64),
    tasks=(2, 3),
    fixed=(32, 2),
    pool=16,
    repeats=1,
    search_seconds=0.5,
    settings=(("search.islands", 2), ("search.population", 20), ("search.batch", 10)),
)


def describe() -> list[Row]:
    """The machine."""
    devices = jax.devices()
    return [
        {
            "device": devices[0].device_kind,
            "devices": len(devices),
            "platform": devices[0].platform,
            "memory": (devices[0].memory_stats() or {}).get("bytes_limit"),
            "cores": len(os.sched_getaffinity(0)),
            "jax": jax.__version__,
            "python": platform.python_version(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
    ]


def run_tests(arguments: tuple[str, ...], seconds: float) -> list[Row]:
    """Runs tests in a process of their own, for at most so many seconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-o", "addopts=", "--tb=line", *arguments]
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # two processes share the accelerator
    start = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as expired:
        return [{"outcome": f"not finished after {seconds:.0f} s", "log": str(expired.stdout or "")[-2000:]}]
    counts = {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|errors?|skipped)", done.stdout)}
    log = done.stdout[-4000:] if done.returncode else ""
    return [{"returncode": done.returncode, **counts, "seconds": time.perf_counter() - start, "log": log}]


def time_engine(
    workload: Workload, name: str, make: Callable[..., Engine], programs: int, tasks: int, sizes: Sizes
) -> Row:
    """One row of the benchmark; what cannot run says why."""
    data = workload.make_tasks(tasks)
    row = {"workload": workload.name, "engine": name, "programs": programs, "tasks": tasks}
    pool = workload.make_programs(min(programs, sizes.pool), data)
    try:
        result, _ = measure(workload, name, make, data, pool[np.arange(programs) % len(pool)], sizes.repeats)
    except (EngineUnavailableError, RuntimeError, MemoryError) as error:  # XLA's, of memory, are RuntimeErrors
        return {**row, "error": str(error)[:200]}
    return {
        **row,
        "programs_per_second": result.programs_per_second,
        "first_call_seconds": result.first_call_seconds,
        "device": result.device,
    }


def by_batch_size(sizes: Sizes) -> list[Row]:
    """Programs a second by the size of a call."""
    rows = []
    for workload in (WORKLOADS[name]() for name in sizes.workloads):
        for name, make in ENGINES.items():
            for programs in sizes.batch_sizes:
                if workload.name == "demo" or programs <= sizes.pool:  # a net takes hundreds of times as long
                    rows.append(time_engine(workload, name, make, programs, sizes.fixed[1], sizes))
    return rows


def by_tasks(sizes: Sizes) -> list[Row]:
    """Programs a second by the number of tasks."""
    return [
        time_engine(WORKLOADS[sizes.workloads[0]](), name, make, sizes.fixed[0], tasks, sizes)
        for name, make in ENGINES.items()
        for tasks in sizes.tasks
    ]


def by_lanes(sizes: Sizes) -> list[Row]:
    """Programs a second by how many tasks a value of the Warp kernel has; on a GPU it is always one."""
    rows = []
    for lanes in GROUP_COST["float32"] if jax.default_backend() == "cpu" else (1,):
        make = partial(WarpEngine, layout=Layout(lanes))
        rows.append({"lanes": lanes, **time_engine(WORKLOADS[sizes.workloads[0]](), "warp", make, *sizes.fixed, sizes)})
    return rows


def search(config: Config, seconds: float) -> list[Row]:
    """Searches for so many seconds; where they go, in microseconds a candidate.

    Transfer is what copying as many bytes to the device and back takes, for as many calls as there were.
    """
    task_sets = make_task_sets(config, lambda line: None)
    arena = Arena(config, task_sets, config.space.build(task_sets.features), 0)
    compile_seconds = arena.warm_up()
    algorithm, evaluator = Experiment(arena).algorithm, arena.evaluator
    timings = (algorithm.timings, evaluator.timings, evaluator.runs.timings)
    for timing in timings:
        timing.seconds.clear()
    first, start = algorithm.candidates, time.perf_counter()
    with calls_counted() as calls:
        while time.perf_counter() - start < seconds:
            algorithm.step()
    total, candidates = time.perf_counter() - start, algorithm.candidates - first
    phases = {name: value for timing in timings for name, value in timing.seconds.items()}
    on_engine = sum(phases.get(name, 0.0) for name in ENGINE_PHASES)
    transfer = min(on_engine, len(calls) * _transfer_seconds(arena.engine, calls))
    waited = phases.get("wait", 0.0) if evaluator.overlaps else on_engine
    row = {
        "engine": arena.engine.name,
        "candidates": candidates,
        "candidates_per_second": candidates / total,
        "compile_seconds": compile_seconds,
        "best_fitness": float(np.nanmax(algorithm.leaders()[1])),
        "calls": len(calls),
        "programs_per_call": statistics.mean(calls) if calls else 0,
        "host_us": (total - waited) / candidates * 1e6,
        "transfer_us": transfer / candidates * 1e6,
        "kernel_us": (on_engine - transfer) / candidates * 1e6,
        "phases_us": {name: value / candidates * 1e6 for name, value in sorted(phases.items())},
    }
    arena.close()
    return [row]


@contextlib.contextmanager
def calls_counted() -> Iterator[list[int]]:
    """A list that grows by the number of programs of each call of any engine."""
    calls: list[int] = []
    evaluate = Engine.evaluate

    def counted(engine: Engine, programs: Programs, *arguments: Any, **named: Any) -> Any:
        calls.append(len(programs))
        return evaluate(engine, programs, *arguments, **named)

    with mock.patch.object(Engine, "evaluate", counted):
        yield calls


def _transfer_seconds(engine: Engine, calls: list[int]) -> float:
    """Seconds to copy a batch of the mean size to the device, and its outcomes back."""
    programs = round(statistics.mean(calls)) if calls else 1
    there = np.zeros(programs * engine.space.length * 15, np.uint8)  # bytes of opcode, addresses and constants
    back = jax.device_put(np.zeros(programs * len(engine.tasks) * 9, np.uint8))  # loss, stop and steps
    times = []
    for _ in range(5):
        start = time.perf_counter()
        jax.device_put(there).block_until_ready()
        np.array(back + 1)  # computed anew: a copy on the host would be kept
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def steps(sizes: Sizes, cifar: str | None, test_seconds: float) -> Iterator[tuple[str, Step]]:
    """All steps, in their order."""
    yield "machine", describe
    yield "tests", partial(run_tests, sizes.tests, test_seconds)
    yield "batch_size", partial(by_batch_size, sizes)
    yield "tasks", partial(by_tasks, sizes)
    yield "lanes", partial(by_lanes, sizes)
    for preset in ("linear", "affine", "teacher"):
        config = override(load_preset(preset), dict(sizes.settings))
        yield f"search_{preset}", partial(search, config, sizes.search_seconds)
    if cifar is not None:
        config = override(load_preset("cifar10"), {**dict(sizes.settings), "source.data": (cifar,)})
        yield "search_cifar10", partial(search, config, sizes.search_seconds)


def read_rows(file: Path) -> list[Row] | None:
    """What a step has written; None if it has not, or not to the end."""
    try:
        rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return rows


def write_text(file: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def table(found: dict[str, list[Row]]) -> str:
    """All figures as Markdown."""
    lines = ["# Accelerator day", ""]
    for name, rows in found.items():
        columns = list(dict.fromkeys(column for row in rows for column in row if column not in ("log", "phases_us")))
        lines += [f"## {name}", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
        lines += [f"| {' | '.join(_cell(row.get(column, '')) for column in columns)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value).replace("|", "/")


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--cifar", help="CIFAR-10 on this machine, as --data of a search.")
@click.option("--minutes", default=25.0, show_default=True, help="No step begins after so many.")
@click.option("--rehearsal", is_flag=True, help="Tiny sizes, to see whether everything runs.")
def main(folder: Path, cifar: str | None, minutes: float, rehearsal: bool) -> None:
    """Runs what has not been run."""
    start, sizes = time.monotonic(), REHEARSAL if rehearsal else Sizes()
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Row]] = {}
    for name, step in steps(sizes, cifar, test_seconds=minutes * 60 * 0.4):
        file = folder / f"{name}.json"
        rows = read_rows(file)
        if rows is None:
            if time.monotonic() - start > minutes * 60:
                print(f"{name}: not run, the {minutes:g} minutes are over; the same command goes on", flush=True)
                continue
            print(f"{name} ...", flush=True)
            rows = step()
            write_text(file, json.dumps(rows, indent=1) + "\n")
        found[name] = rows
        write_text(folder / "table.md", table(found))


if __name__ == "__main__":
    main()
