"""Roles of instructions, and programs for reading."""

from __future__ import annotations

import re

import pytest

from azero_jax.explain.ideas import Idea, recognise
from azero_jax.explain.listing import read_listing
from azero_jax.explain.readable import commented, renamed
from azero_jax.language.library import known_programs, load_program
from azero_jax.language.roles import Metric


def ideas(name: str) -> dict[str, Idea]:
    """By the instruction's text, what it is recognised as."""
    listing = read_listing(load_program(name).text)
    found = recognise(listing, metric(name))
    lines = [line.strip() for line in listing.text().splitlines() if not line.startswith("def")]
    places = [place for place, _ in listing.places()]
    return {line: found[place].idea for line, place in zip(lines, places, strict=True) if place in found}


def metric(name: str) -> Metric:
    return Metric.MULTICLASS_ACCURACY if name.startswith("softmax") else Metric.ACCURACY


@pytest.mark.parametrize(
    ("name", "line", "idea"),
    [
        ("linear_regressor", "s2 = 0.001", Idea.RATE),
        ("linear_regressor", "s3 = s0 - s1", Idea.ERROR),
        ("linear_regressor", "v1 = v1 + v2", Idea.WEIGHTS),
        ("logistic_regressor", "s4 = s4 + s3", Idea.BIAS),
        ("softmax_regressor", "m1 = outer(v3, v0)", Idea.GRADIENT),
        ("two_layer_net", "m0 = gaussian(0.0, 0.1)", Idea.INITIAL),
        ("two_layer_net", "v3 = dot(m0, v0)", Idea.HIDDEN),
        ("two_layer_net", "v4 = maximum(v3, v5)", Idea.ACTIVATION),
        ("two_layer_net", "v8 = heaviside(v3, 1.0)", Idea.SLOPE),
        ("evolved_cifar10", "v2 = v0 + v1", Idea.NOISY),
        ("evolved_cifar10", "s1 = dot(v3, v4)", Idea.BILINEAR),
        ("evolved_cifar10", "s2 = norm(m0)", Idea.NORM),
        ("evolved_cifar10", "s5 = s3 / s2", Idea.NORMALISATION),
        ("evolved_cifar10", "m2 = m2 + m1", Idea.AVERAGING),
        ("evolved_cifar10", "v1 = uniform(0.0024, 0.67)", Idea.NOISE),
    ],
)
def test_ideas_of_known_programs_are_recognised(name: str, line: str, idea: Idea) -> None:
    assert ideas(name)[line] == idea


def test_what_no_rule_knows_is_left_without_a_comment() -> None:
    assert "m0 = s2 * m2" not in ideas("evolved_cifar10")


@pytest.mark.parametrize("name", known_programs())
def test_comments_leave_a_program_what_it_is(name: str) -> None:
    listing = read_listing(load_program(name).text)
    found = recognise(listing, metric(name))
    assert read_listing(commented(listing, found)) == listing
    names = renamed(listing, found, metric(name))
    assert len(names.splitlines()) == len(listing.text().splitlines())
    assert "label" in names
    assert "features" in names


def test_a_register_has_its_name_from_what_others_read_of_it() -> None:
    setup = "def Setup():\n  m0 = gaussian(0.0, 0.1)\n  s3 = 0.1\n"
    predict = "def Predict():\n  v6 = dot(m0, v0)\n  s1 = dot(v6, v3)\n"
    learn = ("s2 = s0 - s1", "s2 = s3 * s2", "v2 = s2 * v6", "v6 = s2 * v3", "m1 = outer(v6, v0)", "m0 = m0 + m1")
    listing = read_listing(f"{setup}{predict}def Learn():\n" + "\n".join((*learn, "v3 = v2 + v3")))
    text = renamed(listing, recognise(listing, Metric.RMS_ERROR), Metric.RMS_ERROR)
    assert re.search(r"  hidden = dot\(weights, features\) +# hidden layer\n", text)
    assert re.search(r"  prediction = dot\(hidden, weights2\)", text)
    assert re.search(r"  gradient = scaled_error \* hidden ", text)
    assert re.search(r"  gradient2 = scaled_error \* weights2 ", text)
