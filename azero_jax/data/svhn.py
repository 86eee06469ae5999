"""The Street View House Numbers in their cropped form: `train_32x32.mat` and `test_32x32.mat`."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.libraries import require
from azero_jax.data.source import Source, make_source

TRAIN_FILE: Final = "train_32x32.mat"
TEST_FILE: Final = "test_32x32.mat"


def is_svhn(path: Path) -> bool:
    """Whether this is a `.mat` file, or a folder with SVHN's training file."""
    return path.suffix.lower() == ".mat" or (path / TRAIN_FILE).is_file()


def load_svhn(path: Path) -> Source:
    """SVHN from its folder, or from one `.mat` file (beside `train_32x32.mat`, `test_32x32.mat` is read too).

    Raises:
      ValueError: a file that is damaged, cut off, or lacks the arrays X and y.
    """
    train_file = path / TRAIN_FILE if path.is_dir() else path
    test_file = train_file.parent / TEST_FILE
    train = _read_mat(train_file)
    test = _read_mat(test_file) if train_file.name == TRAIN_FILE and test_file.is_file() else (None, None)
    return make_source("svhn", *train, *test, class_names=tuple("0123456789"))


def _read_mat(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images `[N, 32, 32, 3]` and digits `[N]`; the file calls the digit 0 "10"."""
    loadmat: Any = require("scipy.io", "reading .mat files").loadmat
    try:
        content = loadmat(path, variable_names=("X", "y"))
    except NotImplementedError:
        raise ValueError(f"{path}: a MATLAB 7.3 file (HDF5); save it as version 7 or older") from None
    except Exception as error:  # SciPy reports damage through many exceptions
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: damaged, or cut off at byte {path.stat().st_size} ({reason})") from None
    images, labels = content.get("X"), content.get("y")
    if images is None or labels is None or images.ndim != 4 or images.dtype != np.uint8:
        raise ValueError(f"{path}: must hold uint8 images X [height, width, 3, N] and labels y [N]")
    digits = labels.reshape(-1)
    is_number = digits.dtype.kind in "uif"
    if not is_number or len(digits) != images.shape[3] or not np.isin(digits, np.arange(11)).all():
        found = "" if is_number else f" (it is of type {digits.dtype})"
        raise ValueError(f"{path}: y must hold a digit, 1 to 10, for each of the {images.shape[3]} images{found}")
    return np.moveaxis(images, 3, 0), digits.astype(np.int64) % 10
