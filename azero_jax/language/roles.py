"""The roles of registers: what a program is given, and where its prediction is read. The metric decides.

| metric              | label      | prediction | compared with the label | loss of an example       |
| ------------------- | ---------- | ---------- | ----------------------- | ------------------------ |
| RMS_ERROR           | s0         | s1         | s1                      | squared error            |
| ACCURACY            | s0, 0 or 1 | s1         | sigmoid(s1)             | 1 for the wrong class    |
| MULTICLASS_ACCURACY | v1 one-hot | v2         | softmax(v2)             | 1 for the wrong class    |

The features are in v0 before Predict and before Learn, the label before Learn only; s0 and, where it holds the label,
v1 are zero before Predict. In training what is compared takes the prediction's place, so that Learn sees it.
"""

import enum
from typing import Final, NamedTuple

from azero_jax.language.ops import SCALAR, VECTOR


class Register(NamedTuple):
    """One register: the letter of its kind, and its address; as text `s1`."""

    kind: str
    address: int

    def __str__(self) -> str:
        return f"{self.kind}{self.address}"


FEATURES: Final = Register(VECTOR, 0)
SCALAR_LABEL: Final = Register(SCALAR, 0)  # zero before Predict, whatever the metric
SCALAR_PREDICTION: Final = Register(SCALAR, 1)
VECTOR_LABEL: Final = Register(VECTOR, 1)
VECTOR_PREDICTION: Final = Register(VECTOR, 2)


class Metric(enum.StrEnum):
    """How a prediction is judged.

    RMS_ERROR: regression, label and prediction in s0 and s1; fitness = 1 - (2 / pi) atan(root mean squared error).
    ACCURACY: two classes, label 0 or 1 in s0, prediction sigmoid(s1); fitness = the share of correct predictions.
    MULTICLASS_ACCURACY: label one-hot in v1, prediction softmax(v2); fitness = the share of correct predictions.

    >>> str(Metric.ACCURACY.prediction)
    's1'
    """

    RMS_ERROR = "rms_error"
    ACCURACY = "accuracy"
    MULTICLASS_ACCURACY = "multiclass_accuracy"

    @property
    def is_classification(self) -> bool:
        """Whether predictions are squashed to probabilities, and judged by the class that they name."""
        return self is not Metric.RMS_ERROR

    @property
    def is_one_hot(self) -> bool:
        """Whether label and prediction are vectors, with a place for each of many classes."""
        return self is Metric.MULTICLASS_ACCURACY

    @property
    def label(self) -> Register:
        """Where Learn finds the label."""
        return VECTOR_LABEL if self.is_one_hot else SCALAR_LABEL

    @property
    def prediction(self) -> Register:
        """Where Predict leaves the prediction."""
        return VECTOR_PREDICTION if self.is_one_hot else SCALAR_PREDICTION

    @property
    def given(self) -> tuple[Register, ...]:
        """The registers that are set from outside before Predict and before Learn."""
        return (SCALAR_LABEL, FEATURES, *([VECTOR_LABEL] if self.is_one_hot else []))

    def outputs(self, features: int) -> int:
        """How many numbers a label or prediction is, where vectors have `features`."""
        return features if self.is_one_hot else 1

    def check_vectors(self, vectors: int) -> None:
        """Raises a ValueError if so many vector addresses are not enough."""
        if self.is_one_hot and vectors <= VECTOR_PREDICTION.address:
            needs = f"{self} needs {VECTOR_PREDICTION.address + 1} (features, label, prediction)"
            raise ValueError(f"the search space has {vectors} vector addresses; {needs}")
