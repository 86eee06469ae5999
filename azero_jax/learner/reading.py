"""A program as a learner and the exports read it: text, or what names one, to instructions for one kind of task."""

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

from azero_jax.analysis.canonical.form import number_streams
from azero_jax.language.library import find_text, program_space
from azero_jax.language.program import Programs
from azero_jax.language.roles import VECTOR_PREDICTION, Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import ProgramText, parse_program, read_text


class ReadProgram(NamedTuple):
    """A program whose random ops draw from the streams that they have in a search.

    Attributes:
      text: as it was given, comments included.
      parsed: what it says.
      space: the smallest search space that it fits into.
      programs: a batch of one.
      metric: how its predictions are judged.
    """

    text: str
    parsed: ProgramText
    space: SearchSpace
    programs: Programs
    metric: Metric


def program_source(program: str | os.PathLike[str]) -> str:
    """Text of a program: itself, or that of a file or of the known program that is named."""
    if isinstance(program, str) and "\n" in program.strip():
        return program
    return find_text(program)


def read_metric(metric: Metric | str) -> Metric:
    """The metric of that name.

    Raises:
      ValueError: there is none.
    """
    try:
        return Metric(metric)
    except ValueError:
        raise ValueError(f"unknown metric {metric!r}; allowed: {', '.join(Metric)}") from None


def read_program(program: str | os.PathLike[str], metric: Metric | str, features: int | None = None) -> ReadProgram:
    """Reads a program.

    Args:
      program: its text, the path of a file, or the name of a known program.
      metric: how its predictions are judged.
      features: F; None takes the fewest that its indices allow.

    Raises:
      ValueError: there is no such program or metric, or the program has an index that is beyond the features.
    """
    text, metric = program_source(program), read_metric(metric)
    try:
        parsed = read_text(text)
        features = fewest_features(parsed) if features is None else features
        space = program_space(parsed, features)
        if metric.is_one_hot:
            space = dataclasses.replace(space, vectors=max(space.vectors, VECTOR_PREDICTION.address + 1))
        programs = parse_program(parsed, space)
    except ValueError as error:
        where = "" if text is program else f"{Path(program)}: "
        raise ValueError(f"{where}{error}") from None
    return ReadProgram(text, parsed, space, number_streams(programs, space, metric), metric)


def fewest_features(parsed: ProgramText) -> int:
    """The fewest features with which every index of a program exists, 1 at least."""
    return max((1, *(int(line.numbers.get(letter, 0)) + 1 for line in parsed.lines() for letter in "ij")))
