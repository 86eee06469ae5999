"""A program as one Python file with an estimator for scikit-learn; it needs that and NumPy only."""

from typing import Final

from azero_jax.data.source import ROUNDING
from azero_jax.explain.export.numpy_file import CLASS_NAME, numpy_class
from azero_jax.language.roles import Metric
from azero_jax.learner.reading import ReadProgram

_HEAD: Final = '''"""A learning algorithm that azero_jax found, as an estimator for scikit-learn.

    model = {name}().fit(X, y)
    predictions = model.predict(X)

It needs NumPy and scikit-learn.
"""

import numpy as np
from sklearn.base import {bases}
from sklearn.utils import check_random_state
{imports}from sklearn.utils.validation import check_is_fitted, validate_data
'''
_ESTIMATOR: Final = '''

class {name}({mixin}, BaseEstimator):
    """Trains the algorithm on standardised rows, in random order.

    Args:
        epochs: passes over the rows.
        random_state: decides the order of the rows, and what the algorithm draws at random.
    """

    def __init__(self, epochs={epochs}, random_state={seed}):
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X, y):
        """Trains on [N, F] rows and [N] labels. Returns self."""
        X, y = validate_data(self, X, y, dtype=float{y_numeric}, ensure_min_samples=2)
{labels}        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0)
        low, high = X.min(axis=0), X.max(axis=0)
        alike = high / 2 - low / 2 <= {rounding!r} * np.maximum(abs(low), abs(high))  # but for rounding
        constant = alike | (self.scale_ == 0)
        self.mean_[constant], self.scale_[constant] = low[constant], 1.0
        random = check_random_state(self.random_state)
        seed, order = int(random.randint(np.iinfo(np.int32).max)), random.permutation(len(y))
        order = np.resize(order, max(len(order), 10))
        self.program_ = {program}(self.epochs, seed).fit(self._scaled(X[order]), y[order])
        return self

{predict}
    def _scaled(self, X):
{scaled}
    def _scores(self, X):
        check_is_fitted(self)
        return self.program_.scores(self._scaled(validate_data(self, X, reset=False, dtype=float)))
{tags}'''
_CLASSES: Final = """        check_classification_targets(y)
{check}        self.classes_, y = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y has one class only; at least two are needed")
"""
_CHECK_BINARY: Final = """        if (kind := type_of_target(y, input_name="y")) != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
"""
_TARGETS: Final = """        self.target_mean_, self.target_scale_ = y.mean(), y.std() or 1.0
        y = (y - self.target_mean_) / self.target_scale_
"""
_PREDICT_CLASSES: Final = '''    def predict(self, X):
        """[N] labels."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]

    def predict_proba(self, X):
        """[N, C] probabilities; where they are not numbers, the first class is certain."""
        scores = self._scores(X)
        with np.errstate(all="ignore"):
{probabilities}        probabilities[~np.isfinite(probabilities).all(axis=1)] = np.eye(len(self.classes_))[0]
        return probabilities
'''
_SIGMOID: Final = """            positive = 1 / (1 + np.exp(-scores))
            probabilities = np.stack([1 - positive, positive], axis=1)
"""
_SOFTMAX: Final = """            scores = scores[:, : len(self.classes_)]
            exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
            probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
"""
_PREDICT_NUMBERS: Final = '''    def predict(self, X):
        """[N] numbers; where the algorithm's are none, the mean of the labels."""
        scores = self._scores(X)
        return self.target_mean_ + self.target_scale_ * np.where(np.isfinite(scores), scores, 0.0)
'''
_SCALED: Final = "        return (X - self.mean_) / self.scale_\n"
_SCALED_AND_PADDED: Final = """        scaled = (X - self.mean_) / self.scale_
        return np.pad(scaled, ((0, 0), (0, max(len(self.classes_) - X.shape[1], 0))))
"""
_TAGS: Final = """
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
"""


def sklearn_file(program: ReadProgram, *, epochs: int = 1, seed: int = 0) -> str:
    """The file's text; `epochs` and `seed` are the estimator's defaults."""
    metric = program.metric
    is_binary = metric is Metric.ACCURACY
    mixin = "ClassifierMixin" if metric.is_classification else "RegressorMixin"
    name = "EvolvedClassifier" if metric.is_classification else "EvolvedRegressor"
    wanted = "check_classification_targets" + (", type_of_target" if is_binary else "")
    imports = f"from sklearn.utils.multiclass import {wanted}\n" if metric.is_classification else ""
    classes = _CLASSES.format(check=_CHECK_BINARY if is_binary else "")
    predict_classes = _PREDICT_CLASSES.format(probabilities=_SIGMOID if is_binary else _SOFTMAX)
    estimator = _ESTIMATOR.format(
        name=name,
        mixin=mixin,
        rounding=ROUNDING,
        epochs=epochs,
        seed=seed,
        program=CLASS_NAME,
        y_numeric="" if metric.is_classification else ", y_numeric=True",
        labels=classes if metric.is_classification else _TARGETS,
        predict=predict_classes if metric.is_classification else _PREDICT_NUMBERS,
        scaled=_SCALED_AND_PADDED if metric.is_one_hot else _SCALED,
        tags=_TAGS if is_binary else "",
    )
    head = _HEAD.format(name=name, bases=", ".join(sorted(("BaseEstimator", mixin))), imports=imports)
    return head + numpy_class(program) + estimator
