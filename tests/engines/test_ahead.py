"""The XLA engine is compiled for TPUs where there is none: it compiles soon, fits, and its loops are short.

The suite compiles a few presets' spaces. All of them, in some four minutes of one core:
`AHEAD_PRESETS=all pytest tests/engines/test_ahead.py`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

from azero_jax.config.presets import PRESETS

CHOSEN: Final = [("linear", 1), ("linear", 4), ("digits", 4)]
ALL: Final = [(name, devices) for name in PRESETS for devices in (1, 4)]
BATCH: Final = 4096
MEMORY: Final = 16 * 10**9  # of a TPU v5e
SECONDS: Final = 60  # of processor time, to compile
OPERATIONS: Final = 20  # of one entry of the schedule: the longest branch, and what reads which it is

# A process of its own: libtpu starts threads, and is loaded once.
SCRIPT: Final = """
import json, sys, time
from azero_jax.config.presets import PRESETS
from azero_jax.engines.xla.ahead import TaskShape, compile_ahead, tpu_topology
from azero_jax.engines.xla.forms import Grouped
from azero_jax.engines.xla.hlo import parse_module
from azero_jax.engines.xla.sizing import grouped_block
from azero_jax.language.roles import Metric
from azero_jax.language.space import FUNCTION_NAMES

name, devices, batch, memory = sys.argv[1], *map(int, sys.argv[2:])
config = PRESETS[name]
metrics = {"multiclass": Metric.MULTICLASS_ACCURACY, "pairs": Metric.ACCURACY}
space, tasks = config.space.build(config.tasks.features or 16), config.tasks.search_tasks
examples = config.tasks.train_examples or 1000, config.tasks.valid_examples or 1000
shape = TaskShape(tasks, *examples, metrics.get(config.tasks.kind, Metric.RMS_ERROR))
form = Grouped(grouped_block(space, tasks, batch // devices, 4, memory))
start = time.process_time()
compiled = compile_ahead(space, shape, form, batch, tpu_topology("v5e:2x2").devices[:devices])
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


def compile_preset(name: str, devices: int) -> dict[str, Any]:
    arguments = [name, str(devices), str(BATCH), str(MEMORY)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu, TPU's compiler, is not installed")
@pytest.mark.parametrize(("name", "devices"), ALL if os.environ.get("AHEAD_PRESETS") == "all" else CHOSEN)
def test_a_presets_space_is_compiled_for_tpus(name: str, devices: int) -> None:
    found = compile_preset(name, devices)
    assert found["bytes"] < MEMORY
    assert found["seconds"] < SECONDS
    assert found["devices"] == [devices]
    for function, operations in found["operations"].items():
        assert len(operations) == 1, function  # each function's instructions are compiled once
        assert 0 < operations[0] <= OPERATIONS, function
