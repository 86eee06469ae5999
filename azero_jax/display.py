"""What a person sees of a search in a terminal, a log file or a notebook."""

from __future__ import annotations

import math
import sys
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from azero_jax.experiment import Progress, SearchResult

_PLAIN_SECONDS = 5.0  # between two lines where the output is no terminal


class Display:
    """Live progress in a terminal, plain lines elsewhere; use it as a context manager around the search."""

    def __init__(self, *, quiet: bool = False, to_stderr: bool = False) -> None:
        """A display.

        Args:
          quiet: show the result only.
          to_stderr: leave standard output alone.
        """
        self._console = Console(stderr=to_stderr, highlight=False, soft_wrap=True)
        self._quiet = quiet
        self._live: Live | None = None
        self._next_line = 0.0

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Shows one line that stays."""
        if not self._quiet:
            self._console.print(Text(line), style="dim")

    def report(self, progress: Progress) -> None:
        """Shows how far the search has come."""
        if self._live is not None:
            self._live.update(_panel(progress))
        elif not self._quiet and progress.seconds >= self._next_line:
            self._next_line = progress.seconds + _PLAIN_SECONDS
            self._console.print(Text(progress_line(progress)))
            sys.stdout.flush()

    def show(self, result: SearchResult) -> None:
        """Shows what was found."""
        console = self._console
        verdict = "solved" if result.solved else f"not solved ({result.stopped_by.replace('_', ' ')})"
        console.print(
            f"\n[bold]{verdict}[/bold] after {result.candidates:,} candidates in {result.seconds:.1f} s"
            f" ({result.candidates / max(result.seconds, 1e-9):,.0f} a second), {result.experiments} experiment(s),"
            f" seed {result.seed}, engine {result.engine}"
        )
        table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 0))
        table.add_column("the program that was found", style="bold")
        table.add_column("as evolution left it", style="dim")
        table.add_row(Text(result.program), Text(result.raw_program))
        console.print(table)
        console.print(
            f"mean fitness: {result.search_fitness:.6f} on search tasks, {result.select_fitness:.6f} on select tasks,"
            f" [bold]{result.final_fitness:.6f} on unseen tasks[/bold]"
        )


def progress_line(progress: Progress) -> str:
    """Progress in one line."""
    rate = progress.candidates / max(progress.seconds, 1e-9)
    line = (
        f"{progress.seconds:6.1f} s  {progress.candidates:>12,} candidates  {rate:>9,.0f}/s"
        f"  best {progress.best_fitness:.6f}  mean {progress.mean_fitness:.4f}"
    )
    if not math.isnan(progress.select_fitness):
        line += f"  select {progress.select_fitness:.6f}"
    if progress.experiment > 1:
        line += f"  experiment {progress.experiment}"
    return line


def counter_line(progress: Progress) -> str:
    """Shares of what happened to the candidates, in one line."""
    counters = progress.counters
    total = max(counters.candidates, 1)
    parts = [
        f"{counters.pruned_instructions / max(counters.instructions, 1):.0%} of instructions pruned",
        f"{counters.known_canonical / total:.0%} known by canonical form",
        f"{counters.known_fec / total:.0%} by behaviour",
        *(f"{count / total:.1%} stopped at hurdle {n}" for n, count in enumerate(counters.stopped_at_hurdle, 1)),
        f"{counters.run_in_full / total:.1%} run in full",
        f"{counters.train_steps:,} training steps",
        f"{progress.restarts} restarts",
    ]
    return ", ".join(parts)


def _panel(progress: Progress) -> Panel:
    lines = Group(
        Text(progress_line(progress), style="bold"),
        Text(counter_line(progress), style="dim"),
        Text(progress.program),
    )
    return Panel(lines, title="azero_jax: the best program so far", title_align="left")
