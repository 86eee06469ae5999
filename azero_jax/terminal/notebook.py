"""What a person sees of a search in a notebook: one output that is brought up to date."""

import sys
from html import escape
from typing import Any, Self

from azero_jax.explain.sparkline import sparkline
from azero_jax.protocol.result import Progress
from azero_jax.terminal.display import progress_line


def in_notebook() -> bool:
    """Whether this is a Jupyter kernel, whose output cells can be shown anew."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ in ("ZMQInteractiveShell", "Shell")  # the second is Colab's


class NotebookDisplay:
    """Live progress in the output of a notebook's cell; use it as a context manager around the search.

    While the search runs, the best program is shown as well; in the end the lines about the search remain.
    """

    def __init__(self) -> None:
        """A display that shows nothing yet."""
        self._lines: list[str] = []
        self._now: list[str] = []
        self._curve: list[float] = []  # best fitness at each report
        self._handle: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._now = self._now[:2]
        self._show()

    def say(self, line: str) -> None:
        """Shows one line that stays."""
        self._lines.append(line)
        self._show()

    def report(self, progress: Progress) -> None:
        """Shows how far the search has come."""
        self._curve.append(progress.best_fitness)
        curve = f"best fitness {sparkline(self._curve)}"
        self._now = [progress_line(progress), curve, "", *progress.program.rstrip().splitlines()]
        self._show()

    def _show(self) -> None:
        from IPython.display import display

        text = "\n".join([*self._lines, *self._now])
        style = "line-height: 1.4; white-space: pre; overflow-x: auto; opacity: 0.8"
        data = {"text/plain": text, "text/html": f'<pre style="{style}">{escape(text)}</pre>'}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
