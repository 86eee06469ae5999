"""Every notebook runs from top to bottom, with a small budget."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
SMALL = {"MAX_SECONDS = 300": "MAX_SECONDS = 2"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the notebook machinery itself
def test_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for long, short in SMALL.items():
        assert any(long in cell.source for cell in notebook.cells), f"{long!r} is no longer in the notebook"
        for cell in notebook.cells:
            cell.source = cell.source.replace(long, short)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    printed = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", []))
    assert "def Predict():" in printed
    assert "root mean squared error" in printed
