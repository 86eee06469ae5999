"""Checkpoints: whole or not at all, and recognised when they are not."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from azero_jax.process.state import State
from azero_jax.recording import files
from azero_jax.recording.checkpoint import (
    VERSION,
    CheckpointError,
    list_checkpoints,
    read_checkpoint,
    read_latest,
    remove_leftovers,
    write_checkpoint,
)


def state(value: int) -> State:
    return {"numbers": np.full(1000, value), "text": np.array('{"a": [1, Infinity]}')}


def accept(state: State) -> str:
    del state
    return ""


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def replace_by_another_file(path: Path) -> None:
    np.savez(path, something=np.arange(3))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove_header(path: Path) -> None:
    path.with_suffix(".json").unlink()


def damage_header(path: Path) -> None:
    path.with_suffix(".json").write_text('{"format": "azero')


def change_version(path: Path) -> None:
    header = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(header | {"version": 99}))


def change_format(path: Path) -> None:
    path.with_suffix(".json").write_text('{"format": "something else"}')


def list_in_header(path: Path) -> None:
    path.with_suffix(".json").write_text("[1, 2]")


DAMAGE: dict[Callable[[Path], None], str] = {
    truncate: "damaged, it has",
    flip_a_bit: "damaged, its checksum is wrong",
    replace_by_another_file: "damaged",
    empty: "damaged, it has 0 bytes",
    remove_header: "not complete",
    damage_header: "damaged, it is not JSON",
    change_version: f"of format version 99; this is version {VERSION}",
    change_format: "not a checkpoint of azero_jax",
    list_in_header: "not a checkpoint of azero_jax",
}


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    read = read_checkpoint(write_checkpoint(tmp_path, state(5), keep=3))
    assert read.keys() == state(5).keys()
    for name, array in state(5).items():
        np.testing.assert_array_equal(read[name], array)


def test_the_latest_few_are_kept(tmp_path: Path) -> None:
    for value in range(5):
        write_checkpoint(tmp_path, state(value), keep=2)
    kept = [int(read_checkpoint(path)["numbers"][0]) for path in list_checkpoints(tmp_path)]
    assert kept == [4, 3]
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(("damage", "message"), DAMAGE.items())
def test_damage_is_recognised_and_the_one_before_is_used(
    damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, state(1), keep=3)
    latest = write_checkpoint(tmp_path, state(2), keep=3)
    damage(latest)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(latest)
    warnings: list[str] = []
    read = read_latest(tmp_path, accept, warnings.append)
    assert read is not None
    assert read["numbers"][0] == 1
    assert len(warnings) == 1
    assert latest.stem in warnings[0]
    assert "\n" not in warnings[0]


def test_a_checkpoint_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    for value in (1, 2):
        write_checkpoint(tmp_path, state(value), keep=3)
    warnings: list[str] = []
    read = read_latest(tmp_path, lambda state: "of another search" if state["numbers"][0] == 2 else "", warnings.append)
    assert read is not None
    assert read["numbers"][0] == 1
    assert "of another search" in warnings[0]


def test_without_a_sound_checkpoint_there_is_none(tmp_path: Path) -> None:
    truncate(write_checkpoint(tmp_path, state(1), keep=3))
    assert read_latest(tmp_path, accept, lambda line: None) is None


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        write_checkpoint(tmp_path, {"object": np.array([{}], object)}, keep=3)


@pytest.mark.parametrize("failing_write", [1, 2], ids=["arrays", "header"])
def test_a_full_disk_leaves_the_ones_before(
    failing_write: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path, state(1), keep=1)
    writes = 0

    def sync(descriptor: int) -> None:
        nonlocal writes
        writes += stat.S_ISREG(os.fstat(descriptor).st_mode)  # not folders
        if writes >= failing_write:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", sync)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, state(2), keep=1)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["checkpoint-000001.json", "checkpoint-000001.npz"]
    assert read_checkpoint(tmp_path / "checkpoint-000001.npz")["numbers"][0] == 1


def test_what_a_killed_writer_left_behind_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"checkpoint-000001.npz{files.TEMPORARY_SUFFIX}").write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
