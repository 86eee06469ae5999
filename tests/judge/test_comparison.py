"""The linear model beside a search's result."""

from __future__ import annotations

import math

import pytest

from azero_jax.judge.comparison import compare_with_linear, describe_fitness
from azero_jax.language.roles import Metric
from azero_jax.tasks.sets import GeneratedTasks
from tests.support.tiny import tiny


def test_linear_regression_solves_linear_tasks_and_constant_labels_would_not() -> None:
    config = tiny(tasks__select_train_examples=200)
    comparison = compare_with_linear(GeneratedTasks(config.tasks), config)
    assert (comparison.name, comparison.metric) == ("linear regression", Metric.RMS_ERROR)
    assert comparison.final_fitness > 0.9  # a constant gets about 0.5: an error of one standard deviation


@pytest.mark.parametrize(
    ("fitness", "metric", "words"),
    [
        (0.9, Metric.ACCURACY, "accuracy 0.9000"),
        (0.9, Metric.MULTICLASS_ACCURACY, "accuracy 0.9000"),
        (0.5, Metric.RMS_ERROR, "root mean squared error 1.0000 standard deviations"),
        (1 - 2 / math.pi * math.atan(0.25), Metric.RMS_ERROR, "root mean squared error 0.2500 standard deviations"),
    ],
)
def test_a_fitness_is_said_in_the_terms_of_its_metric(fitness: float, metric: Metric, words: str) -> None:
    assert describe_fitness(fitness, metric) == words
