"""Fused instructions change no bit of what a program predicts, in any layout or precision."""

from unittest import mock

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from azero_jax.analysis.fusion import FUSIONS, fuse
from azero_jax.engines.outcome import Outcome
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.warp import engine as warp_engine
from azero_jax.engines.warp.engine import WarpEngine
from azero_jax.engines.warp.spec import Layout
from azero_jax.explain.listing import read_listing
from azero_jax.language.library import load_program
from azero_jax.language.program import Programs, concatenate
from azero_jax.language.roles import Metric
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from azero_jax.mutate.policy import MutationPolicy
from azero_jax.tasks import Tasks
from tests.engines.test_agreement import random_tasks
from tests.support.mutants import mutate

STARTS = {
    Metric.RMS_ERROR: "two_layer_net",
    Metric.ACCURACY: "two_layer_net",
    Metric.MULTICLASS_ACCURACY: "softmax_regressor",
}
TEXTS = {metric: load_program(name).text for metric, name in STARTS.items()}
USED = {one.op for text in TEXTS.values() for _, one in read_listing(text).places()}
SPACE = make_space(
    features=16,
    scalars=5,
    vectors=9,
    matrices=2,
    setup=5,
    predict=5,
    learn=11,
    allowed=tuple(sorted(op.name.removesuffix("_OP") for op in USED)),
)
CASES = (
    ("float32", Layout(16), Metric.RMS_ERROR),
    ("float32", Layout(1, 16), Metric.ACCURACY),
    ("float64", Layout(8), Metric.MULTICLASS_ACCURACY),
    ("float64", Layout(1, 8), Metric.RMS_ERROR),
)
POLICY = MutationPolicy(0.9, (("alter_param", 1.0), ("randomize_instruction", 0.5)))
COUNT = 100


def mutants(metric: Metric) -> Programs:
    """Known programs with a few instructions changed."""
    generator = np.random.default_rng(0)
    programs = concatenate([parse_program(TEXTS[metric], SPACE)] * COUNT)
    for _ in range(3):
        programs, _ = mutate(programs, SPACE, POLICY, generator)
    return programs


def evaluate(programs: Programs, tasks: Tasks, layout: Layout, precision: str) -> Outcome:
    settings = RunSettings(batch_size=COUNT, precision=precision, epochs=2)
    return WarpEngine(SPACE, tasks, settings, layout=layout).evaluate(programs, record=True)


@pytest.mark.parametrize(("precision", "layout", "metric"), CASES)
def test_fused_programs_have_the_bits_of_separate_instructions(precision: str, layout: Layout, metric: Metric) -> None:
    programs, tasks = mutants(metric), random_tasks(SPACE.features, 10, metric)
    fused = fuse(programs, SPACE, metric)
    assert (fused.sizes < programs.sizes).any(axis=1).mean() > 0.5  # there is something to compare
    together = evaluate(programs, tasks, layout, precision)
    with mock.patch.object(warp_engine, "fuse", lambda programs, space, metric: programs):
        apart = evaluate(programs, tasks, layout, precision)
    for one, other in zip(together, apart, strict=True):
        assert_array_equal(one, other)
    assert np.unique(together.errors).size > COUNT  # which are not all the same


def test_every_fusion_occurs() -> None:
    fused = fuse(mutants(Metric.RMS_ERROR), SPACE, Metric.RMS_ERROR)
    assert {one.number for one in FUSIONS} <= set(fused.opcodes.ravel().tolist())
