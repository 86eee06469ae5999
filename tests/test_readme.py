"""What README.md shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.house import README


def test_ten_lines_lead_from_import_to_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = README.read_text(encoding="utf-8").partition("## Ten lines from import to predict\n")[2]
    estimator, learner = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert len([line for line in estimator.splitlines() if line]) <= 10
    assert "max_seconds=20" in estimator
    names: dict[str, object] = {}
    monkeypatch.chdir(tmp_path)
    exec(estimator.replace("max_seconds=20", "max_candidates=300"), names)
    predictions = names["predictions"]
    assert isinstance(predictions, np.ndarray)
    assert set(predictions) <= {0, 1}
    exec(learner, names)
    assert (tmp_path / "learner.npz").exists()
