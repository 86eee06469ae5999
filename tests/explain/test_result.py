"""What a search found shows itself: as text, as HTML, as figures, and explained."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import azero_jax as az
from tests.support.tiny import tiny


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> az.Result:
    folder = tmp_path_factory.mktemp("run") / "first"
    return az.search(tiny(search__candidates="learnable", budget__max_candidates=3000), out=folder)


def test_the_text_has_the_program_and_its_fitness(result: az.Result) -> None:
    text = repr(result)
    assert text.startswith(result.verdict)
    assert "def Predict():\n" in text
    assert "label" in text
    assert f"search {result.search_fitness:.6f}   select {result.select_fitness:.6f}" in text
    assert f"unseen {result.final_fitness:.6f}" in text


def test_a_notebook_gets_the_same_with_all_three_forms_of_the_program(result: az.Result) -> None:
    page = result._repr_html_()
    for fitness in (result.search_fitness, result.select_fitness, result.final_fitness):
        assert f"{fitness:.6f}" in page
    for text in (result.readable, result.program, result.raw_program):
        assert text.splitlines()[-1].strip() in page
    assert 'src="data:image/png;base64,' in page
    assert "<style" not in page  # which GitHub leaves out


def test_the_curve_grows_to_what_was_found(result: az.Result) -> None:
    counts, search, select = np.array(result.curve, np.float64).T
    assert (np.diff(counts) >= 0).all()
    assert (np.diff(search) >= 0).all()
    assert (np.diff(select[np.isfinite(select)]) >= 0).all()
    assert select[-1] == max(finalist.select_fitness for finalist in result.hall_of_fame)
    assert search[-1] >= result.search_fitness


def test_figures_have_labelled_axes_and_can_be_saved(result: az.Result, tmp_path: Path) -> None:
    drawing = result.plot()
    assert ">candidates</text>" in drawing.svg
    assert ">fitness (1: no error)</text>" in drawing.svg
    assert ">training examples</text>" in result.learning_curves().plot().svg
    drawing.save(tmp_path / "curve.svg")
    drawing.save(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"curve.pdf: a figure is saved as .svg or .png$"):
        drawing.save(tmp_path / "curve.pdf")


def test_figures_are_read_on_white_and_on_black(result: az.Result) -> None:
    svg = result.plot().svg
    colours = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    assert len(colours) >= 4
    assert min(contrast(colour, paper) for colour in colours for paper in ("#ffffff", "#111111")) >= 3


def contrast(first: str, second: str) -> float:
    """Of two colours, as WCAG 2 has it: 1 to 21."""

    def luminance(colour: str) -> float:
        levels = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_explanation_says_what_each_line_is_worth(result: az.Result) -> None:
    explanation = result.explain(baselines=False, trials=0)
    text = repr(explanation)
    assert explanation.renamed in text
    for variant in explanation.ablation.instructions:
        assert f"{variant.change:+.4f}  without {variant.name}" in text
    assert explanation.lead in explanation._repr_html_().replace("&#x27;", "'")


def test_the_lineage_is_animated(result: az.Result, tmp_path: Path) -> None:
    animation = result.animate()
    animation.save(tmp_path / "lineage.gif")
    assert (tmp_path / "lineage.gif").read_bytes().startswith(b"GIF8")
    assert "data:image/gif;base64," in animation._repr_html_()


def test_learning_curves_end_where_the_result_was_measured(result: az.Result) -> None:
    curves = result.learning_curves()
    assert curves.examples[-1] == result.config.tasks.select_train_examples
    assert curves.curves[0].fitness[-1].mean() == pytest.approx(result.final_fitness)


def test_baselines_learn_beside_the_program() -> None:
    config = az.load_preset("linear", final_tasks=3, select_tasks=3, select_train_examples=200)
    curves = az.learning_curves("linear_regressor", config)
    assert [curve.name for curve in curves.curves] == ["linear_regressor", "linear regression", "two-layer net"]
    assert all(curve.fitness.shape == (len(curves.examples), 3) for curve in curves.curves)


def test_a_pickled_result_leaves_its_tasks_behind(result: az.Result) -> None:
    copy = pickle.loads(pickle.dumps(result))
    assert copy == result
    assert copy.task_sets is None
    with pytest.raises(ValueError, match="explain its program with explain_program"):
        copy.explain()


def test_a_data_frame_is_searched_as_it_is() -> None:
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).standard_normal((60, 2))
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "price": x @ [1.0, -2.0]})
    config = az.load_preset("table", label="price", islands=2, population=20, batch=10, max_candidates=100)
    result = az.search(config, data=frame)
    assert (result.candidates, str(result.metric)) == (100, "rms_error")
    assert az.load_tasks(config, data=frame).features == 2
    with pytest.raises(ValueError, match="tasks of kind linear are drawn at random"):
        az.search(az.load_preset("linear"), data=frame)
    with pytest.raises(ValueError, match="data and tasks cannot both be given"):
        az.search(config, data=frame, tasks=az.load_tasks(config, data=frame))
