"""Data sets by name, through Hugging Face `datasets` (the extra `hub`); downloaded only when asked for."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.source import Source, make_source, require


class _Named(NamedTuple):
    """Where the hub keeps a data set: arguments of `datasets.load_dataset`, and the image column."""

    arguments: tuple[str, ...]
    image: str


_SETS: Final = {
    "cifar10": _Named(("uoft-cs/cifar10",), "img"),
    "mnist": _Named(("ylecun/mnist",), "image"),
    "fashion_mnist": _Named(("zalando-datasets/fashion_mnist",), "image"),
    "svhn": _Named(("ufldl-stanford/svhn", "cropped_digits"), "image"),
}
NAMED_SETS: Final = tuple(_SETS)


def load_named(name: str, *, download: bool = False) -> Source:
    """One of `NAMED_SETS`.

    Args:
      name: the data set.
      download: whether it may be fetched from the network; it then stays in the library's own cache.

    Raises:
      ValueError: `download` is off, `datasets` is not installed, or the download failed.
    """
    if not download:
        raise ValueError(
            f"{name!r} would have to be downloaded; allow it (download=True, --download true),"
            " or give a file of your own"
        )
    datasets: Any = require("datasets", f"the data set {name!r}", extra="hub")
    arguments, image = _SETS[name]
    try:
        splits = datasets.load_dataset(*arguments)
    except Exception as error:  # the network, the hub and the cache each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{name!r} could not be downloaded ({reason[:200]})") from None
    arrays: list[NDArray[Any]] = []
    for part in ("train", "test"):
        arrays += [
            np.stack([np.asarray(picture) for picture in splits[part][image]]),
            np.asarray(splits[part]["label"]),
        ]
    class_names = splits["train"].features["label"].names
    return make_source(name, *arrays, class_names=class_names)
