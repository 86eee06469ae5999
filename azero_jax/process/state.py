"""Mutable parts of a search as flat dictionaries of arrays: what a checkpoint stores."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[Any]]
"""Arrays by name; the parts of a part have its name and a dot in front. Text is an array of no axes."""


def with_prefix(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The same arrays, named `prefix.name`."""
    return {f"{prefix}.{name}": array for name, array in state.items()}


def without_prefix(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    """The arrays named `prefix.name`, as `name`; the inverse of `with_prefix`."""
    start = f"{prefix}."
    return {name[len(start) :]: array for name, array in state.items() if name.startswith(start)}


def generator_state(generator: np.random.Generator) -> NDArray[np.str_]:
    """Where a random generator stands, as JSON text."""
    return np.array(json.dumps(generator.bit_generator.state))


def restore_generator(generator: np.random.Generator, state: NDArray[np.str_]) -> None:
    """Sets a generator of the same kind to where `generator_state` found it."""
    generator.bit_generator.state = json.loads(str(state))
