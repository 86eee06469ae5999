"""A compiled program, read from its text: its operations, what they move and compute, and its loops and branches.

What counts as an operation is what a device starts by itself: a fusion, copy, reduction and so on. Names, constants,
tuples and arithmetic of single numbers, which a TPU's scalar unit does beside them, are left out.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Final

# Instructions that no device executes, or that only wait for another.
_FREE: Final = (
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"),
    *("copy-done", "async-done", "partition-id", "replica-id"),
)
_ITEM_BYTES: Final = {
    "pred": 1,
    "s8": 1,
    "u8": 1,
    "bf16": 2,
    "f16": 2,
    "s32": 4,
    "u32": 4,
    "f32": 4,
    "f64": 8,
    "s64": 8,
}
_COSTLY: Final = {
    "sine": 20,
    "cosine": 20,
    "tan": 30,
    "atan2": 30,
    "exponential": 10,
    "log": 10,
    "divide": 5,
    "sqrt": 5,
}
_COMPUTATION: Final = re.compile(r"^(?:ENTRY )?%([\w.\-]+) .*\{$")
_INSTRUCTION: Final = re.compile(r"^\s+(?:ROOT )?%([\w.\-]+) = (.*)$")
_ARRAY: Final = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_CALLED: Final = re.compile(r"(?:calls|body|condition)=%([\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction of a computation.

    Attributes:
      name: of the instruction.
      opcode: such as `fusion`, `while` or `conditional`.
      elements: of the result.
      bytes: of the result.
      operands: names of the operands.
      called: computations that it runs: a fusion's; a loop's condition and body; the branches of a conditional,
        in their order.
      scope: where in the Python code it comes from.
      cycles: the compiler's own estimate of how long it takes, 0 where it has none.
      literal: the number of a parameter, or the value of a constant.
      is_scalar: whether the result is a single number.
    """

    name: str
    opcode: str
    elements: int
    bytes: int
    operands: tuple[str, ...]
    called: tuple[str, ...]
    scope: str
    cycles: int
    literal: str
    is_scalar: bool

    @property
    def is_operation(self) -> bool:
        """Whether a device starts it."""
        return self.opcode not in (*_FREE, "while", "conditional", "call") and not (
            self.is_scalar and self.opcode not in ("fusion", "reduce")
        )


@dataclasses.dataclass(frozen=True)
class Module:
    """A compiled program.

    Attributes:
      computations: the instructions of each computation, by name.
      entry: name of the first one.
    """

    computations: dict[str, tuple[Instruction, ...]]
    entry: str

    def loops(self, scope: str) -> list[Instruction]:
        """The loops that are the innermost in a named scope, such as `learn`."""
        found = (i for body in self.computations.values() for i in body if i.opcode == "while")
        return [loop for loop in found if loop.scope.endswith(f"{scope}/while")]

    def operations(self, computation: str) -> int:
        """Operations that one run of a computation starts: of a conditional the longest branch, of a loop one round."""
        count = 0
        for instruction in self.computations[computation]:
            if instruction.opcode == "conditional":
                count += max(map(self.operations, instruction.called))
            elif instruction.opcode in ("while", "call"):
                count += sum(map(self.operations, instruction.called))
            else:
                count += instruction.is_operation
        return count

    def constant_trips(self, loop: Instruction) -> int:
        """How often a loop of constant length runs: the number that its condition compares with."""
        condition = self.computations[loop.called[0]]
        numbers = [int(i.literal) for i in condition if i.opcode == "constant" and i.literal.isdigit()]
        if not numbers:
            raise ValueError(f"the loop {loop.name} ({loop.scope}) has no constant length")
        return max(numbers)

    def moved_bytes(self, computation: str, instruction: Instruction) -> int:
        """Bytes that an operation reads and writes; of what it slices or updates in place, that part only."""
        by_name = {other.name: other for other in self.computations[computation]}
        operands = [by_name[name].bytes for name in instruction.operands if name in by_name]
        if instruction.opcode in ("dynamic-slice", "slice", "gather"):
            return 2 * instruction.bytes
        if instruction.opcode == "dynamic-update-slice":
            return 2 * operands[1]
        if instruction.opcode != "fusion":
            return sum(operands) + instruction.bytes
        inside = self.computations[instruction.called[0]]
        parameters = sorted(
            (i for i in inside if i.opcode == "parameter"), key=lambda parameter: int(parameter.literal)
        )
        read = sum(
            min(size, _read_bytes(parameter, inside)) for parameter, size in zip(parameters, operands, strict=False)
        )
        updates = {i.operands[1] for i in inside if i.opcode == "dynamic-update-slice"}
        if updates:
            return read + sum(i.bytes for i in inside if i.name in updates)
        return read + instruction.bytes

    def arithmetic(self, instruction: Instruction) -> int:
        """Operations on single numbers that an operation does, costly ones counted several times."""
        if instruction.opcode != "fusion":
            return instruction.elements
        inside = self.computations[instruction.called[0]]
        by_name = {other.name: other for other in inside}
        total = 0
        for other in inside:
            if other.opcode in _FREE or other.opcode in ("broadcast", "reshape", "transpose", "slice", "iota"):
                continue
            if other.opcode == "reduce":
                total += by_name[other.operands[0]].elements
            elif other.opcode == "fusion":
                total += self.arithmetic(other)
            else:
                total += other.elements * _COSTLY.get(other.opcode, 1)
        return total


def parse_module(text: str) -> Module:
    """Reads the text of `jax.stages.Compiled.as_text()`."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        if started := _COMPUTATION.match(line):
            current = computations.setdefault(started[1], [])
            entry = started[1] if line.startswith("ENTRY") else entry
        elif (found := _INSTRUCTION.match(line)) and current is not None:
            current.append(_parse_instruction(found[1], found[2]))
    return Module({name: tuple(body) for name, body in computations.items()}, entry)


def _parse_instruction(name: str, text: str) -> Instruction:
    end = _closing(text, 0) if text.startswith("(") else text.index(" ")
    shape, rest = text[:end], text[end:].lstrip(" )")
    opcode, _, rest = rest.partition("(")
    close = _closing("(" + rest, 0) - 2
    arrays = list(_arrays(shape))
    called = list(_CALLED.findall(rest))
    if branches := re.search(r"branch_computations=\{([^}]*)\}", rest):
        called += re.findall(r"%([\w.\-]+)", branches[1])
    scope, cycles = re.search(r'op_name="([^"]*)"', rest), re.search(r'"estimated_cycles":"(\d+)"', rest)
    return Instruction(
        name=name,
        opcode=opcode,
        elements=sum(elements for elements, _ in arrays),
        bytes=sum(elements * size for elements, size in arrays),
        operands=tuple(re.findall(r"%([\w.\-]+)", rest[:close])),
        called=tuple(called),
        scope=scope[1] if scope else "",
        cycles=int(cycles[1]) if cycles else 0,
        literal=rest[:close] if opcode in ("parameter", "constant") else "",
        is_scalar=not shape.startswith("(") and "[]" in shape,
    )


def _closing(text: str, start: int) -> int:
    """Position after the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place + 1
    return len(text)


def _arrays(shape: str) -> Iterator[tuple[int, int]]:
    """Elements, and bytes of one, of each array in a shape; layouts in braces are no arrays."""
    for kind, dimensions in _ARRAY.findall(re.sub(r"\{[^}]*\}", "", shape)):
        yield math.prod(map(int, filter(None, dimensions.split(",")))), _ITEM_BYTES.get(kind, 4)


def _read_bytes(parameter: Instruction, inside: tuple[Instruction, ...]) -> int:
    """Bytes of a fusion's parameter that are read: slices, nothing of what is updated in place, else all."""
    users = [i for i in inside if parameter.name in i.operands]
    if users and all(i.opcode in ("dynamic-slice", "slice") for i in users):
        return sum(i.bytes for i in users)
    if len(users) == 1 and users[0].opcode == "dynamic-update-slice" and users[0].operands[0] == parameter.name:
        return 0
    return parameter.bytes
