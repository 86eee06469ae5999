"""A program as the exports write it down: instructions as expressions of named registers, with their comments."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from azero_jax.explain.export.expressions import expression
from azero_jax.language import ops
from azero_jax.language.grammar import Line
from azero_jax.language.program import IN1
from azero_jax.language.roles import FEATURES, SCALAR_LABEL
from azero_jax.learner.reading import ReadProgram

_SHAPES: Final = {ops.SCALAR: "()", ops.VECTOR: "({n},)", ops.MATRIX: "({n}, {n})"}


class Assignment(NamedTuple):
    """One instruction.

    Attributes:
      line: as it was read.
      stream: that a random op draws from.
      comment: what stood behind it in the text; empty if nothing did.
    """

    line: Line
    stream: int
    comment: str

    @property
    def target(self) -> str:
        """Name of the register that is written."""
        return str(self.line.registers["o"])


Listing = tuple[tuple[Assignment, ...], tuple[Assignment, ...], tuple[Assignment, ...]]


def list_program(program: ReadProgram) -> Listing:
    """The instructions of Setup, Predict and Learn, without NO_OPs."""
    lines = program.text.splitlines()
    listed = []
    for offset, function in zip(program.space.offsets, program.parsed, strict=True):
        streams = program.programs.addresses[0, offset : offset + len(function), IN1].tolist()
        listed.append(
            tuple(
                Assignment(line, stream, lines[line.number - 1].partition("#")[2].strip())
                for line, stream in zip(function, streams, strict=True)
                if line.op is not ops.NO_OP
            )
        )
    setup, predict, learn = listed
    return setup, predict, learn


def registers(program: ReadProgram) -> list[str]:
    """Names of all registers that a program touches, and of those that it is given and asked for, in order."""
    metric = program.metric
    used = {FEATURES, SCALAR_LABEL, metric.label, metric.prediction}
    used.update(register for line in program.parsed.lines() for register in line.registers.values())
    return [str(register) for kind in ops.KINDS for register in sorted(used) if register.kind == kind]


def array_code(
    assignment: Assignment,
    read: Callable[[str], str],
    constant: Callable[[str], str],
    *,
    numpy: str,
    features: str,
    words: str,
    signed: bool,
) -> str:
    """The right side of an assignment as NumPy code.

    Args:
      assignment: what is written.
      read: makes code of the name of a register.
      constant: makes code of the letter of a constant, `x` or `y`.
      numpy: what NumPy is called.
      features: what F is called.
      words: the beginning of a call that makes random words of a stream and a shape.
      signed: see `expression`.
    """
    line, op = assignment.line, assignment.line.op
    values = {letter: read(str(register)) for letter, register in line.registers.items()}
    values |= {letter: str(int(line.numbers[letter])) for letter in "ij" if letter in line.numbers}
    values |= {letter: constant(letter) for letter in "xy" if letter in line.numbers}
    shape = _SHAPES[op.output].format(n=features)
    axis = f", axis={op.axes[0]}" if len(op.axes) == 1 and len(op.inputs) == 1 and op.inputs == ops.MATRIX else ""
    return expression(op, signed=signed).array.format(
        **values,
        old=read(assignment.target) if op.partial_write else "",
        np=numpy,
        n=features,
        axis=axis,
        draw=f"{words}{assignment.stream}, {shape})",
    )


def helpers(code: str, known: dict[str, str]) -> list[str]:
    """Of `known` functions, by name, those that code calls, and that those call, in the order in which they stand."""
    wanted: set[str] = set()
    found = {name for name in known if re.search(rf"\b{name}\(", code)}
    while found - wanted:
        wanted |= found
        found = {name for name in known for of in wanted if re.search(rf"\b{name}\(", known[of])}
    return [text for name, text in known.items() if name in wanted]
