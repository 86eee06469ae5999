"""The Pallas engine: its plan, its order of examples, many blocks, tasks and chunks; and compiled for TPUs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Final

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from azero_jax.config.presets import PRESETS
from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.make import make_engine
from azero_jax.engines.pallas import plan as planning
from azero_jax.engines.pallas.bundles import parse_bundles
from azero_jax.engines.pallas.engine import PallasEngine
from azero_jax.engines.pallas.plan import VMEM, make_plan
from azero_jax.engines.pallas.sequence import FIRST_EPOCH, FIRST_OF_EPOCH, LAST_OF_EPOCH, TRAINING, USED, make_sequence
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.ahead import TaskShape
from azero_jax.engines.xla.engine import XlaEngine
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.tasks import linear_tasks
from azero_jax.terminal.search_command import main as search
from tests.support.spaces import DEMO, full_space, some_programs

TASKS = linear_tasks(tasks=6, features=4, train_examples=20, valid_examples=7, seed=0)
FLOAT32 = np.dtype(np.float32)
SECONDS: Final = 60  # of processor time, to compile
MEMORY: Final = 16 * 10**9  # bytes of a TPU v5e


def test_a_machine_without_a_tpu_is_refused_in_one_line() -> None:
    with pytest.raises(
        EngineUnavailableError, match=r"^the Pallas engine runs on TPUs, not on cpu; use --engine auto$"
    ):
        make_engine("pallas", DEMO, TASKS, RunSettings())


def test_a_search_with_it_on_a_cpu_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert search(["--engine", "pallas", "--max-candidates", "100"]) == 2
    error = capsys.readouterr().err
    assert "the Pallas engine runs on TPUs, not on cpu" in error
    assert "Traceback" not in error


def test_auto_leaves_it_out() -> None:
    assert make_engine("auto", DEMO, TASKS, RunSettings()).name != "pallas"


@pytest.mark.parametrize("tasks", [1, 7, 10, 16, 64])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_tasks_of_a_plan_have_room_and_divide_all(preset: str, tasks: int) -> None:
    config = PRESETS[preset]
    space = config.space.build(config.tasks.features or 16)
    plan = make_plan(space, Metric.RMS_ERROR, FLOAT32, tasks, 1)
    assert tasks % plan.tasks == 0
    assert sum(int(np.prod(plan.file(kind))) for kind in "svm") * 4 < VMEM
    assert plan.positions * plan.tasks * plan.row_numbers * 4 * 2 < 1 << 20  # bytes of SMEM, with the next chunk


def test_a_space_beyond_the_vector_memory_is_refused_in_one_line() -> None:
    space = make_space(features=128, scalars=4, vectors=4, matrices=2, setup=1, predict=1, learn=1)
    with pytest.raises(
        EngineUnavailableError, match=r"would need \d+ MiB of a TPU's vector memory .* counts on 44 MiB"
    ):
        make_plan(space, Metric.RMS_ERROR, FLOAT32, 4, 1)


def test_examples_follow_one_another_epoch_after_epoch() -> None:
    order = np.array([[0, 1, 2], [2, 0, 1]])
    sequence = make_sequence(order, 2, 5, 1, 4, ends_with_training=False)
    numbers, flags, steps = (array.reshape(-1).tolist() for array in sequence)
    training, validation = USED | TRAINING, USED
    first, last = training | FIRST_OF_EPOCH, validation | LAST_OF_EPOCH
    assert numbers == [0, 1, 2, 3, 2, 0, 3, 0, 0, 0, 0, 0]
    expected = [first, training, training, last]
    assert flags == [*(flag | FIRST_EPOCH for flag in expected), first, training, last, 0, 0, 0, 0, 0]
    assert steps == [1, 2, 3, 4, 6, 7, 9, 0, 0, 0, 0, 0]


def test_a_trace_leaves_the_last_validation_out() -> None:
    sequence = make_sequence(np.arange(3)[None], 2, 3, 2, 8, ends_with_training=True)
    assert (sequence.flags != 0).sum() == 3
    assert sequence.flags[0, 0, 2] & LAST_OF_EPOCH
    assert (make_sequence(np.arange(3)[None], 2, 0, 2, 8, ends_with_training=False).flags == 0).all()


@pytest.mark.parametrize("epochs", [1, 2])
def test_blocks_of_programs_groups_of_tasks_and_chunks_of_examples(
    monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """Several of each give what the XLA engine gives."""
    monkeypatch.setattr(planning, "VMEM", 48_000)
    monkeypatch.setattr(planning, "POSITIONS", 8)
    settings = RunSettings(precision="float64", epochs=epochs, batch_size=40)
    engine = PallasEngine(DEMO, TASKS, settings, interpret=True)
    assert engine._plan.tasks in (2, 3)
    assert engine._plan.positions == 8
    assert engine.capacity == 48
    programs = some_programs(DEMO, 70, seed=0)
    actual, expected = (e.evaluate(programs, record=True) for e in (engine, XlaEngine(DEMO, TASKS, settings)))
    assert len(np.unique(expected.stop)) > 1
    for name in ("stop", "stop_reason", "train_steps"):
        assert_array_equal(getattr(actual, name), getattr(expected, name))
    assert_allclose(actual.fitness, expected.fitness, rtol=1e-9)
    assert_allclose(actual.errors, expected.errors, rtol=1e-9)


@pytest.mark.skipif(jax.default_backend() != "tpu", reason="there is no TPU")
@pytest.mark.parametrize("space", [DEMO, full_space(4)], ids=["demo", "full"])
def test_a_tpu_gives_what_the_xla_engine_gives(space: SearchSpace) -> None:
    """In float32 a few programs are chaotic, and end elsewhere."""
    programs, settings = some_programs(space, 1500, seed=0), RunSettings(epochs=2, batch_size=2048)
    actual, expected = (make(space, TASKS, settings).evaluate(programs) for make in (PallasEngine, XlaEngine))
    assert (actual.stop == expected.stop).mean() > 0.98
    assert (np.abs(actual.fitness - expected.fitness) < 1e-3).mean() > 0.98


BUNDLES: Final = """\
     0   :  { %s1 = smov.u32 0 }
   0x1 LB: > { %s2 = sadd.s32 1, %s1 } /* Start region 7 :: Start region 8 */
   0x2 LB: >> { %s4 = sadd.s32 1  ;;  %p5_p0 = scmp.ge.s32.totalorder %s4, 5 /* loop exit test */ } /* Start region 9 */
   0x3   : >> { %p6_p1 = scmp.ge.s32.totalorder (%p5_p0), %s2, %s9 }
   0x4   : >> { %8 = sbr.rel (!%p5_p0) target = $region9 }
   0x5   :  {}
   0x6   :  {}
   0x7   :  {}
   0x8   :  {}
   0x9   : > { %9 = sbr.rel (!%p6_p1) target = $region7 }
   0xa   :  {}
   0xb   :  {}
   0xc   :  {}
   0xd   :  {}
   0xe   :  { %10 = sbr.rel (%p7) target = $region11 } /* Start region 11 */
"""


def test_the_loops_of_a_kernel_are_read_from_its_bundles() -> None:
    kernel = parse_bundles(BUNDLES)
    (outer,) = kernel.loops
    (inner,) = outer.loops
    assert (kernel.bundles, outer.bundles, inner.bundles) == (2, 6, 7)
    assert (outer.rounds, inner.rounds) == (None, 5)
    assert kernel.cycles == 2 + 6 + 5 * 7


# A process of its own: libtpu starts threads, and is loaded once.
SCRIPT: Final = """
import json, sys, time
from azero_jax.engines.pallas.ahead import compile_ahead
from azero_jax.engines.xla.absent import tpu_devices
from tests.engines.test_pallas import ahead_space
space, shape = ahead_space(sys.argv[1])
start = time.process_time()
compiled = compile_ahead(space, shape, 4096, tpu_devices()[: int(sys.argv[2])], int(sys.argv[3]), int(sys.argv[4]))
memory = compiled.memory_analysis()
print(json.dumps({
    "seconds": time.process_time() - start,
    "bytes": memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes,
    "kernels": compiled.as_text().count('custom_call_target="tpu_custom_call"'),
    "devices": sorted({len(sharding.device_set) for sharding in compiled.output_shardings if sharding is not None}),
}))
"""


def ahead_space(name: str) -> tuple[SearchSpace, TaskShape]:
    """A space and the shape of its tasks: of a preset, or with the full op table."""
    if name == "full":
        return full_space(16, (5, 5, 10)), TaskShape(10, 100, 100, Metric.RMS_ERROR)
    config = PRESETS[name]
    metrics = {"multiclass": Metric.MULTICLASS_ACCURACY, "pairs": Metric.ACCURACY}
    examples = config.tasks.train_examples or 1000, config.tasks.valid_examples or 1000
    shape = TaskShape(config.tasks.search_tasks, *examples, metrics.get(config.tasks.kind, Metric.RMS_ERROR))
    return config.space.build(config.tasks.features or 16), shape


@pytest.mark.skipif(find_spec("libtpu") is None, reason="libtpu, the compiler for TPUs, is not installed")
@pytest.mark.parametrize(
    ("name", "devices", "epochs", "recorded"),
    [("linear", 1, 1, 1), ("linear", 4, 3, 0), ("cifar10", 1, 1, 1), ("multiclass", 1, 2, 0), ("full", 1, 1, 0)],
)
def test_a_space_is_compiled_for_tpus(name: str, devices: int, epochs: int, recorded: int) -> None:
    arguments = [name, *map(str, (devices, epochs, recorded))]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["kernels"] == 1
    assert found["seconds"] < SECONDS
    assert found["bytes"] < MEMORY
    assert found["devices"] == [devices]
