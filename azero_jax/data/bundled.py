"""The small data sets that scikit-learn brings with it; nothing is downloaded."""

from typing import Any, Final

from azero_jax.data.libraries import require
from azero_jax.data.source import Source, make_source

BUNDLED_TABLES: Final = ("breast_cancer", "iris", "wine", "diabetes")
BUNDLED_NAMES: Final = ("digits", *BUNDLED_TABLES)


def load_bundled(name: str) -> Source:
    """One of `BUNDLED_NAMES`; `diabetes` is a regression, the others have classes.

    Raises:
      ValueError: scikit-learn is not installed.
    """
    datasets: Any = require("sklearn.datasets", f"the data set {name!r}")
    bunch = getattr(datasets, f"load_{name}")()
    if name == "diabetes":
        return make_source(name, bunch.data, bunch.target, regression=True)
    return make_source(name, bunch.data, bunch.target, class_names=[str(class_) for class_ in bunch.target_names])
