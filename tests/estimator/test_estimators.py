"""The estimators are scikit-learn's in every way, and find programs."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import azero_jax as az
from azero_jax.estimator import searching
from azero_jax.estimator.rows import RowTasks, row_source

ESTIMATORS = [az.EvolvedClassifier, az.EvolvedRegressor]
SMALL = {"max_candidates": 60, "random_state": 0}


def some_rows(count: int = 60, seed: int = 0) -> tuple[Any, Any]:
    x = np.random.default_rng(seed).standard_normal((count, 3))
    return x, np.where(x[:, 0] > x[:, 1], "yes", "no")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_scikit_learns_checks_pass(estimator: Any) -> None:
    outcomes = check_estimator(estimator(max_candidates=60), on_skip=None)
    assert {outcome["status"] for outcome in outcomes} <= {"passed", "skipped"}
    assert not any(outcome["expected_to_fail"] for outcome in outcomes)


def test_a_search_finds_a_classifier() -> None:
    x, y = some_rows(200)
    model = az.EvolvedClassifier(max_candidates=4000, random_state=0, settings={"tasks.search_tasks": 4}).fit(x, y)
    assert model.score(*some_rows(200, seed=1)) > 0.85
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.program_ == model.front_[0].program
    assert model.front_[0].select_fitness == model.hall_of_fame_[0].select_fitness == model.result_.select_fitness
    assert model.result_.candidates >= 4000
    assert model.learner_.steps == 2 * 200


@pytest.mark.parametrize(
    ("load", "program", "least"),
    [
        (load_breast_cancer, "logistic_regressor", 0.95),
        (load_iris, "softmax_regressor", 0.9),
        (load_wine, "softmax_regressor", 0.95),
    ],
)
def test_a_given_program_is_trained(load: Any, program: str, least: float) -> None:
    x, y = load(return_X_y=True)
    model = az.EvolvedClassifier(program=program, epochs=30, random_state=0)
    assert cross_val_score(model, x, y).mean() > least


def test_a_regression_is_in_the_units_of_its_labels() -> None:
    x, y = load_diabetes(return_X_y=True)
    model = az.EvolvedRegressor(program="linear_regressor", epochs=20, random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), model), x, y).mean() > 0.4
    assert model.fit(x, y).result_ is None
    assert abs(model.predict(x).mean() - y.mean()) < 10


def test_parameters_are_searched_in_a_pipeline() -> None:
    x, y = some_rows(200)
    pipeline = make_pipeline(StandardScaler(), az.EvolvedClassifier(program="logistic_regressor", random_state=0))
    search = GridSearchCV(pipeline, {"evolvedclassifier__epochs": [1, 10]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_what_was_kept_predicts_and_goes_on_alike(how: str) -> None:
    x, y = some_rows()
    model = az.EvolvedClassifier(**SMALL).fit(x, y)
    buffer = io.BytesIO()
    (pickle.dump if how == "pickle" else joblib.dump)(model, buffer)
    buffer.seek(0)
    kept = pickle.load(buffer) if how == "pickle" else joblib.load(buffer)
    assert kept.result_ == model.result_
    for _ in range(2):
        np.testing.assert_array_equal(kept.predict_proba(x), model.predict_proba(x))
        for one in (kept, model):
            one.partial_fit(x, y)


def test_a_clone_has_the_parameters_and_nothing_else() -> None:
    model = az.EvolvedRegressor(program="linear_regressor", settings={"search.islands": 2}).fit(
        *load_diabetes(return_X_y=True)
    )
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict([[0.0] * 10])


def test_names_of_features_are_kept() -> None:
    x, y = some_rows()
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    model = az.EvolvedClassifier(program="logistic_regressor", random_state=0).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "d"}))


def test_a_program_is_fit_again_without_a_search(tmp_path: Path) -> None:
    x, y = some_rows()
    model = az.EvolvedClassifier(**SMALL).fit(x, y)
    program, result = model.program_, model.result_
    model.set_params(refit_only=True).fit(*some_rows(seed=1))
    assert (model.program_, model.result_) == (program, result)
    (tmp_path / "found.txt").write_text(program)
    for given in (program, str(tmp_path / "found.txt")):
        again = az.EvolvedClassifier(program=given, random_state=0).fit(x, y)
        assert (again.program_, again.hall_of_fame_) == (program, ())


def test_training_goes_on_with_further_rows() -> None:
    x, y = some_rows(400)
    model = az.EvolvedClassifier(program="logistic_regressor", epochs=1, random_state=0)
    model.partial_fit(x[:20], y[:20], classes=["no", "yes"])
    for _ in range(10):
        model.partial_fit(x, y)
    assert model.learner_.steps == 20 + 10 * 400
    assert model.score(x, y) > 0.95
    with pytest.raises(ValueError, match="a label that is not among the classes: 'maybe'"):
        model.partial_fit(x[:2], ["no", "maybe"])


@pytest.mark.parametrize(("present", "columns"), [("ac", 2), ("bdc", 3)])
def test_a_class_may_come_later_than_the_search(present: str, columns: int) -> None:
    x = np.random.default_rng(0).standard_normal((200, columns))
    y = np.array(list(present))[np.digitize(x[:, 0], [0.0] if len(present) == 2 else [-0.5, 0.5])]
    model = az.EvolvedClassifier(**SMALL, settings={"tasks.search_tasks": 2})
    model.partial_fit(x, y, classes=list("abcd"))
    assert model.predict_proba(x).shape == (200, 4)
    assert model.learner_.metric is az.Metric.MULTICLASS_ACCURACY
    assert model.partial_fit(x[:4], list("abcd")).learner_.steps == 2 * 200 + 4


def test_a_search_needs_two_classes() -> None:
    x, _ = some_rows()
    model = az.EvolvedClassifier(**SMALL)
    with pytest.raises(
        ValueError, match="the first rows have one class only, 'no'; a search needs rows of two classes"
    ):
        model.partial_fit(x, np.full(len(x), "no"), classes=["no", "yes"])


def test_rows_of_some_classes_have_labels_of_all() -> None:
    x = np.random.default_rng(0).standard_normal((60, 2))
    source = row_source(x, np.repeat([1, 3], 30), ("a", "b", "c", "d"))
    tasks = RowTasks(source, az.TaskConfig.all_examples("table")).search(0)
    assert (tasks.features, tasks.metric) == (4, az.Metric.MULTICLASS_ACCURACY)
    labels = np.concatenate([tasks.arrays[1], tasks.arrays[3]], axis=1)
    assert (labels.sum(axis=(0, 1)) > 0).tolist() == [False, True, False, True]


def test_a_cheaper_program_is_taken_if_it_is_nearly_as_good() -> None:
    model = az.EvolvedClassifier(max_candidates=1000, random_state=0, tolerance=1.0).fit(*some_rows(200))
    assert model.program_ == model.front_[-1].program
    assert len(model.front_) > 1


@pytest.mark.parametrize("searched", [True, False])
def test_settings_hold_for_search_and_training(searched: bool) -> None:
    how: dict[str, Any] = SMALL if searched else {"program": "logistic_regressor"}
    model = az.EvolvedClassifier(**how, settings={"epochs": 7, "precision": "float64"}).fit(*some_rows())
    assert model.learner_.settings.epochs == 7
    assert model.learner_.settings.precision == "float64"
    if searched:
        assert (model.result_.config.tasks.epochs, model.result_.config.engine.precision) == (7, "float64")


def test_progress_is_printed_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    az.EvolvedClassifier(**SMALL, verbose=2).fit(*some_rows())
    printed = capsys.readouterr().out
    assert "candidates" in printed
    assert "engine" in printed


def test_a_program_that_diverges_is_warned_of_and_predicts_the_mean() -> None:
    x, y = load_diabetes(return_X_y=True)
    program = "def Predict():\n  s1 = exp(s2)\n  s1 = exp(s1)\ndef Learn():\n  s2 = s2 + s0\n  s2 = exp(s2)\n"
    with pytest.warns(ConvergenceWarning, match="training ended at step"):
        model = az.EvolvedRegressor(program=program, random_state=0).fit(x, y)
    assert np.isfinite(model.predict(x)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preset": "tabel"}, "unknown preset 'tabel'; did you mean table"),
        ({"max_seconds": -1.0}, "max_seconds is -1; it must be above 0"),
        ({"settings": {"search.iles": 2}}, "search.iles"),
        ({"settings": {"data": "digits", "label": "foo"}}, "settings has source.data, but the rows"),
        ({"settings": {"kind": "pairs"}}, "settings has tasks.kind, but the rows"),
        ({"settings": {"features": 2}}, "settings has tasks.features, but the rows"),
        ({"program": "no_such_program"}, "nor is it a known program"),
        ({"refit_only": True}, "there is no program"),
        ({"epochs": 0}, "epochs is 0"),
        ({"max_candidates": 60, "tolerance": -1.0}, "the tolerance is -1"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        az.EvolvedClassifier(**parameters).fit(*some_rows())


def test_bad_rows_are_refused() -> None:
    x, y = some_rows()
    model = az.EvolvedClassifier(program="logistic_regressor")
    with pytest.raises(ValueError, match="one class only, 'no'"):
        model.fit(x, np.full(len(x), "no"))
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(np.where(x > 0, x, np.nan), y)
    with pytest.raises(ValueError, match="X has 2 features, but EvolvedClassifier is expecting 3"):
        model.fit(x, y).predict(x[:, :2])


def test_scikit_learn_is_imported_only_with_an_estimator() -> None:
    known = "print('sklearn' in sys.modules)"
    script = f"import sys, azero_jax as az\nfrom azero_jax import *\n{known}\naz.EvolvedRegressor()\n{known}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_without_scikit_learn_one_line_says_what_is_missing() -> None:
    script = "import sys; sys.modules['sklearn'] = None; import azero_jax as az; az.EvolvedRegressor"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert 'needs scikit-learn: pip install "azero-jax[data]"' in done.stderr.splitlines()[-1]


def test_jobs_are_workers_of_one_search() -> None:
    x, y = load_iris(return_X_y=True)
    wanted = searching.Wanted("table", None, 1000, (), 1, "float32", {}, 3, 0)
    source = row_source(x, y, ("a", "b", "c"))
    assert searching.search_config(source, wanted, 0).cluster.workers == 3
    assert searching.search_config(source, wanted._replace(n_jobs=None), 0).cluster.workers == 1
