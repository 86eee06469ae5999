"""Every export of a program: as text, and as files in a folder."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from azero_jax.explain.export.jax_file import jax_file
from azero_jax.explain.export.numpy_file import numpy_file
from azero_jax.language.roles import Metric
from azero_jax.learner.reading import ReadProgram, read_program

FILES: Final = {"numpy": "program_numpy.py", "jax": "program_jax.py"}  # of each kind


class ExportSettings(NamedTuple):
    """What an exported program does by default.

    Attributes:
      epochs: passes over the training rows.
      seed: of the order of the rows in later passes, and of random ops.
    """

    epochs: int = 1
    seed: int = 0


def export_program(
    program: str | os.PathLike[str], kind: str, *, metric: Metric | str, settings: ExportSettings | None = None
) -> str:
    """A program in another notation.

    Args:
      program: its text (comments behind instructions are kept), the path of a file, or the name of a known program.
      kind: "numpy" (a Python file that needs NumPy only) or "jax" (pure functions).
      metric: how its predictions are judged: it decides what a label and a prediction is.
      settings: what it does by default; None takes the defaults.

    Raises:
      ValueError: there is no such program, metric or kind.
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
) -> dict[str, Path]:
    """Writes every export of a program into a folder, which is made if need be.

    Arguments and errors are those of `export_program`.

    Returns:
      The files by kind.
    """
    read = read_program(program, metric)
    texts = {kind: _export(read, kind, settings or ExportSettings()) for kind in FILES}
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = {kind: Path(folder) / FILES[kind] for kind in texts}
    for kind, text in texts.items():
        paths[kind].write_text(text, encoding="utf-8")
    return paths


def _export(program: ReadProgram, kind: str, settings: ExportSettings) -> str:
    if kind == "numpy":
        return numpy_file(program, epochs=settings.epochs, seed=settings.seed)
    return jax_file(program)
