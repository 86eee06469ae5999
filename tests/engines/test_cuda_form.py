"""The Warp kernel's form for GPUs, run on the CPU: one task a thread, tasks padded to the threads of a CUDA warp.

What it leaves untested is what only a GPU has: threads at the same time, and NVIDIA's compiler and functions.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("warp")

from azero_jax import search
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp.engine import WARP_SIZE, WarpEngine
from azero_jax.language.roles import Metric
from azero_jax.tasks import linear_tasks
from tests.engines import test_agreement, test_golden
from tests.engines.test_sharding import evaluate_on
from tests.support.engines import ENGINES
from tests.support.spaces import DEMO, some_programs
from tests.support.tiny import tiny

NAME: Final = "warp_cuda"
SETTINGS: Final = RunSettings(precision="float64", batch_size=32, epochs=3)
make_cuda_form: Final = partial(WarpEngine, cuda=True)


@pytest.fixture(autouse=True)
def engine_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the tests that hold of every engine find it."""
    monkeypatch.setitem(ENGINES, NAME, make_cuda_form)


def test_every_op_gives_what_the_original_gives() -> None:
    test_golden.check_ops_in_float64(NAME, 4)


@pytest.mark.parametrize("key", test_golden.SMALLEST, ids=[f"{key[2]}-{key[4]}" for key in test_golden.SMALLEST])
def test_whole_programs_give_what_the_original_gives(key: tuple[Any, ...]) -> None:
    test_golden.check_programs(NAME, test_golden.PROGRAM_CASES[key])


def test_it_agrees_with_the_form_for_cpus_on_random_programs() -> None:
    test_agreement.check_agreement("warp_lanes", NAME, 4, 3, 2, Metric.RMS_ERROR)


def test_it_does_so_in_float32_over_several_epochs() -> None:
    tasks = linear_tasks(tasks=5, features=4, train_examples=20, valid_examples=7, seed=0)
    programs = some_programs(DEMO, 200, seed=1)
    settings = RunSettings(batch_size=64, epochs=3)
    cuda, cpu = (make(DEMO, tasks, settings).evaluate(programs, record=True) for make in (make_cuda_form, WarpEngine))
    assert_array_equal(cuda.stop, cpu.stop)
    assert_array_equal(cuda.train_steps, cpu.train_steps)
    assert np.abs(cuda.fitness - cpu.fitness).max() < 1e-4
    assert len(np.unique(cuda.fitness)) > 100


@pytest.mark.parametrize("count", [1, 11, WARP_SIZE, WARP_SIZE + 1])
def test_the_tasks_that_fill_a_warp_change_nothing(count: int) -> None:
    """Each task gives what it gives among others, whatever the number of lanes that idle."""
    tasks = linear_tasks(tasks=WARP_SIZE + 1, features=4, train_examples=20, valid_examples=7, seed=0)
    programs = some_programs(DEMO, 40, seed=0)
    engines = make_cuda_form(DEMO, tasks.first(count), SETTINGS), make_cuda_form(DEMO, tasks, SETTINGS)
    assert engines[0].idle_tasks == -count % WARP_SIZE
    few, all_tasks = (engine.evaluate(programs, record=True) for engine in engines)
    for field, actual, expected in zip(few._fields, few, all_tasks, strict=True):
        assert_array_equal(actual, expected[..., :count], err_msg=field)
    few_traced, traced = (engine.trace(programs[:3]) for engine in engines)
    for actual_memory, expected_memory in zip(few_traced, traced, strict=True):
        for actual, expected in zip(actual_memory, expected_memory, strict=True):
            assert_array_equal(actual, expected[:, :count])


def test_examples_of_neighbouring_tasks_lie_side_by_side() -> None:
    tasks = linear_tasks(tasks=3, features=4, train_examples=10, valid_examples=1, seed=0)
    engine = make_cuda_form(DEMO, tasks, RunSettings(batch_size=8))
    examples = engine._make_inputs().examples.reshape(11, 5, WARP_SIZE)  # [examples, features and label, tasks]
    assert_array_equal(examples[1, 2, :3], tasks.train_features[:, 1, 2].astype(np.float32))
    assert_array_equal(examples[10, 4, :3], tasks.valid_labels[:, 0].astype(np.float32))
    assert_array_equal(examples[..., 3:], np.repeat(examples[..., 2:3], WARP_SIZE - 3, axis=-1))


def test_four_devices_give_what_one_gives(tmp_path: Path) -> None:
    one, four = (evaluate_on(devices, "WarpEngine", tmp_path, "cuda=True") for devices in (1, 4))
    assert (one.pop("devices"), four.pop("devices")) == (1, 4)
    for name in one:
        assert_array_equal(four[name], one[name], err_msg=name)


def test_a_search_says_how_many_tasks_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azero_jax.engines.warp.engine.WarpEngine.__init__", _init_cuda_form)
    lines: list[str] = []
    search(tiny(budget__max_candidates=40, engine__engine="warp"), say=lines.append)
    assert any(line.startswith("note: search_tasks is 4; up to 32 take as long on") for line in lines)


_init: Final = WarpEngine.__init__


def _init_cuda_form(engine: WarpEngine, *arguments: Any, **named: Any) -> None:
    _init(engine, *arguments, **named, cuda=True)
