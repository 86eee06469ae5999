"""Every export of a program: as text, and as files in a folder."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from azero_jax.explain.export.jax_file import jax_file
from azero_jax.explain.export.latex import latex_file
from azero_jax.explain.export.numpy_file import numpy_file
from azero_jax.explain.export.onnx_file import onnx_file
from azero_jax.explain.export.sklearn_file import sklearn_file
from azero_jax.language.roles import Metric
from azero_jax.learner.learner import Learner
from azero_jax.learner.reading import ReadProgram, read_program

FILES: Final = {  # of each kind
    "numpy": "program_numpy.py",
    "jax": "program_jax.py",
    "sklearn": "program_sklearn.py",
    "latex": "program.tex",
}
ONNX_FILE: Final = "predictor.onnx"


class ExportSettings(NamedTuple):
    """What the `fit` of an exported program does by default.

    Attributes:
      epochs: passes over the training rows.
      seed: of the order of the rows, and of random ops.

    >>> export = export_program("linear_regressor", "numpy", metric="rms_error", settings=ExportSettings(epochs=5))
    >>> "def __init__(self, epochs=5, seed=0):" in export
    True
    """

    epochs: int = 1
    seed: int = 0


def export_program(
    program: str | os.PathLike[str], kind: str, *, metric: Metric | str, settings: ExportSettings | None = None
) -> str:
    """A program in another notation; a trained one as ONNX is `azero_jax.explain.export.onnx_file`.

    Args:
      program: its text (comments behind instructions are kept), the path of a file, or the name of a known program.
      kind: "numpy" (a Python file that needs NumPy only), "jax" (pure functions), "sklearn" (an estimator) or "latex"
        (pseudocode).
      metric: how its predictions are judged: it decides what a label and a prediction is.
      settings: what it does by default (pseudocode says nothing of it); None takes the defaults.

    Raises:
      ValueError: there is no such program, metric or kind.

    >>> "import numpy as np" in export_program("linear_regressor", "numpy", metric="rms_error")
    True
    """
    if kind not in FILES:
        raise ValueError(f"unknown kind of export {kind!r}; allowed: {', '.join(FILES)}")
    return _export(read_program(program, metric), kind, settings or ExportSettings())


def write_exports(
    program: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    metric: Metric | str,
    settings: ExportSettings | None = None,
    learner: Learner | None = None,
) -> dict[str, Path]:
    """Writes every export of a program into a folder, which is made if need be.

    Args:
      program: as in `export_program`.
      folder: where to.
      metric: as in `export_program`.
      settings: as in `export_program`.
      learner: the program trained; its predictor is written as ONNX, in its precision (needs the package onnx). None
        writes no ONNX. With tan, arcsin, arccos or arctan in Predict onnxruntime runs a model of float32 only.

    Returns:
      The files by kind.

    Raises:
      ValueError: there is no such program or metric, the package onnx is missing, or the learner is not trained.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(write_exports("linear_regressor", folder, metric="rms_error"))
    ['jax', 'latex', 'numpy', 'sklearn']
    """
    read = read_program(program, metric)
    contents = {kind: _export(read, kind, settings or ExportSettings()).encode() for kind in FILES}
    names = dict(FILES)
    if learner is not None:
        contents["onnx"], names["onnx"] = onnx_file(learner), ONNX_FILE
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {kind: Path(folder) / names[kind] for kind in contents}
    for kind, content in contents.items():
        paths[kind].write_bytes(content)
    return paths


def _export(program: ReadProgram, kind: str, settings: ExportSettings) -> str:
    if kind == "latex":
        return latex_file(program)
    write = {"numpy": numpy_file, "jax": jax_file, "sklearn": sklearn_file}[kind]
    return write(program, epochs=settings.epochs, seed=settings.seed)
