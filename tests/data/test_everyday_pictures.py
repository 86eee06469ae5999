"""Folders and zips of pictures as people have them: each by its own mode, and nothing left out without a word."""

import io

import numpy as np
import pytest
from PIL import Image

from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.data import load_source
from azero_jax.protocol.run import make_task_sets
from tests.support.data_files import png, random_pixels, write_folder, write_zip

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def transparent(mode="RGBA"):
    """Black strokes on transparent ground."""
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2] = 255
    pixels = np.zeros((8, 8, 3), np.uint8)
    image = Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
    return image.convert(mode)


def pictures(first, second, count=2):
    return {f"{name}/{n}.png": content for name, content in (("a", first), ("b", second)) for n in range(count)}


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pictures_are_laid_over_white(tmp_path, mode):
    source = load_source(write_folder(tmp_path / mode, pictures(encoded(transparent(mode)), png(GREY))))
    first = source.train.features[0].reshape(8, 8, -1)
    assert (first[2] == 0).all()
    assert (first[[0, 1, 3, 4, 5, 6, 7]] == 255).all()


def test_a_palette_with_a_transparent_colour_is_laid_over_white(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((3, 2), 1)
    source = load_source(write_folder(tmp_path, pictures(encoded(image, transparency=0), png(GREY))))
    first = source.train.features[0].reshape(8, 8, 3)
    assert first[2, 3].tolist() == [255, 0, 0]
    assert first[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    deep = encoded(Image.fromarray(GREY.astype(np.uint16) * 257))
    source = load_source(write_folder(tmp_path, pictures(deep, png(GREY))))
    np.testing.assert_array_equal(source.train.features[0].reshape(8, 8), GREY)


@pytest.mark.parametrize("colour_first", [True, False])
def test_each_picture_has_its_own_mode(tmp_path, colour_first):
    colour = random_pixels(1, 8, 8, 3)[0]
    contents = (png(colour), png(GREY)) if colour_first else (png(GREY), png(colour))
    features = load_source(write_folder(tmp_path, pictures(*contents))).train.features.reshape(4, 8, 8, 3)
    np.testing.assert_array_equal(features[0 if colour_first else 2], colour)
    np.testing.assert_array_equal(features[2 if colour_first else 0], np.repeat(GREY[..., None], 3, axis=2))


def numbered(*names):
    return {name: png(pixels) for name, pixels in zip(names, random_pixels(len(names), 8, 8), strict=True)}


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("root", ["", "pets/", "data/pets/"])
def test_the_top_folder_is_the_class_however_deep_a_picture_lies(tmp_path, write, root):
    names = [f"{root}{name}" for name in ("cat/2020/may/1.png", "cat/2.png", "dog/big/1.png", "dog/small/2.png")]
    source = load_source(write(tmp_path / "a.zip", numbered(*names)))
    assert source.class_names == ("cat", "dog")
    assert source.train.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("write", [write_folder, write_zip])
@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_pictures_to_validate_by_are_never_trained_on(tmp_path, write, val):
    parts = ("train/cat", "train/dog", f"{val}/cat", f"{val}/dog")
    alone = load_source(
        write(tmp_path / "a.zip", numbered(*(f"set/{part}/{n}.png" for part in parts for n in range(2))))
    )
    assert (len(alone.train), len(alone.test)) == (4, 4)
    assert "4 pictures below val are not trained on" in " ".join(alone.notes)
    parts = (*parts, "test/cat", "test/dog")
    beside = load_source(write(tmp_path / "b.zip", numbered(*(f"{part}/{n}.png" for part in parts for n in range(2)))))
    assert (len(beside.train), len(beside.test)) == (4, 4)
    assert "4 pictures below val are left out" in " ".join(beside.notes)


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_files_that_are_left_out_are_counted(tmp_path, write):
    files = numbered("cat/1.png", "dog/1.png") | {
        "cat/2.bmp": b"", "cat/3.bmp": b"", "readme.txt": b"", "cat/.hidden.gif": b"", "cat/Thumbs.db": b""
    }  # fmt: skip
    source = load_source(write(tmp_path / "a.zip", files))
    (note,) = source.notes
    assert "3 files are left out, as only JPEG and PNG are read: .bmp (2), .txt (1)" in note


def test_a_preset_takes_what_a_small_folder_has_and_says_so(tmp_path):
    names = [f"{name}/{n}.png" for name in ("cat", "dog") for n in range(40)]
    folder = write_folder(tmp_path / "pets", numbered(*names))
    config = override(load_preset("cifar10"), {"source.data": (str(folder),), "source.projections": 2})
    said = []
    sets = make_task_sets(config, said.append)
    assert sets.search(0).train_examples < 80
    assert "pets has few examples: train_examples is" in " ".join(said)
    with pytest.raises(ValueError, match="too few examples"):
        make_task_sets(config, said.append, ["train_examples"])
