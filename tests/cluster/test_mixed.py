from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from azero_jax.cluster.mixed import check_mixed, tasks_of
from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.fitness.counters import Counters
from azero_jax.protocol.identity import check_same_search, search_identity
from azero_jax.protocol.worker_states import WorkerState, worker_states, workers_state
from azero_jax.tasks.load import load_task_sets
from azero_jax.tasks.sets import GeneratedTasks, MixedTasks

EXAMPLES = Path(__file__).parents[2] / "experiments" / "cluster"


@pytest.fixture(scope="module")
def mixture() -> MixedTasks:
    config = override(load_preset("digits"), {"source.data": ("digits",), "tasks.search_tasks": 6, "tasks.features": 4})
    one = load_task_sets(config.tasks, config.source)
    other = dataclasses.replace(one, pairs=one.pairs._replace(search=one.pairs.select))  # type: ignore[attr-defined]
    halves = [
        dataclasses.replace(part, settings=dataclasses.replace(config.tasks, search_tasks=3)) for part in (one, other)
    ]
    return MixedTasks(tuple(halves))


def test_workers_search_on_the_sources_in_turn_and_select_by_all(mixture: MixedTasks) -> None:
    first, second, third = (tasks_of(mixture, worker) for worker in range(3))
    assert len(first.search(0)) == len(second.search(0)) == 6
    assert not np.array_equal(first.search(0).train_features, second.search(0).train_features)
    assert np.array_equal(first.search(0).train_features, third.search(0).train_features)
    for stage in (1, 2):
        whole = mixture.draw(stage, 5).valid_features
        assert np.array_equal(first.draw(stage, 5).valid_features, whole)
        assert np.array_equal(second.draw(stage, 5).valid_features, whole)


def test_work_of_one_source_cannot_be_mixed(mixture: MixedTasks) -> None:
    with pytest.raises(ValueError, match="mixed is true, but there is one source of tasks; name several"):
        check_mixed(GeneratedTasks(load_preset("linear").tasks), 2)
    with pytest.raises(ValueError, match="mixed is true, but 1 worker"):
        check_mixed(mixture, 1)
    check_mixed(mixture, 2)


def test_a_run_goes_on_mixed_as_it_was() -> None:
    """Fitness on one source of data says nothing beside fitness on another one."""
    before, after = (
        override(load_preset("digits"), {"cluster.workers": 2, "cluster.mixed": on}) for on in (True, False)
    )
    with pytest.raises(ValueError, match=r"cluster\.mixed is False, but True in run directory r; .* may change only"):
        check_same_search(after, before, "run directory r")
    assert search_identity(after, (), "") != search_identity(before, (), "")
    check_same_search(override(before, {"cluster.workers": 3}), before, "run directory r")


def test_a_checkpoint_knows_which_worker_was_given_up() -> None:
    """So that the others go on with the data that they had."""
    states = {worker: WorkerState({"number": np.array(worker)}, 10, Counters()) for worker in (0, 2)}
    assert {worker: int(state["number"]) for worker, state in worker_states(workers_state(states, {}, {})).items()} == {
        0: 0,
        2: 2,
    }


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_slurm_script_is_one_of_bash() -> None:
    subprocess.run(["bash", "-n", str(EXAMPLES / "search.slurm")], check=True)


def test_rays_configuration_is_one_of_ray() -> None:
    yaml = pytest.importorskip("yaml")
    util = pytest.importorskip("ray.autoscaler._private.util")
    config = yaml.safe_load((EXAMPLES / "ray.yaml").read_text(encoding="utf-8"))
    util.validate_config(util.prepare_config(config))
