"""`EvolvedClassifier` and `EvolvedRegressor`: scikit-learn estimators whose `fit` searches."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from azero_jax.engines.outcome import StopReason
from azero_jax.estimator.holding import Candidate, first_that_holds
from azero_jax.estimator.rows import row_source
from azero_jax.estimator.searching import Wanted, find_program, read_estimator_settings
from azero_jax.language.roles import Metric
from azero_jax.learner.learner import Learner
from azero_jax.learner.reading import program_source
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.front import Front
from azero_jax.protocol.result import SearchResult
from azero_jax.tasks.classification import moments
from azero_jax.tasks.tabular import Scale, label_scale
from azero_jax.tasks.tasks import MIN_TRAIN_EXAMPLES

_POOR: Final = 10_000  # candidates, below which nobody should expect much


class _Evolved(BaseEstimator):
    """What both estimators share; `EvolvedRegressor` says what the parameters are."""

    def __init__(
        self,
        *,
        preset: str = "table",
        max_seconds: float | None = 60.0,
        max_candidates: int | None = None,
        random_state: Any = None,
        start_from: tuple[str, ...] = (),
        epochs: int = 2,
        precision: str = "float32",
        settings: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        program: str | None = None,
        tolerance: float = 0.0,
        refit_only: bool = False,
    ) -> None:
        self.preset = preset
        self.max_seconds = max_seconds
        self.max_candidates = max_candidates
        self.random_state = random_state
        self.start_from = start_from
        self.epochs = epochs
        self.precision = precision
        self.settings = settings
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.program = program
        self.tolerance = tolerance
        self.refit_only = refit_only

    def _fit(self, x: NDArray[np.float64], y: NDArray[Any], class_names: tuple[str, ...]) -> Self:
        """Searches, unless a program is given, and trains on all rows; `y` are class numbers or standardised."""
        generator = check_random_state(self.random_state)
        settings = read_estimator_settings(self.settings or {})
        epochs, precision = settings.get("tasks.epochs", self.epochs), settings.get("engine.precision", self.precision)
        candidates = self._find_programs(x, y, class_names, generator)
        self._mean, self._deviation = moments(x)
        metric = _metric(class_names)
        self._outputs = max(x.shape[1], len(class_names)) if metric.is_one_hot else x.shape[1]
        seed = int(generator.randint(np.iinfo(np.int32).max))
        order = generator.permutation(len(y))
        order = np.resize(order, max(len(order), MIN_TRAIN_EXAMPLES))  # rows as few as that are repeated
        rows = self._scaled(x[order]), y[order]

        def train(program: str) -> Learner:
            return Learner(program, metric, epochs=epochs, seed=seed, precision=precision).fit(*rows)

        self.learner_ = first_that_holds(train, candidates, *rows)
        self.program_ = self.learner_.program
        self._warn_if_stopped()
        return self

    def _find_programs(
        self, x: NDArray[np.float64], y: NDArray[Any], class_names: tuple[str, ...], generator: np.random.RandomState
    ) -> list[Candidate]:
        """The programs to train, the one that is wanted most first."""
        result = None
        if self.program is not None:
            candidates = [Candidate(program_source(self.program), 0.0)]
        elif self.refit_only:
            if not hasattr(self, "program_"):
                raise ValueError("refit_only is True, but there is no program: give one, or fit with a search first")
            return [Candidate(self.program_, 0.0)]
        else:
            wanted = Wanted(
                self.preset,
                self.max_seconds,
                self.max_candidates,
                tuple(self.start_from),
                self.epochs,
                self.precision,
                self.settings or {},
                self.n_jobs,
                self.verbose,
            )
            result = find_program(row_source(x, y, class_names), wanted, generator)
            finalists = (result.front.pick(self.tolerance), *result.hall_of_fame)
            candidates = [Candidate(finalist.program, finalist.select_fitness) for finalist in finalists]
        self.result_: SearchResult | None = result
        self.hall_of_fame_: tuple[Finalist, ...] = () if result is None else result.hall_of_fame
        self.front_ = Front() if result is None else result.front
        return candidates

    def _scaled(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows as the program sees them: standardised, and as long as labels are."""
        scaled = (x - self._mean) / self._deviation
        return np.pad(scaled, ((0, 0), (0, self._outputs - scaled.shape[1])))

    def _go_on(self, x: NDArray[np.float64], y: NDArray[Any]) -> Self:
        self.learner_.partial_fit(self._scaled(x), y)
        self._warn_if_stopped()
        return self

    def _warn_if_stopped(self) -> None:
        learner = self.learner_
        if learner.stopped is not StopReason.NONE:
            what = "was not a number" if learner.stopped is StopReason.NAN else "was too large"
            message = f"training ended at step {learner.steps}, because the program's error {what}"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    def _scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """What the program makes of rows."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return self.learner_.scores(self._scaled(x))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "learner_")

    def _expects_little(self) -> bool:
        """Whether the search is so short that its program may be poor."""
        return self.max_candidates is not None and self.max_candidates < _POOR


class EvolvedClassifier(ClassifierMixin, _Evolved):
    """A classifier that evolves its learning algorithm; arguments and attributes are those of `EvolvedRegressor`.

    Further attributes:
      classes_: `[C]` the labels.

    >>> import azero_jax as az
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> az.EvolvedClassifier(program="softmax_regressor", epochs=20, random_state=0).fit(x, y).score(x, y) > 0.9
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Searches for a program, unless one is given, and trains it on all rows.

        Args:
          X: `[N, F]` numbers; they are standardised.
          y: `[N]` labels of two or more classes.

        Raises:
          ValueError: missing values, fewer than two classes, or parameters that do not fit one another.
        """
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        return self._fit_classes(x, labels, np.unique(labels))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Goes on training with one pass over further rows, in their order and with the scale of the first.

        Before the first fit it searches on these rows, which have two classes at least; `classes` are then all labels
        that there will be, though some may have no rows yet.
        """
        if not self.__sklearn_is_fitted__():
            x, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
            return self._fit_classes(x, labels, np.unique(labels if classes is None else np.asarray(classes)))
        x, labels = validate_data(self, X, y, reset=False, dtype=np.float64)
        return self._go_on(x, self._numbers(labels))

    def _fit_classes(self, x: NDArray[np.float64], labels: NDArray[Any], classes: NDArray[Any]) -> Self:
        check_classification_targets(labels)
        if len(classes) < 2:
            raise ValueError(f"y has one class only, {str(classes[0])!r}; a classifier needs at least two")
        self.classes_ = classes
        return self._fit(x, self._numbers(labels), tuple(map(str, classes.tolist())))

    def _numbers(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Class numbers of labels."""
        known = np.isin(labels, self.classes_)
        if not known.all():
            raise ValueError(f"y has a label that is not among the classes: {str(labels[np.argmin(known)])!r}")
        return np.searchsorted(self.classes_, labels).astype(np.int64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """`[N, C]` probabilities of the classes; where they are not numbers, the first class is certain."""
        scores = self._scores(X)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.learner_.metric.is_one_hot:
                scores = scores[:, : len(self.classes_)]
                exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
                probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
            else:
                positive = 1 / (1 + np.exp(-scores))  # 1 of infinity
                probabilities = np.stack([1 - positive, positive], axis=1)
        unknown = ~np.isfinite(probabilities).all(axis=1)
        probabilities[unknown] = np.eye(len(self.classes_))[0]
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """`[N]` labels."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self._expects_little()
        return tags


class EvolvedRegressor(RegressorMixin, _Evolved):
    """A regressor that evolves its learning algorithm.

    Args:
      preset: of the search, see `az.load_preset`.
      max_seconds: most seconds of the search; None for no limit.
      max_candidates: most candidates of the search; None for no limit. Populations are made small enough for it.
      random_state: decides the search, the order of the rows and what programs draw at random.
      start_from: programs to start from in place of random ones: texts, files or names of known programs.
      epochs: passes over the rows.
      precision: "float32" or "float64", of the search and of the training: a program may do well in one only.
      settings: further settings of the search by dotted name, such as `{"search.islands": 8}`. They go before other
        parameters, in the training too; what the rows decide (`source.*`, `tasks.kind`, ...) is refused.
      n_jobs: how many workers search side by side, as scikit-learn counts jobs; more than one need the package ray.
      verbose: 1 prints how far the search has come, 2 also what else is going on.
      program: a program to train in place of a search: its text, a file, or the name of a known program.
      tolerance: of the programs that were found the cheapest is taken whose fitness on select tasks is at most so much
        below the best.
      refit_only: whether `fit` trains `program_` of an earlier fit, or `program`, anew, without a search.

    Attributes:
      program_: text of the program; the next best of the search if that one did much worse on all rows than there.
      result_: all that the search found, an `az.SearchResult`; None without a search.
      hall_of_fame_: the best distinct algorithms of the search, best first.
      front_: those that no cheaper one equals, an `az.Front`.
      learner_: the trained `az.Learner`; it sees scaled rows.
      n_features_in_: how many features rows have.
      feature_names_in_: their names, where rows had any.

    >>> import azero_jax as az
    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> az.EvolvedRegressor(program="linear_regressor", epochs=20, random_state=0).fit(x, y).score(x, y) > 0.4
    True
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Searches for a program, unless one is given, and trains it on all rows.

        Args:
          X: `[N, F]` numbers; they are standardised.
          y: `[N]` numbers; they are standardised while the program learns.

        Raises:
          ValueError: missing values, or parameters that do not fit one another.
        """
        x, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        targets = np.asarray(targets, np.float64)
        self._label_scale: Scale = label_scale(targets)
        return self._fit(x, self._standardised(targets), ())

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Goes on training with one pass over further rows, in their order and with the scales of the first.

        Before the first fit it searches on these rows.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y)
        x, targets = validate_data(self, X, y, reset=False, dtype=np.float64, y_numeric=True)
        return self._go_on(x, self._standardised(np.asarray(targets, np.float64)))

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """`[N]` numbers; where the program's are none, the mean of the labels."""
        scores = self._scores(X)
        mean, deviation = self._label_scale
        return mean + deviation * np.where(np.isfinite(scores), scores, 0.0)

    def _standardised(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        mean, deviation = self._label_scale
        return (targets - mean) / deviation

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self._expects_little()
        return tags


def _metric(class_names: tuple[str, ...]) -> Metric:
    if not class_names:
        return Metric.RMS_ERROR
    return Metric.ACCURACY if len(class_names) == 2 else Metric.MULTICLASS_ACCURACY
