"""What a person sees of a search in a terminal, a log file or a notebook."""

import math
import shlex
import sys
from collections.abc import Iterable
from typing import Literal, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from azero_jax.explain.sparkline import sparkline
from azero_jax.fitness.counters import Counters
from azero_jax.judge.comparison import Comparison, describe_fitness
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.protocol.signals import STOP_SIGNALS

_PLAIN_SECONDS = 5.0  # between two lines where the output is no terminal
_WIDEST = 100_000  # characters of a table that is no terminal's
_GAP = 4  # characters between two programs side by side


class Display:
    """Live progress in a terminal, plain lines elsewhere; use it as a context manager around the search."""

    def __init__(self, *, quiet: bool = False, to_stderr: bool = False) -> None:
        """A display; `quiet` shows the result only, `to_stderr` leaves standard output alone."""
        self._console = plain_console(to_stderr=to_stderr)
        self._quiet = quiet
        self._live: Live | None = None
        self._next_line = 0.0
        self._curve: list[float] = []  # best fitness at each report

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Shows one line that stays."""
        if not self._quiet:
            self._console.print(Text(line), style="dim")

    def warn(self, line: str) -> None:
        """Shows one line of trouble, on standard error, however quiet."""
        if self._live is not None:
            self._live.console.print(Text(f"warning: {line}"), style="yellow")
        else:
            print(f"warning: {line}", file=sys.stderr, flush=True)

    def report(self, progress: Progress) -> None:
        """Shows how far the search has come."""
        if self._live is not None:
            self._curve.append(progress.best_fitness)
            self._live.update(_panel(progress, self._curve))
        elif not self._quiet and progress.seconds >= self._next_line:
            self._next_line = progress.seconds + _PLAIN_SECONDS
            self._console.print(Text("\n".join([progress_line(progress), *worker_lines(progress)])))
            sys.stdout.flush()

    def show(self, result: SearchResult) -> None:
        """Shows what was found."""
        if self._live is not None:
            self._live.stop()
        console = self._console
        verdict, mark, about = result.verdict.partition(" after ")
        console.print(f"\n[bold]{verdict}[/bold]{mark}{about}")
        show_programs(console, result.program, result.raw_program)
        console.print(
            f"mean fitness: {_measured(result.search_fitness)} on search tasks,"
            f" {_measured(result.select_fitness)} on select tasks,"
            f" [bold]{_measured(result.final_fitness)} on unseen tasks[/bold]"
        )
        console.print(Text(f"candidates: {counter_line(result.counters)}"))
        if result.run_directory is not None:
            console.print(Text(f"recorded in {result.run_directory}"))
        if result.stopped_by in STOP_SIGNALS.values():
            console.print(Text(how_to_go_on(result.run_directory)))

    def show_comparison(self, result: SearchResult, baseline: Comparison, where: str) -> None:
        """Shows what a baseline achieves `where` the program was measured."""
        self._console.print(
            f"on {where}: [bold]{describe_fitness(result.final_fitness, baseline.metric)} (program)[/bold],"
            f" {describe_fitness(baseline.final_fitness, baseline.metric)} ({baseline.name}, tuned on the select tasks)"
        )


def plain_console(*, to_stderr: bool = False) -> Console:
    """A console that leaves words and line breaks as they are."""
    stream = sys.stderr if to_stderr else sys.stdout
    # FORCE_COLOR and the like are for terminals; a file would be filled with what moves a cursor.
    force = None if stream is not None and stream.isatty() else False
    return Console(stderr=to_stderr, highlight=False, soft_wrap=True, force_terminal=force)


def show_table(console: Console, titles: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Shows a table without lines; a column whose title begins with ">" is aligned right.

    A terminal that is too narrow for it folds cells; a file or a pipe gets a line a row, however long.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles:
        justify: Literal["left", "right"] = "right" if title.startswith(">") else "left"
        table.add_column(title.removeprefix(">"), justify=justify, overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))
    if not console.is_terminal:
        table.width = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    console.print(table)


def show_programs(console: Console, found: str, raw: str) -> None:
    """Shows a program, and what evolution left of it: side by side if both fit, else one below the other.

    A line of code that is too long even so is left to the terminal.
    """
    titles, programs = ("the program that was found", "as evolution left it"), (found.rstrip(), raw.rstrip())
    widths = [max(map(len, (title, *text.splitlines()))) for title, text in zip(titles, programs, strict=True)]
    if sum(widths) + _GAP <= console.width:
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for title, style in zip(titles, ("bold", "dim"), strict=True):
            table.add_column(title, style=style, no_wrap=True)
        table.add_row(*map(Text, programs))
        console.print(table)
        return
    for title, text, style in zip(titles, programs, ("bold", "dim"), strict=True):
        console.print(Text(f"{title}\n{text}\n"), style=style)


def how_to_go_on(run_directory: str | None) -> str:
    """What to do with a search that was stopped, in one line."""
    if run_directory is None:
        return "nothing was recorded; with --name NAME or --out DIR a search can be stopped and go on later"
    return f"go on with: python -m azero_jax.search --resume {shlex.quote(run_directory)}"


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


def worker_lines(progress: Progress) -> list[str]:
    """A line a worker, if that was asked for."""
    return [
        f"  worker {one.worker}: {one.candidates:,} candidates  best {one.best_fitness:.6f}"
        f"  experiment {one.experiment}  {one.round_seconds:.2f} s a round"
        for one in progress.workers
    ]


def counter_line(counters: Counters) -> str:
    """Shares of what happened to the candidates, in one line."""
    total = max(counters.candidates, 1)
    parts = [
        f"{counters.known_canonical / total:.1%} known programs",
        f"{counters.constant_predictors / total:.1%} constant",
        f"{counters.known_fec / total:.1%} known by behaviour",
        *(f"{count / total:.1%} stopped at hurdle {n}" for n, count in enumerate(counters.stopped_at_hurdle, 1)),
        *([f"{counters.not_learnable / total:.1%} cannot learn"] if counters.not_learnable else []),
        *([f"{counters.over_budget / total:.1%} over the train budget"] if counters.over_budget else []),
        f"{counters.run_in_full / total:.1%} run in full",
        f"{counters.pruned_instructions / max(counters.instructions, 1):.0%} of instructions pruned",
        f"{counters.train_steps:,} training steps",
    ]
    return ", ".join(parts)


def _measured(fitness: float) -> str:
    return "not measured (no time was left)" if math.isnan(fitness) else f"{fitness:.6f}"


def _panel(progress: Progress, best: list[float]) -> Panel:
    lines = Group(
        Text(progress_line(progress), style="bold"),
        *map(Text, worker_lines(progress)),
        Text(f"best fitness {sparkline(best)}"),
        Text(f"{counter_line(progress.counters)}, {progress.restarts} restarts", style="dim"),
        Text(progress.program, no_wrap=True, overflow="ellipsis"),
    )
    return Panel(lines, title="azero_jax: the best program so far", title_align="left")
