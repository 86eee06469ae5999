"""One whole search, pinned: `tests/golden/search.json` holds all that it recorded, times apart.

`python -m tests.protocol.test_golden_search` writes the file anew, after a change that is meant to change searches.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import azero_jax as az
from azero_jax.engines.base import EngineUnavailableError
from tests.support.tiny import recorded, tiny

FILE: Final = Path(__file__).parents[1] / "golden" / "search.json"


def golden_search(engine: str, folder: Path) -> dict[str, Any]:
    """What the search leaves in its run directory; rounding would tell the engines apart in single precision."""
    az.search(tiny(engine__engine=engine, engine__precision="float64", output__report_every=1000), out=folder)
    found = recorded(folder)
    del found["result"]["engine"], found["result"]["device"]
    return found


def leaves(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The values that nested lists and dictionaries hold, by where they are."""
    if isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            yield from leaves(value, f"{name}/{key}")
    else:
        yield name, values


def counts_and_texts(found: dict[str, Any]) -> dict[str, Any]:
    """All values that have no rounding."""
    return {name: value for name, value in leaves(found) if not isinstance(value, float)}


def fitness(found: dict[str, Any]) -> dict[str, float]:
    """All values that have."""
    return {name: value for name, value in leaves(found) if isinstance(value, float)}


@pytest.mark.parametrize("engine", ["warp", "xla"])
def test_the_search_finds_what_it_has_always_found(engine: str, tmp_path: Path) -> None:
    try:
        found = golden_search(engine, tmp_path / "run")
    except EngineUnavailableError as error:
        pytest.skip(str(error))
    golden = json.loads(FILE.read_text(encoding="utf-8"))
    assert counts_and_texts(found) == counts_and_texts(golden)
    assert fitness(found) == pytest.approx(fitness(golden), rel=1e-9)  # its last digits are the engine's own


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as parent:
        FILE.write_text(json.dumps(golden_search("auto", Path(parent) / "run"), indent=1) + "\n", encoding="utf-8")
