"""What a notebook shows of a search: one output, brought up to date."""

from __future__ import annotations

from typing import Any

import IPython.display
import pytest

import azero_jax as az
from azero_jax.terminal.notebook import NotebookDisplay, in_notebook
from tests.support.tiny import tiny


class Handle:
    def __init__(self, shown: list[dict[str, str]]) -> None:
        self._shown = shown

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self._shown.append(data)


def test_progress_is_one_output_that_ends_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []

    def display(data: dict[str, str], **options: Any) -> Handle:
        assert shown == []  # once only
        shown.append(data)
        return Handle(shown)

    monkeypatch.setattr(IPython.display, "display", display)
    with NotebookDisplay() as notebook:
        az.search(tiny(budget__max_candidates=400), report=notebook.report, report_seconds=0.0, say=notebook.say)
    assert any("def Predict():" in data["text/plain"] for data in shown)
    last = shown[-1]["text/plain"]
    assert last.startswith("engine ")
    assert "candidates" in last
    assert "def Predict():" not in last
    assert shown[-1]["text/html"].startswith("<pre")


def test_this_is_no_notebook() -> None:
    assert not in_notebook()
