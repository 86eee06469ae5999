"""Every format is recognised and read: right pixels, right labels, test set kept apart."""

import sys
import tarfile
import types

import numpy as np
import pandas as pd
import pytest
import scipy.io

from azero_jax.data import load_source, make_source
from tests.support.data_files import (
    class_files,
    jpeg,
    random_pixels,
    write_cifar_binary,
    write_cifar_python,
    write_folder,
    write_idx,
    write_zip,
)


@pytest.mark.parametrize("write", [write_zip, write_folder])
@pytest.mark.parametrize("root", ["", "set/"])
def test_class_folders_with_train_and_test(tmp_path, write, root):
    path = tmp_path / "pets.zip"
    source = load_source(write(path, {root + name: content for name, content in class_files().items()}))
    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(source.train.features[:3], random_pixels(3, 8, 8, 3, seed=0).reshape(3, -1))
    np.testing.assert_array_equal(source.test.features[3:], random_pixels(3, 8, 8, 3, seed=3).reshape(3, -1))


def test_class_folders_without_parts_have_no_test_set(tmp_path):
    source = load_source(write_folder(tmp_path, class_files(parts=("",))))
    assert source.test is None
    assert len(source.train) == 6


def test_grey_and_jpeg_images(tmp_path):
    grey = random_pixels(2, 8, 8)
    source = load_source(write_folder(tmp_path, {"a/0.jpg": jpeg(grey[0]), "b/0.jpeg": jpeg(grey[1])}))
    assert source.train.features.shape == (2, 64)
    assert np.abs(source.train.features[0].astype(int) - grey[0].reshape(-1)).mean() < 32


def test_hidden_files_are_not_images(tmp_path):
    files = class_files() | {"__MACOSX/train/cat/._0.png": b"junk", "train/cat/.hidden.png": b"junk"}
    assert len(load_source(write_zip(tmp_path / "a.zip", files)).train) == 6


def test_images_in_a_folder_whose_path_has_a_dot(tmp_path):
    assert len(load_source(write_folder(tmp_path / ".data", class_files())).train) == 6


@pytest.mark.parametrize("zipped", [True, False])
def test_idx(tmp_path, zipped):
    images, labels = write_idx(tmp_path, zipped=zipped)
    source = load_source(tmp_path)
    np.testing.assert_array_equal(source.train.features, images.reshape(12, 30))
    np.testing.assert_array_equal(source.train.labels, labels)
    assert len(source.test) == 4


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cifar_python_batches(tmp_path, protocol):
    pixels = write_cifar_python(tmp_path, protocol)
    source = load_source(tmp_path)
    assert len(source.train) == 20
    assert len(source.test) == 10
    assert source.class_names[3] == "cat"
    np.testing.assert_array_equal(
        source.train.features[0].reshape(32, 32, 3)[..., 1], pixels[0, 1024:2048].reshape(32, 32)
    )


def test_cifar_batches_in_the_only_folder(tmp_path):
    write_cifar_python(tmp_path / "cifar-10-batches-py")
    (tmp_path / "readme.txt").touch()
    assert load_source(tmp_path).fingerprint == load_source(tmp_path / "cifar-10-batches-py").fingerprint


def test_cifar_python_batches_in_a_tar_file(tmp_path):
    write_cifar_python(tmp_path / "cifar-10-batches-py")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    source = load_source(tmp_path / "cifar-10-python.tar.gz")
    assert source.fingerprint == load_source(tmp_path / "cifar-10-batches-py").fingerprint


def test_cifar_binary_batches(tmp_path):
    pixels = write_cifar_binary(tmp_path)
    source = load_source(tmp_path)
    assert source.train.labels.tolist() == list(range(10))
    np.testing.assert_array_equal(source.train.features[2].reshape(32, 32, 3)[..., 2], pixels[2, 2048:].reshape(32, 32))


def test_svhn(tmp_path):
    images = random_pixels(4, 32, 32, 3)
    for name in ("train_32x32.mat", "test_32x32.mat"):
        scipy.io.savemat(
            tmp_path / name, {"X": np.moveaxis(images, 0, 3), "y": np.array([[10], [1], [9], [10]], np.uint8)}
        )
    for path in (tmp_path, tmp_path / "train_32x32.mat"):
        source = load_source(path)
        assert source.train.labels.tolist() == [0, 1, 9, 0]
        np.testing.assert_array_equal(source.test.features, images.reshape(4, -1))


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"), ("X", "y", None, None)])
def test_npz(tmp_path, names):
    arrays = (random_pixels(6, 4, 4), np.arange(6) % 3, random_pixels(3, 4, 4, seed=1), np.arange(3))
    np.savez_compressed(tmp_path / "a.npz", **{n: a for n, a in zip(names, arrays, strict=True) if n})
    source = load_source(tmp_path / "a.npz")
    np.testing.assert_array_equal(source.train.features, arrays[0].reshape(6, 16))
    assert source.class_names == ("0", "1", "2")
    assert (source.test is None) == (names[2] is None)


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_table_with_a_named_label(tmp_path, suffix, separator):
    frame = pd.DataFrame({"a": [1.5, 2, 3, 4], "colour": ["red", "blue", "red", "blue"], "b": [0, 1, 0, 1]})
    path = tmp_path / f"t{suffix}"
    frame.to_csv(path, sep=separator, index=False)
    source = load_source(path, label="colour")
    assert source.class_names == ("blue", "red")
    assert source.train.labels.tolist() == [1, 0, 1, 0]
    assert source.train.features.tolist() == [[1.5, 0], [2, 1], [3, 0], [4, 1]]
    assert load_source(frame, label="colour").fingerprint == source.fingerprint


@pytest.mark.parametrize(
    ("labels", "regression"),
    [
        ([0, 1, 1, 0], False),
        ([0.5, 1.0, 2.0, 3.0], True),
        (["a", "b", "a", "b"], False),
        ([True, False, True, True], False),
    ],
)
def test_a_table_label_says_whether_it_is_a_class(labels, regression):
    source = load_source(pd.DataFrame({"x": [1, 2, 3, 4], "target": labels}))
    assert source.is_regression == regression


def test_arrays_in_memory():
    x, y = random_pixels(4, 3), np.array(["b", "a", "b", "a"])
    source = load_source((x, y, x[:2], y[:2]))
    assert source.train.labels.tolist() == [1, 0, 1, 0]
    assert load_source(source) is source


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1797, 64)), ("breast_cancer", (569, 30)), ("diabetes", (442, 10))]
)
def test_bundled_sets_by_name(name, shape):
    source = load_source(name)
    assert source.train.features.shape == shape
    assert source.is_regression == (name == "diabetes")


def test_named_set_is_downloaded_only_when_asked_for(monkeypatch):
    class Labels:
        names = ("no", "yes")

    class Split(dict):
        features = {"label": Labels}  # noqa: RUF012

    asked = []

    def load_dataset(*arguments):
        asked.append(arguments)
        split = Split(img=list(random_pixels(4, 2, 2)), label=[0, 1, 0, 1])
        return {"train": split, "test": split}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(ValueError, match="download=True"):
        load_source("cifar10")
    assert asked == []
    source = load_source("cifar10", download=True)
    assert asked == [("uoft-cs/cifar10",)]
    assert source.class_names == ("no", "yes")
    assert source.train.features.shape == (4, 4)


@pytest.mark.parametrize(
    ("name", "arguments", "image"),
    [
        ("cifar10", ("uoft-cs/cifar10",), "img"),
        ("mnist", ("ylecun/mnist",), "image"),
        ("fashion_mnist", ("zalando-datasets/fashion_mnist",), "image"),
        ("svhn", ("ufldl-stanford/svhn", "cropped_digits"), "image"),
    ],
)
def test_named_sets_are_where_the_hub_keeps_them(monkeypatch, name, arguments, image):
    """Column and repository names as their pages on the hub have them."""

    class Split(dict):
        features = {"label": types.SimpleNamespace(names=["no", "yes"])}  # noqa: RUF012

    split = Split({image: list(random_pixels(4, 2, 2)), "label": [0, 1, 0, 1]})
    known = {arguments: {"train": split, "test": split, "extra": split}}
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=lambda *asked: known[asked]))
    said = []
    options = {"download": True, "progress": lambda *call: said.append(call)}
    assert len(load_source(name, **options).test) == 4
    assert said[0] == (f"asking huggingface.co for {name} (without network it takes half a minute to give up)", 0, 1)


def test_the_fingerprint_is_of_the_content():
    x, y = random_pixels(4, 3), [0, 1, 0, 1]
    assert make_source("a", x, y).fingerprint == make_source("b", x, y).fingerprint
    assert make_source("a", x, y).fingerprint != make_source("a", x, [0, 1, 1, 0]).fingerprint


@pytest.mark.parametrize("kind", ["arrays", "npz", "data frame"])
@pytest.mark.parametrize(
    ("labels", "regression", "expected"),
    [
        ([0.5, 1.5] * 6, None, True),
        ([float(n) for n in range(24)], None, True),
        ([0.0, 1.0] * 6, None, False),
        (["a", "b"] * 6, None, False),
        ([0.5, 1.5] * 6, False, False),
        ([0, 1] * 6, True, True),
    ],
)
def test_the_values_decide_whether_labels_are_numbers_to_predict(tmp_path, kind, labels, regression, expected):
    x, y = np.arange(len(labels), dtype=float)[:, None], np.array(labels)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = {"arrays": (x, y), "npz": tmp_path / "a.npz", "data frame": pd.DataFrame({"x": x[:, 0], "y": y})}[kind]
    source = load_source(data, regression=regression)
    assert source.is_regression == expected
    decided = regression is None and y.dtype.kind != "U"
    assert any("regression=" in note for note in source.notes) == decided


@pytest.mark.parametrize("kind", ["arrays", "npz"])
def test_integers_in_arrays_are_classes_however_many(tmp_path, kind):
    x, y = np.arange(72, dtype=float)[:, None], np.arange(72) % 24
    np.savez(tmp_path / "a.npz", x=x, y=y)
    source = load_source((x, y) if kind == "arrays" else tmp_path / "a.npz")
    assert len(source.class_names) == 24
    assert not source.notes
