"""Simplification: the same predictions in fewer instructions, each step proved (see `azero_jax.explain.equality`).

Steps are proposed without much thought, and taken if they are proved: an instruction goes; it becomes a constant; what
it makes is a multiple of what another register holds, so that this one is read in its place, or written under its
name, and a constant elsewhere takes over the factor. In the end constants of the loop that never change move to Setup.
"""

from collections.abc import Iterator
from typing import Final

from azero_jax.explain.algebra import ratio
from azero_jax.explain.equality import is_same, proves_equal
from azero_jax.explain.listing import Body, Listing, Place, prune, read, written
from azero_jax.explain.symbolic import Memory, Round, SymbolicProgram, algebra_for
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import Metric, Register

_SET_SCALAR: Final = ops.OP_BY_NAME["SCALAR_CONST_SET_OP"]
_FACTORS: Final = (2.0, 0.5, -1.0)  # that a constant may take over from an instruction that goes
_SETUP, _PREDICT, _ = range(3)


def simplify(listing: Listing, metric: Metric) -> Listing:
    r"""A program that provably predicts the same, with as few instructions as the steps lead to.

    It never has more instructions than the one that is given. Equal means equal as real numbers: in floating point
    predictions differ by rounding, where constants have been combined.

    >>> from azero_jax.explain.listing import read_listing
    >>> text = "def Setup():\n v1 = s1 * v0\ndef Predict():\n v2 = v1 + v2\n s1 = dot(v2, v0)\n"
    >>> print(simplify(read_listing(text + "def Learn():\n v2 = v0 + v2"), Metric.RMS_ERROR).text(), end="")
    def Setup():
    def Predict():
      s1 = dot(v2, v0)
    def Learn():
      v2 = v0 + v2
    """
    current = prune(listing, metric)
    while (better := _improved(current, metric)) is not None:
        current = better
    return _with_constants_in_setup(current, metric)


def _improved(listing: Listing, metric: Metric) -> Listing | None:
    """A simpler program that is proved to be the same; None if no step leads to one."""
    algebra = algebra_for(listing)
    program = SymbolicProgram(listing, metric, algebra)
    tried: set[Listing] = set()
    for proposal in _proposals(listing, program):
        candidate = prune(proposal, metric)
        if candidate in tried or not _effort(candidate) < _effort(listing):
            continue
        tried.add(candidate)
        if is_same(program, SymbolicProgram(candidate, metric, algebra)):
            return candidate
    return None


def _effort(listing: Listing) -> tuple[int, int]:
    """What a step has to lessen: the instructions, else their inputs."""
    return listing.size, sum(len(instruction.op.inputs) for _, instruction in listing.places())


def _proposals(listing: Listing, program: SymbolicProgram) -> Iterator[Listing]:
    """Programs that may be the same."""
    later = program.later()
    results = (program.set_up[1], *later.results)
    for place, _ in listing.places():
        yield listing.without(place)
    for place, instruction in listing.places():
        number = results[place.function][place.line].number
        if instruction.op.output == ops.SCALAR and instruction.op.inputs and number is not None:
            constant = Instruction(_SET_SCALAR, out=instruction.out, x=number)
            yield listing.with_instruction(place, constant)
    for place, instruction in listing.places():
        yield from _passed_through(listing, program, place, instruction, later)
    for place, instruction in listing.places():
        if instruction.op.family is Family.SUM or instruction.op.family is Family.PRODUCT:
            for factor in _FACTORS:
                yield from _rescaled(listing.without(place), factor)


def _passed_through(
    listing: Listing, program: SymbolicProgram, place: Place, instruction: Instruction, later: Round
) -> Iterator[Listing]:
    """An instruction whose result is a multiple of what a register holds at that moment."""
    memory: Memory = {}
    results = program.set_up[1]
    if place.function != _SETUP:
        memory = dict(later.start if place.function == _PREDICT else later.before)
        results = later.results[place.function - 1]
    body = listing[place.function]
    for line in range(place.line):
        memory[written(body[line])] = results[line]
    value = results[place.line]
    for register in (source for source in read(instruction) if source != written(instruction)):
        factor = ratio(value, program.held(memory, register))
        yield from _taken(listing, place, register, factor)
    for register, held in memory.items():
        if register.kind == instruction.op.output and held.terms and register not in read(instruction):
            yield from _taken(listing, place, register, ratio(value, held))
    factor = ratio(value, program.held(memory, written(instruction)))
    if factor is not None and factor != 1.0:  # its own register, scaled
        yield from _rescaled(listing.without(place), factor)


def _taken(listing: Listing, place: Place, register: Register, factor: float | None) -> Iterator[Listing]:
    """The instruction is left out, and another register, which holds a multiple of its result, taken in its place."""
    if factor is None or register.kind != written(listing.at(place)).kind:
        return
    body, target = listing[place.function], written(listing.at(place))
    read_instead = (*body[: place.line], *_renamed(body[place.line + 1 :], target, register))
    choices = [listing.with_body(place.function, read_instead)]
    writers = [line for line in range(place.line) if written(body[line]) == register]
    if writers:
        head, first = body[: writers[-1]], body[writers[-1]]._replace(out=target.address)
        tail = _renamed((*body[writers[-1] + 1 : place.line], *body[place.line + 1 :]), register, target)
        choices.append(listing.with_body(place.function, (*head, first, *tail)))
    for choice in choices:
        if factor == 1.0:
            yield choice
        else:
            yield from _rescaled(choice, factor)


def _renamed(body: Body, old: Register, new: Register) -> Body:
    """A body that reads one register in place of another, until that is written."""
    renamed = []
    active = True
    for instruction in body:
        inputs = zip(instruction.op.inputs, (instruction.in1, instruction.in2), strict=False)
        read_now = [new.address if (kind, address) == old else address for kind, address in inputs]
        change = dict(zip(("in1", "in2"), read_now, strict=False)) if active else {}
        renamed.append(Instruction(**(instruction._asdict() | change)))
        active = active and written(instruction) != old
    return tuple(renamed)


def _rescaled(listing: Listing, factor: float) -> Iterator[Listing]:
    """The same program with one of its constants times a factor."""
    for place, instruction in listing.places():
        if instruction.op is _SET_SCALAR:
            yield listing.with_instruction(place, instruction._replace(x=instruction.x * factor))


def _with_constants_in_setup(listing: Listing, metric: Metric) -> Listing:
    """The same program, whose constants that never change are set once, in registers of their own."""
    for place, instruction in list(listing.places()):
        if place.function != _SETUP and instruction.op is _SET_SCALAR:
            for moved in _moved_to_setup(listing, place):
                candidate = prune(moved, metric)
                if candidate.size <= listing.size and proves_equal(listing, candidate, metric):
                    return _with_constants_in_setup(candidate, metric)
    return listing


def _moved_to_setup(listing: Listing, place: Place) -> Iterator[Listing]:
    """A constant set in Setup, in the same register, or in one that nothing else uses."""
    constant, body = listing.at(place), listing[place.function]
    kept = listing.without(place)
    yield kept.with_body(_SETUP, (*kept.setup, constant))
    used = {register for _, one in listing.places() for register in (*read(one), written(one))}
    taken = {register.address for register in used if register.kind == ops.SCALAR} | {0, 1}
    free = Register(ops.SCALAR, next(address for address in range(len(taken) + 1) if address not in taken))
    rest = (*body[: place.line], *_renamed(body[place.line + 1 :], written(constant), free))
    moved = listing.with_body(place.function, rest)
    yield moved.with_body(_SETUP, (*moved.setup, constant._replace(out=free.address)))
