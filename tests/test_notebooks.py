"""Every notebook runs from top to bottom, with a small budget, and is stored with what a real run gave."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.support.repository import LINKING, NOTEBOOKS, linked, owner_and_name

SHOWN = {  # what a run must have shown, a figure as PNG apart
    "01_linear_regression_from_nothing": ("def Predict():", "root mean squared error", "data:image/gif"),
    "02_evolve_for_your_data": ("held-out rows", "def Predict():", "two-layer net", "import numpy as np"),
    "03_dissect_the_evolved_cifar10_program": ("weight averaging", "random search: gains", "two-layer net"),
    "04_back_propagation_from_nothing": ("def Learn():", "data:image/gif", "evolved_net"),
    "05_scale_up": ("programs a second", "islands 16", "workers 2"),
}
MOST_BYTES = 1_500_000  # of a notebook with its outputs


def output_text(notebook: NotebookNode) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("text", "") for output in outputs]
    texts += [output.data.get(kind, "") for output in outputs if "data" in output for kind in output.data]
    return "".join("".join(text) for text in texts if isinstance(text, str | list))


def has_figure(notebook: NotebookNode) -> bool:
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    return any("image/png" in data or "data:image/png" in data.get("text/html", "") for data in outputs)


def check_outputs(notebook: NotebookNode, name: str) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    text = output_text(notebook)
    assert [words for words in SHOWN[name] if words not in text] == []
    assert not re.search(r"\w*Warning\b", text)
    assert has_figure(notebook) or name == "05_scale_up"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook machinery itself
def test_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZERO_NOTEBOOK_SECONDS", "0.3")
    monkeypatch.setenv("PYTHONPATH", str(path.parent.parent))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    check_outputs(notebook, path.stem)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_those_of_a_whole_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    check_outputs(notebook, path.stem)
    assert path.stat().st_size <= MOST_BYTES


def test_all_notebooks_install_in_the_same_way() -> None:
    cells = {nbformat.read(path, as_version=4).cells[1].source for path in NOTEBOOKS}
    assert len(cells) == 1
    assert f'REPOSITORY = "https://github.com/{owner_and_name()}"' in cells.pop()


@pytest.mark.parametrize("path", LINKING, ids=lambda path: path.name)
def test_every_link_leads_to_the_one_repository(path: Path) -> None:
    assert linked(path) == {owner_and_name()}, "python -m tests.support.repository puts it right"


def test_notebooks_need_nothing_deep() -> None:
    imports = {
        line for path in NOTEBOOKS for line in re.findall(r"(?:import|from) azero_jax[^\"\\]*", path.read_text())
    }
    assert imports == {"import azero_jax as az"}
