import re

import numpy as np
import pytest

from azero_jax.language.roles import Metric
from azero_jax.tasks import affine_tasks, linear_tasks, make_tasks, teacher_tasks
from azero_jax.tasks.synthetic import TEACHERS

SIZES = {"tasks": 5, "features": 4, "train_examples": 300, "valid_examples": 40}


@pytest.mark.parametrize("kind", TEACHERS)
def test_generated_tasks_have_their_shapes(kind: str) -> None:
    tasks = TEACHERS[kind](**SIZES, seed=0)
    assert tasks.train_features.shape == (5, 300, 4)
    assert tasks.train_labels.shape == (5, 300)
    assert tasks.valid_features.shape == (5, 40, 4)
    assert tasks.valid_labels.shape == (5, 40)
    assert tasks.metric is Metric.RMS_ERROR


@pytest.mark.parametrize("kind", TEACHERS)
def test_tasks_are_decided_by_their_seed(kind: str) -> None:
    first, again, other = (TEACHERS[kind](**SIZES, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.train_labels, again.train_labels)
    assert not np.array_equal(first.train_labels, other.train_labels)


@pytest.mark.parametrize("kind", TEACHERS)
def test_a_task_does_not_depend_on_how_many_there_are(kind: str) -> None:
    few = TEACHERS[kind](**(SIZES | {"tasks": 2}), seed=1)
    assert np.array_equal(few.train_features, TEACHERS[kind](**SIZES, seed=1).train_features[:2])


@pytest.mark.parametrize("kind", TEACHERS)
def test_features_are_standard_normal(kind: str) -> None:
    features = TEACHERS[kind](**(SIZES | {"tasks": 50}), seed=2).train_features
    assert np.isclose(features.mean(), 0, atol=0.02)
    assert np.isclose(features.std(), 1, atol=0.02)


def test_linear_labels_are_one_linear_function_a_task() -> None:
    tasks = linear_tasks(**SIZES, seed=5)
    for task in range(5):
        weights, *_ = np.linalg.lstsq(tasks.train_features[task], tasks.train_labels[task], rcond=None)
        assert np.allclose(tasks.valid_features[task] @ weights, tasks.valid_labels[task])


def test_affine_labels_have_a_bias() -> None:
    tasks = affine_tasks(**SIZES, seed=5)
    ones = np.ones((300, 1))
    for task in range(5):
        inputs = np.concatenate([tasks.train_features[task], ones], axis=1)
        weights, residual, *_ = np.linalg.lstsq(inputs, tasks.train_labels[task], rcond=None)
        assert residual[0] < 1e-20
        assert abs(weights[-1]) > 1e-3


def test_teacher_networks_are_homogeneous_but_not_linear() -> None:
    tasks = teacher_tasks(**SIZES, seed=5)
    for task in range(5):
        _, residual, *_ = np.linalg.lstsq(tasks.train_features[task], tasks.train_labels[task], rcond=None)
        assert residual[0] > 1


def test_teacher_networks_leave_hidden_units_0_and_2_silent() -> None:
    # Of 4 hidden units 2 are left, so the labels of inputs that both of them see as negative are 0: about a quarter.
    tasks = teacher_tasks(**(SIZES | {"tasks": 200}), seed=6)
    assert 0.15 < (tasks.train_labels == 0).mean() < 0.35


def test_user_arrays_become_tasks_and_one_task_needs_no_task_axis() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((60, 3)), generator.standard_normal(60)
    tasks = make_tasks(x[:40], y[:40], x[40:], y[40:])
    assert tasks.train_features.shape == (1, 40, 3)
    assert (len(tasks), tasks.train_examples, tasks.valid_examples, tasks.features) == (1, 40, 20, 3)


def test_class_numbers_become_one_hot_labels() -> None:
    x = np.zeros((20, 4))
    tasks = make_tasks(x, np.arange(20) % 3, x, np.arange(20) % 3, "multiclass_accuracy")
    assert tasks.train_labels.shape == (1, 20, 4)
    assert (tasks.train_labels.argmax(-1) == np.arange(20) % 3).all()


@pytest.mark.parametrize("features", [1, 5, 12])
def test_as_many_examples_as_features_are_no_one_hot_labels(features: int) -> None:
    x, classes = np.zeros((2, 12, features)), np.zeros((2, 12), int)
    made = make_tasks(x, classes, x[:, :features], classes[:, :features], "multiclass_accuracy")
    assert made.valid_labels.shape == (2, features, features)
    assert (made.valid_labels[..., 0] == 1).all()
    again = make_tasks(x, made.train_labels, x[:, :features], made.valid_labels, "multiclass_accuracy")
    assert (again.valid_labels == made.valid_labels).all()


X, Y = np.zeros((20, 4)), np.zeros(20)
ONE_HOT = np.eye(4)[np.arange(20) % 4]
NAN = np.where(np.arange(80).reshape(20, 4) == 9, np.nan, 0.0)


@pytest.mark.parametrize(
    ("arrays", "metric", "message"),
    [
        ((X, 0.8 * ONE_HOT, X, ONE_HOT), "multiclass_accuracy", "train_labels must be class numbers, or one-hot"),
        ((X, ONE_HOT, X, ONE_HOT + ONE_HOT[::-1]), "multiclass_accuracy", "valid_labels must be class numbers"),
        ((X, Y[:19], X, Y), "rms_error", "train_labels has shape (1, 19); to fit train_features it must be (1, 20)"),
        ((X, Y, X[:, :3], Y), "rms_error", "valid_features has shape (1, 20, 3)"),
        ((X, Y, X, Y[:5]), "rms_error", "valid_labels has shape (1, 5)"),
        ((NAN, Y, X, Y), "rms_error", "train_features[0, 2, 1] is nan; every value must be finite"),
        ((X, Y, X, np.full(20, np.inf)), "rms_error", "valid_labels[0, 0] is inf"),
        ((X[None][:0], Y[None][:0], X[None][:0], Y[None][:0]), "rms_error", "there are no tasks"),
        ((X[:9], Y[:9], X, Y), "rms_error", "a task has 9 training examples; at least 10 are needed"),
        ((X, Y, X[:0], Y[:0]), "rms_error", "a task has no validation example"),
        ((X[:, :0], Y, X[:, :0], Y), "rms_error", "train_features has 0 features"),
        ((X, Y + 2, X, Y), "accuracy", "train_labels must be 0 or 1 for the metric accuracy"),
        ((X, Y + 4, X, Y), "multiclass_accuracy", "train_labels must be class numbers from 0 to 3"),
        ((X, Y, X, Y), "rmse", "unknown metric 'rmse'; allowed: rms_error, accuracy, multiclass_accuracy"),
        (([["a"]], Y, X, Y), "rms_error", "train_features must be numbers"),
    ],
)
def test_bad_data_is_refused_in_one_line(arrays: tuple, metric: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        make_tasks(*arrays, metric)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": 0}, "tasks is 0; it must be at least 1"),
        ({"features": 0}, "features is 0"),
        ({"train_examples": 9}, "a task has 9 training examples"),
        ({"valid_examples": 0}, "no validation example"),
        ({"valid_examples": -3}, "no validation example"),
    ],
)
def test_bad_sizes_of_generated_tasks_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_tasks(**(SIZES | changes), seed=0)


def test_teachers_need_four_features() -> None:
    with pytest.raises(ValueError, match="features is 3; teacher tasks need at least 4"):
        teacher_tasks(**(SIZES | {"features": 3}), seed=0)
