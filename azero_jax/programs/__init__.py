"""Known programs as text: those that people designed, and those that the paper's searches found.

Each file starts with comment lines that say what it is, where it is from, and what was changed.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Final, NamedTuple

from azero_jax import ops
from azero_jax.program import Programs
from azero_jax.space import FUNCTION_NAMES, SearchSpace, make_space
from azero_jax.text import parse_program

_SUFFIX: Final = ".txt"
_REGISTER: Final = re.compile(r"\b([svm])(\d+)\b")


class Needs(NamedTuple):
    """The least memory and room that a program fits into.

    Attributes:
      scalars: scalar addresses.
      vectors: vector addresses.
      matrices: matrix addresses.
      setup: instructions of Setup.
      predict: instructions of Predict.
      learn: instructions of Learn.
    """

    scalars: int
    vectors: int
    matrices: int
    setup: int
    predict: int
    learn: int


class KnownProgram(NamedTuple):
    """One program of the library.

    Attributes:
      name: the file's name without its ending.
      source: the comment that heads the file.
      text: the whole file, as `azero_jax.text.parse_program` reads it.
    """

    name: str
    source: str
    text: str


def known_programs() -> tuple[str, ...]:
    """Names of the known programs, in alphabetical order."""
    files = resources.files(__name__).iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def load_program(name: str) -> KnownProgram:
    """One program of the library.

    Raises:
      ValueError: there is none of that name.
    """
    if name not in known_programs():
        raise ValueError(f"{name!r} is no known program; known are {', '.join(known_programs())}")
    text = resources.files(__name__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")
    head = text.split("def ", 1)[0]
    source = "\n".join(line.removeprefix("#").strip() for line in head.splitlines() if line.startswith("#"))
    return KnownProgram(name, source, text)


def program_needs(text: str) -> Needs:
    """What a program's text needs: addresses up to the highest that it names, and its instructions."""
    counts = {ops.SCALAR: ops.PREDICTION_ADDRESS + 1, ops.VECTOR: ops.FEATURES_ADDRESS + 1, ops.MATRIX: 0}
    sizes = dict.fromkeys(FUNCTION_NAMES, 0)
    function = ""
    for line in text.splitlines():
        code = line.split("#", 1)[0].strip().lower()
        if code.startswith("def"):
            function = code.removeprefix("def").split("(")[0].strip()
        elif code and function in sizes:
            sizes[function] += 1
            for kind, address in _REGISTER.findall(code):
                counts[kind] = max(counts[kind], int(address) + 1)
    return Needs(counts[ops.SCALAR], counts[ops.VECTOR], counts[ops.MATRIX], *(sizes[f] for f in FUNCTION_NAMES))


def program_space(text: str, features: int) -> SearchSpace:
    """The smallest search space with `features` features that a program's text fits into; only its ops are allowed."""
    needs = program_needs(text)._asdict()
    program = parse_program(text, make_space(features=features, **needs))
    used = sorted({ops.OPS[int(number)].name for number in program.opcodes[0]} - {ops.NO_OP.name})
    return make_space(features=features, **needs, allowed=tuple(used))


def parse_known(name: str, features: int) -> tuple[SearchSpace, Programs]:
    """A known program as a batch of one, with the smallest space that it fits into.

    Raises:
      ValueError: there is no program of that name.
    """
    text = load_program(name).text
    space = program_space(text, features)
    return space, parse_program(text, space)
