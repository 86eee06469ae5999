"""The configuration as a TOML file: one table for each branch of the tree, one key for each setting."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from azero_jax.config.leaves import Setting, all_settings, check_value, get_setting, override, suggest
from azero_jax.config.presets import DEFAULT_PRESET, load_preset
from azero_jax.config.tree import Config
from azero_jax.process.messages import one_line
from azero_jax.process.text_files import read_text_file

NONE = "none"  # TOML has no null


def read_config(path: Path, preset: str | None = None, candidates: str | None = None) -> Config:
    """The configuration in a TOML file: its settings in place of a preset's.

    Args:
      path: the file; its key `preset` says what to start from, else it is `linear`.
      preset: start from this one whatever the file says.
      candidates: whatever the file says, start from the preset for "learnable" or for "any" ones; None leaves it to the
        file.

    Raises:
      ValueError: the file cannot be read, or it has an unknown key, a value of a wrong type, or one out of range; the
        file, the key and what is allowed are named.
    """
    try:
        tree = tomllib.loads(read_text_file(path))
    except FileNotFoundError as error:
        raise ValueError(f"{one_line(str(path), 120)}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise ValueError(f"{path}: not TOML: too many brackets in one another") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(one_line(f"{path}: not TOML: {error}")) from None
    try:
        name, values = _take_preset(tree, preset), read_values(tree)
        candidates = candidates or values.get("search.candidates", "learnable")
        return override(load_preset(name, candidates=candidates), values | {"search.candidates": candidates})
    except ValueError as error:
        raise ValueError(one_line(f"{path}: {error}")) from None


def read_values(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in nested tables, by dotted name.

    Raises:
      ValueError: an unknown key or a value of a wrong type.
    """
    settings = {setting.path: setting for setting in all_settings()}
    branches = {path.rpartition(".")[0] for path in settings}
    values = {}
    for path, value in _leaves(tree, settings):
        if path not in settings:
            if path in branches:
                raise ValueError(f"{path} is {value!r}; it must be a table")
            raise ValueError(f"unknown key {path}; did you mean {suggest(path, settings)}?")
        values[path] = check_value(settings[path], None if value == NONE else value)
    return values


def format_config(config: Config) -> str:
    """The whole configuration as TOML; `read_config` reads it back to an equal one."""
    tree: dict[str, Any] = {}
    for setting in all_settings():
        branch, _, name = setting.path.rpartition(".")
        table = tree.setdefault(branch, {}) if branch else tree
        table[name] = _plain(get_setting(config, setting.path))
    return tomli_w.dumps(tree)


def _take_preset(tree: dict[str, Any], preset: str | None) -> str:
    named = tree.pop("preset", DEFAULT_PRESET)
    if not isinstance(named, str):
        raise ValueError(f"preset is {named!r}; it must be a word")
    return preset or named


def _leaves(tree: Mapping[str, Any], settings: Mapping[str, Setting], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; a table that is itself a setting's value is left whole."""
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path not in settings:
            yield from _leaves(value, settings, f"{path}.")
        else:
            yield path, value


def _plain(value: Any) -> Any:
    """A setting's value as TOML has it."""
    if value is None:
        return NONE
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
