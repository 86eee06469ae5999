"""A program as one Python file that needs JAX only: pure functions `init`, `train_step`, `predict`, and `fit`."""

import re
from typing import Final

from azero_jax.engines.settings import RunSettings
from azero_jax.explain.export.expressions import divides
from azero_jax.explain.export.listing import Assignment, array_code, helpers, list_program, registers
from azero_jax.explain.export.numpy_file import number_code
from azero_jax.language.roles import Metric
from azero_jax.learner.reading import ReadProgram

_HELPERS: Final = {
    "_dot": '''
def _dot(a, b):
    """a @ b; where all terms are -0.0, so is their sum, as a division by it can tell."""
    product, negative_a, negative_b = a @ b, jnp.signbit(a) * 1.0, jnp.signbit(b) * 1.0
    negative_terms = negative_a @ (1 - negative_b) + (1 - negative_a) @ negative_b
    return jnp.where((product == 0) & (negative_terms == len(b)), -0.0, product)
''',
    "_mean": '''
def _mean(x, axis=None):
    """The mean; where all numbers are -0.0, so is it, as a division by it can tell."""
    mean = jnp.mean(x, axis=axis)
    return jnp.where((mean == 0) & jnp.all(jnp.signbit(x), axis=axis), -0.0, mean)
''',
    "_norm": '''
def _norm(x, axis=None):
    """Its gradient is zero, not NaN, where the norm is."""
    total = jnp.sum(x * x, axis=axis)
    return jnp.where(total > 0, jnp.sqrt(jnp.where(total > 0, total, 1.0)), total)
''',
    "_st_dev": '''
def _st_dev(x, axis=None):
    """In one pass, so that rounding may make it NaN where all numbers are equal."""
    return jnp.sqrt(jnp.mean(x * x, axis=axis) - jnp.mean(x, axis=axis) ** 2)
''',
    "_with": """
def _with(array, index, value):
    return array.at[index].set(value)
""",
    "_uniform": '''
def _uniform(words, low, high):
    """Low, if it is not below high."""
    (own, _, _), dtype = words, jnp.result_type(float)
    if dtype == jnp.float64:
        unit = (own.astype(dtype) + 0.5) * 2.0**-32
    else:
        unit = ((own >> 9).astype(dtype) + 0.5) * 2.0**-23
    return jnp.where(low < high, low + (high - low) * unit, low)
''',
    "_gaussian": """
def _gaussian(words, mean, deviation):
    (_, radius, angle), dtype = words, jnp.result_type(float)
    radius = jnp.sqrt(-2 * jnp.log((radius.astype(dtype) + 0.5) * 2.0**-32))
    shift = 0 if dtype == jnp.float64 else 8
    turns = (angle >> shift).astype(dtype) * 2.0 ** (shift - 32)
    return mean + deviation * (radius * jnp.cos(2 * jnp.pi * turns))
""",
    "_words": '''
def _words(memory, stream, shape):
    """Random words of each number, one of its own, those of radius and angle: of seed, step, stream and place."""
    count = math.prod(shape)
    places, half = jnp.arange(count, dtype=jnp.uint32).reshape(shape[::-1]).T, (count + 1) // 2
    is_second = places >= half
    pair = jnp.where(is_second, places - half, places)
    first, second = _threefry((memory["seed"], jnp.uint32(0)), (memory["step"], jnp.uint32(stream << 24) | pair))
    own = jnp.where(is_second, second, first)
    return own, first, jnp.where(is_second, second - jnp.uint32(2**30), second)
''',
    "_threefry": '''
def _threefry(key, counter):
    """Threefry-2x32 with 20 rounds (Salmon and others, 2011): two random words of two words of key and counter."""
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << rotation) | (x1 >> (32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1
''',
}

_FILE: Final = '''"""A learning algorithm that azero_jax found, as pure JAX functions of a memory.

    memory = fit(features, labels)
    scores = jax.vmap(predict, (None, 0))(memory, features)

Features are [N, F] numbers of a like scale, labels [N] {labels}.
{scores}
The memory is a dictionary of arrays. Everything can be jitted, and differentiated by the constants too.
"""

{imports}import jax
import jax.numpy as jnp
import numpy as np

MAX_ABS_ERROR = {max_abs_error!r}  # a larger error ends the training
{constants}
{helpers}

def init(features, seed=0, constants=CONSTANTS):
    """Memory before the first row of so many features."""
    memory = {{
        "step": jnp.uint32(0),
        "seed": jnp.uint32(seed),
        "stopped": jnp.array(False),
{memory}    }}
    return setup(memory, constants)


def train_step(memory, x, y, constants=CONSTANTS):
    """Memory after another row, [F] features and a label; the same if the training has ended."""
    predicted = predict_row(begin(memory, x), constants)
{squash}    error = {error}
    predicted["stopped"] = ~(error <= MAX_ABS_ERROR)
    learned = learn_row({{**predicted, "{label}": {label_value}}}, constants)

    def choose(old, stopped, new):
        return jnp.where(memory["stopped"], old, jnp.where(predicted["stopped"], stopped, new))

    return jax.tree.map(choose, memory, predicted, learned)


def predict(memory, x, constants=CONSTANTS):
    """Score of a row, [F] features, which does not depend on other rows."""
    memory = predict_row(begin(memory, memory["v0"]), constants)  # it leaves the same for every row
    return predict_row(begin(memory, x), constants)["{prediction}"]


def fit(features, labels, seed={seed}, constants=CONSTANTS, epochs={epochs}):
    """Memory after so many passes over the rows: the first in the order given, the others shuffled.

    The seed decides what the algorithm draws, and the shuffling; with more passes than one jit needs to know it.
    """
    features, labels, orders = jnp.asarray(features), jnp.asarray(labels), [np.arange(len(labels))]
    shuffle = np.random.default_rng(seed) if epochs > 1 else None
    for _ in range(epochs - 1):
        orders.append(shuffle.permutation(orders[-1]))

    def step(memory, row):
        return train_step(memory, features[row], labels[row], constants), None

    start = init(features.shape[1], seed, constants)
    return jax.lax.scan(step, start, np.concatenate(orders))[0]


def begin(memory, x):
    """Memory ready to predict a row."""
{begin}

{functions}'''

_LABELS: Final = {
    Metric.RMS_ERROR: "numbers",
    Metric.ACCURACY: "classes, 0 or 1",
    Metric.MULTICLASS_ACCURACY: "class numbers below F",
}
_SCORES: Final = {
    Metric.RMS_ERROR: "A score is a prediction.",
    Metric.ACCURACY: "The sigmoid of a score is the probability of class 1.",
    Metric.MULTICLASS_ACCURACY: "The softmax of the scores is the probabilities.",
}
_ZEROS: Final = {"s": "jnp.zeros(())", "v": "jnp.zeros(features)", "m": "jnp.zeros((features, features))"}
_LINE: Final = 120  # characters
_NAMES: Final = ("setup", "predict_row", "learn_row")


def jax_file(program: ReadProgram, *, epochs: int = 1, seed: int = 0) -> str:
    """The file's text; `epochs` and `seed` are the defaults of its `fit`."""
    metric, prediction = program.metric, str(program.metric.prediction)
    listing = list_program(program)
    constants: dict[str, str] = {}
    signed = divides(line.op for line in program.parsed.lines())
    functions = "\n".join(
        _function(name, function, constants, signed) for name, function in zip(_NAMES, listing, strict=True)
    )
    squashed = {
        Metric.RMS_ERROR: "",
        Metric.ACCURACY: f'1 / (1 + jnp.exp(-predicted["{prediction}"]))',
        Metric.MULTICLASS_ACCURACY: f'jax.nn.softmax(predicted["{prediction}"])',
    }[metric]
    label = "jax.nn.one_hot(jnp.asarray(y, int), len(x))" if metric.is_one_hot else "y"
    error = f'jnp.abs({label} - predicted["{prediction}"])'
    begun = ["**memory", '"step": memory["step"] + 1', '"v0": jnp.asarray(x, memory["v0"].dtype)']
    begun += [f'"{name}": jnp.zeros_like(memory["{name}"])' for name in map(str, metric.given) if name != "v0"]
    called = helpers(functions, _HELPERS)
    return _FILE.format(
        labels=_LABELS[metric],
        scores=_SCORES[metric],
        imports="import math\n\n" if any("math.prod" in text for text in called) else "",
        max_abs_error=RunSettings.max_abs_error,
        constants=_dictionary("CONSTANTS = ", [f'"{name}": {value}' for name, value in constants.items()]),
        helpers="".join(f"\n{text}" for text in called),
        memory="".join(f'        "{name}": {_ZEROS[name[0]]},\n' for name in registers(program)),
        squash=squashed and f'    predicted["{prediction}"] = {squashed}\n',
        error=f"jnp.max({error})" if metric.is_one_hot else error,
        label=metric.label,
        label_value=label,
        prediction=prediction,
        seed=seed,
        epochs=epochs,
        begin=_dictionary("    return ", begun),
        functions=functions,
    )


def _function(name: str, assignments: tuple[Assignment, ...], constants: dict[str, str], signed: bool) -> str:
    """One of the three functions; its constants are added to `constants`."""
    written: list[str] = []
    read: list[str] = []

    def use(register: str) -> str:
        if register not in (*written, *read):
            read.append(register)
        return register

    lines = []
    for assignment in assignments:

        def constant(letter: str, assignment: Assignment = assignment) -> str:
            key = f"c{len(constants) + 1}"
            constants[key] = number_code(assignment.line.numbers[letter], "jnp")
            return f'constants["{key}"]'

        code = array_code(assignment, use, constant, numpy="jnp", features="n", words="_words(memory, ", signed=signed)
        comment = f"  # {assignment.comment}" if assignment.comment else ""
        if assignment.target not in written:
            written.append(assignment.target)
        lines.append(f"    {assignment.target} = {code}{comment}")
    loads = [f'    {register} = memory["{register}"]' for register in read]
    if any(re.search(r"\bn\b", line.partition("#")[0]) for line in lines):
        loads.insert(0, '    n = len(memory["v0"])')
    stores = ["**memory", *(f'"{register}": {register}' for register in written)]
    lines = [f"\ndef {name}(memory, constants):", *loads, *lines, _dictionary("    return ", stores), ""]
    return "\n".join(lines)


def _dictionary(before: str, entries: list[str]) -> str:
    """A dictionary as ruff formats it."""
    line = f"{before}{{{', '.join(entries)}}}"
    if len(line) <= _LINE:
        return line
    indent = " " * (len(before) - len(before.lstrip()))
    return "\n".join([f"{before}{{", *(f"{indent}    {entry}," for entry in entries), f"{indent}}}"])
