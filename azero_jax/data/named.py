"""Data sets by name, through Hugging Face `datasets` (the extra `hub`); downloaded only when asked for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.libraries import require
from azero_jax.data.source import Source, make_source
from azero_jax.process.progress import Progress, no_progress

# Where the hub keeps a data set: the image column, and the arguments of `datasets.load_dataset`.
_SETS: Final = {
    "cifar10": ("img", "uoft-cs/cifar10"),
    "mnist": ("image", "ylecun/mnist"),
    "fashion_mnist": ("image", "zalando-datasets/fashion_mnist"),
    "svhn": ("image", "ufldl-stanford/svhn", "cropped_digits"),
}
NAMED_SETS: Final = tuple(_SETS)
_PROGRESS_EVERY: Final = 1000  # images


def load_named(name: str, *, download: bool = False, progress: Progress = no_progress) -> Source:
    """One of `NAMED_SETS`; `download` says whether it may be fetched, to stay in the library's own cache.

    The library fetches all parts of a data set, of SVHN also the 1 GB of extra examples, which are not used.

    Raises:
      ValueError: `download` is off, a library is not installed, or the download failed.
    """
    if not download:
        how = "allow it (download=True, --download true), or give a file of your own"
        raise ValueError(f"{name!r} would have to be downloaded; {how}")
    datasets: Any = require("datasets", f"the data set {name!r}", extra="hub")
    require("PIL.Image", "reading images")
    image, *arguments = _SETS[name]
    progress(f"asking huggingface.co for {name} (without network it takes half a minute to give up)", 0, 1)
    try:
        with _retries_unsaid():
            splits = datasets.load_dataset(*arguments)
    except Exception as error:  # the network, the hub and the cache each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{name!r} could not be downloaded ({reason[:200]})") from None
    arrays: list[NDArray[Any]] = []
    for part in ("train", "test"):
        pictures = []
        for picture in splits[part][image]:
            pictures.append(np.asarray(picture))
            if len(pictures) % _PROGRESS_EVERY == 0:
                progress(f"decoding {name}, {part}", len(pictures), len(splits[part]["label"]))
        arrays += [np.stack(pictures), np.asarray(splits[part]["label"])]
    return make_source(name, *arrays, class_names=splits["train"].features["label"].names)


@contextmanager
def _retries_unsaid() -> Iterator[None]:
    """The library's warnings about each of its attempts are kept back; what comes of them is said once."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
