"""Liveness, spelled out: each program, and what is left of it."""

import pytest

from azero_jax.analysis.pruning import prune
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import format_program, parse_program
from tests.support.spaces import full_space, same, some_programs

SPACE = make_space(features=4, scalars=6, vectors=4, matrices=2, setup=6, predict=6, learn=6)
WIDE = make_space(features=4, scalars=64, vectors=64, matrices=64, setup=6, predict=6, learn=6)

# In each program, what is dead is marked so.
CASES = {
    "a value that nothing reads is dead": (
        "def Setup():\n s2 = 0.5 # dead\n s3 = 0.25\ndef Predict():\n s1 = abs(s3)\n s4 = s1 + s3 # dead"
    ),
    "no-ops vanish": "def Predict():\n pass # dead\n s1 = 0.5\n pass # dead",
    "the prediction is live although no instruction reads it": "def Predict():\n s1 = norm(v0)",
    "the prediction may be set in Setup alone": "def Setup():\n s1 = 0.5",
    "only the last write to the prediction counts": "def Predict():\n s1 = 0.5 # dead\n s1 = mean(v0)",
    "Learn's prediction register is overwritten by Predict": (
        "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = s0 * v0\n s1 = 0.5 # dead"
    ),
    "Learn hands values on to Predict": "def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = s0 * v0",
    "Learn hands values on to the next Learn": (
        "def Predict():\n s1 = s2 + s2\ndef Learn():\n s2 = s3 * s0\n s3 = s0 + s0"
    ),
    "Predict hands values on to Learn": ("def Predict():\n s1 = abs(s3)\n s2 = norm(v0)\ndef Learn():\n s3 = s3 + s2"),
    "what Learn overwrites before anyone reads it is dead": (
        "def Predict():\n s1 = abs(s2)\ndef Learn():\n s2 = s0 + s0 # dead\n s2 = s1 + s1"
    ),
    "Predict reads the prediction register as Learn left it": (
        "def Predict():\n s1 = s1 + s2\ndef Learn():\n s1 = s0 - s1\n s2 = s0 * s0"
    ),
    "validation has no Learn: what Predict leaves is read by the next Predict": (
        "def Setup():\n s3 = 0.5\ndef Predict():\n s1 = abs(s2)\n s2 = s2 + s3\ndef Learn():\n s2 = s0 * s0"
    ),
    "what Predict overwrites before it is read was written in vain by Setup and Learn": (
        "def Setup():\n s2 = 0.5 # dead\ndef Predict():\n s2 = norm(v0)\n s1 = abs(s2)\ndef Learn():\n s2 = 0.25 # dead"
    ),
    "a constant of Setup is live if only Learn reads it": (
        "def Setup():\n s2 = 0.5\ndef Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = s2 * v0"
    ),
    "a partial write keeps the elements that came before": (
        "def Setup():\n v1[0] = 0.5\n v1[2] = 0.25\ndef Predict():\n s1 = dot(v0, v1)"
    ),
    "a partial write keeps elements across functions": (
        "def Setup():\n m1[0, 1] = 0.5\ndef Predict():\n s1 = norm(m1)\ndef Learn():\n m1[1, 1] = 0.25"
    ),
    "a full write ends what partial writes made": (
        "def Setup():\n v1[0] = 0.5 # dead\n v1 = bcast(s2)\ndef Predict():\n s1 = mean(v1)"
    ),
    "an op that reads what it overwrites keeps the older value live": (
        "def Setup():\n m0 = outer(v0, v0)\n m0 = transpose(m0)\ndef Predict():\n s1 = mean(m0)"
    ),
    "a cycle that never reaches the prediction is dead": (
        "def Predict():\n s1 = norm(v0)\ndef Learn():\n s2 = s2 + s3 # dead\n s3 = s2 * s0 # dead"
    ),
    "dead code makes what only it reads dead too": (
        "def Setup():\n s2 = 0.5 # dead\n s3 = s2 + s2 # dead\n s4 = s3 * s2 # dead\ndef Predict():\n s1 = norm(v0)"
    ),
    "random draws are live like anything else": (
        "def Setup():\n v1 = gaussian(0.0, 1.0)\n v2 = uniform(0.0, 1.0) # dead\ndef Predict():\n s1 = dot(v0, v1)"
    ),
}
MULTICLASS_CASES = {
    "the prediction is v2, not s1": (
        "def Predict():\n s1 = norm(v0) # dead\n v2 = bcast(s2)\ndef Learn():\n s2 = norm(v0)"
    ),
    "v1 is set before Predict and before Learn": (
        "def Setup():\n v1 = bcast(s1) # dead\ndef Predict():\n v2 = v0 + v3\n v1 = abs(v0) # dead\n"
        "def Learn():\n v3 = v1 - v2\n v1 = abs(v0) # dead"
    ),
    "v1 is an ordinary register within a function": "def Predict():\n v1 = abs(v0)\n v2 = v1 * v0",
}


def without_dead(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.endswith("# dead"))


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word of registers", "several words of registers"])
@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
@pytest.mark.parametrize("metric", [Metric.RMS_ERROR, Metric.ACCURACY])
def test_liveness(text, metric, space):
    pruned = prune(parse_program(text, space), space, metric)
    assert format_program(pruned, 0, space) == format_program(parse_program(without_dead(text), space), 0, space)


@pytest.mark.parametrize("space", [SPACE, WIDE], ids=["one word of registers", "several words of registers"])
@pytest.mark.parametrize("text", MULTICLASS_CASES.values(), ids=MULTICLASS_CASES)
def test_liveness_with_several_classes(text, space):
    pruned = prune(parse_program(text, space), space, Metric.MULTICLASS_ACCURACY)
    assert format_program(pruned, 0, space) == format_program(parse_program(without_dead(text), space), 0, space)


@pytest.mark.parametrize("metric", Metric)
def test_pruning_again_changes_nothing(metric):
    space = full_space()
    once = prune(some_programs(space, 1000, seed=1), space, metric)
    assert same(prune(once, space, metric), once)


@pytest.mark.parametrize("metric", Metric)
def test_a_batch_is_pruned_as_its_programs_one_by_one(metric):
    space = full_space()
    programs = some_programs(space, 50, seed=2)
    batch = prune(programs, space, metric)
    assert all(same(prune(programs[i : i + 1], space, metric), batch[i : i + 1]) for i in range(50))


def test_several_classes_need_three_vectors():
    space = make_space(features=4, scalars=4, vectors=2, matrices=1, setup=1, predict=1, learn=1)
    with pytest.raises(
        ValueError, match=r"has 2 vector addresses; multiclass_accuracy needs 3 \(features, label, prediction\)"
    ):
        prune(some_programs(space, 1, seed=0), space, Metric.MULTICLASS_ACCURACY)
