"""The command line: `python -m azero_jax.search`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from azero_jax.config import Config
from azero_jax.display import Display
from azero_jax.engines import EngineUnavailableError
from azero_jax.experiment import SearchResult, search
from azero_jax.presets import DEFAULT_PRESET, PRESETS, load_preset
from azero_jax.settings import all_settings, describe_kind, format_setting, get_setting, override, parse_setting

SOLVED, NOT_SOLVED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130  # exit codes

_INTRODUCTION = f"""Evolve a machine-learning algorithm from scratch.

A program has three functions: Setup runs once, Predict on every example, Learn after every training example. The
search makes random programs, runs each on many small tasks, keeps and mutates those that learn, and prints the best.

Without any option it evolves linear regression, on this machine's fastest engine, in seconds.

Presets: {", ".join(PRESETS)}. Every setting below can be given by its full name or, shorter, by its last part:
--search.population 500 is --population 500. Defaults shown are those of the preset `{DEFAULT_PRESET}`.

Exit code: 0 when the sufficient fitness was reached, 1 when the budget ended first (the best program is still shown),
2 when something in the input is wrong, 130 when interrupted."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    try:
        return int(_command().main(arguments, prog_name="python -m azero_jax.search", standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        return _refuse(error.format_message())
    except click.Abort:
        return INTERRUPTED
    except (EngineUnavailableError, ValueError) as error:
        return _refuse(str(error))


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return BAD_INPUT


def _command() -> click.Command:
    """The command, with an option for every setting of the configuration tree."""
    settings = list(all_settings(Config))
    default = load_preset(DEFAULT_PRESET)
    options: list[click.Parameter] = [
        click.Option(["--preset"], default=DEFAULT_PRESET, show_default=True, help="Settings to start from."),
        click.Option(["--json", "as_json"], is_flag=True, help="End standard output with the result as one JSON line."),
        click.Option(["--quiet"], is_flag=True, help="No progress, only the result."),
        click.Option(
            ["--start-from"],
            type=click.File("r"),
            multiple=True,
            metavar="FILE",
            help="A program (text file) to start from instead of random ones; may be repeated.",
        ),
    ]
    for setting in settings:
        names = {f"--{setting.path}", f"--{setting.name}"}
        flags = sorted({name.replace("_", "-") for name in names}, key=len)
        value = format_setting(get_setting(default, setting.path)) or "none"
        text = f"{setting.help[0].upper()}{setting.help[1:]} [{describe_kind(setting.kind)}; default: {value}]"
        options.append(click.Option([setting.path.replace(".", "__"), *flags], metavar="VALUE", help=text))
    context = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
    return click.Command("search", params=options, callback=_run, help=_INTRODUCTION, context_settings=context)


def _run(preset: str, as_json: bool, quiet: bool, start_from: tuple[Any, ...], **words: str | None) -> int:
    config = load_preset(preset)
    values = {}
    for setting in all_settings(Config):
        word = words[setting.path.replace(".", "__")]
        if word is not None:
            values[setting.path] = parse_setting(setting, word)
    config = override(config, values)
    with Display(quiet=quiet, to_stderr=as_json) as display:
        seeds = tuple(file.read() for file in start_from)
        result = search(config, seeds=seeds, report=display.report, say=display.say)
    display.show(result)
    if as_json:
        print(json.dumps(result.as_dict()))
    return exit_code(result)


def exit_code(result: SearchResult) -> int:
    """What the process returns for a result."""
    if result.stopped_by == "interrupt":
        return INTERRUPTED
    return SOLVED if result.solved else NOT_SOLVED


if __name__ == "__main__":
    sys.exit(main())
