"""The cache: what comes back is what went in, or it is made again and that is said."""

import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from azero_jax.data import cache, load_source
from azero_jax.data.cache import cached, default_cache_dir, digest, read_entry, write_entry
from tests.support.data_files import class_files, write_zip

KEY = {"a": 1, "b": [2, "three"]}
ARRAYS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.zeros(0, np.int64)}


def entry(folder):
    (path,) = folder.iterdir()
    return path


def test_what_is_stored_comes_back(tmp_path):
    write_entry("k", KEY, ARRAYS, tmp_path)
    stored = read_entry("k", KEY, tmp_path)
    assert stored.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(stored[name], array)
        assert stored[name].dtype == array.dtype


def test_another_key_is_another_entry(tmp_path):
    write_entry("k", KEY, ARRAYS, tmp_path)
    assert read_entry("k", {**KEY, "a": 2}, tmp_path) is None
    assert read_entry("other", KEY, tmp_path) is None


def test_it_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return ARRAYS

    for _ in range(3):
        cached("k", KEY, make, tmp_path)
    assert len(made) == 1
    cached("k", KEY, make, None)
    assert len(made) == 2


@pytest.mark.parametrize("cut", [0, 1, 100, 300, -1])
def test_a_cut_off_entry_is_made_again_and_that_is_said(tmp_path, caplog, cut):
    write_entry("k", KEY, ARRAYS, tmp_path)
    path = entry(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with caplog.at_level(logging.WARNING):
        again = cached("k", KEY, lambda: ARRAYS, tmp_path)
    assert "made again" in caplog.text
    assert path.name in caplog.text
    np.testing.assert_array_equal(again["x"], ARRAYS["x"])
    np.testing.assert_array_equal(read_entry("k", KEY, tmp_path)["x"], ARRAYS["x"])


def test_an_entry_of_another_version_is_made_again_and_that_is_said(tmp_path, caplog, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(cache, "CACHE_VERSION", 999)
        write_entry("k", KEY, {"x": np.zeros(2)}, tmp_path)
    with caplog.at_level(logging.WARNING):
        again = cached("k", KEY, lambda: ARRAYS, tmp_path)
    assert "version 999" in caplog.text
    np.testing.assert_array_equal(again["x"], ARRAYS["x"])


def test_changed_content_fails_the_checksum(tmp_path, caplog):
    write_entry("k", KEY, ARRAYS, tmp_path)
    path = entry(tmp_path)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["x"] = arrays["x"] + 1
    np.savez(path, **arrays)
    with caplog.at_level(logging.WARNING):
        assert read_entry("k", KEY, tmp_path) is None
    assert "checksum of x" in caplog.text


@pytest.mark.parametrize("failing", ["savez", "replace"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, caplog, monkeypatch, failing):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
        broken.setattr(np if failing == "savez" else os, failing, fail)
        arrays = cached("k", KEY, lambda: ARRAYS, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert "No space left" in caplog.text
    assert arrays is ARRAYS


def test_a_folder_that_may_not_be_searched_is_said_once_and_done_without(tmp_path, caplog, monkeypatch):
    def forbid(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as forbidden, caplog.at_level(logging.WARNING):
        forbidden.setattr(Path, "exists", forbid)
        forbidden.setattr(Path, "mkdir", forbid)
        for _ in range(3):
            assert cached("k", KEY, lambda: ARRAYS, tmp_path) is ARRAYS
    (record,) = caplog.records
    assert record.getMessage() == f"{tmp_path}: this cache folder cannot be used (Permission denied); going on without"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_user_without_a_home_has_no_cache(platform, caplog, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("AZERO_JAX_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", nowhere)
    assert default_cache_dir() is None
    assert "AZERO_JAX_CACHE names one" in caplog.text


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(np, "savez", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_entry("k", KEY, ARRAYS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed(tmp_path):
    old, new = tmp_path / ".k-old.tmp", tmp_path / ".k-new.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    write_entry("k", KEY, ARRAYS, tmp_path)
    assert not old.exists()
    assert new.exists()


def test_images_are_decoded_once(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    calls = []
    options = {"cache_dir": tmp_path / "cache", "progress": lambda *call: calls.append(call)}
    first = load_source(path, **options)
    assert calls[-1] == ("decoding a.zip", 12, 12)
    calls.clear()
    assert load_source(path, **options).fingerprint == first.fingerprint
    assert calls == []


def test_a_changed_zip_is_decoded_again(tmp_path):
    options = {"cache_dir": tmp_path / "cache"}
    first = load_source(write_zip(tmp_path / "a.zip", class_files()), **options)
    files = class_files()
    files["train/cat/0.png"], files["train/cat/1.png"] = files["train/cat/1.png"], files["train/cat/0.png"]
    again = load_source(write_zip(tmp_path / "a.zip", files), **options)
    np.testing.assert_array_equal(again.train.features[:2], first.train.features[1::-1])


def test_the_folder_can_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("AZERO_JAX_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("AZERO_JAX_CACHE")
    assert default_cache_dir().name == "azero_jax"


def test_digest_tells_shape_type_and_borders_apart():
    x = np.zeros(4, np.int32)
    assert (
        len({digest(parts) for parts in ([x], [x.reshape(2, 2)], [x.view(np.float32)], [x, x], ["ab"], ["a", "b"])})
        == 6
    )
