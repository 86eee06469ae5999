"""Bad input: one line that names the file and the place, and nothing half-written left behind."""

import gzip
import pickle
import struct
import sys
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
import scipy.io

from azero_jax.data import load_source, make_source
from azero_jax.data.archive import SMALL_BYTES
from tests.support.data_files import (
    class_files,
    png,
    random_pixels,
    write_cifar_binary,
    write_cifar_python,
    write_folder,
    write_idx,
    write_zip,
)


def refuses(data, *said, **options):
    """Checks that loading fails with one line that contains every text of `said`."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_source(data, **options)
    message = str(caught.value)
    assert "\n" not in message
    for text in said:
        assert text in message, message


def test_nothing_there(tmp_path):
    refuses(tmp_path / "absent", "absent", "digits")


def test_unknown_kind(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"?")
    refuses(tmp_path / "a.xyz", "a.xyz", "no known kind")
    refuses(17, "int")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n", png(random_pixels(1, 8, 8, 3)[0])[:-40], b"not an image at all"]
)
@pytest.mark.parametrize("write", [write_zip, write_folder])
def test_damaged_image(tmp_path, content, write):
    cache = tmp_path / "cache"
    path = write(tmp_path / "a.zip", class_files() | {"train/cat/1.png": content})
    refuses(path, "a.zip", "train/cat/1.png", cache_dir=cache)
    assert not cache.exists() or not list(cache.iterdir())


def test_what_is_no_image_is_said_without_the_decoders_words(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files() | {"train/cat/1.png": b"not an image at all"})
    refuses(path, "image 'train/cat/1.png' is no JPEG or PNG, or cut off after 19 bytes")


def test_images_of_unequal_size(tmp_path):
    files = class_files() | {"train/dog/9.png": png(random_pixels(1, 8, 9, 3)[0])}
    refuses(write_folder(tmp_path, files), "train/dog/9.png", "9 x 8", "8 x 8")


@pytest.mark.parametrize("width", [5_000, 10_000, 60_000])
def test_image_that_announces_too_many_pixels(tmp_path, width):
    bomb = bytearray(png(random_pixels(1, 8, 8, 3)[0]))
    bomb[16:24] = struct.pack(">II", width, width)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    refuses(write_folder(tmp_path, {"a/0.png": bytes(bomb)}), "a/0.png", "pixels")


def test_image_in_no_class_folder(tmp_path):
    refuses(write_zip(tmp_path / "a.zip", class_files() | {"stray.png": b"x"}), "stray.png", "no class folder")


def test_no_images(tmp_path):
    refuses(write_zip(tmp_path / "a.zip", {"readme.txt": b"x"}), "a.zip", "no images")


def test_truncated_zip(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    path.write_bytes(path.read_bytes()[:-100])
    refuses(path, "a.zip", "cut off")


def test_corrupt_zip_member(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    content = bytearray(path.read_bytes())
    at = content.index(b"train/dog/1.png") + 60
    content[at : at + 8] = b"\xff" * 8
    path.write_bytes(bytes(content))
    refuses(path, "a.zip", "train/dog/1.png")


@pytest.mark.parametrize(
    "name", ["../evil/0.png", "/etc/evil/0.png", "a/../../0.png", "..\\evil\\0.png", "C:\\evil\\0.png"]
)
def test_zip_that_tries_to_leave_its_folder(tmp_path, name):
    before = set(tmp_path.parent.iterdir())
    refuses(write_zip(tmp_path / "a.zip", class_files() | {name: b"x"}), "a.zip", "leave")
    assert set(tmp_path.parent.iterdir()) == before


def test_zip_that_unpacks_to_far_more_than_it_is(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files() | {"train/cat/9.png": bytes(SMALL_BYTES + 1)})
    refuses(path, "a.zip", "unpacks")


@pytest.mark.parametrize("suffix", ["images-idx3-ubyte", "labels-idx1-ubyte"])
@pytest.mark.parametrize("cut", [2, 7, -5])
def test_truncated_idx(tmp_path, suffix, cut):
    write_idx(tmp_path, zipped=False)
    path = tmp_path / f"train-{suffix}"
    path.write_bytes(path.read_bytes()[:cut])
    refuses(tmp_path, path.name)


def test_truncated_idx_says_where(tmp_path):
    write_idx(tmp_path, zipped=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:100])
    refuses(tmp_path, path.name, "byte 100", "376 bytes")


def test_idx_with_bytes_too_many(tmp_path):
    write_idx(tmp_path, zipped=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes() + b"x")
    refuses(tmp_path, path.name, "goes on")


def test_truncated_gzip(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    refuses(tmp_path, path.name, "cut off")


def test_idx_that_is_none(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"hello, world"))
    refuses(tmp_path, "train-labels-idx1-ubyte.gz", "not an idx file")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", "announces 255 axes; allowed are 8"),
        (b"\0\0\x08\x04\0\0\0\0" + b"\xff" * 12, "holds nothing"),
    ],
)
def test_idx_that_announces_what_no_array_can_be(tmp_path, header, said):
    write_idx(tmp_path, zipped=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(header)
    refuses(tmp_path, "train-images-idx3-ubyte", said)


def test_idx_images_without_labels(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    refuses(tmp_path, "train-labels")


def test_truncated_cifar_batches(tmp_path):
    for write, name in ((write_cifar_python, "data_batch_2"), (write_cifar_binary, "test_batch.bin")):
        folder = tmp_path / name
        write(folder)
        (folder / name).write_bytes((folder / name).read_bytes()[:4000])
        refuses(folder, name, "4000")


class _Harmful:
    def __reduce__(self):
        return (print, ("harm",))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_cifar_batch_that_would_run_code(tmp_path, capsys, protocol):
    write_cifar_python(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": _Harmful(), "labels": []}, protocol=protocol))
    refuses(tmp_path, "data_batch_1", "print")
    assert capsys.readouterr().out == ""


def test_cifar_label_out_of_range(tmp_path):
    write_cifar_binary(tmp_path)
    content = bytearray((tmp_path / "data_batch_1.bin").read_bytes())
    content[3073 * 4] = 77
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(content))
    refuses(tmp_path, "data_batch_1.bin", "example 4", "77")


@pytest.mark.parametrize("labels", [[[1, 2]] + [1] * 39, [[1]] * 40, [[99, 1]] * 40, ["a"] * 40, [None] * 40])
def test_cifar_labels_that_are_no_digits(tmp_path, labels):
    batch = {b"data": np.zeros((40, 3072), np.uint8), b"labels": labels}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch))
    refuses(tmp_path, "data_batch_1", "0 to 9")


@pytest.mark.parametrize("labels", [np.array(["a"] * 4), {"a": 1}, np.array([1, 2.5, 1, 1]), np.array([1, 2, 3])])
def test_mat_labels_that_are_no_digits(tmp_path, labels):
    scipy.io.savemat(tmp_path / "a.mat", {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": labels})
    refuses(tmp_path / "a.mat", "a.mat", "y must hold a digit, 1 to 10, for each of the 4 images")


def test_damaged_mat(tmp_path):
    path = tmp_path / "train_32x32.mat"
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 3, 4), np.uint8), "y": np.ones((4, 1), np.uint8)})
    whole = path.read_bytes()
    for cut in (50, 200, len(whole) - 100):
        path.write_bytes(whole[:cut])
        refuses(path, "train_32x32.mat", str(cut))


def test_mat_without_images(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"Z": np.zeros(3)})
    refuses(tmp_path / "a.mat", "X", "y")


def test_truncated_npz(tmp_path):
    np.savez(tmp_path / "a.npz", x=random_pixels(4, 3), y=[0, 1, 0, 1])
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    refuses(tmp_path / "a.npz", "a.npz", "cut off")


def test_corrupt_npz_member(tmp_path):
    np.savez(tmp_path / "a.npz", x=random_pixels(100, 3), y=np.arange(100) % 2)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    at = content.index(b"NUMPY") + 200
    content[at] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(bytes(content))
    refuses(tmp_path / "a.npz", "a.npz", "x.npy")


def test_npz_of_pickled_objects(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([_Harmful()], object), y=[0])
    refuses(tmp_path / "a.npz", "x.npy")


def test_npz_without_labels(tmp_path):
    np.savez(tmp_path / "a.npz", x=random_pixels(4, 3), z=[0, 1, 0, 1])
    refuses(tmp_path / "a.npz", "labels", "z")


def table(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    return tmp_path / "t.csv"


def test_label_column_that_is_not_there(tmp_path):
    refuses(table(tmp_path, "a,b\n1,2\n"), "t.csv", "'c'", "a, b", label="c")
    refuses(table(tmp_path, "a,b\n1,2\n"), "t.csv", "a, b")


def test_non_numeric_column(tmp_path):
    refuses(table(tmp_path, "a,label\n1,0\nred,1\n"), "t.csv", "'a'", "row 3", "'red'")


@pytest.mark.parametrize(("cell", "said"), [("", "NaN"), ("nan", "NaN"), ("inf", "not a finite number")])
def test_empty_or_infinite_cell(tmp_path, cell, said):
    refuses(table(tmp_path, f"a,b,label\n1,1,0\n{cell},2,1\n"), "'a'", "row 3", said)


def test_row_without_label(tmp_path):
    refuses(table(tmp_path, "a,label\n1,x\n2,\n"), "row 3", "'label'")


@pytest.mark.parametrize("text", ["", "a,label\n", "label\n1\n2\n", "a,label\n1,0\n2,1,5,6\n"])
def test_table_that_is_none(tmp_path, text):
    refuses(table(tmp_path, text), "t.csv")


def test_one_class_only(tmp_path):
    refuses(table(tmp_path, "a,label\n1,x\n2,x\n"), "t.csv", "'x'", "two classes")
    refuses(write_folder(tmp_path / "f", {"only/0.png": png(random_pixels(1, 8, 8, 3)[0])}), "'only'", "two classes")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_arrays_that_are_not_finite(bad):
    x = np.zeros((4, 3))
    x[2, 1] = bad
    refuses((x, [0, 1, 0, 1]), "example 2, value 1")
    refuses((np.zeros((2, 2)), [0.0, bad]), "label 1")


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        ("iris", {"regression": True}, "iris: regression is true, but its labels are classes"),
        ("diabetes", {"regression": False}, "diabetes: regression is false, but its labels are numbers to predict"),
        ("iris", {"label": "price"}, "iris: label is price, which is for the label column of a table"),
        ("digits", {"missing": ("NA", "?")}, "digits: missing is NA, ?, which is for the label column of a table"),
        ("mnist", {"label": "price"}, "mnist: label is price"),
        (([[0.0], [1.0]], [0, 1]), {"label": "price"}, "arrays: label is price"),
        (make_source("toy", [[0.0], [1.0]], [0, 1]), {"missing": ["?"]}, "toy: missing is ?"),
        (make_source("toy", [[0.0], [1.0]], [0, 1]), {"regression": True}, "toy: regression is true"),
    ],
)
def test_what_is_said_of_data_that_have_no_use_for_it(data, options, said):
    refuses(data, said, "leave it out", **options)


def test_a_folder_has_no_label_column(tmp_path):
    refuses(write_folder(tmp_path / "f", class_files()), "label is price", label="price")
    refuses(write_folder(tmp_path / "f", class_files()), "regression is true", regression=True)


def test_what_is_said_of_a_source_and_true_is_no_mistake():
    assert load_source("diabetes", regression=True).is_regression
    assert not load_source("iris", regression=False).is_regression


def test_arrays_that_do_not_fit():
    refuses((np.zeros((4, 3)), [0, 1]), "4", "2 labels")
    refuses((np.zeros((4, 3)), [0, 1, 0, 1], np.zeros((2, 2)), [0, 1]), "2 values", "3")
    refuses((np.zeros((4, 3)), [0, 1, 0, 1], np.zeros((2, 3)), [0, 5]), "'5'")
    refuses(([[1, 2], [3]], [0, 1]), "size")
    refuses((np.zeros((2, 2), complex), [0, 1]), "not numbers")
    refuses((np.zeros(3), [0, 1, 0]), "shape")


def test_regression_on_texts():
    with pytest.raises(ValueError, match="not numbers"):
        make_source("a", np.zeros((2, 2)), ["u", "v"], regression=True)


@pytest.mark.parametrize("labels", [["u", "v", "u"], ["1.5", "v", "2"]])
def test_regression_on_words_of_a_data_frame(labels):
    frame = pd.DataFrame({"a": [1, 2, 3] * 4, "label": labels * 4})
    word = labels.index(next(label for label in labels if not label[0].isdigit()))
    refuses(frame, f"column 'label', row {word} is", "not a number, while a regression needs numbers", regression=True)


def test_regression_on_numbers_in_words_of_a_data_frame():
    frame = pd.DataFrame({"a": [3.0, 1.0, 2.0], "label": ["1.5", "2", "3"]})
    assert load_source(frame, regression=True).train.labels.tolist() == [1.5, 2, 3]


def test_data_frame_with_two_columns_of_one_name():
    refuses(pd.DataFrame([[1, 2, 0]], columns=["a", "a", "label"]), "same name")


@pytest.mark.parametrize("module", ["PIL.Image", "pandas", "sklearn.datasets", "scipy.io", "datasets"])
def test_missing_library_says_how_to_get_it(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.mat").write_bytes(b"x")
    data = {
        "PIL.Image": write_folder(tmp_path / "f", class_files()),
        "pandas": table(tmp_path, "a,label\n1,0\n2,1\n"),
        "sklearn.datasets": "digits",
        "scipy.io": tmp_path / "a.mat",
        "datasets": "mnist",
    }[module]
    refuses(data, f'pip install "azero-jax[{"hub" if module == "datasets" else "data"}]"', download=True)


def test_zip_with_an_encrypted_member(tmp_path):
    path = write_zip(tmp_path / "a.zip", class_files())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("train/cat/0.png").header_offset
    content[at + 6] |= 1
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(bytes(content))
    refuses(path, "a.zip", "train/cat/0.png")
