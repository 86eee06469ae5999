"""For how long two engines search the same candidates.

The engines compute the same arithmetic in another order, so fitnesses differ in their last bits; the searches part when
such a difference first turns a tournament or decides whether a hurdle is passed.

    python experiments/engine_agreement.py --preset linear --candidates 400000
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import azero_jax as az
from azero_jax.config.leaves import override


def record(preset: str, engine: str, candidates: int, precision: str, folder: Path) -> list[dict[str, Any]]:
    """The metrics of a search, one line a step."""
    values = {
        "engine.engine": engine,
        "engine.precision": precision,
        "budget.max_candidates": candidates,
        "budget.sufficient_fitness": 1.0,
        "output.report_every": 1,
        "output.checkpoint_seconds": 1e9,
    }
    az.search(override(az.load_preset(preset), values), out=folder / engine)
    return [json.loads(line) for line in (folder / engine / "metrics.jsonl").read_text().splitlines()]


def first_difference(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> int | None:
    """Candidates at the first line where other programs were seen; None if there is none."""

    def trace(line: dict[str, Any]) -> tuple[int, ...]:
        counters = line["counters"]
        return tuple(counters[name] for name in ("candidates", "instructions", "pruned_instructions"))

    pairs = zip(one, other, strict=False)
    return next((a["candidates"] for a, b in pairs if trace(a) != trace(b)), None)


def main() -> None:
    """Prints where the two engines part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="linear")
    parser.add_argument("--candidates", type=int, default=400_000)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            record(arguments.preset, engine, arguments.candidates, arguments.precision, Path(folder))
            for engine in ("warp", "xla")
        ]
    parted = first_difference(*runs)
    print("the same candidates throughout" if parted is None else f"other candidates from {parted:,} on")


if __name__ == "__main__":
    main()
