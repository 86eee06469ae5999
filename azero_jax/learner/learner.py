"""A program with its memory: fit on rows, asked for predictions, saved and loaded."""

import json
import os
from pathlib import Path
from typing import Any, Final, Self
from zipfile import BadZipFile

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from azero_jax.engines.base import make_order
from azero_jax.engines.outcome import StopReason
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla.straight_line import StraightLine, read_straight_line
from azero_jax.language.roles import Metric
from azero_jax.learner.reading import ReadProgram, read_program
from azero_jax.learner.training import Functions, Training, compiled_functions, pad_rows

_CHUNK_NUMBERS: Final = 1 << 24  # of the matrices of rows that are predicted at a time
_MOST_ROWS: Final = 1 << 12  # predicted at a time


class NotFittedError(ValueError, AttributeError):
    """A prediction was asked of a learner that has not been trained."""


class Learner:
    """One program as something that learns.

    It trains as the engine does on one task: Setup once, then Predict and Learn on each row in turn, to the last bit
    as the `xla` engine in the same precision (but for sin, exp and the like, whose last bit XLA does not always round
    alike). Rows are not scaled: give it features of about unit variance.

    A prediction does not depend on the rows beside it. Where Predict leaves something for the next Predict, every row
    finds what one Predict after the training left.

    Attributes:
      program: the text.
      metric: how predictions are judged; it decides what labels are: numbers (RMS_ERROR), 0 or 1 (ACCURACY), or class
        numbers from 0 (MULTICLASS_ACCURACY).
      settings: precision, passes over the rows (the first in the order given, each other shuffled once more), the
        largest error that does not end the training, and the seed of shuffling and of random ops.
      code: the instructions for so many features; None before the first rows.
      constants: `[lines, 2]` real constants of the instructions.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> learner = Learner("linear_regressor").fit(x, x @ [1.0, -2.0])
    >>> learner.predict([[1.0, 0.0], [0.0, 1.0]]).round(1).tolist()
    [1.0, -2.0]
    """

    def __init__(
        self,
        program: str | os.PathLike[str],
        metric: Metric | str = Metric.RMS_ERROR,
        *,
        epochs: int = 1,
        seed: int = 0,
        precision: str = "float64",
        max_abs_error: float = RunSettings.max_abs_error,
    ) -> None:
        """Reads the program; see the class.

        Args:
          program: its text, the path of a file, or the name of a known program.
          metric: see the class.
          epochs: see `settings`.
          seed: see `settings`.
          precision: see `settings`, "float32" or "float64".
          max_abs_error: see `settings`.

        Raises:
          ValueError: there is no such program, or a setting is out of range.
        """
        read = read_program(program, metric)
        self.program, self.metric = read.text, read.metric
        self.settings = RunSettings(precision, epochs, max_abs_error, seed)
        self._read: ReadProgram = read
        self.code: StraightLine | None = None
        self.constants: NDArray[Any] = np.zeros((0, 2))
        self._training: Training | None = None

    @property
    def features(self) -> int | None:
        """F of the rows that it was trained on; None before."""
        return None if self.code is None else self.code.features

    @property
    def steps(self) -> int:
        """Rows that it was trained on, over all passes."""
        return 0 if self._training is None else int(self._training.steps)

    @property
    def stopped(self) -> StopReason:
        """Why training ended before its last row, if it did; it does not go on then."""
        return StopReason.NONE if self._training is None else StopReason(int(self._training.stop))

    @property
    def memory(self) -> dict[str, NDArray[Any]]:
        """The registers after training, by name: numbers, `[F]`, `[F, F]`.

        Raises:
          NotFittedError: it has not been trained.
        """
        return {name: np.asarray(array)[..., 0] for name, array in self._trained().memory.items()}

    @property
    def predicting_memory(self) -> dict[str, NDArray[Any]]:
        """The registers that Predict finds at every row, its features apart; `memory` is before the first Predict."""
        training = self._trained()
        with self._x64():
            memory = self._functions().settle(training, self.constants, np.uint32(self.settings.seed), True)
        hidden = {str(register): np.zeros_like(memory[str(register)]) for register in self.metric.given}
        return {name: np.asarray(array)[..., 0] for name, array in {**memory, **hidden}.items()}

    def fit(self, features: ArrayLike, labels: ArrayLike) -> Self:
        """Forgets everything, and trains.

        Args:
          features: `[N, F]` numbers.
          labels: `[N]`; see `metric`.

        Raises:
          ValueError: shapes that do not fit, a number that is not finite, or a label that the metric does not know.
        """
        x, y = self._rows(features, labels)
        self._begin(x.shape[1])
        order = make_order(len(x), self.settings.epochs, self.settings.seed)
        self._train(x, y, order.reshape(-1))
        return self

    def partial_fit(self, features: ArrayLike, labels: ArrayLike) -> Self:
        """Goes on training, with one pass over further rows; arguments and errors are those of `fit`."""
        x, y = self._rows(features, labels)
        if self._training is None:
            self._begin(x.shape[1])
        self._check_features(x)
        self._train(x, y, np.arange(len(x)))
        return self

    def scores(self, features: ArrayLike, *, in_order: bool = False) -> NDArray[Any]:
        """`[N]` what Predict leaves in the register of the prediction, `[N, F]` for MULTICLASS_ACCURACY.

        Args:
          features: `[N, F]` numbers.
          in_order: whether rows are predicted one after the other, each with what the ones before left in memory, as
            the engine does in validation.

        Raises:
          ValueError: rows of another length than those it was trained on, or a number that is not finite.
          NotFittedError: it has not been trained.
        """
        training = self._trained()
        x = _as_rows(features, self._dtype)
        self._check_features(x)
        if not len(x):
            return np.zeros((0, *((x.shape[1],) if self.metric.is_one_hot else ())), self._dtype)
        functions = self._functions()
        function = functions.predict_in_order if in_order else functions.predict
        size = len(x) if in_order else self._chunk()
        parts = []
        with self._x64():
            for start in range(0, len(x), size):
                rows = x[start : start + size]
                found = function(training, pad_rows(rows), self.constants, np.uint32(self.settings.seed), True)
                parts.append(np.asarray(found)[: len(rows)])
        return np.concatenate(parts)

    def predict(self, features: ArrayLike) -> NDArray[Any]:
        """`[N]` predictions: numbers, or class numbers; a probability that is NaN is taken for class 0.

        Arguments and errors are those of `scores`.
        """
        if not self.metric.is_classification:
            return self.scores(features)
        probabilities = self.predict_proba(features)
        if self.metric.is_one_hot:
            return probabilities.argmax(axis=1)
        return (probabilities[:, 1] > 0.5).astype(np.int64)

    def predict_proba(self, features: ArrayLike) -> NDArray[Any]:
        """`[N, 2]` probabilities of the two classes, or `[N, F]` of many; arguments and errors are those of `scores`.

        Raises:
          ValueError: the metric is RMS_ERROR; or see `scores`.
        """
        if not self.metric.is_classification:
            raise ValueError("a regression has no probabilities; ask for predict")
        scores = self.scores(features)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.metric.is_one_hot:
                exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
                return exponentials / exponentials.sum(axis=1, keepdims=True)
            positive = 1 / (1 + np.exp(-scores))
        return np.stack([1 - positive, positive], axis=1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes program, settings and memory into one file, as arrays (`.npz`).

        Raises:
          NotFittedError: it has not been trained.
        """
        training, settings = self._trained(), self.settings
        about = {
            "program": self.program,
            "metric": str(self.metric),
            "precision": settings.precision,
            "epochs": settings.epochs,
            "max_abs_error": settings.max_abs_error,
            "seed": settings.seed,
        }
        arrays: dict[str, Any] = {f"memory/{name}": np.asarray(array) for name, array in training.memory.items()}
        with open(path, "wb") as file:
            np.savez(file, about=json.dumps(about), steps=training.steps, stop=training.stop, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The learner that `save` wrote.

        Raises:
          ValueError: the file cannot be read, or holds no learner.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                learner = cls(about.pop("program"), about.pop("metric"), **about)
                prefix = "memory/"
                memory = {name.removeprefix(prefix): arrays[name] for name in arrays.files if name.startswith(prefix)}
                learner._resume(memory, int(arrays["steps"]), int(arrays["stop"]))
        except OSError as error:
            raise ValueError(f"{Path(path)}: cannot be read: {error.strerror or error}") from None
        except (KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise ValueError(f"{Path(path)}: holds no learner ({error})") from None
        return learner

    def __repr__(self) -> str:
        """How many rows it was trained on, and of what program."""
        lines = sum(map(len, self._read.parsed))
        return f"Learner({lines} instructions, {self.metric}, {self.steps} rows)"

    def __getstate__(self) -> dict[str, Any]:
        """Arrays of NumPy in place of those on a device."""
        state = self.__dict__.copy()
        if self._training is not None:
            memory = {name: np.asarray(array) for name, array in self._training.memory.items()}
            state["_training"] = Training(memory, np.uint32(self._training.steps), np.int8(self._training.stop))  # type: ignore[arg-type]
        return state

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(self.settings.precision)

    def _x64(self) -> Any:
        return jax.enable_x64(self.settings.precision == "float64")

    def _trained(self) -> Training:
        if self._training is None:
            raise NotFittedError("this learner has not been trained; call fit first")
        return self._training

    def _functions(self) -> Functions:
        assert self.code is not None
        return compiled_functions(self.code, self.metric, self.settings.precision)

    def _read_code(self, features: int) -> None:
        self._read = read_program(self.program, self.metric, features)
        self.code, constants = read_straight_line(self._read.programs, 0, self._read.space)
        with np.errstate(over="ignore"):  # a constant beyond float32 is infinite
            self.constants = constants.astype(self._dtype)

    def _begin(self, features: int) -> None:
        """Zero memory, and Setup."""
        self._read_code(features)
        with self._x64():
            self._training = self._functions().start(self.constants, np.uint32(self.settings.seed), True)

    def _resume(self, memory: dict[str, NDArray[Any]], steps: int, stop: int) -> None:
        """Sets where training stands."""
        self._read_code(len(memory["v0"]))
        assert self.code is not None
        shapes = {name: self.code.shape(name, 1) for name in self.code.registers}
        if {name: array.shape for name, array in memory.items()} != shapes:
            raise ValueError("its memory is not that of its program")
        self._training = Training(memory, np.uint32(steps), np.int8(StopReason(stop)))  # type: ignore[arg-type]

    def _train(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[Any]) -> None:
        functions, training = self._functions(), self._trained()
        limit, seed = self._dtype.type(self.settings.max_abs_error), np.uint32(self.settings.seed)
        with self._x64():
            rows = pad_rows(x[order]), pad_rows(y[order]), np.int32(len(order))
            self._training = functions.train(training, *rows, self.constants, seed, limit, True)

    def _chunk(self) -> int:
        """How many rows are predicted at a time: a power of two, so that all but the last are compiled for once."""
        assert self.code is not None
        matrices = sum(name.startswith("m") for name in self.code.registers)
        numbers = self.code.features * (len(self.code.registers) + matrices * self.code.features)
        return min(_MOST_ROWS, 1 << max(_CHUNK_NUMBERS // numbers, 1).bit_length() - 1)

    def _check_features(self, x: NDArray[Any]) -> None:
        if x.shape[1] != self.features:
            raise ValueError(f"a row has {x.shape[1]} features, but the learner was trained on {self.features}")

    def _rows(self, features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows to train on: `[N, F]`, and `[N]` or one-hot `[N, F]`."""
        x = _as_rows(features, self._dtype)
        y = np.asarray(labels)
        if len(x) == 0 or y.shape != (len(x),):
            raise ValueError(f"labels have shape {y.shape}; one for each of the {len(x)} rows is needed, and one row")
        if self.metric.is_classification:
            classes = x.shape[1] if self.metric.is_one_hot else 2
            if not np.isin(y, np.arange(classes)).all():
                raise ValueError(f"labels must be class numbers from 0 to {classes - 1} for the metric {self.metric}")
            y = y.astype(np.int64)
        elif not np.isfinite(y.astype(np.float64)).all():
            raise ValueError("labels must be finite numbers")
        return x, np.eye(x.shape[1], dtype=self._dtype)[y] if self.metric.is_one_hot else y.astype(self._dtype)


def _as_rows(features: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.asarray(features, dtype)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"features have shape {array.shape}; [rows, features] is needed")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"feature {column} of row {row} is {array[row, column]}; every value must be finite")
    return array
