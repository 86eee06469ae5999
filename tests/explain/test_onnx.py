"""ONNX models predict what the learner does; onnxruntime runs them where it has the ops in double precision.

The suite runs a sample of the random programs. All 300: `ONNX_PROGRAMS=300 pytest tests/explain/test_onnx.py`.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from azero_jax.explain.export.onnx_file import BUILDERS, onnx_file
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction, format_instruction
from azero_jax.language.roles import Metric
from azero_jax.language.text import format_program
from azero_jax.learner.learner import Learner, NotFittedError
from tests.support.learning import FEATURES, LIBRARY, SEED, TOLERANCE, same_memory, some_rows
from tests.support.spaces import full_space, some_programs

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
PROGRAMS = int(os.environ.get("ONNX_PROGRAMS", "5"))
SPACE = full_space(FEATURES, (2, 5, 6))


# Of these onnxruntime has no double on the CPU.
SINGLE = {Family.COS, Family.TAN, Family.ARCSIN, Family.ARCCOS, Family.ARCTAN}


def run(model: bytes, x: np.ndarray, *, reference: bool = False) -> list[np.ndarray]:
    """The outputs, of onnxruntime or of the reference implementation."""
    onnx.checker.check_model(onnx.load_from_string(model), full_check=True)
    if reference:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(onnx.load_from_string(model)).run(None, {"features": x})
    return runtime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"features": x})


def predicting(ops_used: list[ops.Op]) -> str:
    """A program whose prediction depends on every op, applied to what depends on the features."""
    lines = ["s2 = mean(v0)", "s3 = norm(v0)", "v1 = v0 * v0", "m0 = outer(v0, v1)", "m1 = bcast(v0, axis=1)"]
    to_scalar = {ops.SCALAR: [], ops.VECTOR: ["s4 = dot(v2, v0)"], ops.MATRIX: ["v2 = dot(m2, v0)", "s4 = dot(v2, v0)"]}
    for op in ops_used:
        first = {ops.SCALAR: 2, ops.VECTOR: 0, ops.MATRIX: 0}
        in1 = 1 if op.indices else first.get(op.inputs[:1], 0)
        in2 = 2 if op.indices > 1 else 0
        if len(op.inputs) == 2:
            in2 = first[op.inputs[1]] + (op.inputs[0] == op.inputs[1])
        out = {ops.SCALAR: 4, ops.VECTOR: 2, ops.MATRIX: 2}[op.output]
        lines += [format_instruction(Instruction(op, in1, in2, out, 0.25, 0.75)), *to_scalar[op.output]]
        lines.append("s5 = s5 + s4")
    return "def Predict():\n" + "\n".join((*lines, "s1 = s5", "")).replace(
        "s1 = s5", "s6 = 1.0\ns1 = s5 * s6\ns5 = s6 - s6"
    )


def test_every_family_has_its_nodes() -> None:
    assert set(BUILDERS) == set(Family) - {Family.NOTHING}


@pytest.mark.parametrize("name", LIBRARY)
def test_known_programs_predict_the_same(name: str) -> None:
    metric = LIBRARY[name]
    rows = some_rows(metric)
    learner = Learner(name, metric, seed=SEED).fit(rows.x, rows.y)
    outputs = run(onnx_file(learner), rows.valid_x)
    if metric.is_classification:
        probabilities, labels = outputs
        np.testing.assert_allclose(probabilities, learner.predict_proba(rows.valid_x), rtol=TOLERANCE, atol=TOLERANCE)
        np.testing.assert_array_equal(labels, learner.predict(rows.valid_x))
    else:
        np.testing.assert_allclose(outputs[0], learner.predict(rows.valid_x), rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("reference", [False, True])
def test_every_op_predicts_the_same(reference: bool) -> None:
    rows = some_rows(Metric.RMS_ERROR)
    x = 0.1 + 0.1 * np.abs(rows.valid_x)
    used = [op for op in ops.OPS[1:] if (op.family in SINGLE) == reference]
    learner = Learner(predicting(used), seed=SEED).fit(x, rows.valid_y)
    expected = learner.predict(x)
    assert np.isfinite(expected).all()
    assert len(np.unique(expected)) == len(x)
    np.testing.assert_allclose(run(onnx_file(learner), x, reference=reference)[0], expected, rtol=TOLERANCE)


def test_random_programs_predict_the_same() -> None:
    rows = some_rows(Metric.RMS_ERROR)
    programs = some_programs(SPACE, PROGRAMS, seed=3)
    moved = rows.valid_x * (1 + 1e-14)
    for n in range(PROGRAMS):
        learner = Learner(format_program(programs, n, SPACE), seed=SEED).partial_fit(rows.x[:3], rows.y[:3])
        expected = learner.predict(rows.valid_x)
        if not same_memory({"s": learner.predict(moved)}, {"s": expected}, 1e-12):
            continue  # chaotic
        (found,) = run(onnx_file(learner), rows.valid_x, reference=True)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE, err_msg=learner.program)


def test_a_model_is_in_the_precision_of_its_learner() -> None:
    rows = some_rows(Metric.RMS_ERROR)
    learner = Learner("linear_regressor", precision="float32").fit(rows.x, rows.y)
    (found,) = run(onnx_file(learner), rows.valid_x.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, learner.predict(rows.valid_x), rtol=1e-5)


def test_a_learner_that_is_not_trained_has_no_model() -> None:
    with pytest.raises(NotFittedError):
        onnx_file(Learner("linear_regressor"))
