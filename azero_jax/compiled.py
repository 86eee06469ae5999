"""Numba's cache on disk, told of everything that a compiled function is made of."""

from __future__ import annotations

import hashlib
import pathlib
from types import ModuleType


def source_digest(*modules: ModuleType) -> str:
    """A hash of the source of modules.

    The cache looks at the file of the function that it keeps, not at those of the functions that this one is made of.
    A digest of their modules that the function closes over, and so becomes part of its key, makes up for that.
    """
    return hashlib.sha256(b"".join(pathlib.Path(str(module.__file__)).read_bytes() for module in modules)).hexdigest()
