"""The program axis over several devices: the same answers, in the same order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from azero_jax.engines.sharding import program_rows

SCRIPT = """
import sys
import jax
import numpy as np
from azero_jax.config.presets import PRESETS
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.{module}.engine import {engine}
from azero_jax.engines.xla.forms import Grouped
from azero_jax.mutate.drawing import random_programs
from azero_jax.tasks import linear_tasks

space = PRESETS["linear"].space.build(features=4)
tasks = linear_tasks(tasks=11, features=4, train_examples=10, valid_examples=5, seed=0)
programs = random_programs(space, 300, np.random.default_rng(0))
engine = {engine}(space, tasks, RunSettings(batch_size=256){arguments})
outcome = engine.evaluate(programs, record=True)
few = engine.evaluate(programs[:3])  # fewer than devices
setup, training = engine.trace(programs[:2])
arrays = outcome._asdict() | {"few": few.fitness}
for name, memory in ("setup", setup), ("training", training), ("again", engine.trace(programs[2:4], training)[1]):
    arrays |= {f"{name} {kind}": array for kind, array in memory._asdict().items()}
np.savez(sys.argv[1], devices=len(jax.devices()), **arrays)
"""


def evaluate_on(devices: int, engine: str, folder: Path, arguments: str = "") -> dict[str, np.ndarray]:
    file = folder / f"{devices}.npz"
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    script = SCRIPT.replace("{engine}", engine).replace("{module}", engine.removesuffix("Engine").lower())
    script = script.replace("{arguments}", arguments and f", {arguments}")
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, env=environment)
    with np.load(file) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("arguments", ["", "form=Grouped(32)"])
def test_four_devices_give_what_one_gives(arguments: str, tmp_path: Path) -> None:
    one, four = (evaluate_on(devices, "XlaEngine", tmp_path, arguments) for devices in (1, 4))
    assert (one.pop("devices"), four.pop("devices")) == (1, 4)
    assert one.keys() == four.keys()
    for name in one:
        assert_array_equal(four[name], one[name], err_msg=name)


def test_rows_are_different_and_share_out_the_blocks_evenly() -> None:
    rows = program_rows(count=70, block=10, devices=4, capacity=120)
    assert len(set(rows)) == 70
    assert rows.max() < 120
    per_device = np.bincount(rows // 30, minlength=4)
    assert per_device.tolist() == [20, 20, 20, 10]
    assert_array_equal(program_rows(count=70, block=10, devices=1, capacity=120), np.arange(70))
