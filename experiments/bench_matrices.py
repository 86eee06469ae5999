"""The Warp engine's two layouts on the CPU, side by side: several tasks' lanes, or blocks of one task's elements.

    taskset -c 1 python experiments/bench_matrices.py --out experiments/results/bench_matrices_cpu.json

Two parts: published programs on whole tasks, and single ops. A figure is processor time of one task (median of five
runs): of a training example, or of an instruction. `choose_layout` of the engine is made from the first part.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.layout import BLOCKS, GROUP_COST, choose_layout
from azero_jax.engines.warp.spec import Layout
from azero_jax.language.library import parse_known, program_space
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import parse_program
from azero_jax.tasks import Tasks, make_tasks

COPIES: Final = 16  # of an instruction in a program
MOST_EXAMPLES: Final = 2000
WORK: Final = 3_000_000  # matrix elements x examples of a run, about
OPS: Final = {
    "matmul": "m2 = matmul(m0, m1)",
    "matrix x vector": "v3 = dot(m0, v1)",
    "outer product": "m2 = outer(v1, v2)",
    "column broadcast": "m2 = bcast(v1, axis=0)",
    "row broadcast": "m2 = bcast(v1, axis=1)",
    "matrix sum": "m2 = m0 + m1",
    "scalar x matrix": "m2 = s2 * m0",
    "transpose": "m2 = transpose(m0)",
    "matrix norm": "s3 = norm(m0)",
    "row norms": "v3 = norm(m0, axis=1)",
    "column norms": "v3 = norm(m0, axis=0)",
    "matrix st.dev.": "s3 = std(m0)",
    "matrix element": "m2[0, 1] = 0.5",
    "matrix uniform": "m2 = uniform(0.5, 1.0)",
    "matrix gaussian": "m2 = gaussian(0.5, 1.0)",
    "inner product": "s3 = dot(v1, v2)",
    "vector sum": "v3 = v1 + v2",
    "scalar sum": "s3 = s2 + s2",
}
# All registers that an op may read or write are named, so that every op's program has the same memory.
OP_PROGRAM: Final = """def Setup():
  s2 = 0.5
  s3 = 0.5
  v1 = uniform(0.5, 1.0)
  v2 = uniform(0.5, 1.0)
  v3 = uniform(0.5, 1.0)
  m0 = uniform(0.5, 1.0)
  m1 = uniform(0.5, 1.0)
  m2 = uniform(0.5, 1.0)
def Predict():
def Learn():
"""


def class_tasks(features: int, tasks: int, examples: int) -> Tasks:
    """Classes on two sides of a plane."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((tasks, examples + 10, features))
    y = np.einsum("tnf,tf->tn", x, generator.standard_normal((tasks, features))) > 0
    return make_tasks(x[:, :examples], y[:, :examples], x[:, examples:], y[:, examples:], Metric.ACCURACY)


def layouts(features: int, precision: str) -> list[Layout]:
    """The layouts to compare."""
    lanes = [Layout(lanes) for lanes in GROUP_COST[precision]]
    return [*lanes, Layout(1, math.gcd(features, max(BLOCKS)))]


def seconds_per_example(engine: WarpEngine, program: Programs, examples: int) -> float:
    """Processor time of a training example on one task."""

    def run(count: int) -> float:
        start = time.process_time()
        engine.evaluate(program, examples=(count, 1))
        return time.process_time() - start

    run(0)
    none, all_of_them = (statistics.median(run(count) for _ in range(5)) for count in (0, examples))
    return (all_of_them - none) / examples / len(engine.tasks)


def compare(
    space: SearchSpace, program: Programs, tasks: Tasks, precision: str, per: int = 1, epochs: int = 1
) -> dict[str, Any]:
    """Nanoseconds of each layout, divided by `per`, and which one the engine would take."""
    row: dict[str, Any] = {"features": space.features, "tasks": len(tasks), "precision": precision}
    settings = RunSettings(batch_size=1, precision=precision, max_abs_error=1e30, epochs=epochs)
    for layout in layouts(space.features, precision):
        engine = WarpEngine(space, tasks, settings, layout=layout)
        seconds = seconds_per_example(engine, program, tasks.train_examples * epochs)
        row[describe(layout)] = round(seconds / per * 1e9, 2)
    return {**row, "chosen": describe(choose_layout(space, len(tasks), precision))}


def describe(layout: Layout) -> str:
    """A layout's name in the table; blocks are as long as F allows."""
    return "blocks" if layout.block > 1 else f"{layout.lanes} lanes"


def compare_programs(names: list[str], sizes: list[int], counts: list[int], precision: str) -> list[dict[str, Any]]:
    """Whole programs."""
    rows = []
    for features in sizes:
        for name in names:
            space, program = parse_known(name, features)
            for count in counts:
                examples = max(20, min(MOST_EXAMPLES, WORK // features**2))
                row = compare(space, program, class_tasks(features, count, examples), precision)
                rows.append({"program": name, **row})
                show(rows[-1])
    return rows


def compare_ops(sizes: list[int], count: int, precision: str) -> list[dict[str, Any]]:
    """Single ops: what a program of many takes longer than one of none."""
    rows = []
    for features in sizes:
        examples = max(20, min(200, WORK // features**2))
        tasks = class_tasks(features, count, examples)
        empty = None
        for name, line in {"": "", **OPS}.items():
            text = OP_PROGRAM + f"  {line}\n" * (COPIES if line else 0)
            space = program_space(text, features)
            epochs = max(1, min(20, 1_000_000 // (features**2 * examples)))
            row = compare(space, parse_program(text, space), tasks, precision, COPIES, epochs)
            if empty is None:
                empty = row
                continue
            times = {key: round(row[key] - empty[key], 2) for key in row if key == "blocks" or key.endswith("lanes")}
            rows.append({"op": name, **row, **times})
            show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    """Prints a row; the ratio is the widest lanes' time to the blocks'."""
    times = {key: value for key, value in row.items() if key == "blocks" or key.endswith("lanes")}
    name = row.get("program", row.get("op"))
    figures = "".join(f"{key:>10}{value:>12,.1f}" for key, value in times.items())
    ratio = next(iter(times.values())) / times["blocks"] if times["blocks"] > 0 else math.nan
    print(f"{name:<18}F={row['features']:<5}tasks={row['tasks']:<4}{figures}  lanes / blocks {ratio:6.2f}", flush=True)


def main() -> None:
    """Runs the comparison as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", nargs="*", type=int, default=[4, 8, 16, 32, 64, 256])
    parser.add_argument("--tasks", nargs="+", type=int, default=[1, 8, 10, 16], help="numbers of tasks")
    parser.add_argument("--programs", nargs="*", default=["two_layer_net", "evolved_cifar10", "evolved_net"])
    parser.add_argument("--op-features", nargs="*", type=int, default=[16, 64], help="F of the single ops")
    parser.add_argument("--op-tasks", type=int, default=16)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    print("nanoseconds of processor time, of one task: per training example, or per instruction", flush=True)
    parts: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "programs": lambda: compare_programs(
            arguments.programs, arguments.features, arguments.tasks, arguments.precision
        ),
        "ops": lambda: compare_ops(arguments.op_features, arguments.op_tasks, arguments.precision),
    }
    results = {}
    for name, run in parts.items():
        results[name] = run()
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
