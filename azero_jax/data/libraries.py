"""Optional libraries, imported where they are used."""

import importlib
from types import ModuleType


class MissingLibraryError(ValueError, ImportError):
    """An optional library is not installed; the message says how to get it."""


def require(module: str, purpose: str, extra: str = "data") -> ModuleType:
    """Imports an optional library.

    Raises:
      MissingLibraryError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = {"PIL": "pillow", "sklearn": "scikit-learn"}.get(module.split(".")[0], module.split(".")[0])
        raise MissingLibraryError(f'{purpose} needs {package}: pip install "azero-jax[{extra}]"') from None
