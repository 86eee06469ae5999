"""What is learnable: the definition case by case, and against two slow oracles.

One oracle follows sets of names through an unrolled loop; the other runs programs on numbers, and disturbs some.
AZERO_LEARNABLE_PROGRAMS says how many programs they see in each space.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, NamedTuple

import jax
import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from azero_jax.analysis.learnable import check_can_learn, learnable
from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.families import Family
from azero_jax.language.library import known_programs, parse_known
from azero_jax.language.ops import Op
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric, Register
from azero_jax.language.space import FunctionSpace, SearchSpace, make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.policy import MutationPolicy
from tests.support.mutants import mutate
from tests.support.spaces import DEMO, full_space, same, some_programs

PROGRAMS: Final = int(os.environ.get("AZERO_LEARNABLE_PROGRAMS", "200"))
SPACE = make_space(features=4, scalars=8, vectors=5, matrices=2, setup=8, predict=8, learn=12)
WIDE = make_space(features=4, scalars=64, vectors=64, matrices=64, setup=8, predict=8, learn=12)
SMALL = make_space(features=3, scalars=4, vectors=4, matrices=2, setup=(2, 3, 4), predict=(2, 4, 6), learn=(3, 6, 9))

REGRESSOR = """
def Setup():
  s2 = 0.1
def Predict():
  s1 = dot(v0, v1)
def Learn():
  s3 = s0 - s1
  s4 = s2 * s3
  v2 = s4 * v0
  v1 = v1 + v2
"""
LEARNABLE = {
    "a linear regressor": REGRESSOR,
    "one without a rate": REGRESSOR.replace("s2 * s3", "s3 * s3"),
    "the label goes through two registers and two rounds": (
        "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = v1 + v3\n v3 = s4 * v0\n s4 = s5 - s1\n s5 = s0 + s0\n"
    ),
    "the past goes through another register": (
        "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n s3 = s0 - s1\n v2 = s3 * v0\n v3 = v2 + v4\n"
        " v4 = abs(v1)\n v1 = abs(v3)\n"
    ),
    "the prediction reads what is learned by way of Learn alone": (
        "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n s3 = s0 - s1\n s4 = s4 + s3\n v1 = bcast(s4)\n"
    ),
    "what Learn adds up, Predict copies": (
        "def Predict():\n v2 = abs(v1)\n s1 = dot(v0, v2)\ndef Learn():\n s3 = s0 - s1\n v3 = s3 * v0\n v1 = v2 + v3\n"
    ),
    "a partial write keeps the past": (
        "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n s3 = s0 - s1\n v2 = bcast(s3)\n v1 = v1 - v2\n v1[0] = 0.5\n"
    ),
    "a scalar is learned": (
        "def Predict():\n s2 = mean(v0)\n s1 = s2 + s5\ndef Learn():\n s3 = s0 - s1\n s5 = s5 + s3\n"
    ),
    "a matrix is learned": (
        "def Predict():\n v1 = dot(m0, v0)\n s1 = mean(v1)\n"
        "def Learn():\n s3 = s0 - s1\n v2 = s3 * v0\n m1 = outer(v2, v0)\n m0 = m0 + m1\n"
    ),
    "a factor that Setup fills": (
        "def Setup():\n s5 = 0.5\ndef Predict():\n s2 = norm(v0)\n s1 = s2 * s5\n"
        "def Learn():\n s3 = s0 - s1\n s5 = s5 * s3\n"
    ),
    "one of two registers is learned": REGRESSOR.replace("dot(v0, v1)", "dot(v0, v1)\n  s1 = s1 + s6")
    + "  s6 = s0 + s0\n",
}
NOT_LEARNABLE = {
    "nothing": "",
    "without features": REGRESSOR.replace("dot(v0, v1)", "norm(v1)"),
    "without the weights": REGRESSOR.replace("dot(v0, v1)", "norm(v0)"),
    "without the label": REGRESSOR.replace("s0 - s1", "s2 - s1"),
    "without the prediction": REGRESSOR.replace("s0 - s1", "s0 - s2"),
    "weights that are not kept": REGRESSOR.replace("v1 + v2", "v2 + v2"),
    "weights that only the prediction carries on": (
        "def Setup():\n s2 = 0.5\ndef Predict():\n s3 = mean(v0)\n s1 = s2 * s3\ndef Learn():\n s2 = s0 - s1\n"
    ),
    "the prediction itself is no memory": (
        "def Predict():\n s3 = mean(v0)\n s1 = s1 + s3\ndef Learn():\n s1 = s0 - s1\n"
    ),
    "a rate that is never filled": REGRESSOR.replace("s2 = 0.1", "s2 = 0.0"),
    "a factor that is never filled": REGRESSOR.replace("dot(v0, v1)", "dot(v0, v1)\n  s1 = s1 * s7"),
    "weights that start at zero and are only scaled": (
        "def Predict():\n s2 = norm(v0)\n s1 = s2 * s5\ndef Learn():\n s3 = s0 - s1\n s5 = s5 * s3\n"
    ),
    "an error less itself": REGRESSOR.replace("s4 = s2 * s3", "s4 = s3 - s3"),
    "an outer product with a vector that is always zero": (
        "def Predict():\n v1 = dot(m0, v0)\n s1 = mean(v1)\n"
        "def Learn():\n s3 = s0 - s1\n v2 = s3 * v0\n m1 = outer(v2, v4)\n m0 = m0 + m1\n"
    ),
    "the label is zero in Predict": (
        "def Predict():\n v2 = s0 * v0\n s1 = dot(v2, v1)\ndef Learn():\n s3 = s0 - s1\n v2 = s3 * v0\n v1 = v1 + v2\n"
    ),
    "the update comes too late and is overwritten": REGRESSOR + "  v1 = abs(v0)\n",
    "Setup cannot learn": REGRESSOR.replace("def Learn():", "def Setup():").replace("def Setup():\n  s2 = 0.1\n", ""),
}


def parse(text: str, space: SearchSpace = SPACE) -> Programs:
    return parse_program(text, space)


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word of registers", "several words of registers"])
@pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
class TestTheDefinition:
    @pytest.mark.parametrize("text", LEARNABLE.values(), ids=LEARNABLE)
    def test_learnable(self, text: str, metric: Metric, space: SearchSpace) -> None:
        assert learnable(parse(text, space), space, metric).all()

    @pytest.mark.parametrize("text", NOT_LEARNABLE.values(), ids=NOT_LEARNABLE)
    def test_not_learnable(self, text: str, metric: Metric, space: SearchSpace) -> None:
        assert not learnable(parse(text, space), space, metric).any()


class TestTheMetric:
    def test_a_probability_fills_what_a_prediction_of_zero_does_not(self) -> None:
        text = "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n s3 = s0 * s1\n v2 = s3 * v0\n v1 = v1 + v2\n"
        assert not learnable(parse(text), SPACE, Metric.RMS_ERROR).any()
        assert learnable(parse(text), SPACE, Metric.ACCURACY).all()

    def test_several_classes_have_vectors_for_label_and_prediction(self) -> None:
        text = "def Predict():\n v2 = dot(m0, v0)\ndef Learn():\n v3 = v1 - v2\n m1 = outer(v3, v0)\n m0 = m0 + m1\n"
        assert learnable(parse(text), SPACE, Metric.MULTICLASS_ACCURACY).all()
        assert not learnable(parse(text), SPACE, Metric.ACCURACY).any()

    def test_several_classes_leave_the_scalar_label_zero(self) -> None:
        text = (
            "def Predict():\n v2 = dot(m0, v0)\n"
            "def Learn():\n v3 = v1 - v2\n v3 = s0 * v3\n m1 = outer(v3, v0)\n m0 = m0 + m1\n"
        )
        assert not learnable(parse(text), SPACE, Metric.MULTICLASS_ACCURACY).any()

    @pytest.mark.parametrize("name", sorted({*known_programs()} - {"evolved_cifar10_as_listed"}))
    def test_known_programs_are_learnable(self, name: str) -> None:
        space, programs = parse_known(name, features=4)
        metrics = [Metric.MULTICLASS_ACCURACY] if "softmax" in name else [Metric.RMS_ERROR, Metric.ACCURACY]
        assert all(learnable(programs, space, metric).all() for metric in metrics)

    def test_the_known_program_that_never_sees_its_own_error_is_not(self) -> None:
        space, programs = parse_known("evolved_cifar10_as_listed", features=4)
        assert not learnable(programs, space, Metric.ACCURACY).any()


_UPDATE = "def Learn():\n s3 = s0 - s1\n v4 = s3 * v0\n m1 = outer(v4, v3)\n m0 = m0 + m1\n"
_SETUP = "def Setup():\n v3 = gaussian(0.0, 1.0)\n"
THROUGH_A_MATRIX = {
    "the features times it": "v1 = dot(m0, v0)\n s1 = dot(v1, v3)",
    "its transpose": "m1 = transpose(m0)\n v1 = dot(m1, v0)\n s1 = dot(v1, v3)",
    "what was made of the features": "v2 = abs(v0)\n v1 = dot(m0, v2)\n s1 = dot(v1, v3)",
    "what reads the features later": "m1 = outer(v0, v3)\n m1 = m1 + m0\n s1 = mean(m1)",
}
NOT_THROUGH_A_MATRIX = {
    "a vector in disguise": "v1 = dot(m0, v3)\n s1 = dot(v1, v0)",
    "a matrix of it that the prediction does not need": "v1 = dot(m0, v0)\n v1 = dot(m0, v3)\n s1 = dot(v1, v0)",
    "what it makes of the features is overwritten by zero": (
        "v1 = dot(m0, v0)\n v1 = v1 - v1\n v2 = dot(m0, v3)\n v2 = v1 + v2\n s1 = dot(v2, v0)"
    ),
    "a number that is added": "s2 = mean(m0)\n s3 = mean(v0)\n s1 = s2 + s3",
}


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word of registers", "several words of registers"])
class TestKinds:
    @pytest.mark.parametrize(
        ("kinds", "expected"), [("", True), ("v", True), ("s", False), ("m", False), ("vm", False)]
    )
    def test_a_linear_model_learns_a_vector(self, kinds: str, expected: bool, space: SearchSpace) -> None:
        assert learnable(parse(REGRESSOR, space), space, Metric.RMS_ERROR, kinds=kinds).all() == expected

    @pytest.mark.parametrize("predict", THROUGH_A_MATRIX.values(), ids=THROUGH_A_MATRIX)
    def test_the_features_go_through_a_learned_matrix(self, predict: str, space: SearchSpace) -> None:
        programs = parse(f"{_SETUP}def Predict():\n {predict}\n{_UPDATE}", space)
        assert learnable(programs, space, Metric.RMS_ERROR, kinds="m").all()

    @pytest.mark.parametrize("predict", NOT_THROUGH_A_MATRIX.values(), ids=NOT_THROUGH_A_MATRIX)
    def test_it_does_not_count_if_they_do_not(self, predict: str, space: SearchSpace) -> None:
        programs = parse(f"{_SETUP}def Predict():\n {predict}\n{_UPDATE}", space)
        assert learnable(programs, space, Metric.RMS_ERROR).all()
        assert not learnable(programs, space, Metric.RMS_ERROR, kinds="m").any()


@pytest.mark.parametrize("kinds", ["s", "v", "m", "sv", "svm"])
def test_a_net_learns_all(kinds: str) -> None:
    space, programs = parse_known("two_layer_net", features=4)
    assert learnable(programs, space, Metric.RMS_ERROR, kinds=kinds).all()


class TestBatches:
    def test_programs_are_tested_as_they_are_one_by_one(self) -> None:
        programs = mutants(DEMO, Metric.RMS_ERROR, 100)
        together = learnable(programs, DEMO, Metric.RMS_ERROR)
        alone = [learnable(programs[n : n + 1], DEMO, Metric.RMS_ERROR)[0] for n in range(len(programs))]
        assert_array_equal(together, alone)

    def test_programs_are_left_as_they_are(self) -> None:
        programs, before = some_programs(SPACE, 100, seed=0), some_programs(SPACE, 100, seed=0)
        learnable(programs, SPACE, Metric.RMS_ERROR)
        assert same(programs, before)


class TestSpacesWhereNothingCanLearn:
    @pytest.mark.parametrize(
        ("sizes", "predict", "learn", "message"),
        [
            ((2, 0), (1, 27), (1, 2), "Learn has no instructions;"),
            ((2, 2), (1, 27), (), "Learn has no ops;"),
            ((0, 2), (1, 27), (1, 2), "Predict has no instructions;"),
            ((2, 2), (23,), (1, 2), "no op of Predict writes a scalar, such as s1;"),
            ((2, 2), (1, 2), (1, 2), "no op of Predict reads a vector, such as v0;"),
            ((2, 2), (1, 27), (23, 25), "no op of Learn reads a scalar, such as s0;"),
        ],
    )
    def test_are_named(
        self, sizes: tuple[int, int], predict: Sequence[int], learn: Sequence[int], message: str
    ) -> None:
        space = dataclasses.replace(
            SPACE,
            predict=FunctionSpace(tuple(predict), min(sizes[0], 1), sizes[0], sizes[0]),
            learn=FunctionSpace(tuple(learn), min(sizes[1], 1), sizes[1], sizes[1]),
        )
        with pytest.raises(ValueError, match=f"^no program of this space can learn: {message}"):
            check_can_learn(space, Metric.RMS_ERROR)

    def test_a_matrix_that_the_features_cannot_go_through_is_named(self) -> None:
        predict = dataclasses.replace(SPACE.predict, ops=(ops.op_number("VECTOR_NORM"), ops.op_number("MATRIX_NORM")))
        with pytest.raises(
            ValueError, match=r"^no program of this space can learn a matrix: no op of Predict reads one"
        ):
            check_can_learn(dataclasses.replace(SPACE, predict=predict), Metric.RMS_ERROR, "m")

    def test_a_vector_that_nothing_writes_is_named(self) -> None:
        predict = dataclasses.replace(SPACE.predict, ops=(ops.op_number("VECTOR_INNER_PRODUCT"),))
        learn = dataclasses.replace(SPACE.learn, ops=(ops.op_number("SCALAR_DIFF"),))
        with pytest.raises(ValueError, match="can learn a vector: no op of Predict or Learn writes one;"):
            check_can_learn(dataclasses.replace(SPACE, predict=predict, learn=learn), Metric.RMS_ERROR, "v")

    def test_a_vector_may_be_learned_by_what_predict_makes_of_an_error_that_learn_left(self) -> None:
        text = (
            "def Setup():\n s2 = 0.1\n s4 = 1.0\n"
            "def Predict():\n v2 = s3 * v3\n v1 = v1 + v2\n v3 = s4 * v0\n s1 = dot(v0, v1)\n"
            "def Learn():\n s3 = s0 - s1\n s3 = s2 * s3\n"
        )
        names = ("SCALAR_DIFF", "SCALAR_PRODUCT")
        learn = dataclasses.replace(SPACE.learn, ops=tuple(ops.op_number(name) for name in names))
        space = dataclasses.replace(SPACE, learn=learn)
        assert learnable(parse(text, space), space, Metric.RMS_ERROR, kinds="v").all()
        check_can_learn(space, Metric.RMS_ERROR, "v")

    @pytest.mark.parametrize("metric", Metric)
    def test_others_pass(self, metric: Metric) -> None:
        check_can_learn(SPACE, metric)


# ---- oracles ---------------------------------------------------------------------------------------------------------


def mutants(space: SearchSpace, metric: Metric, count: int, seed: int = 0) -> Programs:
    """Children of learnable programs that are some mutations away from known ones, and as many random programs."""
    generator = np.random.default_rng(seed)
    parents = concatenate([parse(text, space) for text in STARTS[metric] if space.vectors > 3 or "v3" not in text])
    parents = parents[np.arange(count // 2) % len(parents)]
    for _ in range(20):
        children, _ = mutate(parents, space, POLICY, generator)
        survives = learnable(children, space, metric)
        both = concatenate([parents, children])
        parents = both[np.arange(len(parents)) + len(parents) * survives]
    children, _ = mutate(parents, space, POLICY, generator)
    return concatenate([children, some_programs(space, count - len(children), seed)])


POLICY = MutationPolicy(
    1.0, (("alter_param", 1.0), ("randomize_instruction", 1.0), ("insert_or_remove_instruction", 1.0))
)
_REGRESSOR = (
    "def Setup():\n s2 = 0.5\n pass\ndef Predict():\n s1 = dot(v0, v1)\n pass\n"
    "def Learn():\n s3 = s0 - s1\n s3 = s2 * s3\n v2 = s3 * v0\n v1 = v1 + v2\n"
)
_LINEAR_MAP = (
    "def Setup():\n s2 = 0.5\n pass\ndef Predict():\n v2 = dot(m0, v0)\n s1 = mean(v2)\n"
    "def Learn():\n s3 = s0 - s1\n v3 = s3 * v0\n v3 = s2 * v3\n m1 = outer(v3, v0)\n m0 = m0 + m1\n"
)
_SEVERAL_CLASSES = (
    "def Setup():\n s2 = 0.5\n pass\ndef Predict():\n v2 = dot(m0, v0)\n pass\n"
    "def Learn():\n v3 = v1 - v2\n v3 = s2 * v3\n m1 = outer(v3, v0)\n m0 = m0 + m1\n"
)
STARTS = {
    Metric.RMS_ERROR: (_REGRESSOR, _LINEAR_MAP),
    Metric.ACCURACY: (_REGRESSOR, _LINEAR_MAP),
    Metric.MULTICLASS_ACCURACY: (_SEVERAL_CLASSES,),
}


class Line(NamedTuple):
    """An instruction: its op, the registers that it reads, the one that it writes, and its numbers."""

    op: Op
    inputs: tuple[Register, ...]
    output: Register
    indices: tuple[int, ...]
    constants: tuple[float, ...]


Code = tuple[list[Line], list[Line], list[Line]]  # Setup, Predict, Learn


def read(programs: Programs, n: int, space: SearchSpace) -> Code:
    def lines(function: int) -> Iterator[Line]:
        for slot in range(space.offsets[function], space.offsets[function] + programs.sizes[n, function]):
            op, address = ops.OPS[programs.opcodes[n, slot]], programs.addresses[n, slot].tolist()
            if op is not ops.NO_OP:
                inputs = tuple(Register(kind, place) for kind, place in zip(op.inputs, address, strict=False))
                constants = tuple(programs.constants[n, slot, : op.constants].tolist())
                yield Line(op, inputs, Register(op.output, address[2]), tuple(address[: op.indices]), constants)

    return list(lines(0)), list(lines(1)), list(lines(2))


def registers(space: SearchSpace) -> list[Register]:
    return [Register(kind, address) for kind in ops.KINDS for address in range(space.addresses(kind))]


def compute(line: Line, values: dict[Register, NDArray[np.float64]], bits: np.random.Generator) -> NDArray[np.float64]:
    """What an instruction makes of float64 registers, lanes last, in the shape of its output register."""
    old = values[line.output]
    drawn = bits.integers(2**32, size=(3, *old.shape[:-1], 1), dtype=np.uint32)
    names = dict(zip(("a", "b"), (values[register] for register in line.inputs), strict=False))
    names |= dict(zip(("i", "j"), line.indices, strict=False)) | dict(zip(("x", "y"), line.constants, strict=False))
    names |= {"old": old, "words": RandomWords(*drawn)}
    with jax.enable_x64(True):
        return np.broadcast_to(np.asarray(jitted(line.op)(*(names[name] for name in line.op.arguments))), old.shape)


@functools.cache
def jitted(op: Op) -> Callable[..., jax.Array]:
    return jax.jit(op.compute)


# Names: a line's result is zero if it is on numbers that are drawn at random where they may differ from zero.


@functools.cache
def gives_zero(op: Op, first: bool, second: bool, equal: bool) -> bool:
    """Whether an op makes zero of inputs (or constants) that are zero, or may differ from it."""
    if op.family is Family.QUOTIENT:
        return False  # 0 / 0 is NaN
    shapes = {ops.SCALAR: (8,), ops.VECTOR: (3, 8), ops.MATRIX: (3, 3, 8)}
    generator = np.random.default_rng(0)
    for _ in range(4):
        values = {Register(kind, 9): np.zeros(shape) for kind, shape in shapes.items()}
        inputs = tuple(Register(kind, 0 if equal else place) for place, kind in enumerate(op.inputs))
        for register, fills in zip(inputs, (first, second), strict=False):
            values[register] = generator.standard_normal(shapes[register.kind]) * fills
        drawn = (generator.standard_normal(2) * (first, second))[: op.constants]
        line = Line(op, inputs, Register(op.output, 9), (0,) * op.indices, tuple(drawn.tolist()))
        if compute(line, values, generator).any():
            return False
    return True


def is_zero(line: Line, filled: set[Register]) -> bool:
    first, second, *_ = [*(r in filled for r in line.inputs), *(x != 0 for x in line.constants), False, False]
    equal = len(line.inputs) == 2 and line.inputs[0] == line.inputs[1]
    return gives_zero(line.op, first, first if equal else second, equal)


def run_names(lines: list[Line], filled: set[Register], sources: dict[Register, set[Hashable]]) -> None:
    """Runs a function on which registers may be filled, and on the names of what each depends on.

    ("through", r) is the name of a register r that the features have gone through.
    """
    for line in lines:
        zero, keeps = is_zero(line, filled), line.op.partial_write
        names = set[Hashable]() if zero else set().union(*(sources[r] for r in line.inputs))
        if not zero and len(line.inputs) == 2:
            for one, other in (line.inputs, line.inputs[::-1]):
                if any(name == "features" for name, _ in sources[other]):
                    read = {name for name, _ in sources[one] if isinstance(name, Register)}
                    names |= {("through", name) for name in read if name.kind == one.kind}
        sources[line.output] = names | (sources[line.output] if keeps else set())
        if not zero:
            filled.add(line.output)
        elif not keeps:
            filled.discard(line.output)


def round_of_names(
    code: Code, metric: Metric, filled: set[Register], sources: dict[Register, set[Hashable]], time: int
) -> set[Hashable]:
    """One round of the loop; returns the names behind the prediction. Both arguments become what they are after it."""

    def give(label: bool) -> None:
        for register in metric.given:
            filled.discard(register)
            sources[register] = set()
        features, *labels = (Register("v", 0), metric.label) if label else (Register("v", 0),)
        for register, name in ((features, "features"), *((register, "label") for register in labels)):
            filled.add(register)
            sources[register] = {(name, time)}

    give(label=False)
    run_names(code[1], filled, sources)
    predicted = sources[metric.prediction]
    sources[metric.prediction] = {("prediction", time)}
    if metric.is_classification:
        filled.add(metric.prediction)
    give(label=True)
    run_names(code[2], filled, sources)
    for register in metric.given:
        filled.discard(register)
        sources[register] = set()
    return predicted


def oracle(code: Code, space: SearchSpace, metric: Metric, kinds: str = "") -> bool:
    """The definition, by names in a loop that is unrolled for more rounds than there are registers."""
    everything = registers(space)
    nothing: dict[Register, set[Hashable]] = {register: set() for register in everything}
    filled = set[Register]()
    run_names(code[0], filled, dict(nothing))
    for _ in everything:  # as many rounds as can fill one more register
        after = set(filled)
        round_of_names(code, metric, after, dict(nothing), 0)
        filled |= after
    sources = dict(nothing)
    heads: list[dict[Register, set[Hashable]]] = []
    time = 0
    for time in range(2 * len(everything) + 2):
        for register in filled - set(metric.given):
            sources[register] = sources[register] | {(register, time)}
        heads.append(dict(sources))
        predicted = round_of_names(code, metric, set(filled), sources, time)

    def is_learned(register: Register) -> bool:
        names = heads[-1][register] - {(register, time)}
        return {register, "label", "prediction"} <= {name for name, _ in names}

    if ("features", time) not in predicted:
        return False
    once: dict[Register, set[Hashable]] = {r: {(r, 0)} if r in filled else set() for r in everything}
    through = [who for name, who in round_of_names(code, metric, set(filled), once, 0) if name == "through"]
    if not all(any(who.kind == kind and is_learned(who) for who in through) for kind in kinds):
        return False
    return any(is_learned(name) for name, _ in predicted if isinstance(name, Register))


def cases(test: Callable[..., None]) -> Callable[..., None]:
    spaces = {"demo": DEMO, "small": SMALL, "full": full_space()}
    pairs = [
        pytest.param(space, metric, id=f"{name}-{metric}")
        for name, space in spaces.items()
        for metric in Metric
        if space.vectors > 2 + (space is DEMO) or not metric.is_one_hot
    ]
    return pytest.mark.parametrize(("space", "metric"), pairs)(test)


@cases
def test_names_in_an_unrolled_loop_say_the_same(space: SearchSpace, metric: Metric) -> None:
    programs = mutants(space, metric, PROGRAMS)
    expected = [oracle(read(programs, n, space), space, metric) for n in range(len(programs))]
    assert_array_equal(learnable(programs, space, metric), expected)
    assert np.mean(expected) > 0.1


MANY = make_space(features=3, scalars=30, vectors=30, matrices=6, setup=(2, 3, 4), predict=(2, 4, 6), learn=(3, 6, 9))


@pytest.mark.parametrize(
    ("space", "metric", "kinds"),
    [
        (DEMO, Metric.RMS_ERROR, "v"),
        (SMALL, Metric.ACCURACY, "v"),
        (SMALL, Metric.RMS_ERROR, "m"),
        (SMALL, Metric.MULTICLASS_ACCURACY, "m"),
        (MANY, Metric.RMS_ERROR, ""),
        (MANY, Metric.RMS_ERROR, "v"),
        (MANY, Metric.RMS_ERROR, "m"),
        (MANY, Metric.MULTICLASS_ACCURACY, "m"),
    ],
)
def test_they_say_the_same_of_kinds_that_are_learned(space: SearchSpace, metric: Metric, kinds: str) -> None:
    programs = mutants(space, metric, PROGRAMS // 2 if space is MANY else PROGRAMS)
    codes = [read(programs, n, space) for n in range(len(programs))]
    expected = [oracle(code, space, metric, kinds) for code in codes]
    assert_array_equal(learnable(programs, space, metric, kinds=kinds), expected)
    assert 0.02 < np.mean(expected) < 0.9


# Numbers: lanes of one program, each disturbed in one place, once. Learn always sees the predictions of the first lane,
# so that what was disturbed lives on in registers only.

ROUNDS, EARLY, LATE = 7, 1, 3  # labels and predictions are disturbed early, registers and features late
UNDISTURBED, LABEL_DISTURBED, PREDICTION_DISTURBED, FEATURES_DISTURBED, FIRST_REGISTER = range(5)  # lanes


def learns_in_fact(code: Code, space: SearchSpace, metric: Metric, generator: np.random.Generator) -> bool:
    """Whether disturbed numbers show a program to be learnable; False also where numbers are not finite.

    A disturbed number is multiplied, so that zero stays zero.
    """
    everything = registers(space)
    kept = [register for register in everything if register not in metric.given]
    lanes = FIRST_REGISTER + len(kept)
    shapes = {ops.SCALAR: (), ops.VECTOR: (space.features,), ops.MATRIX: (space.features,) * 2}
    values = {register: np.zeros((*shapes[register.kind], lanes)) for register in everything}
    is_moved = {register: np.zeros(lanes, bool) for register in everything}  # by what was disturbed earlier
    is_prediction_moved, has_features = np.zeros(lanes, bool), False

    def run(lines: list[Line]) -> bool:
        for line in lines:
            values[line.output] = compute(line, values, generator)
            if not np.isfinite(values[line.output]).all():
                return False
        return True

    def give(register: Register, value: NDArray[np.float64], lane: int | None) -> None:
        values[register] = np.repeat(value[..., None], lanes, axis=-1)
        if lane is not None:
            values[register][..., lane] *= 1.5

    def moved(register: Register) -> NDArray[np.bool_]:
        value = values[register].reshape(-1, lanes)
        return (np.abs(value - value[:, :1]) > 1e-9 * (1 + np.abs(value[:, :1]))).any(axis=0)

    if not run(code[0]):
        return False
    for time in range(ROUNDS):
        features = generator.standard_normal(space.features)
        for lane, register in enumerate(kept, FIRST_REGISTER):
            if time > EARLY:
                is_moved[register] |= moved(register) & ((np.arange(lanes) < FIRST_REGISTER) | (time > LATE))
            if time == LATE:
                values[register] = values[register].copy()
                values[register][..., lane] *= 1.5
        for register in metric.given:
            give(register, np.zeros(shapes[register.kind]), None)
        give(Register("v", 0), features, FEATURES_DISTURBED if time == LATE else None)
        if not run(code[1]):
            return False
        is_prediction_moved |= moved(metric.prediction)
        has_features |= time == LATE and bool(moved(metric.prediction)[FEATURES_DISTURBED])
        seen = values[metric.prediction][..., UNDISTURBED]
        if metric.is_classification:
            seen = scipy.special.softmax(seen) if metric.is_one_hot else scipy.special.expit(seen)
        give(metric.prediction, seen, PREDICTION_DISTURBED if time == EARLY else None)
        for register in metric.given:
            give(register, np.zeros(shapes[register.kind]), None)
        give(Register("v", 0), features, None)
        label = np.eye(space.features)[0] if metric.is_one_hot else np.array(1.0)
        give(metric.label, label, LABEL_DISTURBED if time == EARLY else None)
        if not run(code[2]):
            return False
    return has_features and any(
        is_moved[register][[LABEL_DISTURBED, PREDICTION_DISTURBED, lane]].all() and is_prediction_moved[lane]
        for lane, register in enumerate(kept, FIRST_REGISTER)
    )


@cases
def test_what_learns_in_fact_is_learnable(space: SearchSpace, metric: Metric) -> None:
    programs, generator = mutants(space, metric, PROGRAMS, seed=1), np.random.default_rng(2)
    learns = [learns_in_fact(read(programs, n, space), space, metric, generator) for n in range(len(programs))]
    assert learnable(programs[np.array(learns)], space, metric).all()
    assert np.mean(learns) > 0.05
