"""What holds of the Warp engine alone: compiling for GPUs, lane widths, and machines that cannot run it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("warp")

from azero_jax.config.presets import PRESETS
from azero_jax.engines.base import EngineUnavailableError
from azero_jax.engines.make import make_engine
from azero_jax.engines.settings import EngineConfig, RunSettings
from azero_jax.engines.warp import device
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.launch_on_cpu import split
from azero_jax.engines.warp.layout import GROUP_COST, choose_layout
from azero_jax.engines.warp.spec import KernelSpec, Layout, Registers
from azero_jax.judge.run_program import Judge
from azero_jax.language import ops
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace, make_space
from azero_jax.tasks import linear_tasks
from tests.support.spaces import DEMO, full_space, some_programs

MATRICES = make_space(
    features=4,
    scalars=4,
    vectors=4,
    matrices=2,
    setup=5,
    predict=5,
    learn=5,
    allowed=(
        "SCALAR_CONST_SET",
        "SCALAR_DIFF",
        "VECTOR_INNER_PRODUCT",
        "VECTOR_OUTER_PRODUCT",
        "MATRIX_VECTOR_PRODUCT",
    ),
)
TASKS = linear_tasks(tasks=5, features=4, train_examples=20, valid_examples=7, seed=0)


def spec_of(space: SearchSpace, *, cuda: bool) -> KernelSpec:
    return KernelSpec(
        registers=Registers(4, space.scalars, space.vectors, space.matrices),
        slots=space.length,
        offsets=space.offsets,
        ops=space.ops,
        precision="float32",
        metric=Metric.RMS_ERROR,
        lanes=1,
        cuda=cuda,
        epochs=True,
    )


@pytest.mark.parametrize("arch", [75, 80, 90])  # T4, A100, H100
def test_the_kernel_compiles_for_gpus_on_a_machine_without_one(arch: int, tmp_path: Path) -> None:
    wp = device.start_warp()
    from azero_jax.engines.warp.kernel.interpreter import make_kernel

    kernel = make_kernel(spec_of(full_space(features=4), cuda=True))
    (binary,) = wp.compile_aot_module(kernel.module, arch=arch, module_dir=tmp_path, use_ptx=False)
    assert f"sm{arch}" in binary.name
    assert binary.stat().st_size > 10_000


@pytest.mark.parametrize("op", ops.OPS[1:], ids=lambda op: op.name)
def test_every_op_has_a_warp_function(op: ops.Op) -> None:
    wp = device.start_warp()
    from azero_jax.engines.warp.kernel.functions import make_op_function
    from azero_jax.engines.warp.kernel.storage import make_storage

    assert isinstance(make_op_function(op, make_storage(spec_of(full_space(4), cuda=False))), wp.Function)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("space", [DEMO, MATRICES], ids=["vectors", "matrices"])
def test_nothing_depends_on_the_lane_width(space: SearchSpace, precision: str) -> None:
    tasks = linear_tasks(tasks=11, features=4, train_examples=20, valid_examples=7, seed=0)  # fill no last group
    programs = some_programs(space, 50, seed=0)
    settings = RunSettings(precision=precision, batch_size=32, epochs=2)
    results = []
    for lanes in GROUP_COST[precision]:
        engine = WarpEngine(space, tasks, settings, layout=Layout(lanes))
        outcome = engine.evaluate(programs, examples=(30, 5), record=True)
        after_setup, after_training = engine.trace(programs[:5], examples=(30, 5))
        results.append([*outcome, *after_setup, *after_training])
    for result in results[1:]:
        for actual, expected in zip(result, results[0], strict=True):
            assert_array_equal(actual, expected)


@pytest.mark.parametrize("threads", [2, 5])
def test_nothing_depends_on_the_number_of_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azero_jax.engines.warp.launch_on_cpu.WORK_OF_A_THREAD", 1)
    programs, settings = some_programs(MATRICES, 50, seed=0), RunSettings(batch_size=32)
    one, several = (WarpEngine(MATRICES, TASKS, settings, threads=number) for number in (1, threads))
    for number in (1, 3, 50):
        expected = one.evaluate(programs[:number], record=True)
        for actual, field in zip(several.evaluate(programs[:number], record=True), expected, strict=True):
            assert_array_equal(actual, field)


def test_the_calling_thread_keeps_its_denormal_numbers() -> None:
    WarpEngine(DEMO, TASKS, RunSettings(batch_size=8), threads=1).evaluate(some_programs(DEMO, 3, seed=0))
    assert np.float32(1e-20) * np.float32(1e-20) > 0


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("programs", [0, 1, 2, 40, 4096])
def test_pieces_of_a_batch_hold_every_program_once_and_become_smaller(programs: int, threads: int) -> None:
    pieces = split(programs, threads)
    assert [number for piece in pieces for number in piece] == list(range(programs))
    sizes = [len(piece) for piece in pieces]
    assert sizes == sorted(sizes, reverse=True)


def test_a_layout_has_lanes_or_blocks() -> None:
    with pytest.raises(ValueError, match="8 lanes and blocks of 4; one of the two must be 1"):
        Layout(8, 4)


# Lanes of the groups for 1, 3, 8, 10, 16 and 40 tasks, by precision and F; 1 is one task in blocks.
TASK_COUNTS = (1, 3, 8, 10, 16, 40)
CHOSEN_LANES = {  # with 32 KiB of L1 cache
    ("float32", 4): (8, 8, 8, 16, 16, 16),
    ("float32", 8): (1, 8, 8, 16, 16, 8),
    ("float32", 16): (1, 8, 8, 8, 8, 8),
    ("float32", 64): (1, 1, 1, 1, 1, 1),
    ("float32", 256): (1, 1, 1, 1, 1, 1),
    ("float64", 4): (4, 4, 8, 8, 8, 8),
    ("float64", 8): (1, 4, 8, 4, 8, 8),
    ("float64", 16): (1, 4, 8, 4, 8, 8),
    ("float64", 32): (1, 1, 1, 1, 1, 1),
    ("float64", 64): (1, 1, 8, 1, 8, 8),
}


@pytest.mark.parametrize(("precision", "features"), CHOSEN_LANES)
def test_with_matrices_the_lanes_follow_from_features_and_tasks(precision: str, features: int) -> None:
    layouts = [choose_layout(full_space(features), tasks, precision, cache=32) for tasks in TASK_COUNTS]
    lanes = CHOSEN_LANES[precision, features]
    assert layouts == [Layout(each, min(features, 16) if each == 1 else 1) for each in lanes]


@pytest.mark.parametrize("cache", [48, 64])
def test_two_matrices_of_16_lanes_stay_in_a_larger_cache(cache: int) -> None:
    lanes = [choose_layout(full_space(16), tasks, "float32", cache).lanes for tasks in TASK_COUNTS]
    assert lanes == [1, 8, 8, 16, 16, 16]


@pytest.mark.parametrize("tasks", range(1, 41))
@pytest.mark.parametrize("features", [4, 8, 16, 32, 64, 256])
def test_the_cache_does_not_decide_about_blocks(features: int, tasks: int) -> None:
    for precision in ("float32", "float64"):
        blocks = {choose_layout(full_space(features), tasks, precision, cache).block for cache in (16, 32, 48, 96)}
        assert len(blocks) == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_blocks_divide_the_features(precision: str) -> None:
    assert choose_layout(full_space(256), 1, precision) == Layout(1, 16)
    assert choose_layout(full_space(24), 1, precision) == Layout(1, 8)
    assert choose_layout(full_space(30), 1, precision).block == 1


def test_a_kernel_that_is_there_is_taken_unless_it_takes_much_longer() -> None:
    choose = partial(choose_layout, PRESETS["linear"].space.build(4), precision="float32")
    assert choose(tasks=3, loaded=(16,)) == Layout(16)  # 1.25 times as long
    assert choose(tasks=3, loaded=(16, 8)) == Layout(8)
    assert choose(tasks=16, loaded=(8,)) == Layout(16)  # 1.7 times
    assert choose(tasks=3, loaded=(32,)) == Layout(4)


def test_a_judge_takes_the_kernel_of_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[KernelSpec] = []
    monkeypatch.setattr(device, "_loaded", there)
    tasks = linear_tasks(tasks=16, features=4, train_examples=20, valid_examples=7, seed=0)
    search = WarpEngine(DEMO, tasks)._spec
    assert search.lanes == 16
    there[:] = [search]
    assert WarpEngine(DEMO, tasks.first(5), reuse_kernel=True)._spec == search
    assert Judge(DEMO, tasks.first(5), EngineConfig(engine="warp")).engine._spec == search
    assert WarpEngine(DEMO, tasks.first(5), RunSettings(epochs=2), reuse_kernel=True)._spec.lanes == 8
    assert WarpEngine(DEMO, tasks.first(5))._spec == dataclasses.replace(search, lanes=8)


@pytest.mark.parametrize("features", [4, 16, 256])
def test_without_matrices_lanes_are_tasks(features: int) -> None:
    space = PRESETS["linear"].space.build(features)
    assert choose_layout(space, 3, "float32") == Layout(4)
    assert choose_layout(space, 10, "float32") == Layout(16)


def test_engines_of_one_space_share_a_compiled_kernel() -> None:
    device.load_kernel.cache_clear()
    for batch_size, seed in ((8, 0), (16, 1)):
        WarpEngine(DEMO, TASKS, RunSettings(batch_size=batch_size, seed=seed))
    WarpEngine(DEMO, linear_tasks(tasks=6, features=4, train_examples=30, valid_examples=3, seed=1))
    assert device.load_kernel.cache_info().misses == 1


def test_nothing_is_written_to_standard_output() -> None:
    code = (
        "from tests.engines.test_warp import *\n"
        "WarpEngine(DEMO, TASKS, RunSettings(batch_size=8)).evaluate(some_programs(DEMO, 3, seed=0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_without_warp_the_engine_can_still_be_imported() -> None:
    code = "import sys; sys.modules['warp'] = None; import azero_jax.engines.warp.engine"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_warp_the_engine_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    device.start_warp.cache_clear()
    monkeypatch.setitem(sys.modules, "warp", None)
    try:
        with pytest.raises(EngineUnavailableError, match="Warp cannot be loaded"):
            WarpEngine(DEMO, TASKS)
        said: list[str] = []
        assert make_engine("auto", DEMO, TASKS, RunSettings(batch_size=8), said.append).name == "xla"
        assert len(said) == 1
        assert "\n" not in said[0]
    finally:
        device.start_warp.cache_clear()


def evaluate_apart(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a few programs in a process of its own."""
    code = (
        "from tests.engines.test_warp import *\n"
        "outcome = WarpEngine(DEMO, TASKS, RunSettings(batch_size=8)).evaluate(some_programs(DEMO, 3, seed=0))\n"
        "print(outcome.fitness.tobytes().hex())"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one compiled kernel, and what it gives."""
    folder = tmp_path_factory.mktemp("kernels")
    return folder, evaluate_apart({"WARP_CACHE_PATH": str(folder)}).stdout


@pytest.mark.parametrize("damage", ["cut object", "object of zeros"])
def test_a_damaged_kernel_is_compiled_anew_which_is_said_in_one_line(
    damage: str, kept: tuple[Path, str], tmp_path: Path
) -> None:
    folder, given = kept
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.rglob("*.o")
    content = file.read_bytes()
    file.write_bytes(content[:1000] if damage == "cut object" else bytes(1000))
    done = evaluate_apart({"WARP_CACHE_PATH": str(tmp_path)})
    assert done.stdout == given
    (line,) = done.stderr.splitlines()
    assert line.startswith("a compiled Warp kernel cannot be read, and is compiled anew: ")
    assert file.read_bytes()[:64] == content[:64]  # and kept


def test_a_kernel_cache_that_cannot_be_made_is_said_in_one_line() -> None:
    folder = f"{__file__}/kernels"
    (line,) = evaluate_apart({"WARP_CACHE_PATH": folder}).stderr.splitlines()
    assert line.startswith(folder)
    assert line.endswith("anew; set WARP_CACHE_PATH to another folder")


def test_a_kernel_cache_that_cannot_be_written_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wp = device.start_warp()
    missing = str(tmp_path / "missing")
    monkeypatch.setattr(wp.config, "kernel_cache_dir", missing)
    device.check_device(cuda=False)
    assert os.access(wp.config.kernel_cache_dir, os.W_OK)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{missing} cannot be written")


def test_on_a_tpu_the_engine_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.jax, "devices", lambda: [SimpleNamespace(platform="tpu", device_kind="TPU v5 lite")])
    with pytest.raises(EngineUnavailableError, match="runs on CPUs and NVIDIA GPUs, not on TPU v5 lite"):
        device.check_device(cuda=False)


def test_batches_shrink_until_everything_can_be_indexed_with_32_bits() -> None:
    tasks = linear_tasks(tasks=1, features=4, train_examples=1_000_000, valid_examples=1, seed=0)
    engine = WarpEngine(DEMO, tasks, RunSettings(batch_size=4096))
    assert engine.capacity == (2**31 - 1) // 2**20


def test_many_programs_and_tasks_need_little_memory() -> None:
    tasks = linear_tasks(tasks=32, features=4, train_examples=10, valid_examples=1, seed=0)
    engine = WarpEngine(DEMO, tasks, RunSettings(batch_size=65_536))
    assert engine.batch_bytes(65_536) < 2**30
    programs = some_programs(DEMO, 65_536, seed=0)
    assert np.isfinite(engine.evaluate(programs, examples=(1, 1)).fitness).all()
