"""One program as lists of instructions, the form in which explanations take it apart and put it together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from azero_jax.language import ops
from azero_jax.language.grammar import Instruction, format_instruction
from azero_jax.language.library import program_space
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric, Register
from azero_jax.language.space import FUNCTION_NAMES, SearchSpace
from azero_jax.language.text import parse_program, read_text

Body = tuple[Instruction, ...]


class Place(NamedTuple):
    """Where an instruction stands: the number of its function (0 Setup, 1 Predict, 2 Learn), and its line there."""

    function: int
    line: int


class Listing(NamedTuple):
    r"""The instructions of the three functions.

    >>> listing = read_listing("def Predict():\n  s1 = dot(v0, v1)")
    >>> listing.size, str(written(listing.predict[0]))
    (1, 's1')
    """

    setup: Body
    predict: Body
    learn: Body

    @property
    def size(self) -> int:
        """How many instructions there are."""
        return sum(map(len, self))

    def places(self) -> Iterator[tuple[Place, Instruction]]:
        """All instructions and where they stand, in order."""
        for function, body in enumerate(self):
            for line, instruction in enumerate(body):
                yield Place(function, line), instruction

    def at(self, place: Place) -> Instruction:
        """The instruction at a place."""
        return self[place.function][place.line]

    def with_body(self, function: int, body: Iterable[Instruction]) -> Listing:
        """The same with another body of one function."""
        bodies: list[Body] = list(self)
        bodies[function] = tuple(body)
        return Listing(*bodies)

    def without(self, *places: Place) -> Listing:
        """The same without some instructions."""
        gone = set(places)
        bodies = [
            tuple(one for line, one in enumerate(body) if (function, line) not in gone)
            for function, body in enumerate(self)
        ]
        return Listing(*bodies)

    def with_instruction(self, place: Place, instruction: Instruction) -> Listing:
        """The same with another instruction at a place."""
        body = list(self[place.function])
        body[place.line] = instruction
        return self.with_body(place.function, body)

    def text(self) -> str:
        """The program as text."""
        lines = []
        for name, body in zip(FUNCTION_NAMES, self, strict=True):
            lines.append(f"def {name.capitalize()}():")
            lines += [f"  {format_instruction(instruction)}" for instruction in body]
        return "\n".join(lines) + "\n"

    def space(self, features: int) -> SearchSpace:
        """The smallest search space that it fits into."""
        return program_space(self.text(), features)

    def programs(self, features: int) -> Programs:
        """The program as a batch of one, of the smallest space that it fits into."""
        return parse_program(self.text(), self.space(features))


def read_listing(text: str) -> Listing:
    """The instructions of a program; NO_OPs are left out.

    Raises:
      ValueError: the text is not a program.
    """
    functions = (tuple(line.instruction() for line in body if line.op is not ops.NO_OP) for body in read_text(text))
    return Listing(*functions)


def read(instruction: Instruction) -> tuple[Register, ...]:
    """The registers that an instruction reads; a partial write reads its output too."""
    op = instruction.op
    inputs = zip(op.inputs, (instruction.in1, instruction.in2), strict=False)
    registers = tuple(Register(kind, address) for kind, address in inputs)
    return (*registers, written(instruction)) if op.partial_write else registers


def written(instruction: Instruction) -> Register:
    """The register that an instruction writes."""
    return Register(instruction.op.output, instruction.out)


def live_at_entry(listing: Listing, metric: Metric) -> frozenset[Register]:
    """Registers whose contents when Predict begins make a difference, apart from those set from outside."""
    outside = frozenset(metric.given)
    live: frozenset[Register] = frozenset()
    while True:
        _, before_learn = _walk_back(listing.learn, live)
        after_predict = (live | before_learn | {metric.prediction}) - outside
        _, before_predict = _walk_back(listing.predict, after_predict)
        grown = (live | before_predict) - outside
        if grown == live:
            return live
        live = grown


def prune(listing: Listing, metric: Metric) -> Listing:
    """The same program without its dead instructions."""
    live, outside = live_at_entry(listing, metric), frozenset(metric.given)
    learn, before_learn = _walk_back(listing.learn, live)
    predict, _ = _walk_back(listing.predict, (live | before_learn | {metric.prediction}) - outside)
    setup, _ = _walk_back(listing.setup, live)
    return Listing(setup, predict, learn)


def _walk_back(body: Body, live: frozenset[Register]) -> tuple[Body, frozenset[Register]]:
    """The live instructions of a function, and what is live before it."""
    kept = []
    for instruction in reversed(body):
        target = written(instruction)
        if target in live:
            kept.append(instruction)
            live = (live - {target}) | set(read(instruction))
    return tuple(reversed(kept)), live
