"""What a person sees of recorded runs."""

import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from azero_jax.recording.overview import RunOverview
from azero_jax.terminal.display import how_to_go_on


def show_runs(folder: Path, runs: list[RunOverview]) -> None:
    """Shows a table of past runs."""
    console = Console(highlight=False, soft_wrap=True)
    if not runs:
        console.print(Text(f"no runs in {folder}"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title, justify in (("run", "left"), ("state", "left"), ("candidates", "right"), ("seconds", "right")):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    table.add_column("select", justify="right")
    table.add_column("last change")
    for run in runs:
        select = f"{run.hall_of_fame[0]['select_fitness']:.6f}" if run.hall_of_fame else ""
        changed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.changed))
        cells = (str(run.path), run.state, f"{run.candidates:,}", f"{run.seconds:.1f}", select, changed)
        table.add_row(*map(Text, cells))
    console.print(table)


def show_run(run: RunOverview) -> None:
    """Shows one past run."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        Text(
            f"{run.path}: {run.state}, {run.candidates:,} candidates, {run.seconds:.1f} s;"
            f" settings in {run.path / 'config.toml'}"
        )
    )
    for place, finalist in enumerate(run.hall_of_fame, 1):
        final = finalist["final_fitness"]
        fitness = f"search {finalist['search_fitness']:.6f}, select {finalist['select_fitness']:.6f}"
        fitness += "" if final is None else f", unseen {final:.6f}"
        console.print(Text(f"\n{place}. {fitness}, after {finalist['candidates']:,} candidates", style="bold"))
        console.print(Text(finalist["program"]))
    if not run.state.startswith(("solved", "running")):
        console.print(Text(f"\n{how_to_go_on(str(run.path))}"))
