"""Tiny data files of every format, for the tests of `azero_jax.data`."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CIFAR_LABELS = list(range(10))


def random_pixels(count: int, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def class_files(parts: tuple[str, ...] = ("train", "test"), count: int = 3) -> dict[str, bytes]:
    """Paths and contents of 8 x 8 RGB images, `count` of each of two classes in each part."""
    files = {}
    for number, part in enumerate(parts):
        for label, name in enumerate(("cat", "dog")):
            for i, pixels in enumerate(random_pixels(count, 8, 8, 3, seed=2 * number + label)):
                files[f"{part}/{name}/{i}.png".lstrip("/")] = png(pixels)
    return files


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder: Path, *, zipped: bool = True) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A training and a test set of 6 x 5 images of the digits 0 and 1; returns the training set."""
    folder.mkdir(exist_ok=True)
    for seed, (prefix, count) in enumerate((("train", 12), ("t10k", 4))):
        images, labels = random_pixels(count, 6, 5, seed=seed), (np.arange(count) % 2).astype(np.uint8)
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            name = f"{prefix}-{kind}"
            if zipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        if prefix == "train":
            training = images, labels
    return training


def write_cifar_python(folder: Path, protocol: int = 2) -> NDArray[np.uint8]:
    """Two training batches and a test batch of ten examples; returns the first batch's `[10, 3072]`."""
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        batch = {b"data": random_pixels(10, 3072, seed=seed), b"labels": CIFAR_LABELS, b"batch_label": name.encode()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    return random_pixels(10, 3072, seed=0)


def write_cifar_binary(folder: Path) -> NDArray[np.uint8]:
    """One training batch and a test batch of ten examples; returns the first batch's `[10, 3072]`."""
    folder.mkdir(exist_ok=True)
    for seed, name in enumerate(("data_batch_1.bin", "test_batch.bin")):
        pixels = random_pixels(10, 3072, seed=seed)
        records = np.concatenate([np.array(CIFAR_LABELS, np.uint8)[:, None], pixels], axis=1)
        (folder / name).write_bytes(records.tobytes())
    return random_pixels(10, 3072, seed=0)
