"""Simplified programs predict the same in fewer instructions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from numpy.random import default_rng

from azero_jax.engines.settings import EngineConfig
from azero_jax.explain.algebra import UNSAFE, Algebra
from azero_jax.explain.equality import proves_equal
from azero_jax.explain.listing import Listing, prune, read_listing
from azero_jax.explain.simplify import simplify
from azero_jax.judge.run_program import Judge
from azero_jax.language import ops
from azero_jax.language.library import known_programs, load_program
from azero_jax.language.program import concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import format_program, parse_program
from azero_jax.mutate.learnable import random_learnable
from azero_jax.tasks import Tasks, linear_tasks, make_tasks

FLOAT64: Final = EngineConfig(precision="float64")
# As evolution left them, from searches of the demo with these seeds.
DEMO: Final = json.loads((Path(__file__).parent / "demo_programs.json").read_text())
SAFE: Final = tuple(op.name for op in ops.OPS[1:] if op.family not in UNSAFE)
WIDE: Final = make_space(features=4, scalars=16, vectors=5, matrices=3, setup=20, predict=6, learn=9)


def fitness(listings: list[Listing], tasks: Tasks, epochs: int = 1) -> np.ndarray:
    programs = concatenate([parse_program(listing.text(), WIDE) for listing in listings])
    return Judge(WIDE, tasks, FLOAT64, epochs=epochs).fitness(programs)


def random_tasks(metric: Metric) -> Tasks:
    generator = default_rng(3)
    x, valid_x = generator.normal(size=(3, 30, 4)), generator.normal(size=(3, 10, 4))
    if metric is Metric.RMS_ERROR:
        return make_tasks(x, generator.normal(size=(3, 30)), valid_x, generator.normal(size=(3, 10)), metric)
    most = 4 if metric.is_one_hot else 2
    return make_tasks(x, generator.integers(0, most, (3, 30)), valid_x, generator.integers(0, most, (3, 10)), metric)


def test_programs_of_the_demo_become_gradient_descent() -> None:
    raw = [read_listing(text) for text in DEMO.values()]
    simple = [simplify(listing, Metric.RMS_ERROR) for listing in raw]
    assert max(listing.size for listing in simple) <= 7
    assert sum(listing.size == 6 for listing in simple) > 0.9 * len(raw)
    tasks = linear_tasks(tasks=4, features=4, train_examples=100, valid_examples=50, seed=5)
    np.testing.assert_allclose(fitness(simple, tasks), fitness(raw, tasks), atol=1e-9)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("allowed", [SAFE, None], ids=["safe", "all"])
def test_random_programs_stay_what_they_are(metric: Metric, allowed: tuple[str, ...] | None) -> None:
    space = make_space(features=4, scalars=4, vectors=4, matrices=2, setup=5, predict=5, learn=8, allowed=allowed)
    programs = random_learnable(space, metric, 60, default_rng(7))
    raw = [read_listing(format_program(programs, n, space)) for n in range(len(programs))]
    simple = [simplify(listing, metric) for listing in raw]
    pruned = [prune(listing, metric) for listing in raw]
    assert all(short.size <= long.size for short, long in zip(simple, pruned, strict=True))
    assert sum(short != long for short, long in zip(simple, pruned, strict=True)) > 10
    tasks = random_tasks(metric)
    np.testing.assert_allclose(fitness(simple, tasks, 2), fitness(raw, tasks, 2), atol=1e-9)


@pytest.mark.parametrize(
    "line", ["s2 = s3 * s1", "v2 = v0 - v0", "v2 = v3 + v3", "s2 = dot(v3, v0)", "m0 = outer(v3, v0)"]
)
def test_zeros_are_not_computed(line: str) -> None:
    target = line[:2]
    use = {"s": "s1 = s1 + s2", "v": "v4 = v4 + v2\n s1 = dot(v4, v0)", "m": "v4 = dot(m0, v0)\n s1 = dot(v4, v1)"}
    text = f"def Predict():\n {line}\n s1 = dot(v0, v1)\n {use[target[0]]}\ndef Learn():\n v1 = v1 + v0"
    assert line not in simplify(read_listing(text), Metric.RMS_ERROR).text()


@pytest.mark.parametrize(
    ("learn", "expected"),
    [
        ("s2 = 2.0\n s3 = 3.0\n s4 = s2 * s3\n v2 = s4 * v0\n v1 = v1 + v2", "s5 = 6.0"),
        ("s2 = 0.5\n v2 = s2 * v0\n v2 = v2 + v2\n v1 = v1 + v2", "v1 = v1 + v0"),
        ("v2 = maximum(v0, v0)\n v1 = v1 + v2", "v1 = v1 + v0"),
        ("s2 = 1.0\n v2 = s2 * v0\n v1 = v1 + v2", "v1 = v1 + v0"),
    ],
)
def test_constants_and_copies_are_folded(learn: str, expected: str) -> None:
    listing = read_listing(f"def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n {learn}")
    simple = simplify(listing, Metric.RMS_ERROR)
    assert simple.size <= listing.size - 1
    assert expected.split("= ")[1] in simple.text()


def test_where_numbers_may_be_infinite_zeros_are_computed() -> None:
    text = "def Predict():\n s1 = dot(v0, v1)\n s2 = s1 / s3\n s2 = s2 * s3\n s1 = s1 + s2"
    listing = read_listing(f"{text}\ndef Learn():\n v1 = v1 + v0")
    assert simplify(listing, Metric.RMS_ERROR) == listing


SIGN_OF_ZERO: Final = """
def Setup():
  s4 = -0.5
  s5 = 0.5
  s2 = s3 * s4
  s5 = 1 / s2
  s6 = arctan(s5)
def Predict():
  s1 = dot(v0, v1)
  s1 = s1 + s6
def Learn():
  s7 = s0 - s1
  v2 = s7 * v0
  v1 = v1 + v2
"""


@pytest.mark.parametrize("other", ["s2 = 0.0", "s2 = s3 * s5"])
def test_where_its_sign_can_be_seen_minus_zero_is_not_zero(other: str) -> None:
    whole = read_listing(SIGN_OF_ZERO)
    plus = read_listing(SIGN_OF_ZERO.replace("s2 = s3 * s4", other))
    assert not proves_equal(whole, plus, Metric.RMS_ERROR)
    simple = simplify(whole, Metric.RMS_ERROR)
    assert "s2 = -0.0" in simple.text()
    assert proves_equal(whole, simple, Metric.RMS_ERROR)


@pytest.mark.parametrize("name", ["VECTOR_MAX_OP", "VECTOR_MIN_OP"])
def test_of_two_zeros_of_other_sign_neither_is_known_to_be_the_larger(name: str) -> None:
    algebra = Algebra(exact=True)
    plus, minus = (algebra.number(ops.VECTOR, number) for number in (0.0, -0.0))
    assert algebra.apply(ops.OP_BY_NAME[name], (plus, minus)).number is None
    assert str(algebra.apply(ops.OP_BY_NAME[name], (minus, minus)).number) == "-0.0"


@pytest.mark.parametrize("name", known_programs())
def test_known_programs_have_nothing_to_lose(name: str) -> None:
    metric = Metric.MULTICLASS_ACCURACY if name.startswith("softmax") else Metric.ACCURACY
    listing = read_listing(load_program(name).text)
    dead = 1 if name.endswith("as_listed") else 0
    assert simplify(listing, metric).size == listing.size - dead


def test_a_different_learning_rate_is_not_proved_equal() -> None:
    text = load_program("linear_regressor").text
    one, two = read_listing(text), read_listing(text.replace("0.001", "0.002"))
    assert proves_equal(one, one, Metric.RMS_ERROR)
    assert not proves_equal(one, two, Metric.RMS_ERROR)


def test_draws_from_other_streams_are_not_proved_equal() -> None:
    def program(order: str) -> Listing:
        return read_listing(f"def Setup():\n{order}\ndef Predict():\n v3 = v1 - v2\n s1 = dot(v0, v3)")

    one, two = " v1 = uniform(0.0, 1.0)", " v2 = gaussian(0.0, 1.0)"
    swapped = program(f"{one}\n{two}"), program(f"{two}\n{one}")
    assert proves_equal(*swapped, Metric.RMS_ERROR)  # the canonical form has one order
    assert not proves_equal(swapped[0], swapped[0].without((0, 0)), Metric.RMS_ERROR)
