"""Predicts programs per second on accelerators that are not here. No figure of it is a measurement.

    python experiments/accelerator_model.py [--workloads demo neural_net full_table] [--out FILE]

The XLA engine is compiled ahead of time: for a TPU v5e (`pip install libtpu`), and for GPUs of NVIDIA's where JAX's
CUDA plug-in is installed (`pip install jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12`). The compiled
program's text has its operations, their bytes, its loops and branches. How often loops run and which branches are taken
comes from the encoded programs. An operation of the TPU takes as many cycles as its compiler estimates; one of a GPU a
launch, then what its bytes or its arithmetic take. A loop and a branch cost time of their own.

`cpu form` is the form that a CPU has, which was the only one before there was a form for accelerators; `pallas` is the
Pallas engine, on the TPU (see `pallas_model.py`).
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
from bench_engines import WORKLOADS, Workload
from numpy.typing import NDArray

from azero_jax.engines.xla.absent import GPUS, Gpu, gpu_devices, tpu_devices
from azero_jax.engines.xla.ahead import TaskShape, compile_ahead
from azero_jax.engines.xla.forms import Form, Grouped
from azero_jax.engines.xla.groups import function_groups, function_ops
from azero_jax.engines.xla.hlo import Instruction, Module, parse_module
from azero_jax.engines.xla.sizing import choose_form, grouped_block
from azero_jax.language.program import Programs
from azero_jax.language.space import FUNCTION_NAMES

TASKS: Final = 10
BATCH: Final = 4096
LANE_BYTES: Final = 4


@dataclasses.dataclass(frozen=True)
class Device:
    """What a prediction needs of a device.

    Attributes:
      name: of the device.
      memory: bytes.
      bandwidth: of it, bytes a second.
      arithmetic: single-precision operations a second, of vector units (no matrix units: none are used).
      operation: seconds that an operation takes at least; of the TPU its compiler says.
      loop: seconds of one round of a loop, whose end depends on data.
      branch: seconds of a branch.
      clock: cycles a second, where the compiler tells cycles; else 0.
      source: of these figures.
    """

    name: str
    memory: float
    bandwidth: float
    arithmetic: float
    operation: float
    loop: float
    branch: float
    clock: float
    source: str


# That a kernel takes 3 microseconds and a decision that the host has to read 10 are assumptions about XLA on GPUs, as
# is half a microsecond for a jump of the TPU's scalar unit.
_V5E_SOURCE: Final = "Google Cloud's page on TPU v5e; 8 x 128 lanes of 4 ALUs at 1.5 GHz: jax-ml.github.io/scaling-book"
TPU: Final = Device("TPU v5e", 16e9, 819e9, 6.1e12, 0.0, 0.5e-6, 0.5e-6, 1.5e9, _V5E_SOURCE)


def describe_gpu(gpu: Gpu) -> Device:
    """What a prediction needs of a GPU; a multiply-add is two operations."""
    arithmetic = 2e9 * gpu.clock_ghz * gpu.cores * gpu.units
    return Device(gpu.name, gpu.memory, gpu.bandwidth, arithmetic, 3e-6, 10e-6, 10e-6, 0.0, "NVIDIA's data sheet")


@dataclasses.dataclass(frozen=True)
class Counts:
    """How often a batch runs what.

    Attributes:
      blocks: blocks of a call.
      rounds: of the instruction loops of Setup, Predict and Learn each time, the mean of the blocks.
      branches: for each function, the share of the rounds that takes each branch.
      train: training examples.
      valid: validation examples.
    """

    blocks: int
    rounds: tuple[float, ...]
    branches: tuple[NDArray[np.float64], ...]
    train: int
    valid: int

    def trips(self, loop: Instruction, module: Module) -> float:
        """How often a loop runs."""
        name = loop.scope.removesuffix("/while").rsplit("/", 1)[-1]
        if name == "learn":  # in training only
            return self.rounds[2] * self.train / (self.train + self.valid)
        known = dict(zip(FUNCTION_NAMES, self.rounds, strict=True))
        known |= {"blocks": self.blocks, "epochs": 1, "examples": self.train + self.valid}
        return known[name] if name in known else module.constant_trips(loop)

    def shares(self, branch: Instruction) -> NDArray[np.float64]:
        """How often each branch of a conditional is taken; of others than the instructions' all are taken."""
        for function, name in enumerate(FUNCTION_NAMES):
            if branch.scope.endswith(f"{name}/while/body/cond"):
                return self.branches[function]
        return np.ones(len(branch.called))


def count(form: Form, workload: Workload, programs: Programs, train: int, valid: int) -> Counts:
    """Counts of a batch that is encoded in a form."""
    space = workload.space
    capacity = -(-len(programs) // form.block) * form.block
    code, sizes = form.encode(space, programs, np.arange(len(programs)), capacity, np.float32)
    if isinstance(form, Grouped):
        kinds, rounds = code.group, sizes
        widths = [len(function_groups(space, function)) for function in range(3)]
    else:
        kinds = code.branch
        rounds = sizes.reshape(-1, form.block, 3).max(axis=1)
        widths = [1 + len(function_ops(space, function)) for function in range(3)]
    branches = []
    for function, first in enumerate(form.offsets(space)):
        per_row = rounds if isinstance(form, Grouped) else sizes
        used = [row[first : first + number] for row, number in zip(kinds, per_row[:, function], strict=True)]
        histogram = np.bincount(np.concatenate(used), minlength=widths[function]).astype(float)
        branches.append(histogram / max(1.0, histogram.sum()))
    return Counts(len(rounds), tuple(rounds.mean(axis=0)), tuple(branches), train, valid)


def seconds(module: Module, computation: str, counts: Counts, device: Device) -> float:
    """Predicted seconds of one run of a computation."""
    total = 0.0
    for instruction in module.computations[computation]:
        if instruction.opcode == "while":
            rounds = sum(seconds(module, name, counts, device) for name in instruction.called)
            total += counts.trips(instruction, module) * (rounds + device.loop)
        elif instruction.opcode == "conditional":
            taken = zip(counts.shares(instruction), instruction.called, strict=True)
            total += device.branch + sum(
                share * seconds(module, name, counts, device) for share, name in taken if share
            )
        elif instruction.opcode == "call":
            total += sum(seconds(module, name, counts, device) for name in instruction.called)
        elif instruction.is_operation:
            total += _operation_seconds(module, computation, instruction, device)
    return total


def _operation_seconds(module: Module, computation: str, instruction: Instruction, device: Device) -> float:
    if instruction.opcode.endswith(
        "-start"
    ):  # a copy between a TPU's HBM and its vector memory, as if nothing else ran
        return instruction.bytes / 2 / device.bandwidth if device.clock else 0.0
    if device.clock and instruction.cycles:
        return instruction.cycles / device.clock
    moved = module.moved_bytes(computation, instruction) / device.bandwidth
    return device.operation + max(moved, module.arithmetic(instruction) / device.arithmetic)


def predict(workload: Workload, form: Form, programs: Programs, device: Device, compile_for: Any) -> dict[str, Any]:
    """The prediction for one workload, in one form, on one device."""
    tasks = workload.make_tasks(TASKS)
    shape = TaskShape(TASKS, tasks.train_examples, tasks.valid_examples, tasks.metric)
    compiled = compile_ahead(workload.space, shape, form, len(programs), [compile_for])
    module = parse_module(compiled.as_text())
    counts = count(form, workload, programs, tasks.train_examples, tasks.valid_examples)
    memory = compiled.memory_analysis()
    rate = len(programs) / seconds(module, module.entry, counts, device)
    loops = {name: module.loops(name) for name in FUNCTION_NAMES}
    return {
        "workload": workload.name,
        "device": device.name,
        "form": form.name,
        "block": form.block,
        "programs": len(programs),
        "tasks": TASKS,
        "rounds": [round(rounds, 1) for rounds in counts.rounds],
        "operations": {name: module.operations(found[0].called[1]) for name, found in loops.items()},
        "memory_mb": round((memory.temp_size_in_bytes + memory.argument_size_in_bytes) / 1e6, 1),
        "predicted_programs_per_second": float(f"{rate:.3g}"),
    }


def predict_pallas(workload: Workload, programs: int) -> dict[str, Any]:
    """The Pallas engine's prediction, in a process of its own."""
    script = str(Path(__file__).with_name("pallas_model.py"))
    command = [sys.executable, script, workload.name, "--programs", str(programs)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return row


def main() -> None:
    """Predicts as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--programs", type=int, default=BATCH, help="of a call")
    parser.add_argument("--out", type=Path, help="a file for the predictions as JSON")
    arguments = parser.parse_args()
    devices = [(TPU, tpu_devices()[0])]
    if importlib.util.find_spec("jax_plugins.xla_cuda12"):
        devices += [(describe_gpu(gpu), gpu_devices(name)[0]) for name, gpu in GPUS.items()]
    rows: list[dict[str, Any]] = []
    described = [dataclasses.asdict(device) for device, _ in devices]

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        print(json.dumps(row), flush=True)
        if arguments.out:
            table = {"prediction": True, "devices": described, "rows": rows}
            arguments.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")

    for workload in (WORKLOADS[name]() for name in arguments.workloads):
        programs = workload.make_programs(arguments.programs, workload.make_tasks(TASKS))
        on_cpu = choose_form(workload.space, TASKS, len(programs), jax.devices("cpu")[0], LANE_BYTES)
        for device, compile_for in devices:
            block = grouped_block(workload.space, TASKS, len(programs), LANE_BYTES, int(device.memory))
            for name, form in (("cpu form", on_cpu), ("accelerator form", Grouped(block))):
                note({"case": name, **predict(workload, form, programs, device, compile_for)})
        note({"case": "pallas", **predict_pallas(workload, len(programs))})


if __name__ == "__main__":
    main()
