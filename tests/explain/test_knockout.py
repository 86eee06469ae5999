"""Programs without one of their ideas: what stood for it goes, and nothing else."""

from __future__ import annotations

from typing import Final

import pytest

from azero_jax.explain.ideas import recognise
from azero_jax.explain.knockout import without_ideas
from azero_jax.explain.listing import prune, read_listing
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric

RATE: Final = "learning rate (1 instead)"
LINEAR_FORM: Final = "bilinear form (a linear one instead)"


def left_without(text: str, idea: str, metric: Metric = Metric.RMS_ERROR) -> list[str]:
    """The live instructions of a program without an idea."""
    listing = prune(read_listing(text), metric)
    (left,) = [one.listing for one in without_ideas(listing, recognise(listing, metric), metric) if one.name == idea]
    lines = prune(read_listing(left.text()), metric).text().splitlines()
    return [line.strip() for line in lines if not line.startswith("def")]


def regressor(*learn: str) -> str:
    """A linear regressor, whose weights are v1, with `learn` between its error s3 and its update by v2."""
    lines = "".join(f"  {line}\n" for line in ("s3 = s0 - s1", *learn, "v1 = v1 + v2"))
    return f"def Setup():\n  s2 = 0.01\ndef Predict():\n  s1 = dot(v0, v1)\ndef Learn():\n{lines}"


PLAIN: Final = ["s1 = dot(v0, v1)", "s3 = s0 - s1", "v2 = s3 * v0", "v1 = v1 + v2"]


@pytest.mark.parametrize(
    "learn",
    [
        ("s4 = s3 * s2", "v2 = s4 * v0"),
        ("s4 = s2 * s3", "v2 = s4 * v0"),
        ("s3 = s3 * s2", "v2 = s3 * v0"),
        ("s3 = s2 * s3", "v2 = s3 * v0"),
        ("v2 = s3 * v0", "v2 = s2 * v2"),
        ("v4 = bcast(s2)", "v2 = s3 * v0", "v2 = v4 * v2"),
        ("v4 = bcast(s2)", "v2 = s3 * v0", "v2 = v2 * v4"),
        ("s4 = s2 * s3", "s4 = s4 * s2", "v2 = s4 * v0"),
    ],
)
def test_without_the_learning_rate_the_error_is_left(learn: tuple[str, ...]) -> None:
    assert left_without(regressor(*learn), RATE) == PLAIN


@pytest.mark.parametrize(
    ("learn", "left"),
    [
        (("s4 = norm(v0)", "s3 = s3 / s4", "v2 = s3 * v0"), PLAIN),
        (("s4 = norm(v0)", "s5 = s3 / s4", "v2 = s5 * v0"), PLAIN),
        (("s4 = norm(v0)", "s4 = s3 / s4", "v2 = s4 * v0"), PLAIN),
        (
            ("s4 = norm(v0)", "s5 = 1 / s4", "s3 = s3 * s5", "v2 = s3 * v0"),
            [*PLAIN[:2], "s5 = 1.0", "s3 = s3 * s5", *PLAIN[2:]],
        ),
        (
            ("m1 = outer(v0, v0)", "v4 = norm(m1, axis=1)", "v4 = 1 / v4", "v2 = s3 * v0", "v2 = v2 * v4"),
            ["s5 = 1.0", *PLAIN[:2], "v4 = bcast(s5)", "v2 = s3 * v0", "v2 = v2 * v4", PLAIN[3]],
        ),
    ],
)
def test_without_normalisation_the_numerator_is_left(learn: tuple[str, ...], left: list[str]) -> None:
    assert left_without(regressor(*learn), "normalisation") == left


def test_a_value_that_is_overwritten_too_early_is_copied() -> None:
    learn = ("s4 = s2 * s3", "s3 = abs(s3)", "v2 = s4 * v0", "v2 = s3 * v2")
    left = left_without(regressor(*learn), RATE)
    assert left == ["s5 = 1.0", *PLAIN[:2], "s4 = s5 * s3", "s3 = abs(s3)", "v2 = s4 * v0", "v2 = s3 * v2", PLAIN[3]]


NET: Final = """
def Setup():
  m0 = gaussian(0.0, 0.1)
  s3 = 0.1
def Predict():
  v6 = dot(m0, v0)
  {activation}
  s1 = dot({active}, v3)
def Learn():
  s2 = s0 - s1
  v2 = heaviside({mask}, 1.0)
  v2 = s2 * v2
  v5 = v3 * v2
  m1 = outer(v5, v0)
  m0 = m1 + m0
  v5 = s3 * v2
  v3 = v5 + v3
"""


@pytest.mark.parametrize(
    ("activation", "active", "mask"),
    [
        ("v6 = maximum(v4, v6)", "v6", "v6"),
        ("v6 = maximum(v6, v4)", "v6", "v6"),
        ("v7 = maximum(v4, v6)", "v7", "v6"),
        ("v7 = maximum(v6, v4)", "v7", "v6"),
        ("v7 = maximum(v6, v4)", "v7", "v7"),
    ],
)
def test_without_an_activation_a_net_is_linear(activation: str, active: str, mask: str) -> None:
    left = left_without(NET.format(activation=activation, active=active, mask=mask), "activation")
    assert "s1 = dot(v6, v3)" in left
    (ones,) = [line.removesuffix(" = 1.0") for line in left if line.endswith(" = 1.0")]
    assert left[left.index("s2 = s0 - s1") + 1] == f"v2 = bcast({ones})"
    assert not [line for line in left if "maximum" in line or "heaviside" in line]


FORM: Final = """
def Predict():
  v4 = dot(m0, v0)
  {product}
def Learn():
  s3 = s0 - s1
  v5 = s3 * v0
  {gradient}
  m0 = m0 + m1
"""


@pytest.mark.parametrize("product", ["s1 = dot(v0, v4)", "s1 = dot(v4, v0)"])
@pytest.mark.parametrize("gradient", ["m1 = outer(v5, v0)", "m1 = outer(v0, v5)"])
def test_without_a_bilinear_form_only_what_the_matrix_is_multiplied_with_is_ones(product: str, gradient: str) -> None:
    left = left_without(FORM.format(product=product, gradient=gradient), LINEAR_FORM)
    learn = ["s3 = s0 - s1", "v5 = s3 * v0", "m1 = outer(v5, v6)", "m0 = m0 + m1"]
    assert left == ["s6 = 1.0", "v6 = bcast(s6)", "v4 = dot(m0, v6)", product, *learn]


@pytest.mark.parametrize(
    ("idea", "there", "gone"),
    [
        ("weight averaging", "m0 = s2 * m1", "m2 = m2 + m1"),
        (LINEAR_FORM, "m0 = outer(v5, v6)", "v2 = v0 + v1"),
        ("normalisation", "v5 = s3 * v3", "s5 = s3 / s2"),
        ("noise (its mean instead)", "v1 = bcast(s6)", "v1 = uniform(0.0024, 0.67)"),
    ],
)
def test_ideas_of_the_evolved_program_are_knocked_out(idea: str, there: str, gone: str) -> None:
    whole = read_listing(load_program("evolved_cifar10").text).text()
    left = left_without(whole, idea, Metric.ACCURACY)
    assert gone in whole
    assert gone not in left
    assert there in left
