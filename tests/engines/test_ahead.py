"""The XLA engine is compiled for TPUs and GPUs where there are none: it compiles soon, fits, and its loops are short.

The suite compiles a few presets' spaces. All of them, in some four minutes of one core:
`AHEAD_PRESETS=all pytest tests/engines/test_ahead.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any, Final

import pytest

from azero_jax.config.presets import PRESETS
from azero_jax.engines.xla.absent import GPUS

CHOSEN: Final = [("linear", 1), ("linear", 4), ("digits", 4)]
ALL: Final = [(name, devices) for name in PRESETS for devices in (1, 4)]
BATCH: Final = 4096
MEMORY: Final = {"TPU": 16 * 10**9, **{name: gpu.memory for name, gpu in GPUS.items()}}  # of a TPU v5e, of GPUs
SECONDS: Final = 60  # of processor time, to compile
OPERATIONS: Final = 20  # of one entry of the schedule: the longest branch, and what reads which it is

# A process of its own: libtpu starts threads, and is loaded once.
SCRIPT: Final = """
import json, sys, time
from azero_jax.config.presets import PRESETS
from azero_jax.engines.xla.absent import gpu_devices, tpu_devices
from azero_jax.engines.xla.ahead import TaskShape, compile_ahead
from azero_jax.engines.xla.forms import Grouped
from azero_jax.engines.xla.hlo import parse_module
from azero_jax.engines.xla.sizing import grouped_block
from azero_jax.language.roles import Metric
from azero_jax.language.space import FUNCTION_NAMES

name, target, devices, batch, memory = *sys.argv[1:3], *map(int, sys.argv[3:])
config = PRESETS[name]
metrics = {"multiclass": Metric.MULTICLASS_ACCURACY, "pairs": Metric.ACCURACY}
space, tasks = config.space.build(config.tasks.features or 16), config.tasks.search_tasks
examples = config.tasks.train_examples or 1000, config.tasks.valid_examples or 1000
shape = TaskShape(tasks, *examples, metrics.get(config.tasks.kind, Metric.RMS_ERROR))
form = Grouped(grouped_block(space, tasks, batch // devices, 4, memory))
start = time.process_time()
found = tpu_devices()[:devices] if target == "TPU" else gpu_devices(target, devices)
compiled = compile_ahead(space, shape, form, batch, found)
seconds = time.process_time() - start
module, memory = parse_module(compiled.as_text()), compiled.memory_analysis()
print(json.dumps({
    "seconds": seconds,
    "bytes": memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes,
    "operations": {
        function: [module.operations(loop.called[1]) for loop in module.loops(function)] for function in FUNCTION_NAMES
    },
    "devices": sorted({len(sharding.device_set) for sharding in compiled.output_shardings}),
}))
"""


def compile_preset(name: str, target: str, devices: int) -> dict[str, Any]:
    arguments = [name, target, str(devices), str(BATCH), str(MEMORY[target])]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.skipif(find_spec("libtpu") is None, reason="libtpu, the compiler for TPUs, is not installed")
@pytest.mark.parametrize(("name", "devices"), ALL if os.environ.get("AHEAD_PRESETS") == "all" else CHOSEN)
def test_a_presets_space_is_compiled_for_tpus(name: str, devices: int) -> None:
    check_compiled(compile_preset(name, "TPU", devices), "TPU", devices)


@pytest.mark.skipif(
    find_spec("jax_plugins") is None or find_spec("jax_plugins.xla_cuda12") is None,
    reason="JAX's CUDA plug-in, the compiler for GPUs, is not installed",
)
@pytest.mark.parametrize(("name", "gpu", "devices"), [("linear", name, 1) for name in GPUS] + [("digits", "A100", 4)])
def test_a_presets_space_is_compiled_for_gpus(name: str, gpu: str, devices: int) -> None:
    check_compiled(compile_preset(name, gpu, devices), gpu, devices)


def check_compiled(found: dict[str, Any], target: str, devices: int) -> None:
    assert found["bytes"] < MEMORY[target]
    assert found["seconds"] < SECONDS
    assert found["devices"] == [devices]
    for function, operations in found["operations"].items():
        assert len(operations) == 1, function  # each function's instructions are compiled once
        assert 0 < operations[0] <= OPERATIONS, function
