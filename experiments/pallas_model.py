"""Predicts programs per second of the Pallas engine on a TPU v5e that is not here. No figure of it is a measurement.

    python experiments/pallas_model.py demo [--programs 4096]

The kernel is compiled ahead of time (`pip install libtpu`), and its instruction bundles are read from what the compiler
writes: a bundle is a cycle. How often loops run, and which groups of ops, comes from the encoded programs. Every branch
inside of an entry's group, and every code load, counts as taken; what waits for HBM is left out, as it is fetched
meanwhile. `accelerator_model.py` runs this in a process of its own, since the compiler reads where to write once.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from accelerator_model import LANE_BYTES, TASKS, TPU, Counts, count
from bench_engines import WORKLOADS, Workload

from azero_jax.engines.pallas.ahead import compile_ahead
from azero_jax.engines.pallas.bundles import DUMP, FILES, Loop, parse_bundles
from azero_jax.engines.pallas.plan import Plan, make_plan
from azero_jax.engines.xla.absent import tpu_devices
from azero_jax.engines.xla.ahead import TaskShape
from azero_jax.engines.xla.groups import function_groups


def block_cycles(kernel: Loop, plan: Plan, counts: Counts, tasks: int) -> float:
    """Predicted cycles of one block of programs on all tasks."""
    (steps,) = (loop for loop in kernel.loops if loop.loops)
    setup = [loop for loop in steps.loops if loop.rounds is None]
    (examples,) = (loop for loop in steps.loops if loop.rounds == plan.positions)
    functions = [loop for loop in examples.loops if loop.rounds is None]
    entries = [
        counts.rounds[function] * entry_cycles(loop, plan, counts, function)
        for function, loop in enumerate([*setup, *functions])
    ]
    once = [loop for loop in steps.loops if loop not in (*setup, examples)]
    begin = entries[0] + sum(loop.cycles * (loop.rounds or 1) for loop in once)
    example = examples.bundles + sum(loop.cycles * loop.rounds for loop in examples.loops if loop.rounds is not None)
    total = counts.train + counts.valid
    chunks = -(-total // plan.positions)
    on_tasks = begin + total * (example + entries[1]) + counts.train * entries[2] + chunks * steps.bundles
    return tasks // plan.tasks * on_tasks


def entry_cycles(entry: Loop, plan: Plan, counts: Counts, function: int) -> float:
    """Predicted cycles of an entry of a function's schedule, the mean of the groups that are executed."""
    groups = function_groups(plan.space, function)
    if len(entry.loops) != len(groups):
        raise ValueError(f"{len(groups)} groups, but {len(entry.loops)} loops over tasks")
    shares = zip(counts.branches[function], entry.loops, strict=True)
    return entry.bundles + sum(float(share) * loop.cycles * (loop.rounds or 1) for share, loop in shares)


def predict(workload: Workload, programs: int, folder: Path) -> dict[str, Any]:
    """The prediction for one workload."""
    tasks = workload.make_tasks(TASKS)
    batch = workload.make_programs(programs, tasks)
    shape = TaskShape(TASKS, tasks.train_examples, tasks.valid_examples, tasks.metric)
    compiled = compile_ahead(workload.space, shape, programs, tpu_devices()[:1])
    (file,) = (path for path in folder.glob(FILES) if "schedule" not in path.name)
    plan = make_plan(workload.space, tasks.metric, np.dtype(np.float32), TASKS, 1)
    counts = count(plan.form, workload, batch, tasks.train_examples, tasks.valid_examples)
    cycles = counts.blocks * block_cycles(parse_bundles(file.read_text()), plan, counts, TASKS)
    memory = compiled.memory_analysis()
    return {
        "workload": workload.name,
        "device": TPU.name,
        "form": "pallas",
        "block": plan.form.block,
        "programs": programs,
        "tasks": TASKS,
        "tasks_at_a_time": plan.tasks,
        "rounds": [round(rounds, 1) for rounds in counts.rounds],
        "vector_memory_mb": round(sum(np.prod(plan.file(kind)) for kind in "svm") * LANE_BYTES / 1e6, 1),
        "memory_mb": round((memory.temp_size_in_bytes + memory.argument_size_in_bytes) / 1e6, 1),
        "predicted_programs_per_second": float(f"{programs / (cycles / TPU.clock):.3g}"),
    }


def main() -> None:
    """Predicts as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--programs", type=int, default=4096, help="of a call")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIBTPU_INIT_ARGS"] = DUMP.format(folder=folder)
        print(json.dumps(predict(WORKLOADS[arguments.workload](), arguments.programs, Path(folder))))


if __name__ == "__main__":
    main()
