"""Helpers of compiled loops borrow their arrays."""

from types import ModuleType

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from azero_jax.analysis import prune
from azero_jax.compiled import inline, splitmix
from azero_jax.compiled.inline import inlined, source_digest


@inlined
def double_first(numbers):
    if len(numbers) == 0:
        return 0.0
    numbers[0] *= 2
    return numbers[0]


@inlined
def row(table):
    return table[0]


@inlined
def sum_of_zeros(count):
    return np.zeros(count).sum()


@njit
def call_double_first(numbers):
    return double_first(numbers)


@njit
def call_row(table):
    return row(table)[0]


@njit
def call_sum_of_zeros(count):
    return sum_of_zeros(count)


def test_a_helper_works_on_the_arrays_of_its_caller() -> None:
    numbers = np.array([1.5, 2.5])
    assert call_double_first(numbers) == 3.0
    assert numbers.tolist() == [3.0, 2.5]
    assert call_double_first(np.empty(0)) == 0.0


def test_a_helper_that_returns_an_array_is_refused() -> None:
    with pytest.raises(TypingError, match="Only accept returning of array passed into the function"):
        call_row(np.ones((2, 3)))


def test_a_helper_that_makes_an_array_is_refused() -> None:
    with pytest.raises(TypingError):
        call_sum_of_zeros(3)


def test_a_digest_changes_with_the_source(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_digest(prune) == source_digest(prune)
    assert len({source_digest(), source_digest(prune), source_digest(splitmix)}) == 3
    changed = ModuleType("changed")
    changed.__file__ = str(tmp_path / "changed.py")
    (tmp_path / "changed.py").write_text("a = 1")
    before = source_digest(changed)
    (tmp_path / "changed.py").write_text("a = 2")
    assert source_digest(changed) != before
    monkeypatch.setattr(inline, "__file__", changed.__file__)  # how helpers are compiled counts too
    assert source_digest() != before
