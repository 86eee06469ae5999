"""How long a preset takes to solve its task, and how many candidates: one search a seed, each in a process of its own.

    python experiments/time_to_solve.py                                   # the demo, 12 seeds, one core
    python experiments/time_to_solve.py --preset affine --seeds 10 --cores 2 --max-seconds 600
    python experiments/time_to_solve.py --option "--population 500 --islands 32"    # other settings

Seconds are those of the whole process without compiling. The original (recorded on one core of another machine, 12
seeds): 28 to 258 s, median 85 s, 2.8 million candidates, one of 12 at a final fitness of 0.98.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from azero_jax.config.presets import load_preset


def solve(preset: str, seed: int, max_seconds: float, option: str) -> dict[str, Any]:
    """One search in a process of its own; its result, with the process' seconds without compiling."""
    command = [sys.executable, "-m", "azero_jax.search", "--preset", preset, "--seed", str(seed), "--json", "--quiet"]
    command += ["--max-seconds", str(max_seconds), *shlex.split(option)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 1):
        raise click.ClickException(done.stderr.strip())
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"process_seconds": seconds - result["compile_seconds"]}


def summarize(results: list[dict[str, Any]], sufficient_fitness: float) -> dict[str, Any]:
    """Medians and extremes over all seeds."""
    seconds = [result["process_seconds"] for result in results]
    return {
        "seeds": len(results),
        "solved": sum(result["solved"] for result in results),
        "final_at_least_sufficient": sum(result["final_fitness"] >= sufficient_fitness for result in results),
        "median_seconds": statistics.median(seconds),
        "most_seconds": max(seconds),
        "median_candidates": statistics.median(result["candidates"] for result in results),
        "median_candidates_per_second": statistics.median(r["candidates"] / r["seconds"] for r in results),
    }


@click.command(help=__doc__)
@click.option("--preset", default="linear", show_default=True)
@click.option("--seeds", default=12, show_default=True, help="How many seeds.")
@click.option("--first-seed", default=0, show_default=True)
@click.option("--cores", default=1, show_default=True, help="Cores that each process may use.")
@click.option("--max-seconds", default=120.0, show_default=True, help="Budget of each search.")
@click.option("--option", default="", help="Further options of azero_jax.search.")
@click.option("--out", type=click.Path(path_type=Path), help="A JSON file for the figures.")
def main(
    preset: str, seeds: int, first_seed: int, cores: int, max_seconds: float, option: str, out: Path | None
) -> None:
    """Runs the searches one after the other and prints a table."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    console = Console()
    table = Table(
        "seed", "solved", "seconds", "candidates", "candidates/s", "select", "final", title=f"{preset} {option}"
    )
    results = []
    for seed in range(first_seed, first_seed + seeds):
        result = solve(preset, seed, max_seconds, option)
        results.append(result)
        row = (
            str(seed),
            "yes" if result["solved"] else "no",
            f"{result['process_seconds']:.1f}",
            f"{result['candidates']:,}",
            f"{result['candidates'] / result['seconds']:,.0f}",
            f"{result['select_fitness']:.6f}",
            f"{result['final_fitness']:.6f}",
        )
        table.add_row(*row)
        print(*row, file=sys.stderr, flush=True)
    console.print(table)
    summary = summarize(results, load_preset(preset).budget.sufficient_fitness)
    console.print(summary)
    if out is not None:
        kept = ("seed", "solved", "process_seconds", "compile_seconds", "candidates", "select_fitness", "final_fitness")
        rows = [{name: result[name] for name in kept} for result in results]
        out.write_text(
            json.dumps({"preset": preset, "option": option, "cores": cores} | summary | {"rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
