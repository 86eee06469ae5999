"""The examples in docstrings are right, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

from tests.support.house import modules

PUBLIC = ("azero_jax", "azero_jax.tasks", "azero_jax.data", "azero_jax.programs")
WITH_EXAMPLES = [
    name.removesuffix(".__init__") for name, path in modules().items() if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_right(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    public = [getattr(module, inside) for inside in module.__all__]
    explained = [thing for thing in public if inspect.isclass(thing) or inspect.isfunction(thing)]
    assert [thing.__name__ for thing in explained if ">>> " not in (inspect.getdoc(thing) or "")] == []
