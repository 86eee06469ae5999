"""What both commands share with a shell: exit codes, refusals, and the files that are named."""

import sys
from pathlib import Path
from typing import Final, NamedTuple

import click

from azero_jax.language.library import find_text
from azero_jax.language.text import ProgramText, read_text
from azero_jax.protocol.signals import EXIT_CODES

SOLVED: Final = 0  # exit codes; those of signals are in EXIT_CODES
NOT_SOLVED: Final = 1
BAD_INPUT: Final = 2


class ReadProgram(NamedTuple):
    """A program as its file has it, and what it says."""

    text: str
    parsed: ProgramText


def run_command(command: click.Command, name: str, arguments: list[str] | None) -> int:
    """Runs a command; a user's mistake becomes one line on standard error. Returns the exit code."""
    try:
        return int(command.main(arguments, prog_name=name, standalone_mode=False) or 0)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        return _refuse(" ".join(error.format_message().split()))
    except click.Abort as error:  # what click makes of a KeyboardInterrupt
        print("stopped", file=sys.stderr)
        return getattr(error.__cause__, "exit_code", EXIT_CODES["interrupt"])
    except ValueError as error:
        return _refuse(str(error))


def absolute_data(data: tuple[str, ...]) -> tuple[str, ...]:
    """Paths in full, so that a recorded run finds them from everywhere; names as they are."""
    return tuple(str(Path(name).absolute()) if Path(name).exists() else name for name in data)


def read_program(path: Path) -> ReadProgram:
    """The program in a file, or a known program.

    Raises:
      ValueError: there is neither, or it does not have the form of a program.
    """
    text = find_text(path)
    try:
        return ReadProgram(text, read_text(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return BAD_INPUT
