"""Successive halving: many trials on few examples, few trials on all."""

from __future__ import annotations

import numpy as np
import pytest

from azero_jax.judge.halving import halve, share_of_examples


def test_each_round_has_a_quarter_of_the_trials_and_four_times_the_examples() -> None:
    calls = []

    def evaluate(numbers: np.ndarray, share: float) -> np.ndarray:
        calls.append((len(numbers), share))
        return numbers / 100

    best, fitness = halve(100, 3, evaluate)
    assert calls == [(100, 1 / 16), (25, 1 / 4), (7, 1.0)]
    assert best == 99
    np.testing.assert_array_equal(fitness, np.arange(100) / 100)


def test_the_last_round_decides() -> None:
    """Trial 0 looks best on few examples; among those that go on, another is best on all."""

    def evaluate(numbers: np.ndarray, share: float) -> np.ndarray:
        return np.where(numbers == 0, 0.9, 0.5 + numbers / 100) if share < 1 else 1 - np.abs(numbers - 5) / 10

    best, fitness = halve(8, 2, evaluate)
    assert best == 7
    assert fitness[0] == 0.5  # of its last round
    assert fitness[1] == 0.51  # went out after the first


def test_one_round_is_a_plain_comparison_in_which_the_first_of_equals_wins() -> None:
    assert halve(3, 1, lambda numbers, _: np.array([0.1, 0.7, 0.7])[numbers]).best == 1


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (400, 1000)), (0.25, (100, 100)), (0.5, (200, 200)), (0.001, (10, 10))]
)
def test_a_share_of_the_examples(share: float, expected: tuple[int, int]) -> None:
    assert share_of_examples(400, 1000, share) == expected


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match="trials is 0"):
        halve(0, 1, lambda numbers, _: numbers)
    with pytest.raises(ValueError, match="rounds is 0"):
        halve(1, 0, lambda numbers, _: numbers)
