"""Islands and migration, simulated in one process: candidates to a solution for 1 to 1,000 islands.

    python experiments/islands.py                    # what is missing, one search after another
    python experiments/islands.py --minutes 10       # no new search after so many minutes of processor time
    python experiments/islands.py --presets          # presets as they are, with migration and without
    python experiments/islands.py --report           # tables and plot of what there is

Every search is one line of `results/islands.jsonl`; what is there is not run again, so a run that was stopped goes on.
The problem is affine regression among learnable programs, without restarts: an island that is stuck stays so unless
others help it. A search that has not solved it after the most candidates counts as unsolved, at that number. Seconds
are those of the processor.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from searches import read_lines, run_new

import azero_jax as az
from azero_jax.config.leaves import override

RESULTS: Final = Path(__file__).parent / "results" / "islands.jsonl"
FIRST_SEED: Final = 7000
SEEDS: Final = 5


class Size(NamedTuple):
    """Islands, programs of each, and the candidates after which a search is given up."""

    islands: int
    population: int
    most_candidates: int = 600_000


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
SIZES: Final = (
    Size(10, 100),
    Size(100, 100),
    Size(500, 100),
    Size(1000, 100, 1_200_000),  # the first programs are 100,000 of them
    Size(10, 500),
    Size(100, 500),
    Size(1, 100),
    Size(1, 500),
)
PRESETS: Final = {"linear": 600_000, "affine": 2_000_000}  # most candidates, of the presets as they are
PRESET_SEEDS: Final = 20


def preset_searches() -> Iterator[dict[str, Any]]:
    """Searches of presets, each condition with the same seeds."""
    for seed in range(FIRST_SEED, FIRST_SEED + PRESET_SEEDS):
        for preset in PRESETS:
            for condition in CONDITIONS:
                yield {"preset": preset, "condition": condition.name, "seed": seed}


def searches() -> Iterator[dict[str, Any]]:
    """All searches, a seed of each first."""
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        for size in SIZES:
            for condition in CONDITIONS:
                if size.islands > 1 or condition.migration_every == 0:
                    yield {**size._asdict(), "condition": condition.name, "seed": seed}


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
            "budget.max_candidates": search["most_candidates"],
            "budget.check_every": 5_000,
        }
    before = time.process_time()
    result = az.search(override(az.load_preset(preset), values), report=lambda progress: None)
    if not result.solved and result.stopped_by != "max_candidates":
        raise SystemExit(f"stopped ({result.stopped_by}); this search is not written down")
    seconds = round(time.process_time() - before, 1)
    return {**search, "solved": result.solved, "candidates": result.candidates, "processor_seconds": seconds}


def report() -> None:
    """A table and a plot of what there is."""
    lines = read_lines(RESULTS)
    print(f"{'islands x population':>20}  " + "  ".join(f"{one.name:>24}" for one in CONDITIONS))
    for size in SIZES:
        cells = []
        for condition in CONDITIONS:
            some = _candidates(lines, size, condition)
            solved = sum(line["solved"] for line in _lines_of(lines, size, condition))
            text = f"{statistics.median(some):,.0f} ({solved} of {len(some)})" if some else ""
            cells.append(f"{text:>24}")
        print(f"{size.islands:>11,} x {size.population:<6,}  " + "  ".join(cells))
    for preset in PRESETS:
        for condition in CONDITIONS:
            those = [line for line in lines if (line.get("preset"), line["condition"]) == (preset, condition.name)]
            if those:
                counts = [line["candidates"] for line in those]
                mean, median = statistics.mean(counts), statistics.median(counts)
                good = f"{sum(line['solved'] for line in those)} of {len(those)} solved"
                print(f"{preset}, {condition.name}: {good}, {mean:,.0f} candidates on average, median {median:,.0f}")
    plot(lines)


def plot(lines: list[dict[str, Any]]) -> None:
    """Median candidates to a solution against islands, a panel a population."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, population in zip(panels, POPULATIONS, strict=True):
        sizes = sorted(size for size in SIZES if size.population == population)
        for condition, marker in zip(CONDITIONS, "osv^", strict=True):
            found = {size.islands: _candidates(lines, size, condition) for size in sizes}
            shown = {islands: statistics.median(some) for islands, some in sorted(found.items()) if some}
            panel.plot(list(shown), list(shown.values()), marker=marker, label=condition.name, alpha=0.8)
        limits = [size.most_candidates for size in sizes]
        panel.plot([size.islands for size in sizes], limits, color="grey", linestyle=":", label="given up")
        panel.set(
            xlim=(0.7, 1500),
            ylim=(1e4, 2e6),
            xscale="log",
            yscale="log",
            xlabel="islands",
            title=f"populations of {population:,}",
        )
    panels[0].set_ylabel("candidates to a solution, median")
    panels[0].legend(frameon=False)
    figure.savefig(RESULTS.with_suffix(".png"), dpi=130)


def _candidates(lines: list[dict[str, Any]], size: Size, condition: Condition) -> list[int]:
    found = _lines_of(lines, size, condition)
    return [line["candidates"] if line["solved"] else size.most_candidates for line in found]


def _lines_of(lines: list[dict[str, Any]], size: Size, condition: Condition) -> list[dict[str, Any]]:
    wanted = (*size[:2], condition.name)
    return [line for line in lines if (line.get("islands"), line.get("population"), line["condition"]) == wanted]


@click.command(help=__doc__)
@click.option("--minutes", default=1e9, help="Begin no search after so many minutes of processor time.")
@click.option("--presets", is_flag=True, help="The presets as they are.")
@click.option("--report", "only_report", is_flag=True, help="Only show what there is.")
def main(minutes: float, presets: bool, only_report: bool) -> None:
    """Runs what is missing."""
    if not only_report:
        keys = ("preset", "islands", "population", "condition", "seed")
        run_new(preset_searches() if presets else searches(), keys, run, RESULTS, minutes)
    report()


if __name__ == "__main__":
    main()
