"""The hall of fame that a run directory shows, which may be newer than its latest checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from azero_jax.analysis.canonical.form import canonicalize
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import format_program, parse_program
from azero_jax.protocol.finalist import Finalist
from azero_jax.recording.run_directory import FRONT_FILE, HALL_FILE


def recorded_hall(folder: Path, space: SearchSpace, metric: Metric) -> list[tuple[str, Finalist]]:
    """The algorithms, with canonical texts, of a run directory's hall of fame and front, which may be empty.

    A search with workers writes them as soon as they are found, a checkpoint only now and then.

    Raises:
      ValueError: a file is damaged.
    """
    texts: dict[str, dict[str, Any]] = {}
    for name in (FRONT_FILE, HALL_FILE):
        path = folder / name
        try:
            entries = json.loads(path.read_bytes()) if path.exists() else []
            texts |= {entry["program"]: entry | {"final_fitness": None} for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{path}: damaged, it is not a list of programs") from None
    found = []
    for text, entry in sorted(texts.items(), key=lambda item: item[1]["candidates"]):
        canonical = canonicalize(parse_program(text, space), space, metric).programs
        found.append((format_program(canonical, 0, space), Finalist(**entry)))
    return found
