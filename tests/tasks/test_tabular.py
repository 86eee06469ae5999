"""Tasks from tables: rows held out once, splits by seed, labels as the metric needs them."""

import numpy as np
import pytest

from azero_jax.data import load_source, make_source
from azero_jax.language.roles import Metric
from azero_jax.tasks.tabular import hold_out, label_scale, project_columns, table_tasks


def numbered_source(classes=2, rows=60, regression=False):
    """The first column numbers the rows."""
    x = np.random.default_rng(1).normal(size=(rows, 3))
    x[:, 0] = np.arange(rows)
    return make_source("t", x, np.arange(rows) % classes if not regression else x[:, 1] * 3 + 5, regression=regression)


def row_numbers(standardised, train_rows):
    values = train_rows.astype(np.float64)
    return set(np.rint(standardised[..., 0] * values.std() + values.mean()).astype(int).reshape(-1).tolist())


@pytest.mark.parametrize("regression", [False, True])
def test_held_out_rows_are_in_no_search_task(regression):
    source = hold_out(numbered_source(regression=regression))
    held, kept = (set(part.features[:, 0].astype(int)) for part in (source.test, source.train))
    assert len(held) == 12
    assert not held & kept
    tasks = table_tasks(source, 3)
    assert tasks.train_examples + tasks.valid_examples == 48
    judged = table_tasks(source, part="test")
    rows = row_numbers(judged.valid_features[0], source.train.features[:, 0])
    assert rows == held


def test_training_and_validation_rows_of_a_task_are_apart():
    source = numbered_source()
    tasks = table_tasks(source, 4, seed=3)
    for task in range(4):
        joined = np.concatenate([tasks.train_features[task], tasks.valid_features[task]])
        assert len(np.unique(joined[:, 0])) == 60
    assert not np.array_equal(tasks.valid_features[0], tasks.valid_features[1])


def test_splits_are_stratified():
    tasks = table_tasks(hold_out(numbered_source(classes=2)), 2)
    assert tasks.metric is Metric.ACCURACY
    np.testing.assert_allclose(tasks.valid_labels.mean(axis=1), 0.5, atol=0.06)


def test_training_features_are_standardised_by_themselves():
    tasks = table_tasks(numbered_source(), 2)
    np.testing.assert_allclose(tasks.train_features.mean(axis=1), 0, atol=1e-9)
    assert np.abs(tasks.valid_features.mean(axis=1)).max() > 1e-3


def test_a_table_of_too_few_rows_is_refused():
    with pytest.raises(ValueError, match="t: has 3 rows to train on; at least 5 are needed"):
        table_tasks(numbered_source(rows=5))


def test_many_classes_get_room_for_their_labels():
    tasks = table_tasks(numbered_source(classes=5), 1)
    assert tasks.metric is Metric.MULTICLASS_ACCURACY
    assert tasks.train_features.shape[-1] == 5
    assert (tasks.train_features[..., 3:] == 0).all()
    assert tasks.train_labels.shape[-1] == 5


def test_regression_labels_are_standardised_and_the_scale_is_known():
    source = hold_out(numbered_source(regression=True))
    tasks = table_tasks(source, part="test")
    assert tasks.metric is Metric.RMS_ERROR
    np.testing.assert_allclose([tasks.train_labels.mean(), tasks.train_labels.std()], [0, 1], atol=1e-9)
    scale = label_scale(source.train.labels)
    np.testing.assert_allclose(tasks.valid_labels[0] * scale.deviation + scale.mean, source.test.labels)


def test_a_sources_own_test_set_is_kept():
    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    source = make_source("a", x, y, x[:6] + 1, y[:6])
    assert hold_out(source) is source


def test_the_seed_decides():
    source = numbered_source()
    a, b, c = (table_tasks(source, 2, seed=seed).train_features for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_bundled_tables():
    assert table_tasks(hold_out(load_source("breast_cancer")), 2).features == 30
    assert table_tasks(hold_out(load_source("diabetes")), 2).metric is Metric.RMS_ERROR
    assert table_tasks(hold_out(load_source("iris")), 2).features == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"part": "train"}, "part"),
        ({"part": "test"}, "held out"),
        ({"count": 0}, "count"),
        ({"train_examples": 9}, "10 to 48"),
        ({"train_examples": 49}, "10 to 48"),
    ],
)
def test_what_cannot_be_had(arguments, said):
    with pytest.raises(ValueError, match=said):
        table_tasks(numbered_source(), **arguments)


def test_all_rows_cannot_be_held_out():
    with pytest.raises(ValueError, match="share"):
        hold_out(numbered_source(), share=1.0)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_class_needs_a_row_to_train_on_one_to_validate_by_and_one_to_hold_out(rows):
    source = make_source("t", np.zeros((12, 2)), ["a"] * (12 - rows) + ["b"] * rows)
    with pytest.raises(ValueError, match=f"class 'b' has {rows} examples; at least 3 are needed, to train on.*out$"):
        hold_out(source)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_three_rows_of_a_class_are_enough(share):
    source = hold_out(make_source("t", np.zeros((12, 2)), ["a"] * 9 + ["b"] * 3), share)
    assert table_tasks(source).valid_labels.sum() == table_tasks(source, part="test").valid_labels.sum() == 1


def test_where_every_row_has_a_class_of_its_own_a_regression_is_offered():
    with pytest.raises(ValueError, match=r"class '0' has 1 examples; .*a number to predict, say --regression true"):
        hold_out(make_source("t", np.zeros((12, 2)), np.arange(12)))


def test_tasks_to_search_on_cannot_be_known_by_heart():
    source = hold_out(numbered_source(regression=True))  # the label is made of the second column

    def where_the_label_is(tasks):
        products = np.einsum("tnf,tn->tf", tasks.train_features, tasks.train_labels) / tasks.train_examples
        columns = np.abs(products).argmax(axis=1)
        np.testing.assert_allclose(np.abs(products).max(axis=1), 1)
        return {(int(column), float(np.sign(row[column]))) for column, row in zip(columns, products, strict=True)}

    assert where_the_label_is(table_tasks(source, 40)) == {
        (column, sign) for column in range(3) for sign in (-1.0, 1.0)
    }
    assert where_the_label_is(table_tasks(source, part="test")) == {(1, 1.0)}


def test_a_constant_column_becomes_zero_whatever_its_rounding():
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[:, 0] = 14.62
    x[:, 1] = 0.1 + 0.2 * (np.arange(60) % 2 - 0.5) * 1e-17 + 14.62
    tasks = table_tasks(make_source("t", x, np.arange(60) % 2), 4)
    for features in (tasks.train_features, tasks.valid_features):
        assert ((np.abs(features) < 1e-12).all(axis=1).sum(axis=1) == 2).all()


@pytest.mark.parametrize("scale", [1e200, 1e308, 1e-200, 1e-308])
def test_numbers_of_any_scale_are_standardised(scale):
    x = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
    source = make_source("t", x * scale, x[:, 0] * scale, regression=True)
    tasks, plain = table_tasks(source, 1), table_tasks(make_source("t", x, x[:, 0], regression=True), 1)
    for array, expected in zip(tasks.arrays, plain.arrays, strict=True):
        np.testing.assert_allclose(array, expected, rtol=1e-6, atol=1e-9)
    assert label_scale(source.train.labels).deviation / scale == pytest.approx(float(x[:, 0].std()))


def test_an_outlier_among_held_out_rows_is_finite_in_single_precision():
    x = np.random.default_rng(0).normal(size=(60, 2))
    source = hold_out(make_source("t", x, np.arange(60) % 2))
    source.test.features[0, 0] = 1e300
    tasks = table_tasks(source, part="test")
    assert np.isfinite(np.square(tasks.valid_features.astype(np.float32))).all()


def test_a_regression_whose_training_labels_are_all_the_same_is_refused():
    labels = np.zeros(60)
    labels[7] = 1.0
    source = hold_out(make_source("t", np.arange(120.0).reshape(60, 2), labels, regression=True))
    with pytest.raises(ValueError, match="labels drawn for training are 0; nothing can be learned"):
        table_tasks(source, 60)


@pytest.mark.parametrize("regression", [False, True])
def test_ten_rows_make_tasks(regression):
    tasks = table_tasks(hold_out(numbered_source(rows=10, regression=regression)), 3)
    assert tasks.train_examples == 10
    assert {len(np.unique(features[:, 0])) for features in tasks.train_features} == {6}


def test_thousands_of_columns_are_projected_and_said():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    source = hold_out(make_source("t", rng.normal(size=(60, 3000)) + labels[:, None], labels))
    narrow = project_columns(source, 20)
    assert narrow.dimension == 20
    assert len(narrow.test) == len(source.test)
    standardised = (source.train.features - source.train.features.mean(axis=0)) / source.train.features.std(axis=0)
    lengths = np.linalg.norm(narrow.train.features, axis=1) / np.linalg.norm(standardised, axis=1)
    np.testing.assert_allclose(lengths.mean(), np.sqrt(20 / 3000), rtol=0.1)
    with pytest.raises(ValueError, match=r"features is 3001; allowed: 1 to 3000 \(its columns\), or none"):
        project_columns(source, 3001)
