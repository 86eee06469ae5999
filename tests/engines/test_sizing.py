"""Which form a device gets: a CPU as was measured on it, accelerators by their memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import pytest

from azero_jax.config.presets import PRESETS
from azero_jax.engines.xla.forms import Branch, Grouped, Select
from azero_jax.engines.xla.sizing import MEMORY, REGISTER_BYTES, choose_form, device_memory, grouped_block
from azero_jax.language.space import make_space
from tests.support.spaces import DEMO, full_space

GIGABYTE = 10**9


@dataclasses.dataclass(frozen=True)
class Described:
    """A device that is not here."""

    platform: str
    bytes_limit: int

    def memory_stats(self) -> dict[str, int] | None:
        return {"bytes_limit": self.bytes_limit} if self.bytes_limit else None


def test_a_cpu_has_the_forms_that_were_measured_on_it() -> None:
    cpu = jax.devices("cpu")[0]
    assert choose_form(DEMO, 10, 4096, cpu, 4) == Select(128)
    assert choose_form(DEMO, 16, 4096, cpu, 4) == Select(80)
    assert choose_form(full_space(), 10, 4096, cpu, 4) == Branch()


def test_a_cpu_runs_no_more_programs_side_by_side_than_there_are() -> None:
    cpu = jax.devices("cpu")[0]
    assert choose_form(DEMO, 10, 40, cpu, 4) == Select(64)
    assert choose_form(DEMO, 10, 1, cpu, 4) == Branch()


@pytest.mark.parametrize("platform", ["tpu", "gpu", "cuda", "rocm"])
def test_an_accelerator_takes_the_whole_batch_of_small_programs_at_once(platform: str) -> None:
    device: Any = Described(platform, 16 * GIGABYTE)
    assert choose_form(DEMO, 10, 4096, device, 4) == Grouped(4096)
    assert choose_form(DEMO, 10, 200, device, 4) == Grouped(256)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("memory", [2, 15, 80])
def test_registers_fit_what_is_moved_quickly(name: str, memory: int) -> None:
    space = PRESETS[name].space.build(PRESETS[name].tasks.features or 16)
    block = grouped_block(space, 10, 100_000, 4, memory * GIGABYTE)
    f = space.features
    program = 10 * 4 * (space.scalars + space.vectors * f + space.matrices * f * f)
    assert block % 128 == 0
    assert block >= 128
    assert block * program <= REGISTER_BYTES


def test_large_matrices_leave_room_for_few_programs_and_small_memory_for_one() -> None:
    space = make_space(features=1024, scalars=4, vectors=4, matrices=3, setup=4, predict=4, learn=4)
    assert grouped_block(space, 8, 4096, 4, 80 * GIGABYTE) == 1
    assert 1 < grouped_block(dataclasses.replace(space, features=128), 8, 4096, 4, 80 * GIGABYTE) < 128
    assert grouped_block(DEMO, 10, 4096, 4, 1_000_000) < grouped_block(DEMO, 10, 4096, 4, GIGABYTE)


def test_memory_is_what_the_device_says_or_a_guess() -> None:
    assert device_memory(Described("gpu", 15 * GIGABYTE)) == 15 * GIGABYTE
    assert device_memory(Described("tpu", 0)) == MEMORY
    assert device_memory(jax.devices("cpu")[0]) > 0
