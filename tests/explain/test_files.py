"""Exported NumPy and JAX files do what the engine does.

The suite runs a sample of the JAX files. All 300: `EXPORT_PROGRAMS=300 pytest tests/explain/test_files.py`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser
from sklearn.utils.estimator_checks import check_estimator

import azero_jax as az
from azero_jax.explain.export.expressions import EXPRESSIONS, expression
from azero_jax.explain.export.write import ExportSettings, export_program, write_exports
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction, format_instruction
from azero_jax.language.library import known_programs, parse_known
from azero_jax.language.roles import Metric
from azero_jax.language.text import format_program, read_text
from azero_jax.learner.learner import Learner
from tests.support.learning import (
    FEATURES,
    LIBRARY,
    SEED,
    TOLERANCE,
    Rows,
    Trained,
    engine_results,
    load,
    same_memory,
    some_rows,
)
from tests.support.spaces import full_space, some_programs

PROGRAMS = 300
JAX_PROGRAMS = int(os.environ.get("EXPORT_PROGRAMS", "25"))
SPACE = full_space(FEATURES, (3, 6, 7))
# Every op once.
ALL_OPS = [
    "def Setup():\n"
    + "".join(f"  {format_instruction(Instruction(op, 0, 0, 1, 0.5, 1e-5))}\n" for op in ops.OPS[1:])
    + "def Predict():\ndef Learn():\n"
]


@functools.cache
def random_programs() -> tuple[list[str], Trained]:
    """Texts of random programs of the whole op table, and what the engine makes of them."""
    programs = some_programs(SPACE, PROGRAMS, seed=5)
    assert set(programs.opcodes.ravel()) == set(range(len(ops.OPS)))
    texts = [format_program(programs, n, SPACE) for n in range(PROGRAMS)]
    return texts, engine_results(programs, SPACE, Metric.RMS_ERROR, some_rows(Metric.RMS_ERROR))


def known(name: str) -> tuple[str, Metric, Rows, Trained]:
    metric = LIBRARY[name]
    space, programs = parse_known(name, FEATURES)
    rows = some_rows(metric)
    return name, metric, rows, engine_results(programs, space, metric, rows, perturb=False)


def train_numpy(text: str, metric: Metric, rows: Rows) -> Any:
    exported = export_program(text, "numpy", metric=metric, settings=ExportSettings(seed=SEED))
    return load(exported).EvolvedProgram().fit(rows.x, rows.y)


def errors_in_order(model: Any, rows: Rows) -> list[float]:
    """Of predictions one after the other, as the engine validates."""
    errors = []
    with np.errstate(all="ignore"):
        for x, y in zip(rows.valid_x, rows.valid_y, strict=True):
            model.begin(x)
            model.predict_row()
            errors.append(abs(y - model.s1))
    return errors


def train_jax(text: str, metric: Metric, rows: Rows) -> dict[str, Any]:
    with jax.enable_x64(True):
        module = load(export_program(text, "jax", metric=metric))
        memory = module.init(FEATURES, SEED)
        for x, y in zip(rows.x, rows.y, strict=True):
            memory = module.train_step(memory, x, int(y) if metric.is_one_hot else y)
        return {name: np.asarray(value) for name, value in memory.items()}


def test_every_family_has_its_expressions() -> None:
    assert set(EXPRESSIONS) == set(Family) - {Family.NOTHING}
    for op in ops.OPS[1:]:
        assert all(part in expression(op).array for part in ("{a}", "{b}")[: len(op.inputs)])


def test_every_known_program_has_a_metric_here() -> None:
    assert set(LIBRARY) == set(known_programs())


def test_numpy_files_of_random_programs_equal_the_engine() -> None:
    texts, trained = random_programs()
    rows, different = some_rows(Metric.RMS_ERROR), []
    for n, text in enumerate(texts):
        model = train_numpy(text, Metric.RMS_ERROR, rows)
        same = same_memory(vars(model), trained.memory[n]) and model.step == trained.outcome.train_steps[n, 0]
        if same and not model.stopped:
            expected = trained.outcome.errors[n, len(rows.y) :, 0]
            errors = np.array(errors_in_order(model, rows))
            ran = expected >= 0  # where the validation had not stopped
            same = np.allclose(errors[ran], expected[ran], rtol=TOLERANCE, atol=TOLERANCE)
        if not same and trained.calm[n]:
            different.append(text)
    assert different == []
    assert np.mean(trained.calm) > 0.95


def test_jax_files_of_random_programs_equal_the_engine() -> None:
    texts, trained = random_programs()
    rows = some_rows(Metric.RMS_ERROR)
    for n, text in enumerate(texts[:JAX_PROGRAMS]):
        assert same_memory(train_jax(text, Metric.RMS_ERROR, rows), trained.memory[n]) or not trained.calm[n], text


@pytest.mark.parametrize("name", LIBRARY)
def test_files_of_known_programs_equal_the_engine(name: str) -> None:
    text, metric, rows, trained = known(name)
    assert same_memory(vars(train_numpy(text, metric, rows)), trained.memory[0])
    assert same_memory(train_jax(text, metric, rows), trained.memory[0])


@pytest.mark.parametrize("name", ["evolved_cifar10", "softmax_regressor", "two_layer_net"])
def test_predictions_of_the_two_files_are_equal(name: str) -> None:
    metric = LIBRARY[name]
    rows = some_rows(metric)
    model = train_numpy(name, metric, rows)
    with jax.enable_x64(True):
        module = load(export_program(name, "jax", metric=metric))
        memory = jax.jit(module.fit)(rows.x, rows.y, SEED)
        scores = jax.vmap(module.predict, (None, 0))(memory, rows.valid_x)
    np.testing.assert_allclose(model.scores(rows.valid_x), scores, rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_array_equal(model.scores(rows.valid_x)[::-1], model.scores(rows.valid_x[::-1]))
    assert model.predict(rows.valid_x).shape == (len(rows.valid_y),)


@pytest.mark.parametrize("kind", ["numpy", "jax", "sklearn"])
def test_settings_are_the_defaults_of_every_file(kind: str) -> None:
    with_settings = export_program("linear_regressor", kind, metric="rms_error", settings=az.ExportSettings(20, 7))
    assert re.search(r"def (fit|__init__)\(.*(seed|random_state)=7", with_settings)
    assert re.search(r"def (fit|__init__)\(.*epochs=20", with_settings)


def test_files_with_the_same_settings_learn_the_same_in_several_epochs() -> None:
    rows = some_rows(Metric.RMS_ERROR)
    settings = ExportSettings(epochs=3, seed=SEED)
    numpy, in_jax = (
        load(export_program("two_layer_net", kind, metric="rms_error", settings=settings)) for kind in ("numpy", "jax")
    )
    expected = numpy.EvolvedProgram().fit(rows.x, rows.y).predict(rows.valid_x)
    with jax.enable_x64(True):
        memory = jax.jit(in_jax.fit)(rows.x, rows.y)
        scores = jax.vmap(in_jax.predict, (None, 0))(memory, rows.valid_x)
    np.testing.assert_allclose(scores, expected, rtol=TOLERANCE)


def test_a_jax_file_is_differentiable_and_takes_any_number_of_features() -> None:
    module = load(export_program("evolved_cifar10", "jax", metric=Metric.ACCURACY))

    def loss(constants: dict[str, float], x: jax.Array) -> jax.Array:
        memory = module.fit(x, (x[:, 0] > 0) * 1.0, 0, constants)
        return jnp.mean(jax.vmap(module.predict, (None, 0))(memory, x) ** 2)

    x = np.random.default_rng(0).standard_normal((10, 5)).astype(np.float32)
    gradients = jax.grad(loss)(module.CONSTANTS, x)
    assert all(np.isfinite(value) and value != 0 for value in gradients.values())
    assert module.train_step(module.init(7), np.ones(7), 1.0)["m0"].shape == (7, 7)


def test_numpy_files_run_where_there_is_only_numpy(tmp_path: Path) -> None:
    venv.EnvBuilder(with_pip=False, symlinks=True).create(tmp_path / "venv")
    packages = next((tmp_path / "venv").rglob("site-packages"))
    for package in Path(np.__file__).parents[1].glob("numpy*"):
        (packages / package.name).symlink_to(package)
    names = [path.name for path in packages.iterdir()]
    assert names
    assert all(name.startswith("numpy") for name in names)
    rows = some_rows(Metric.RMS_ERROR)
    np.savez(tmp_path / "rows.npz", x=rows.x, y=rows.y)
    expected = {}
    for name, metric in LIBRARY.items():
        exported = export_program(name, "numpy", metric=metric, settings=ExportSettings(seed=SEED))
        (tmp_path / f"{name}.py").write_text(exported)
        expected[name] = train_numpy(name, metric, some_rows(metric)).predict(rows.x).tolist()
    (tmp_path / "run.py").write_text(
        "import importlib, json, sys\nimport numpy as np\n"
        "rows = np.load('rows.npz')\nfound = {}\n"
        "for name in sys.argv[1:]:\n"
        "    y = rows['y']\n"
        f"    y = {{'rms_error': y, 'accuracy': rows['x'][:, 0] > 0, 'multiclass_accuracy': rows['x'].argmax(1)}}"
        f"[{ {name: str(metric) for name, metric in LIBRARY.items()}!r}[name]]\n"
        "    module = importlib.import_module(name)\n"
        "    found[name] = module.EvolvedProgram().fit(rows['x'], y).predict(rows['x']).tolist()\n"
        "print(json.dumps(found))\n"
    )
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run([python, "run.py", *LIBRARY], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["numpy", "jax", "sklearn"])
@pytest.mark.parametrize("name", LIBRARY)
def test_files_are_clean(name: str, kind: str, tmp_path: Path) -> None:
    text = export_program(name, kind, metric=LIBRARY[name])
    assert max(map(len, text.splitlines())) <= 120
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    path = tmp_path / "exported.py"
    path.write_text(text)
    for command in (["check"], ["format", "--check", "--line-length", "120"]):
        done = subprocess.run([ruff, *command, "--isolated", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("kind", "comment"),
    [("numpy", "  # learning rate"), ("jax", "  # learning rate"), ("latex", r" \Comment{learning rate}")],
)
def test_comments_are_kept(kind: str, comment: str) -> None:
    assert comment in export_program("linear_regressor", kind, metric="rms_error")


@pytest.mark.parametrize("metric", Metric)
def test_every_formula_in_latex_can_be_read(metric: Metric) -> None:
    parser = MathTextParser("agg")
    for text in (*random_programs()[0][:1], *(ALL_OPS if metric is Metric.RMS_ERROR else ())):
        latex = export_program(text, "latex", metric=metric)
        formulas = re.findall(r"\$[^$]+\$", latex)
        assert len(formulas) == sum(map(len, read_text(text))) + 1 + metric.is_classification
        for formula in formulas:
            parser.parse(formula.replace(r"\gets", r"\leftarrow"))


def test_latex_says_what_the_program_does() -> None:
    latex = export_program("logistic_regressor", "latex", metric=Metric.ACCURACY)
    assert r"  \State $\hat{y} \gets \mathbf{v}_{1}^\top \mathbf{x}$ \Comment{apply the weights}" in latex
    assert r"  \State $\hat{y} \gets 1 / (1 + e^{-\hat{y}})$" in latex
    gaussian = export_program("evolved_net", "latex", metric=Metric.RMS_ERROR)
    assert r"\mathbf{M}_{1} \sim \mathcal{N}(0, (0.1)^2)" in gaussian


@pytest.mark.parametrize("name", ["logistic_regressor", "softmax_regressor", "linear_regressor"])
def test_an_exported_estimator_is_scikit_learn_s_and_predicts_as_ours(name: str) -> None:
    metric = LIBRARY[name]
    module = load(export_program(name, "sklearn", metric=metric, settings=ExportSettings(epochs=3)))
    kind = "EvolvedClassifier" if metric.is_classification else "EvolvedRegressor"
    rows = some_rows(metric)
    x, y = np.tile(rows.x * [1, 2, 3, 4], (4, 1)), np.tile(rows.y, 4)
    ours = getattr(az, kind)(program=name, epochs=3, random_state=0, precision="float64").fit(x, y)
    exported = getattr(module, kind)().fit(x, y)
    method = "predict_proba" if metric.is_classification else "predict"
    expected = getattr(ours, method)(rows.valid_x)
    np.testing.assert_allclose(getattr(exported, method)(rows.valid_x), expected, rtol=TOLERANCE, atol=TOLERANCE)
    outcomes = check_estimator(getattr(module, kind)(epochs=20), on_skip=None)
    assert {outcome["status"] for outcome in outcomes} <= {"passed", "skipped"}


def test_an_exported_estimator_takes_columns_that_differ_by_rounding_for_constant_as_ours_does() -> None:
    rows = some_rows(Metric.ACCURACY)
    x, changed = (np.column_stack([array, np.full(len(array), c)]) for array, c in ((rows.x, 0.1), (rows.valid_x, 0.2)))
    assert 0 < x[:, -1].std() < 1e-15
    ours = az.EvolvedClassifier(program="logistic_regressor", epochs=1, random_state=0, precision="float64")
    file = load(export_program("logistic_regressor", "sklearn", metric="accuracy")).EvolvedClassifier()
    expected = ours.fit(x, rows.y).predict_proba(changed)
    np.testing.assert_allclose(file.fit(x, rows.y).predict_proba(changed), expected, rtol=TOLERANCE)


@pytest.mark.parametrize(("features", "expected"), [([3.0], [0, 1]), ([-3.0], [1, 0]), ([0.0], [1, 0])])
def test_an_infinite_score_is_certain_of_its_class_and_one_that_is_no_number_of_the_first(
    features: list[float], expected: list[int]
) -> None:
    program = "def Predict():\n  s1 = 1 / s2\n  s3 = mean(v0)\n  s1 = s1 * s3\ndef Learn():\n"
    x, y = [[-1.0], [1.0]] * 10, [0, 1] * 10
    ours = az.EvolvedClassifier(program=program, random_state=0).fit(x, y)
    file = load(export_program(program, "sklearn", metric="accuracy")).EvolvedClassifier().fit(x, y)
    for model in (ours, file):
        assert model.predict_proba([features]).tolist() == [expected]
    assert ours.predict([features])[0] == ours.learner_.predict([features])[0]


def test_everything_is_written_into_a_folder(tmp_path: Path) -> None:
    rows = some_rows(Metric.RMS_ERROR)
    learner = Learner("two_layer_net").fit(rows.x, rows.y)
    paths = write_exports("two_layer_net", tmp_path / "explained", metric="rms_error", learner=learner)
    assert sorted(paths) == ["jax", "latex", "numpy", "onnx", "sklearn"]
    assert all(path.stat().st_size > 500 for path in paths.values())


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of export 'c'"):
        export_program("linear_regressor", "c", metric="rms_error")
