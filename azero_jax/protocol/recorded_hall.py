"""The hall of fame that a run directory shows, which may be newer than its latest checkpoint."""

import dataclasses
import json
import math
from pathlib import Path

from azero_jax.analysis.canonical.form import canonicalize
from azero_jax.analysis.pruning import prune
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import format_program, parse_program
from azero_jax.protocol.finalist import Finalist
from azero_jax.recording.run_directory import FRONT_FILE, HALL_FILE


def recorded_hall(folder: Path, space: SearchSpace, metric: Metric) -> list[tuple[str, Finalist]]:
    """The algorithms, with canonical texts, of a run directory's hall of fame and front, which may be empty.

    A search with workers writes them as soon as they are found, a checkpoint only now and then. What was done to them
    when a search ended is undone: a search that goes on knows them as evolution left them.

    Raises:
      ValueError: a file is damaged.
    """
    found: dict[str, tuple[str, Finalist]] = {}
    for name in (FRONT_FILE, HALL_FILE):
        found |= {
            finalist.program: (canonical, finalist) for canonical, finalist in _read(folder / name, space, metric)
        }
    return sorted(found.values(), key=lambda one: one[1].candidates)


def _read(path: Path, space: SearchSpace, metric: Metric) -> list[tuple[str, Finalist]]:
    """The algorithms in a file that were run on the select tasks; none if it is not there."""
    try:
        entries = json.loads(path.read_bytes()) if path.exists() else []
        finalists = [_as_evolved(Finalist(**entry), space, metric) for entry in entries]
        return [
            (_canonical_text(finalist.program, space, metric), finalist)
            for finalist in finalists
            if not math.isnan(finalist.select_fitness)
        ]
    except (OSError, ValueError, TypeError):
        raise ValueError(f"{path}: damaged, it is not a list of programs") from None


def _as_evolved(finalist: Finalist, space: SearchSpace, metric: Metric) -> Finalist:
    """What it was before a search ended: not measured on the unseen tasks, and not tuned."""
    finalist = dataclasses.replace(finalist, final_fitness=None)
    if finalist.untuned_fitness is None:
        return finalist
    evolved = prune(parse_program(finalist.raw_program, space), space, metric)
    text, fitness = format_program(evolved, 0, space), finalist.untuned_fitness
    return dataclasses.replace(finalist, program=text, select_fitness=fitness, untuned_fitness=None)


def _canonical_text(text: str, space: SearchSpace, metric: Metric) -> str:
    return format_program(canonicalize(parse_program(text, space), space, metric).programs, 0, space)
