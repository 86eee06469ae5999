"""A search so small that a test can afford to run it often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset
from azero_jax.config.tree import Config

TINY: Final = override(
    load_preset("linear", candidates="any"),
    {
        "space.vectors": 2,
        "space.setup": (3,),
        "space.learn": (4,),
        "tasks.features": 2,
        "tasks.search_tasks": 4,
        "tasks.train_examples": 12,
        "tasks.valid_examples": 10,
        "tasks.select_tasks": 4,
        "tasks.select_train_examples": 20,
        "tasks.select_valid_examples": 10,
        "tasks.final_tasks": 4,
        "search.islands": 2,
        "search.population": 40,
        "search.batch": 20,
        "search.restart_after": 500,
        "evaluator.cache_size": 300,  # so small that entries leave it
        "evaluator.fec_size": 100,
        "evaluator.fec_forget_every": 5,
        "evaluator.hurdle_examples": (0.5,),
        "budget.sufficient_fitness": 1.0,
        "budget.max_candidates": 4000,
        "budget.check_every": 200,
        "budget.experiment_candidates": 1500,
        "output.report_every": 100,
        "output.checkpoint_seconds": 0.0,
    },
)


def tiny(**values: Any) -> Config:
    """The tiny search with other values at some dotted names, in which `__` stands for the dot."""
    return override(TINY, {name.replace("__", "."): value for name, value in values.items()})


def recorded(folder: Path) -> dict[str, Any]:
    """All that a run directory holds of what was searched and found, times apart."""
    lines = {
        name: [_without_times(json.loads(line)) for line in (folder / name).read_text().splitlines()]
        for name in ("metrics.jsonl", "events.jsonl")
    }
    best = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("hall_of_fame", "front")}
    result = _without_times(json.loads((folder / "result.json").read_text()))
    return {**lines, **best, "result": result}


def _without_times(values: dict[str, Any]) -> dict[str, Any]:
    times = ("seconds", "compile_seconds", "candidates_per_second", "run_directory")
    return {name: value for name, value in values.items() if name not in times}
