"""Programs per second of every engine, side by side in one run.

    python experiments/bench_engines.py [--workloads demo demo_live neural_net full_table] \
        [--engines reference xla warp floor]

At most one run in a hundred is stopped early (which is checked), so all engines do the same work. A figure is the
median of several runs; compile times are shown apart. For figures of one core run it under `taskset -c 0`.

The floor is what the best interpreter could reach: a few programs, over and over, as straight-line compiled code. The
row `warp=floor` is the Warp engine on the same programs. A compiler leaves out dead instructions, which an interpreter
runs; a search prunes them before an engine gets to see a program. So `demo` compares the two on programs as they are
drawn, and `demo_live` on what a search would have run of them.

The last two columns say what share of a core's limits a row reaches, if every instruction read its inputs from the
first-level cache and wrote its output there: of the bytes that a copy moves in a second, and of the operations that a
loop of multiplications and additions makes. An engine can have more than its share of bytes where it keeps numbers in
registers, or fuses instructions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import jax
import numpy as np
from core_limits import Work, measure_limits, work_of
from numpy.typing import NDArray

from azero_jax.analysis.pruning import prune
from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.reference import ReferenceEngine
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.device import start_warp
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.explain.reader import LEARN
from azero_jax.language.library import load_program
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.drawing import random_programs
from azero_jax.tasks import Tasks, linear_tasks, teacher_tasks

# Recorded, not measured here: programs per second of the original C++ system, built in two ways, its cache off, with 10
# tasks, at the learning rate of this benchmark.
RECORDED_ORIGINAL: Final = {"demo": (25_300, 24_500), "neural_net": (278, 557)}
RECORDED_ON: Final = "C++, -O2 / -O3 -march=native, one core of a 2-core Xeon with AVX-512"
RECORDED_TASKS: Final = 10
DRAWN_FOR_A_LIVE_PROGRAM: Final = 4
MOST_STOPPED: Final = 0.01  # of the runs; random programs that XLA finishes may be stopped by another rounding

COUNTS: Final = {
    "demo": {"reference": 512, "xla": 4096, "warp": 16384, "floor": 16384},
    "demo_live": {"reference": 512, "xla": 4096, "warp": 16384, "floor": 16384},
    "neural_net": {"reference": 4, "xla": 128, "warp": 512, "floor": 512},
    "full_table": {"reference": 16, "xla": 512, "warp": 2048, "floor": 512},
}


@dataclasses.dataclass(frozen=True)
class Workload:
    """One kind of work.

    Attributes:
      name: of the workload.
      space: its search space.
      make_tasks: the tasks, from their number.
      make_programs: programs, from their number and the tasks.
      counts: how many programs each engine is given, unless the command line says otherwise.
      floor_programs: how many different programs are compiled for the floor.
    """

    name: str
    space: SearchSpace
    make_tasks: Callable[[int], Tasks]
    make_programs: Callable[[int, Tasks], Programs]
    counts: dict[str, int]
    floor_programs: int


@dataclasses.dataclass(frozen=True)
class Result:
    """One row of the table; times in seconds, shares (from 0 to 1) of runs stopped early and of a core's limits."""

    workload: str
    engine: str
    tasks: int
    programs: int
    programs_per_second: float
    first_call_seconds: float
    device: str
    stopped: float
    memory_share: float = 0.0
    arithmetic_share: float = 0.0


def demo() -> Workload:
    """The original's demo: linear regression, 6 ops, programs of 10 + 2 + 8 instructions, 100 + 100 examples."""
    space = make_space(
        features=4,
        scalars=4,
        vectors=3,
        matrices=1,
        setup=10,
        predict=2,
        learn=8,
        allowed=(
            "SCALAR_CONST_SET",
            "VECTOR_INNER_PRODUCT",
            "SCALAR_DIFF",
            "SCALAR_PRODUCT",
            "SCALAR_VECTOR_PRODUCT",
            "VECTOR_SUM",
        ),
    )

    def make_tasks(count: int) -> Tasks:
        return linear_tasks(tasks=count, features=4, train_examples=100, valid_examples=100, seed=0)

    return Workload("demo", space, make_tasks, _finishing_programs(space), COUNTS["demo"], 24)


def demo_live() -> Workload:
    """The demo's programs as a search runs them: pruned, and only those that learn something."""
    whole = demo()

    def make_programs(count: int, tasks: Tasks) -> Programs:
        drawn = whole.make_programs(count * DRAWN_FOR_A_LIVE_PROGRAM, tasks)
        pruned = prune(drawn, whole.space, tasks.metric)
        return pruned[pruned.sizes[:, LEARN] > 0][:count]

    return dataclasses.replace(whole, name="demo_live", make_programs=make_programs, counts=COUNTS["demo_live"])


def neural_net() -> Workload:
    """The hand-designed two-layer network that learns by gradient descent, 1000 + 100 examples."""
    space = make_space(
        features=16,
        scalars=5,
        vectors=9,
        matrices=2,
        setup=5,
        predict=5,
        learn=11,
        allowed=(
            "SCALAR_SUM",
            "SCALAR_DIFF",
            "SCALAR_PRODUCT",
            "SCALAR_VECTOR_PRODUCT",
            "SCALAR_CONST_SET",
            "VECTOR_HEAVYSIDE",
            "VECTOR_SUM",
            "VECTOR_PRODUCT",
            "VECTOR_INNER_PRODUCT",
            "VECTOR_OUTER_PRODUCT",
            "VECTOR_MAX",
            "VECTOR_GAUSSIAN_SET",
            "MATRIX_VECTOR_PRODUCT",
            "MATRIX_SUM",
            "MATRIX_GAUSSIAN_SET",
        ),
    )

    def make_tasks(count: int) -> Tasks:
        return teacher_tasks(tasks=count, features=16, train_examples=1000, valid_examples=100, seed=0)

    def make_programs(count: int, tasks: Tasks) -> Programs:
        del tasks
        # With the release's learning rate, training diverges on most of these tasks, and is stopped.
        text = load_program("two_layer_net").text.replace("s3 = 0.01 ", "s3 = 0.0005 ")
        return concatenate([parse_program(text, space)] * count)

    return Workload("neural_net", space, make_tasks, make_programs, COUNTS["neural_net"], 1)


def full_table() -> Workload:
    """Random programs of all 65 ops, 5 + 5 + 10 instructions, F = 16, 100 + 100 examples."""
    space = make_space(features=16, scalars=5, vectors=9, matrices=2, setup=5, predict=5, learn=10)

    def make_tasks(count: int) -> Tasks:
        return linear_tasks(tasks=count, features=16, train_examples=100, valid_examples=100, seed=0)

    return Workload("full_table", space, make_tasks, _finishing_programs(space), COUNTS["full_table"], 4)


def _finishing_programs(space: SearchSpace) -> Callable[[int, Tasks], Programs]:
    """Makes random programs that no task stops early."""

    def make_programs(count: int, tasks: Tasks) -> Programs:
        engine = XlaEngine(space, tasks, RunSettings(batch_size=1024))
        generator = np.random.default_rng(0)
        found: list[Programs] = []
        while sum(map(len, found)) < count:
            programs = random_programs(space, 1024, generator)
            found.append(programs[(engine.evaluate(programs).stop == 0).all(axis=1)])
        return concatenate(found)[:count]

    return make_programs


WORKLOADS: Final = {"demo": demo, "demo_live": demo_live, "neural_net": neural_net, "full_table": full_table}


def available_engines() -> dict[str, Callable[..., Any]]:
    """The engines that this machine can run, by name, `reference` first."""
    engines: dict[str, Callable[..., Any]] = {"reference": ReferenceEngine, "xla": XlaEngine}
    try:
        start_warp()
    except EngineUnavailableError as error:
        print(f"without warp: {error}", file=sys.stderr)
        return engines
    from floor import floor_engine

    return {**engines, "warp": WarpEngine, "floor": floor_engine}


def measure(
    workload: Workload,
    engine_name: str,
    make_engine: Callable[..., Any],
    tasks: Tasks,
    programs: Programs,
    repeats: int,
) -> tuple[Result, NDArray[np.floating]]:
    """Times an engine, and the fitness that it found.

    Raises:
      RuntimeError: many programs were stopped early, so that the engine had less to do than it seems.
    """
    start = time.perf_counter()
    engine = make_engine(workload.space, tasks, RunSettings(batch_size=len(programs)))
    outcome = jax.block_until_ready(engine.evaluate(programs))
    first = time.perf_counter() - start
    stopped = float(np.mean(np.not_equal(getattr(outcome, "stop", 0), 0)))
    if stopped > MOST_STOPPED:
        raise RuntimeError(f"{workload.name}: more than {MOST_STOPPED:.0%} of the runs were stopped early")
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(engine.evaluate(programs))
        times.append(time.perf_counter() - start)
    rate = len(programs) / statistics.median(times)
    device = getattr(engine, "device", jax.devices()[0].device_kind)
    compile_seconds = max(0.0, first - statistics.median(times))
    result = Result(workload.name, engine_name, len(tasks), len(programs), rate, compile_seconds, device, stopped)
    return result, np.asarray(getattr(outcome, "fitness", outcome))


def measure_floor(workload: Workload, tasks: Tasks, programs: Programs, repeats: int) -> list[Result]:
    """Times straight-line code, and the Warp engine on the same programs.

    Raises:
      RuntimeError: the two disagree.
    """
    from floor import floor_engine

    different = programs[: workload.floor_programs]
    repeated = concatenate([different] * (len(programs) // len(different)))
    interpreted, expected = measure(workload, "warp=floor", WarpEngine, tasks, repeated, repeats)
    floor, fitness = measure(workload, "floor", partial(floor_engine, programs=different), tasks, repeated, repeats)
    if not np.allclose(fitness, expected, atol=1e-4):
        raise RuntimeError(f"{workload.name}: the floor's fitness is not that of the Warp engine")
    return [interpreted, floor]


def table(results: list[Result]) -> str:
    """The results as text, with each row's ratio to `reference` and, per (program x task), to the original's builds."""
    reference = {(row.workload, row.tasks): row.programs_per_second for row in results if row.engine == "reference"}
    lines = [
        f"{'workload':<12}{'engine':<12}{'tasks':>6}{'programs':>10}{'programs/s':>13}{'x reference':>13}"
        f"{'x original*':>15}{'compile s':>11}{'memory':>8}{'maths':>7}  device"
    ]
    for row in results:
        base = reference.get((row.workload, row.tasks))
        ratio = f"{row.programs_per_second / base:.1f}" if base else "-"
        runs = row.programs_per_second * row.tasks / RECORDED_TASKS
        original = " / ".join(f"{runs / recorded:.2f}" for recorded in RECORDED_ORIGINAL.get(row.workload, ())) or "-"
        lines.append(
            f"{row.workload:<12}{row.engine:<12}{row.tasks:>6}{row.programs:>10}{_rate(row.programs_per_second):>13}"
            f"{ratio:>13}{original:>15}{row.first_call_seconds:>11.1f}"
            f"{row.memory_share:>8.0%}{row.arithmetic_share:>7.0%}  {row.device}"
        )
    lines.append(f"* programs x tasks per second against the recorded figures of the original ({RECORDED_ON})")
    return "\n".join(lines)


def with_shares(row: Result, work: Work, limits: Work) -> Result:
    """A row with the shares of the limits that it reaches; `work` is that of a program on a task."""
    rate = row.programs_per_second * row.tasks
    return dataclasses.replace(
        row, memory_share=rate * work.moved / limits.moved, arithmetic_share=rate * work.operations / limits.operations
    )


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main() -> None:
    """Runs the benchmark as the command line says."""
    engines = available_engines()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--engines", nargs="+", choices=engines, default=list(engines))
    parser.add_argument("--tasks", nargs="+", type=int, default=[10, 16], help="numbers of tasks")
    parser.add_argument("--programs", type=int, help="programs for every engine (default: as the workload says)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print a list of objects instead of a table")
    arguments = parser.parse_args()
    limits = measure_limits()
    print(
        f"one core copies {limits.moved / 1e9:.0f} GB/s, makes {limits.operations / 1e9:.0f} GFLOP/s", file=sys.stderr
    )
    results = []
    for workload in (WORKLOADS[name]() for name in arguments.workloads):
        for count in arguments.tasks:
            tasks = workload.make_tasks(count)
            counts = {name: arguments.programs or workload.counts[name] for name in arguments.engines}
            programs = workload.make_programs(max(counts.values()), tasks)
            for name, number in counts.items():
                print(f"{workload.name}, {name}, {count} tasks, {number} programs ...", file=sys.stderr, flush=True)
                if name == "floor":
                    rows = measure_floor(workload, tasks, programs[:number], arguments.repeats)
                    given = programs[: workload.floor_programs]
                else:
                    rows = [measure(workload, name, engines[name], tasks, programs[:number], arguments.repeats)[0]]
                    given = programs[:number]
                work = work_of(given, workload.space, tasks.train_examples, tasks.valid_examples)
                results += [with_shares(row, work, limits) for row in rows]
    print(json.dumps([dataclasses.asdict(row) for row in results], indent=1) if arguments.json else table(results))


if __name__ == "__main__":
    main()
