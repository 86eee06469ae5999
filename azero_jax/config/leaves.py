"""Reading settings: every leaf of the configuration tree by its dotted name, from text or from TOML values."""

import dataclasses
import difflib
import operator
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from azero_jax.config.tree import Config
from azero_jax.process.messages import one_line

Value = bool | int | float | str | tuple[int | float | str | tuple[str, float], ...] | None
"""What a setting can be."""
Kind = Any
"""The type of a setting, such as `int | None`: an expression that the type checker has no type for."""
_TUPLES: Final = (tuple[int, ...], tuple[float, ...], tuple[str, ...])
_NEAREST: Final = 3  # names that are suggested for an unknown one


class Setting(NamedTuple):
    """One leaf of the configuration tree.

    Attributes:
      path: dotted name, such as `search.population`.
      kind: its type, such as `int | None`.
      help: its line of the docstring.
    """

    path: str
    kind: Kind
    help: str

    @property
    def name(self) -> str:
        """The last part of the dotted name."""
        return self.path.rpartition(".")[2]


def all_settings(tree: type = Config, prefix: str = "") -> Iterator[Setting]:
    """Every leaf of a tree of dataclasses, in the order of their definition."""
    kinds = typing.get_type_hints(tree)
    helps = attribute_help(tree)
    for field in dataclasses.fields(tree):
        path, kind = f"{prefix}{field.name}", kinds[field.name]
        if dataclasses.is_dataclass(kind):
            yield from all_settings(kind, f"{path}.")  # type: ignore[arg-type]
        else:
            yield Setting(path, kind, helps.get(field.name, ""))


def attribute_help(tree: type) -> dict[str, str]:
    """The descriptions in the `Attributes:` section of a class docstring, by attribute; none under `python -OO`."""
    section = re.split(r"\n\s*\n", (tree.__doc__ or "").partition("Attributes:\n")[2])[0]
    entries = re.split(r"\n\s{6}(?=\w+: )", "\n" + section)
    return {name: " ".join(text.split()) for name, _, text in (entry.partition(": ") for entry in entries[1:])}


def get_setting(config: Config, path: str) -> Value:
    """The value at a dotted name."""
    return operator.attrgetter(path)(config)


def override(config: Config, values: Mapping[str, Any]) -> Config:
    """The configuration with other values at some dotted names.

    Raises:
      ValueError: a value is not allowed where it stands.
    """
    changes: dict[str, Any] = {}
    branches: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        first, _, rest = path.partition(".")
        if rest:
            branches.setdefault(first, {})[rest] = value
        else:
            changes[first] = value
    changes |= {name: override(getattr(config, name), inner) for name, inner in branches.items()}
    return dataclasses.replace(config, **changes)


def read_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as Python code gives them, by dotted name and as the configuration holds them.

    Args:
      given: values by short name (`population`), as on the command line, or by dotted name (`search.population`). A
        list may stand for a tuple, one thing for a tuple of one, a dictionary for names with weights, a path for its
        text.

    Raises:
      ValueError: an unknown name, with the nearest ones, or a value that is not of the setting's type.

    >>> read_settings({"population": 500, "data": "my.csv"})
    {'search.population': 500, 'source.data': ('my.csv',)}
    """
    known = {name: setting for setting in all_settings() for name in (setting.path, setting.name)}
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, [n for n in known if "." not in n], n=_NEAREST, cutoff=0.0)
            raise ValueError(f"unknown setting {one_line(name, 60)!r}; did you mean {' or '.join(nearest)}?")
    return {known[name].path: check_value(known[name], _plain(known[name], value)) for name, value in given.items()}


def replace_settings(config: Config, given: Mapping[str, Any]) -> Config:
    """The configuration with other settings, as `read_settings` reads them; a whole branch is replaced by its name.

    Raises:
      ValueError: an unknown name, a value of a wrong type, or one that is not allowed where it stands.
    """
    kinds = {field.name: type(getattr(config, field.name)) for field in dataclasses.fields(config)}
    branches: dict[str, Any] = {
        name: value
        for name, value in given.items()
        if dataclasses.is_dataclass(value) and isinstance(value, kinds.get(name, type(None)))
    }
    settings = read_settings({name: value for name, value in given.items() if name not in branches})
    return override(dataclasses.replace(config, **branches), settings)


def parse_setting(setting: Setting, text: str) -> Value:
    """The value that a command-line word means for a setting.

    Raises:
      ValueError: the word is not of the setting's type.
    """
    kind, optional = _without_none(setting.kind)
    if optional and text.lower() == "none":
        return None
    try:
        return _parse(kind, text)
    except ValueError:
        what = describe_kind(setting.kind)
        raise ValueError(f"--{setting.path.replace('_', '-')}: {text!r} is not {what}") from None


def format_setting(value: Value) -> str:
    """The command-line word that means `value`; `parse_setting` reads it back."""
    if isinstance(value, tuple):
        return ",".join("=".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def describe_kind(kind: Kind) -> str:
    """What a setting of this type looks like as a word on the command line."""
    kind, optional = _without_none(kind)
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a word",
        tuple[int, ...]: "whole numbers, as in 1,5,10",
        tuple[float, ...]: "numbers, as in 0.1,0.5",
        tuple[str, ...]: "names with commas between them",
        tuple[tuple[str, float], ...]: "names with weights, as in alter_param=1,identity=0.5",
    }
    return names[kind] + (" or none" if optional else "")


def _describe_value(kind: Kind) -> str:
    """What a setting of this type looks like in a TOML file."""
    plain, optional = _without_none(kind)
    lists = {
        tuple[int, ...]: "whole numbers, as in [1, 5, 10]",
        tuple[float, ...]: "numbers, as in [0.1, 0.5]",
        tuple[str, ...]: 'texts, as in ["a", "b"]',
        tuple[tuple[str, float], ...]: "names with weights, as in {alter_param = 1.0, identity = 0.5}",
    }
    return lists[plain] + (" or none" if optional else "") if plain in lists else describe_kind(kind)


def suggest(path: str, known: typing.Iterable[str]) -> str:
    """The known dotted name that is nearest: by its last part, and where those are equally near by the whole."""
    last = path.rpartition(".")[2]

    def nearness(other: str) -> tuple[float, float]:
        matcher = difflib.SequenceMatcher
        return matcher(None, last, other.rpartition(".")[2]).ratio(), matcher(None, path, other).ratio()

    return max(sorted(known), key=nearness)


def fixed_settings(changeable: typing.Collection[str]) -> list[Setting]:
    """All settings but those that are named, themselves or by their branch."""
    starts = tuple(f"{name}." for name in changeable)
    return [setting for setting in all_settings() if not f"{setting.path}.".startswith(starts)]


def check_value(setting: Setting, value: Any) -> Value:
    """A TOML value as the setting holds it: lists become tuples, tables of weights become pairs.

    Raises:
      ValueError: the value is not of the setting's type.
    """
    kind, optional = _without_none(setting.kind)
    if value is None and optional:
        return None
    fits, converted = _convert(kind, value)
    if not fits:
        shown = "none" if value is None else repr(value)
        raise ValueError(f"{setting.path} is {shown}; it must be {_describe_value(setting.kind)}")
    return converted


def _plain(setting: Setting, value: Any) -> Any:
    """A Python value as TOML would have it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    kind, _ = _without_none(setting.kind)
    if kind == tuple[tuple[str, float], ...]:
        is_pairs = isinstance(value, tuple | list) and all(
            isinstance(one, tuple | list) and len(one) == 2 for one in value
        )
        return dict(value) if is_pairs else value
    if kind in _TUPLES and value is not None:
        return list(value) if isinstance(value, tuple | list) else [value]
    return value


def _convert(kind: Kind, value: Any) -> tuple[bool, Any]:
    """Whether a TOML value is of a type, and what it is as such."""
    if kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return fits, float(value) if fits else None
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if kind in (bool, str):
        return isinstance(value, kind), value
    if kind == tuple[tuple[str, float], ...]:
        if not isinstance(value, dict):
            return False, None
        parts = [(name, _convert(float, weight)) for name, weight in value.items()]
        return all(fits for _, (fits, _) in parts), tuple((name, weight) for name, (_, weight) in parts)
    if not isinstance(value, list):
        return False, None
    items = [_convert(kind.__args__[0], item) for item in value]
    return all(fits for fits, _ in items), tuple(item for _, item in items)


def _without_none(kind: Kind) -> tuple[Kind, bool]:
    if isinstance(kind, types.UnionType):
        return next(part for part in kind.__args__ if part is not type(None)), True
    return kind, False


def _parse(kind: Kind, text: str) -> Value:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if kind is int:
        return int(text.replace("_", ""))
    if kind in (float, str):
        return kind(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind == tuple[tuple[str, float], ...]:
        pairs = [part.partition("=") for part in parts]
        return tuple((name.strip(), float(weight)) for name, _, weight in pairs)
    return tuple(kind.__args__[0](part) for part in parts)
