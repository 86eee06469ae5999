"""Islands and migration, simulated in one process: candidates to a solution for 1 to 1,000 islands.

    python experiments/islands.py                    # what is missing, one search after another
    python experiments/islands.py --minutes 10       # no new search after so many minutes
    python experiments/islands.py --presets          # presets as they are, with migration and without
    python experiments/islands.py --report           # tables and plot of what there is

Every search is one line of `results/islands.jsonl`; what is there is not run again, so a run that was stopped goes on.
The problem is affine regression among learnable programs, without restarts: an island that is stuck stays so unless
others help it. A search that has not solved it after the most candidates counts as unsolved, at that number.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

import azero_jax as az
from azero_jax.config.leaves import override

RESULTS: Final = Path(__file__).parent / "results" / "islands.jsonl"
FIRST_SEED: Final = 7000
MOST_CANDIDATES: Final = 600_000
SEEDS: Final = 5


class Condition(NamedTuple):
    """How programs migrate: after how many candidates of an island (0: never), and where to."""

    name: str
    migration_every: int
    topology: str = "pool"


CONDITIONS: Final = (
    Condition("no migration", 0),
    Condition("pool, every 100", 100),
    Condition("pool, every 1,000", 1_000),
    Condition("ring, every 100", 100, "ring"),
)
POPULATIONS: Final = (100, 500)
SIZES: Final = ((1, 100), (10, 100), (100, 100), (1000, 100), (1, 500), (10, 500), (100, 500))  # islands, population


PRESETS: Final = {"linear": 600_000, "affine": 2_000_000}  # most candidates, of the presets as they are
PRESET_SEEDS: Final = 10


def preset_searches() -> Iterator[dict[str, Any]]:
    """Searches of presets, each condition with the same seeds."""
    for seed in range(FIRST_SEED, FIRST_SEED + PRESET_SEEDS):
        for preset in PRESETS:
            for condition in CONDITIONS:
                yield {"preset": preset, "condition": condition.name, "seed": seed}


def searches() -> Iterator[dict[str, Any]]:
    """All searches, a seed of each first."""
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        for islands, population in SIZES:
            for condition in CONDITIONS:
                if islands > 1 or condition.migration_every == 0:
                    yield {"islands": islands, "population": population, "condition": condition.name, "seed": seed}


def run(search: dict[str, Any]) -> dict[str, Any]:
    """One search's line."""
    condition = next(one for one in CONDITIONS if one.name == search["condition"])
    values: dict[str, Any] = {
        "seed": search["seed"],
        "search.migration_every": condition.migration_every,
        "search.topology": condition.topology,
    }
    preset = search.get("preset", "affine")
    if "preset" in search:
        values |= {"budget.max_candidates": PRESETS[preset]}
    else:
        values |= {
            "search.islands": search["islands"],
            "search.population": search["population"],
            "search.batch": search["population"] // 2,
            "budget.experiment_candidates": 0,
            "budget.max_candidates": MOST_CANDIDATES,
            "budget.check_every": 5_000,
        }
    result = az.search(override(az.load_preset(preset), values), report=lambda progress: None)
    found = {"solved": result.solved, "candidates": result.candidates, "seconds": round(result.seconds, 2)}
    machine = f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} core(s)"
    return {**search, **found, "machine": machine}


def read() -> list[dict[str, Any]]:
    """The lines that there are."""
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()] if RESULTS.exists() else []


def report() -> None:
    """A table and a plot of what there is."""
    lines = read()
    print(f"{'islands x population':>20}  " + "  ".join(f"{one.name:>24}" for one in CONDITIONS))
    for islands, population in SIZES:
        cells = []
        for condition in CONDITIONS:
            some = _candidates(lines, islands, population, condition.name)
            solved = sum(count < MOST_CANDIDATES for count in some)
            text = f"{statistics.median(some):,.0f} ({solved} of {len(some)})" if some else ""
            cells.append(f"{text:>24}")
        print(f"{islands:>11,} x {population:<6,}  " + "  ".join(cells))
    for preset in PRESETS:
        for condition in CONDITIONS:
            wanted = (preset, condition.name)
            some = [line for line in lines if (line.get("preset"), line["condition"]) == wanted]
            if some:
                counts = [line["candidates"] for line in some]
                mean, median = statistics.mean(counts), statistics.median(counts)
                solved = f"{sum(line['solved'] for line in some)} of {len(some)} solved"
                print(f"{preset}, {condition.name}: {solved}, {mean:,.0f} candidates on average, median {median:,.0f}")
    plot(lines)


def plot(lines: list[dict[str, Any]]) -> None:
    """Median candidates to a solution against islands, a panel a population."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, population in zip(panels, POPULATIONS, strict=True):
        for condition, marker in zip(CONDITIONS, "osv^", strict=True):
            counts = [islands for islands, size in SIZES if size == population]
            found = {islands: _candidates(lines, islands, population, condition.name) for islands in counts}
            shown = {islands: statistics.median(some) for islands, some in found.items() if some}
            panel.plot(list(shown), list(shown.values()), marker=marker, label=condition.name, alpha=0.8)
        panel.axhline(MOST_CANDIDATES, color="grey", linestyle=":", linewidth=1)
        panel.set(
            xlim=(0.7, 1500),
            ylim=(1e4, 1e6),
            xscale="log",
            yscale="log",
            xlabel="islands",
            title=f"populations of {population:,}",
        )
    panels[0].set_ylabel("candidates to a solution, median")
    panels[0].legend(frameon=False)
    figure.savefig(RESULTS.with_suffix(".png"), dpi=130)


def _candidates(lines: list[dict[str, Any]], islands: int, population: int, condition: str) -> list[int]:
    return [
        line["candidates"] if line["solved"] else MOST_CANDIDATES
        for line in lines
        if (line.get("islands"), line.get("population"), line["condition"]) == (islands, population, condition)
    ]


@click.command(help=__doc__)
@click.option("--minutes", default=1e9, help="Begin no search after so many minutes.")
@click.option("--presets", is_flag=True, help="The presets as they are.")
@click.option("--report", "only_report", is_flag=True, help="Only show what there is.")
def main(minutes: float, presets: bool, only_report: bool) -> None:
    """Runs what is missing."""
    end, known = time.monotonic() + 60 * minutes, read()
    keys = ("preset", "islands", "population", "condition", "seed")
    done = {tuple(line.get(key) for key in keys) for line in known}
    for search in preset_searches() if presets else searches():
        if only_report or time.monotonic() > end:
            break
        if tuple(search.get(key) for key in keys) not in done:
            line = run(search)
            print(json.dumps(line), flush=True)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    report()


if __name__ == "__main__":
    main()
