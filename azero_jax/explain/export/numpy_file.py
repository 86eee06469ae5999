"""A program as one Python file that needs NumPy only: a class with `fit` and `predict`."""

from typing import Final

from azero_jax.engines.settings import RunSettings
from azero_jax.explain.export.expressions import divides
from azero_jax.explain.export.listing import Assignment, array_code, helpers, list_program, registers
from azero_jax.language.roles import Metric
from azero_jax.learner.reading import ReadProgram

CLASS_NAME: Final = "EvolvedProgram"

_HELPERS: Final = {
    "_dot": '''
def _dot(a, b):
    """a @ b; where all terms are -0.0, so is their sum, as a division by it can tell."""
    product, negative_a, negative_b = a @ b, np.signbit(a) * 1.0, np.signbit(b) * 1.0
    negative_terms = negative_a @ (1 - negative_b) + (1 - negative_a) @ negative_b
    return np.where((product == 0) & (negative_terms == len(b)), -0.0, product)
''',
    "_mean": """
def _mean(x, axis=None):
    return np.mean(x, axis=axis)
""",
    "_norm": """
def _norm(x, axis=None):
    return np.sqrt(np.sum(x * x, axis=axis))
""",
    "_st_dev": '''
def _st_dev(x, axis=None):
    """In one pass, so that rounding may make it NaN where all numbers are equal."""
    return np.sqrt(np.mean(x * x, axis=axis) - np.mean(x, axis=axis) ** 2)
''',
    "_with": '''
def _with(array, index, value):
    """The array with another value at one place."""
    array = array.copy()
    array[index] = value
    return array
''',
    "_uniform": '''
def _uniform(words, low, high):
    """Low, if it is not below high."""
    own, _, _ = words
    return low + (high - low) * ((own + 0.5) * 2.0**-32) if low < high else np.full(own.shape, low)
''',
    "_gaussian": """
def _gaussian(words, mean, deviation):
    _, radius, angle = words
    radius = np.sqrt(-2 * np.log((radius + 0.5) * 2.0**-32))
    return mean + deviation * (radius * np.cos(2 * np.pi * (2.0**-32 * angle)))
""",
    "_threefry": '''
def _threefry(key, counter):
    """Threefry-2x32 with 20 rounds (Salmon and others, 2011): two random words of two words of key and counter."""
    keys = (*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1
''',
    "_sigmoid": """
def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
""",
    "_softmax": """
def _softmax(x):
    exponentials = np.exp(x - np.max(x))
    return exponentials / np.sum(exponentials)
""",
}

_WORDS: Final = '''
    def words(self, stream, shape):
        """Random words of each number, one of its own, those of radius and angle: of seed, step, stream and place."""
        count = int(np.prod(shape))
        places, half = np.arange(count, dtype=np.uint32).reshape(shape[::-1]).T, np.uint32((count + 1) // 2)
        is_second = places >= half
        pair = np.where(is_second, places - half, places)
        key = np.array(self.seed, np.uint32), np.array(0, np.uint32)
        first, second = _threefry(key, (np.array(self.step, np.uint32), np.uint32(stream << 24) | pair))
        own = np.where(is_second, second, first)
        return own, first, np.where(is_second, second - np.uint32(2**30), second)
'''

_HEAD: Final = '''"""A learning algorithm that azero_jax found, in NumPy.

    model = {name}().fit(features, labels)
    predictions = model.predict(features)

Features are [N, F] numbers of a like scale, labels [N] {labels}.
"""

import numpy as np
'''
_FILE: Final = '''
MAX_ABS_ERROR = {max_abs_error!r}  # a larger error ends the training
{helpers}

class {name}:
    """An algorithm that is trained row by row, by setup once, and by predict_row and learn_row for each row.

    Args:
        epochs: passes over the rows; the first in the order given, the others shuffled.
        seed: of the shuffling, and of what the algorithm draws at random.
    """

    def __init__(self, epochs=1, seed=0):
        self.epochs, self.seed = epochs, seed

    def fit(self, features, labels):
        """Trains from the start. Returns self."""
        features, labels = np.asarray(features, float), np.asarray(labels)
        self.clear(features.shape[1])
        with np.errstate(all="ignore"):
            self.setup()
        order, shuffle = np.arange(len(labels)), np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            self.partial_fit(features[order], labels[order])
            order = shuffle.permutation(order)
        return self

    def partial_fit(self, features, labels):
        """Goes on training. Returns self."""
        with np.errstate(all="ignore"):
            for x, y in zip(np.asarray(features, float), {label_array}):
                if self.stopped:
                    break
                self.begin(x)
                self.predict_row()
{squash}                self.stopped = not {error} <= MAX_ABS_ERROR
                if not self.stopped:
                    self.{label} = y
                    self.learn_row()
        return self

    def scores(self, features):
        """The algorithm's output for each row, which does not depend on the other rows."""
        trained, scores = vars(self).copy(), []
        with np.errstate(all="ignore"):
            self.begin(self.v0)  # what a prediction leaves for the next one is there for every row
            self.predict_row()
            begun = vars(self).copy()
            for x in np.asarray(features, float):
                vars(self).update(begun)
                self.begin(x)
                self.predict_row()
                scores.append(self.{prediction})
        vars(self).update(trained)
        return np.array(scores)
{predict}
    def clear(self, features):
        """Sets the memory to zero."""
        self.n, self.step, self.stopped = features, 0, False
{memory}

    def begin(self, x):
        """Gets ready to predict a row."""
        self.step += 1
        self.v0 = x
{hide}{words}
    def setup(self):
{setup}

    def predict_row(self):
{predict_row}

    def learn_row(self):
{learn_row}
'''

_PREDICT: Final = {
    Metric.RMS_ERROR: '''
    def predict(self, features):
        """[N] numbers."""
        return self.scores(features)
''',
    Metric.ACCURACY: '''
    def predict(self, features):
        """[N] classes, 0 or 1."""
        return (self.predict_proba(features) > 0.5).astype(int)

    def predict_proba(self, features):
        """[N] probabilities of class 1."""
        with np.errstate(all="ignore"):
            return _sigmoid(self.scores(features))
''',
    Metric.MULTICLASS_ACCURACY: '''
    def predict(self, features):
        """[N] class numbers."""
        return self.predict_proba(features).argmax(axis=1)

    def predict_proba(self, features):
        """[N, F] probabilities of the classes; those beyond the last class are there too."""
        with np.errstate(all="ignore"):
            return np.array([_softmax(score) for score in self.scores(features)])
''',
}
_LABELS: Final = {
    Metric.RMS_ERROR: "numbers",
    Metric.ACCURACY: "classes, 0 or 1",
    Metric.MULTICLASS_ACCURACY: "class numbers below F",
}
_ZEROS: Final = {"s": "0.0", "v": "np.zeros(features)", "m": "np.zeros((features, features))"}


def numpy_file(program: ReadProgram, *, epochs: int = 1, seed: int = 0) -> str:
    """The file's text.

    Args:
      program: what it does.
      epochs: default of the class.
      seed: default of the class.
    """
    head = _HEAD.format(name=CLASS_NAME, labels=_LABELS[program.metric])
    return head + numpy_class(program).replace("epochs=1, seed=0", f"epochs={epochs}, seed={seed}")


def numpy_class(program: ReadProgram) -> str:
    """The class and the functions that it calls; they need `np`."""
    metric = program.metric
    prediction = str(metric.prediction)
    signed = divides(line.op for line in program.parsed.lines())
    setup, predict, learn = (
        "\n".join(f"        {_statement(assignment, signed)}" for assignment in function) or "        pass"
        for function in list_program(program)
    )
    squash = {Metric.RMS_ERROR: "", Metric.ACCURACY: "_sigmoid", Metric.MULTICLASS_ACCURACY: "_softmax"}[metric]
    squash = squash and f"                self.{prediction} = {squash}(self.{prediction})\n"
    error = f"np.max(np.abs(y - self.{prediction}))" if metric.is_one_hot else f"abs(y - self.{prediction})"
    has_draws = any(assignment.line.op.random for function in list_program(program) for assignment in function)
    words = _WORDS if has_draws else ""
    used = "\n".join((setup, predict, learn, squash, words, _PREDICT[metric]))
    hidden = [register for register in metric.given if str(register) != "v0"]
    return _FILE.format(
        name=CLASS_NAME,
        max_abs_error=RunSettings.max_abs_error,
        helpers="".join(f"\n{text}" for text in helpers(used, _HELPERS)),
        label_array="np.eye(self.n)[np.asarray(labels, int)]" if metric.is_one_hot else "np.asarray(labels, float)",
        squash=squash,
        error=error,
        label=metric.label,
        prediction=prediction,
        predict=_PREDICT[metric],
        memory="\n".join(f"        self.{name} = {_ZEROS[name[0]]}" for name in registers(program)),
        hide="".join(f"        self.{name} = {_hidden(str(name))}\n" for name in hidden),
        words=words,
        setup=setup,
        predict_row=predict,
        learn_row=learn,
    )


def _hidden(name: str) -> str:
    return "0.0" if name[0] == "s" else "np.zeros(self.n)"


def _statement(assignment: Assignment, signed: bool) -> str:
    """One assignment."""

    def constant(letter: str) -> str:
        return number_code(assignment.line.numbers[letter], "np")

    code = array_code(
        assignment, "self.{}".format, constant, numpy="np", features="self.n", words="self.words(", signed=signed
    )
    comment = f"  # {assignment.comment}" if assignment.comment else ""
    return f"self.{assignment.target} = {code}{comment}"


def number_code(value: float, numpy: str) -> str:
    """A constant as code."""
    if value != value or abs(value) == float("inf"):
        sign = "-" if value < 0 else ""
        return f"{sign}{numpy}.{'nan' if value != value else 'inf'}"
    return repr(value)
