"""Compiled loops: the helpers that they are made of, and Numba's cache on disk."""

from __future__ import annotations

import hashlib
import pathlib
from types import ModuleType
from typing import TypeVar

from numba import njit

from azero_jax.language import ops, program, space

_Function = TypeVar("_Function")


def inlined(function: _Function) -> _Function:
    """Compiles a helper that becomes part of the compiled loops that call it.

    It borrows the arrays that it is given, so it must neither make arrays nor return any, which Numba refuses, nor
    return a tuple of them, which would be freed too early. Without this (`_nrt`) Numba counts references to arguments,
    in atomic instructions, wherever a helper has several ways out.
    """
    return njit(nogil=True, forceinline=True, _nrt=False)(function)  # type: ignore[call-overload]


def source_digest(*modules: ModuleType) -> str:
    """A hash of the source of modules, and of all modules of a package.

    The cache looks at the file of the function that it keeps, not at those of the functions that this one is made of,
    nor at those of the constants in it. A digest of their modules that the function closes over, and so becomes part of
    its key, makes up for that. This module, `ops`, `program` and `space` always count.
    """
    files = [pathlib.Path(__file__)]
    for module in (ops, program, space, *modules):
        path = pathlib.Path(str(module.__file__))
        files += sorted(path.parent.glob("*.py")) if path.stem == "__init__" else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
