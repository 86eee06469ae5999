"""Nanoseconds of processor time a random number takes the Warp engine on the CPU, beside NumPy's generator.

    taskset -c 1 python experiments/bench_random_numbers.py

A program's Predict and Learn are nothing but one random op, so a figure has the instruction's share of a call and of
the interpreter in it: little for a matrix, most of it for a scalar. Least of several runs. `compile` is what the kernel
of all random ops takes to compile, if it was never compiled before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.spec import Layout
from azero_jax.language import ops
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from azero_jax.tasks import linear_tasks

RANDOM_OPS: Final = tuple(op.name for op in ops.OPS if op.random)
DISTRIBUTIONS: Final = ("gaussian", "uniform")
LINES: Final = {"s": "s2", "v": "v1", "m": "m0"}
COPIES: Final = 8  # of the instruction in each function
TRAIN, VALID = 100, 10
PROGRAMS: Final = 20
RUNS: Final = 7
# F, layout and precision of each row; a value has 8 or 16 numbers, whichever way they lie.
ROWS: Final = (
    (4, Layout(lanes=8), "float32"),
    (4, Layout(lanes=16), "float32"),
    (16, Layout(lanes=1, block=16), "float32"),
    (4, Layout(lanes=8), "float64"),
    (16, Layout(lanes=1, block=16), "float64"),
)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    columns = [f"{name} {kind}" for name in DISTRIBUTIONS for kind in ("scalar", "vector", "matrix")]
    print("| F, lanes, block, precision | compile, s |", " | ".join(columns), "| NumPy's gaussian | uniform |")
    print("|", " | ".join(["---"] * (len(columns) + 4)), "|")
    for features, layout, precision in ROWS:
        compile_seconds, times = measure(features, layout, precision)
        found = [times[f"{name} {kind}"] for name in DISTRIBUTIONS for kind in "svm"]
        numpy_times = [measure_numpy(name, precision) for name in DISTRIBUTIONS]
        row = f"F{features}, {layout.lanes}, {layout.block}, {precision}"
        numbers = " | ".join(f"{1e9 * seconds:.2f}" for seconds in (*found, *numpy_times))
        print(f"| {row} | {compile_seconds:.1f} | {numbers} |", flush=True)


def measure(features: int, layout: Layout, precision: str) -> tuple[float, dict[str, float]]:
    """Seconds to compile, and seconds a number by distribution and kind of register."""
    space = make_space(
        features=features, scalars=3, vectors=2, matrices=1, setup=0, predict=COPIES, learn=COPIES, allowed=RANDOM_OPS
    )
    count = max(layout.lanes, 4)
    tasks = linear_tasks(tasks=count, features=features, train_examples=TRAIN, valid_examples=VALID, seed=0)
    start = time.process_time()
    engine = WarpEngine(space, tasks, RunSettings(precision=precision), layout=layout, threads=1)
    compile_seconds, times = time.process_time() - start, {}
    for name in DISTRIBUTIONS:
        for kind, register in LINES.items():
            line = f"  {register} = {name}(0.5, 1.5)\n" * COPIES
            program = parse_program(f"def Setup():\ndef Predict():\n{line}def Learn():\n{line}", space)
            programs = program[np.zeros(PROGRAMS, int)]
            numbers = PROGRAMS * COPIES * (2 * TRAIN + VALID) * count * features ** ops.RANKS[kind]
            assert (engine.evaluate(programs).stop == 0).all()
            times[f"{name} {kind}"] = least(lambda programs=programs: engine.evaluate(programs)) / numbers
    return compile_seconds, times


def measure_numpy(name: str, precision: str) -> float:
    """Seconds a number takes NumPy."""
    generator, numbers = np.random.default_rng(0), np.empty(4096, precision)
    draw = {"gaussian": generator.standard_normal, "uniform": generator.random}[name]
    return least(lambda: [draw(dtype=precision, out=numbers) for _ in range(200)]) / 200 / len(numbers)


def least(run: Callable[[], Any]) -> float:
    """Seconds of processor time of the shortest of several runs."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
