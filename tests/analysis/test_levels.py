"""What is known of the results of ops, by their levels."""

from __future__ import annotations

from azero_jax.analysis.levels import RULES
from azero_jax.language.families import Family


def test_every_family_of_ops_has_a_rule() -> None:
    assert RULES.keys() == set(Family) - {Family.NOTHING}
