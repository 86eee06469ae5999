"""What is known of the result of every op, if nothing else that nothing is known."""

from __future__ import annotations

from azero_jax.analysis.levels import RULES
from azero_jax.language.ops import Function


def test_every_function_has_a_rule() -> None:
    assert RULES.keys() == set(Function) - {Function.NOTHING}
