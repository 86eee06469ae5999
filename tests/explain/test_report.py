"""The report: everything in one file, and readable wherever it is opened."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

import pytest

import azero_jax as az
from azero_jax.explain import explanation, html
from azero_jax.explain.drawing import BLUE, finish, new_figure
from azero_jax.explain.export.write import FILES
from azero_jax.explain.figures import draw_front
from azero_jax.explain.subject import read_run
from azero_jax.terminal import search_command
from tests.support import chromium
from tests.support.tiny import tiny

FIGURES = {"flow", "ablation", "progress", "sweeps", "standing", "front"}
needs_browser = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    config = tiny(budget__experiment_candidates=0, budget__check_every=1000, tasks__epochs=2, seed=1)
    az.search(
        config,
        out=folder,
        start_from=("def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n s2 = 0.1\n s3 = s0 - s1\n v1 = s3 * v0",),
    )
    return az.explain_run(folder)


def test_everything_is_in_one_file(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert not re.search(r"url\((?!#)", page)
    assert "<script" not in page
    for title in ("The program", "How it was found", "How good it is", "What its parts are worth", "The search"):
        assert f"<h2>{title}</h2>" in page
    run = read_run(report.parents[1])
    assert f"{run.result['candidates']:,}" in page
    assert run.sessions[0]["packages"]["jax"] in page


def test_figures_lie_beside_it(report: Path) -> None:
    names = {file.name for file in (report.parent / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")}
    steps = json.loads((report.parent / "lineage.json").read_text())
    assert [step["program"] for step in steps] == [step.program for step in az.lineage(report.parents[1])]


def test_exports_lie_beside_it_and_in_it(report: Path) -> None:
    page = report.read_text(encoding="utf-8")
    exports = {file.name: file.read_text(encoding="utf-8") for file in (report.parent / "exports").iterdir()}
    assert set(exports) == set(FILES.values())
    assert all(escape(text) in page for text in exports.values())
    for kind in ("numpy", "jax", "sklearn"):
        assert "epochs=2" in exports[FILES[kind]]
        assert re.search(r"(seed|random_state)=1\b", exports[FILES[kind]])


def test_identifiers_are_used_once(report: Path) -> None:
    names = re.findall(r'\bid="([^"]+)"', report.read_text(encoding="utf-8"))
    assert len(names) == len(set(names))


def test_texts_are_escaped() -> None:
    assert html.paragraph("<script>&") == "<p>&lt;script&gt;&amp;</p>"
    assert "<b>" not in html.table(("<b>",), [("<b>",)]) + html.program("s1 = <b>  # <b>") + html.diff([("+", "<b>")])


def test_a_figure_takes_the_page_s_colours() -> None:
    figure, axes = new_figure(1.0)
    axes.plot([0, 1], [0, 1], color=BLUE)
    drawing = finish(figure, "some", 'a "line" & more')
    assert "var(--blue)" in drawing.inline
    assert BLUE in drawing.svg
    assert 'aria-label="a &quot;line&quot; &amp; more"' in drawing.inline
    assert drawing.png.startswith(b"\x89PNG")


def test_the_front_is_shown_where_it_was_recorded(report: Path) -> None:
    run = report.parents[1]
    program = "def Predict():\n  s1 = dot(v0, v1)\n"
    measured = {"program": program, "search_fitness": 0.8, "final_fitness": None, "candidates": 100}
    points = [{"cost": cost, "select_fitness": fitness} | measured for cost, fitness in ((9.5, 0.9), (4, 0.7))]
    (run / "front.json").write_text(json.dumps(points))
    found = read_run(run)
    (run / "front.json").unlink()
    assert found.front == points
    assert "var(--blue)" in draw_front(found.front).inline


@needs_browser
def test_the_browser_has_nothing_to_complain_of(report: Path, tmp_path: Path) -> None:
    assert chromium.console(report) == []
    (tmp_path / "bad.html").write_text("<script>undefined.x</script>")
    assert len(chromium.console(tmp_path / "bad.html")) == 1  # it would have been seen


@needs_browser
@pytest.mark.parametrize(("dark", "width"), [(False, 900), (True, 900), (False, 390)], ids=["light", "dark", "phone"])
def test_every_figure_can_be_seen(report: Path, dark: bool, width: int) -> None:
    page = chromium.probe(report, dark=dark, width=width)
    assert page["scroll"] <= page["width"] == width
    assert {figure["name"] for figure in page["figures"]} >= FIGURES
    for figure in page["figures"]:
        assert figure["left"] >= 0
        assert figure["right"] <= width
        assert figure["height"] > 20
        assert figure["text"] is None or brightness(figure["text"]) * (1 if dark else -1) > 0
    assert brightness(page["background"]) * (1 if dark else -1) < 0


def brightness(colour: str) -> float:
    """Of `rgb(r, g, b)`, above zero if it is more light than dark."""
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3 - 127.5


def test_a_search_writes_its_report_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanation, "compare", lambda *arguments: ())  # which takes a while to compile
    small = ["--max-candidates", "4000", "--select-tasks", "5", "--final-tasks", "5", "--select-train-examples", "50"]
    words = ["--report", "--quiet", "--islands", "2", "--population", "50", "--batch", "25", *small]
    assert search_command.main([*words, "--out", str(tmp_path / "run")]) in (0, 1)
    assert (tmp_path / "run" / "explained" / "report.html").exists()
    capfd.readouterr()
    assert search_command.main(words) == 2
    assert "--report needs a run directory" in capfd.readouterr().err
