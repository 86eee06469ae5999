"""From the configuration to the task sets of the user's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from azero_jax.api import evaluate_program
from azero_jax.config.leaves import override
from azero_jax.config.presets import load_preset, natural_preset, with_kind
from azero_jax.config.tree import Config
from azero_jax.data import load_source
from azero_jax.language.library import load_program
from azero_jax.language.ops import OPS
from azero_jax.language.roles import Metric
from azero_jax.language.settings import SpaceConfig
from azero_jax.process.progress import no_progress, spoken
from azero_jax.protocol.run import make_task_sets
from azero_jax.tasks.load import choose_pairs, load_task_sets, natural_kind, read_sources
from azero_jax.tasks.pairs import split_pairs
from azero_jax.tasks.projected import Projected, prepare
from azero_jax.tasks.sets import TaskSets, fingerprint
from azero_jax.tasks.settings import SourceConfig

SMALL = {
    "tasks.features": 4,
    "tasks.search_tasks": 3,
    "tasks.train_examples": 20,
    "tasks.valid_examples": 10,
    "tasks.select_tasks": 2,
    "tasks.select_train_examples": 40,
    "tasks.select_valid_examples": 8,
    "tasks.final_tasks": 5,
    "source.projections": 2,
}
TABLE = {"tasks.final_tasks": 1, "tasks.search_tasks": 2}


def load(config: Config, **options: Any) -> TaskSets:
    return load_task_sets(config.tasks, config.source, **options)


def small(**values: Any) -> Config:
    return override(load_preset("digits"), {**SMALL, **{name.replace("__", "."): v for name, v in values.items()}})


@pytest.fixture(scope="module")
def digits() -> Projected:
    return prepare(load_source("digits"), 4, projections=1)


def test_numbers_of_tasks_and_examples_are_those_of_the_configuration() -> None:
    sets = load(small())
    search, select, final = sets.search(0), sets.select(0), sets.final(0)
    assert [len(part) for part in (search, select, final)] == [3, 2, 5]
    assert (search.train_examples, search.valid_examples) == (20, 10)
    assert (select.train_examples, select.valid_examples) == (40, 8)
    assert (final.train_examples, final.valid_examples) == (40, 8)
    assert {part.features for part in (search, select, final)} == {4}
    assert search.metric is Metric.ACCURACY


def test_none_takes_all_examples_and_all_values() -> None:
    names = ("features", "train_examples", "valid_examples", "select_train_examples")
    tasks = load(small(**dict.fromkeys(f"tasks__{name}" for name in names))).search(0)
    assert (tasks.features, tasks.train_examples, tasks.valid_examples) == (64, 280, 34)


def test_all_classes_at_once() -> None:
    wanted = {"features": 10, "train_examples": 30, "valid_examples": 20, "select_train_examples": 30}
    config = small(
        tasks__kind="multiclass", tasks__select_valid_examples=10, **{f"tasks__{k}": v for k, v in wanted.items()}
    )
    tasks = load(config).search(0)
    assert tasks.metric is Metric.MULTICLASS_ACCURACY
    assert len(tasks) == 2  # one for each projection


@pytest.mark.parametrize(
    ("name", "metric"),
    [("breast_cancer", Metric.ACCURACY), ("wine", Metric.MULTICLASS_ACCURACY), ("diabetes", Metric.RMS_ERROR)],
)
def test_a_table_decides_the_metric_by_its_labels(name: str, metric: Metric) -> None:
    config = override(load_preset("table"), {**TABLE, "source.data": (name,)})
    sets = load(config)
    assert {part.metric for part in (sets.search(0), sets.select(0), sets.final(0))} == {metric}


def test_the_label_column_of_a_table_says_nothing_of_other_data_beside_it(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a,kind\n" + "".join(f"{n},{'xy'[n % 2]}\n" for n in range(40)))
    source = SourceConfig(data=(str(table), "iris"), label="kind")
    mine, iris = read_sources(load_preset("digits").tasks, source, cache_dir=None, progress=no_progress)
    assert (mine.class_names, len(iris.class_names)) == (("x", "y"), 3)
    with pytest.raises(ValueError, match="iris: label is kind, which is for the label column of a table"):
        read_sources(
            load_preset("digits").tasks,
            SourceConfig(data=("iris",), label="kind"),
            cache_dir=None,
            progress=no_progress,
        )


def test_a_mixture_divides_the_tasks_among_its_sources() -> None:
    mixed = load(small(source__data=("digits", "digits")))
    assert [len(mixed.search(0)), len(mixed.select(0)), len(mixed.final(0))] == [3, 2, 5]


def test_the_data_seed_decides_the_tasks_and_the_search_seed_does_not() -> None:
    one, same, other = small(), small(seed=5), small(source__data_seed=5)
    prints = [fingerprint(load(config)) for config in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]


def test_pairs_asked_for_are_searched_on_and_neither_select_nor_judge(digits: Projected) -> None:
    split = choose_pairs(digits, SourceConfig(pairs=("5-0", "0-1", "1-2")))
    assert split.search == ((5, 0), (0, 1), (1, 2))
    default = split_pairs(10)
    assert set(split.unseen) == set(default.unseen) - {(0, 5)}
    assert set(split.select) == set(default.select) - {(0, 1), (1, 2)}


def test_the_only_pair_of_two_classes_is_for_everything() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4))
    two = prepare(load_source((x, np.arange(60) % 2)), None)
    assert choose_pairs(two, SourceConfig(pairs=("1-0",))) == (((1, 0),),) * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source.data": ()}, "tasks of kind pairs are made of data; say which: --data PATH"),
        ({"source.data": ("absent.zip",)}, "'absent.zip': no such file or folder"),
        ({"source.data": ("cifar10",)}, "would have to be downloaded"),
        (
            {"source.data": ("diabetes",)},
            "has no classes to make pairs of, its labels are numbers; --kind table predicts",
        ),
        ({"tasks.features": 65}, "features is 65; digits can be projected to 1 to 64"),
        (
            {"tasks.train_examples": 10_000, "tasks.select_valid_examples": 800},
            "digits has too few examples, in a task of 2 classes, for train_examples = 10000 (at most 280),"
            " select_valid_examples = 800 (at most 34); take all with --train-examples none"
            " --select-valid-examples none",
        ),
        ({"tasks.train_examples": 21}, "21 train examples cannot be taken from digits"),
        ({"tasks.kind": "table", "tasks.features": 65}, "valid_examples is"),
        (
            {"tasks.kind": "multiclass", "tasks.train_examples": 30},
            "4 features cannot hold one-hot labels of 10 classes",
        ),
        (
            {"tasks.kind": "multiclass", "source.data": ("digits", "iris")},
            "a mixture can only be made of tasks of kind",
        ),
        ({"source.pairs": ("3-3",)}, "'3-3' is no pair of two classes from 0 to 9"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load(override(small(), values)).search(0)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_function_may_have_ops_of_its_own() -> None:
    config = SpaceConfig(ops=("SCALAR_SUM_OP",), setup_ops=("SCALAR_CONST_SET_OP",), learn_ops=("VECTOR_SUM_OP",))
    names = [[OPS[op].name for op in function.ops] for function in config.build(4).functions]
    assert names == [["SCALAR_CONST_SET_OP"], ["SCALAR_SUM_OP"], ["VECTOR_SUM_OP"]]


@pytest.mark.parametrize(
    ("data", "kind", "preset"),
    [
        ("a.CSV", "table", "table"),
        ("a.tsv", "table", "table"),
        ("iris", "table", "table"),
        ("a.zip", "pairs", "cifar10"),
        ("digits", "pairs", "digits"),
    ],
)
def test_what_is_done_with_data_where_nothing_is_said(data: str, kind: str, preset: str) -> None:
    assert (natural_kind(data), natural_preset(data)) == (kind, preset)
    assert load_preset(preset).tasks.kind == kind


def test_all_classes_at_once_are_searched_with_settings_of_their_own() -> None:
    digits = load_preset("digits")
    assert with_kind(digits, "pairs") == digits
    config = with_kind(digits, "multiclass")
    assert config == override(load_preset("multiclass"), {"source.data": ("digits",)})


def test_a_table_of_any_form_is_searched_with_the_settings_of_tables() -> None:
    assert load_preset(data="my.npz", kind="table") == load_preset("table", data="my.npz")


def test_data_are_checked_against_the_kind_before_numbers_are() -> None:
    for settings in ({"data": "digits"}, {"name": "digits"}, {"data": "iris", "features": 4}):
        with pytest.raises(ValueError, match=r"^data is \w+, but tasks of kind linear are drawn at random"):
            load_preset(settings.pop("name", None), **settings, kind="linear")


@pytest.mark.parametrize(("kind", "metric"), [("pairs", Metric.ACCURACY), ("multiclass", Metric.MULTICLASS_ACCURACY)])
def test_features_that_nobody_asked_for_are_as_many_as_there_are_values(kind: str, metric: Metric) -> None:
    config, said = load_preset("multiclass" if kind == "multiclass" else "cifar10", data="iris", kind=kind), list[str]()
    sets = make_task_sets(config, said.append)
    assert (config.tasks.features, sets.features, sets.metric) == (16, 4, metric)
    assert "note: iris has few values an example: features is 4 in place of 16" in said
    with pytest.raises(ValueError, match=r"^features is 16; iris can be projected to 1 to 4$"):
        make_task_sets(config, said.append, asked=["features"])


NET = """
def Setup():
  m0 = gaussian(0.0, 0.2)
  m1 = gaussian(0.0, 0.2)
  s2 = 0.02
def Predict():
  v3 = dot(m0, v0)
  v4 = maximum(v3, v5)
  v2 = dot(m1, v4)
def Learn():
  v2 = v1 - v2
  v2 = s2 * v2
  m2 = transpose(m1)
  v1 = dot(m2, v2)
  v3 = heaviside(v3, 1.0)
  v1 = v1 * v3
  m2 = outer(v2, v4)
  m1 = m1 + m2
  m2 = outer(v1, v0)
  m0 = m0 + m2
"""


@pytest.mark.parametrize(("text", "floor"), [(load_program("softmax_regressor").text, 0.75), (NET, 0.7)])
def test_the_space_of_all_classes_has_room_for_softmax_regression_and_a_net(text: str, floor: float) -> None:
    config = override(load_preset("multiclass"), {"source.data": ("digits",), "source.projections": 2})
    tasks = load(config).final(0)
    assert evaluate_program(text, tasks, config).min() > floor


def test_a_space_in_which_nothing_can_tell_many_classes_apart_is_refused() -> None:
    config = override(load_preset("multiclass"), {"source.data": ("digits",), "space.predict_ops": ("SCALAR_SUM_OP",)})
    with pytest.raises(ValueError, match="predictions of many classes are a vector, but no op of Predict makes one"):
        make_task_sets(config, print)


def test_progress_is_said_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    lines: list[str] = []
    progress = spoken(lines.append)
    for done in range(1, 6):
        clock[0] += 1
        progress("projecting", done, 5)
    assert lines == ["projecting: 2 of 5", "projecting: 4 of 5"]


def test_what_has_not_begun_is_said_at_once() -> None:
    lines: list[str] = []
    spoken(lines.append)("asking for mnist", 0, 1)
    assert lines == ["asking for mnist"]


def test_what_was_projected_is_kept_where_asked(tmp_path: Path) -> None:
    load(small(), cache_dir=tmp_path)
    assert len(list(tmp_path.glob("projection-*.npz"))) == 2
