"""Settings by their short names in Python: those of the command line, refused with the nearest names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import azero_jax as az
from azero_jax.config.leaves import all_settings, get_setting, parse_setting, read_settings

WORDS = {  # what can be said on the command line, and the same in Python
    "seed": ("3", 3),
    "population": ("500", np.int64(500)),
    "max_seconds": ("60", 60),
    "features": ("8", 8),
    "setup": ("1,4,6", [1, 4, 6]),
    "learn": ("5", 5),
    "learned": ("any,m", ("any", "m")),
    "mutations": ("identity=0.5,alter_param=1", {"identity": 0.5, "alter_param": 1}),
    "hurdle_examples": ("0.1", (0.1,)),
    "max_candidates": ("none", None),
    "label": ("price", "price"),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_name_means_in_python_what_it_means_on_the_command_line(name: str) -> None:
    word, value = WORDS[name]
    (setting,) = (setting for setting in all_settings() if setting.name == name)
    assert read_settings({name: value}) == {setting.path: parse_setting(setting, word)}
    assert read_settings({setting.path: value}) == read_settings({name: value})


def test_every_setting_has_a_short_name_of_its_own() -> None:
    names = [setting.name for setting in all_settings()]
    assert len(names) == len(set(names))


def test_a_preset_takes_settings() -> None:
    config = az.load_preset("affine", seed=3, max_seconds=60, population=200)
    assert config == az.load_preset("affine").replace(seed=3, max_seconds=60, population=200)
    assert (config.seed, config.budget.max_seconds, config.search.population) == (3, 60.0, 200)
    assert config.tasks.kind == "affine"


def test_data_choose_the_preset() -> None:
    assert az.load_preset().tasks.kind == "linear"
    table = az.load_preset(data=Path("my.csv"), label="price")
    assert (table.tasks.kind, table.source.data, table.source.label) == ("table", ("my.csv",), "price")
    assert az.load_preset(data="digits", kind="multiclass").space == az.load_preset("multiclass").space


def test_a_whole_branch_is_replaced_by_its_name() -> None:
    config = az.load_preset("linear").replace(engine=az.EngineConfig(precision="float64"), seed=1)
    assert (config.engine.precision, config.seed) == ("float64", 1)
    assert get_setting(config.replace(engine="xla"), "engine.engine") == "xla"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"popluation": 500}, "unknown setting 'popluation'; did you mean population or "),
        ({"max_second": 60}, "unknown setting 'max_second'; did you mean max_seconds or "),
        ({"population": "many"}, "search.population is 'many'; it must be a whole number"),
        ({"population": 1.5}, "search.population is 1.5; it must be a whole number"),
        ({"ops": [3]}, "space.ops is [3]; it must be texts, as in ["),
        ({"mutations": 3}, "search.mutations is 3; it must be names with weights"),
        ({"max_seconds": 0}, "max_seconds is 0; it must be above 0"),
        ({"seed": None}, "seed is none; it must be a whole number"),
        ({"space": 3}, "unknown setting 'space'"),
    ],
)
def test_what_is_no_setting_is_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    for change in (az.load_preset("linear").replace, lambda **settings: az.load_preset("linear", **settings)):
        with pytest.raises(ValueError, match=r".") as refusal:
            change(**given)
        assert str(refusal.value).startswith(message)
        assert "\n" not in str(refusal.value)
        assert len(str(refusal.value)) <= 300
