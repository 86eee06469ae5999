"""Mutable parts of a search as flat dictionaries of arrays: what a checkpoint stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from azero_jax.program import Programs

State = dict[str, NDArray[Any]]
"""Arrays by name; the parts of a part have its name and a dot in front. Text is an array of no axes."""


def with_prefix(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The same arrays, named `prefix.name`."""
    return {f"{prefix}.{name}": array for name, array in state.items()}


def without_prefix(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The arrays named `prefix.name`, as `name`; the inverse of `with_prefix`."""
    start = f"{prefix}."
    return {name[len(start) :]: array for name, array in state.items() if name.startswith(start)}


def programs_state(programs: Programs) -> State:
    """Programs, with only those constants that are not zero bits (they are most of the size, and few are used)."""
    words = programs.constants.view(np.uint64).reshape(-1)
    used = words != 0
    return {
        "opcodes": programs.opcodes,
        "addresses": programs.addresses,
        "sizes": programs.sizes,
        "has_constant": np.packbits(used),
        "constants": words[used],
    }


def restore_programs(state: Mapping[str, NDArray[Any]]) -> Programs:
    """The programs that `programs_state` took apart, in arrays of their own."""
    count, length = state["opcodes"].shape
    words = np.zeros(count * length * 2, np.uint64)
    words[np.unpackbits(state["has_constant"], count=len(words)).astype(bool)] = state["constants"]
    return Programs(
        opcodes=state["opcodes"].copy(),
        addresses=state["addresses"].copy(),
        constants=words.view(np.float64).reshape(count, length, 2),
        sizes=state["sizes"].copy(),
    )


def generator_state(generator: np.random.Generator) -> NDArray[np.str_]:
    """Where a random generator stands, as JSON text."""
    return np.array(json.dumps(generator.bit_generator.state))


def restore_generator(generator: np.random.Generator, state: NDArray[np.str_]) -> None:
    """Sets a generator of the same kind to where `generator_state` found it."""
    generator.bit_generator.state = json.loads(str(state))
