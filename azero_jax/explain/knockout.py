"""Programs without one of their instructions, or without one of their ideas.

An instruction is knocked out by leaving it out, so that its register keeps what it held. An idea is knocked out by what
a person would put in its place: the value that is normalised in place of the normalised one, ones for the derivative of
an activation that is gone, the latest weights for their average, the mean of a distribution for draws from it, ones for
one of the two inputs of a bilinear form, so that a linear model is left.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from azero_jax.explain.ideas import Idea, Recognised
from azero_jax.explain.listing import Listing, Place, read, written
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import Register

_SET_SCALAR: Final = ops.OP_BY_NAME["SCALAR_CONST_SET_OP"]
_FILL: Final = ops.OP_BY_NAME["SCALAR_BROADCAST_OP"]
_FILL_MATRIX: Final = ops.OP_BY_NAME["VECTOR_ROW_BROADCAST_OP"]


class KnockedOut(NamedTuple):
    """What was knocked out, and what is left."""

    name: str
    listing: Listing


def without_ideas(listing: Listing, recognised: Mapping[Place, Recognised]) -> list[KnockedOut]:
    """For each idea that is found, and that something can be put in the place of, the program without it."""
    found = []
    for idea, name, knock_out in _KNOCK_OUTS:
        places = [place for place in sorted(recognised, reverse=True) if recognised[place].idea is idea]
        left = listing
        for place in places:
            left = knock_out(left, place)
        if idea is Idea.ACTIVATION:
            for place in sorted(recognised, reverse=True):
                if recognised[place].idea is Idea.SLOPE:
                    left = _with_ones(left, place)
        if left != listing:
            found.append(KnockedOut(name, left))
    return found


def _left_out(listing: Listing, place: Place) -> Listing:
    return listing.with_instruction(place, Instruction(ops.NO_OP))


def _passed_through(listing: Listing, place: Place) -> Listing:
    """What was changed is read in place of what it became."""
    instruction = listing.at(place)
    target = written(instruction)
    same_kind = [register for register in read(instruction) if register.kind == target.kind and register != target]
    if not same_kind:
        return listing
    return _reading(_left_out(listing, place), target, same_kind[0], place)


def _latest_in_place_of_sum(listing: Listing, place: Place) -> Listing:
    """Nothing is added up; the latest is read in place of the sum, everywhere."""
    target = written(listing.at(place))
    (latest,) = [register for register in read(listing.at(place)) if register != target]
    left = _left_out(listing, place)
    for function in range(3):
        left = _reading(left, target, latest, Place(function, -1))
    return left


def _mean_in_place_of_draws(listing: Listing, place: Place) -> Listing:
    """The mean of a distribution is written in place of draws from it; a mean of zero is never written."""
    one = listing.at(place)
    mean = (one.x + one.y) / 2 if one.op.family is Family.UNIFORM and one.x < one.y else one.x
    if mean == 0:
        return _left_out(listing, place)
    if one.op.output == ops.SCALAR:
        return listing.with_instruction(place, Instruction(_SET_SCALAR, out=one.out, x=mean))
    scalar, left = _with_constant(listing, mean)
    if one.op.output == ops.VECTOR:
        return left.with_instruction(place, Instruction(_FILL, in1=scalar.address, out=one.out))
    vector = _free(listing, ops.VECTOR)
    left = left.with_body(0, (*left.setup, Instruction(_FILL, in1=scalar.address, out=vector.address)))
    return left.with_instruction(place, Instruction(_FILL_MATRIX, in1=vector.address, out=one.out))


def _linear(listing: Listing, place: Place) -> Listing:
    """One of the two inputs of a bilinear form is ones: what the matrix is multiplied with."""
    for register in read(listing.at(place)):
        for line in range(place.line - 1, -1, -1):
            source = listing[place.function][line]
            if written(source) == register and source.op.family is Family.MATVEC:
                return _vector_of_ones(listing, Place(place.function, line), Register(ops.VECTOR, source.in2))
    return listing


def _vector_of_ones(listing: Listing, place: Place, register: Register) -> Listing:
    """What an instruction reads from a register is ones, and so is what later ones read there."""
    for line in range(place.line - 1, -1, -1):
        if written(listing[place.function][line]) == register:
            return _with_ones(listing, Place(place.function, line))
    ones, left = _new_ones(listing)
    for function in range(3):
        left = _reading(left, register, ones, Place(function, -1))
    return left


def _with_ones(listing: Listing, place: Place) -> Listing:
    """Ones are written by an instruction, whatever it made before."""
    instruction = listing.at(place)
    scalar, left = _with_constant(listing, 1.0)
    ones = Instruction(_FILL, in1=scalar.address, out=instruction.out)
    return left.with_instruction(place, ones)


def _new_ones(listing: Listing) -> tuple[Register, Listing]:
    """A vector register that holds ones, made in Setup."""
    scalar, left = _with_constant(listing, 1.0)
    ones = _free(listing, ops.VECTOR)
    return ones, left.with_body(0, (*left.setup, Instruction(_FILL, in1=scalar.address, out=ones.address)))


def _with_constant(listing: Listing, number: float) -> tuple[Register, Listing]:
    """A scalar register that holds a number, set at the end of Setup."""
    register = _free(listing, ops.SCALAR)
    return register, listing.with_body(0, (*listing.setup, Instruction(_SET_SCALAR, out=register.address, x=number)))


def _free(listing: Listing, kind: str) -> Register:
    used = {register.address for _, one in listing.places() if one.op.output for register in (*read(one), written(one))}
    return Register(kind, max(used, default=2) + 1)


def _reading(listing: Listing, old: Register, new: Register, after: Place) -> Listing:
    """The instructions of a function after a place read another register, until the old one is written."""
    body = list(listing[after.function])
    for line in range(after.line + 1, len(body)):
        one = body[line]
        if not one.op.output:
            continue
        inputs = zip(one.op.inputs, (one.in1, one.in2), strict=False)
        addresses = [new.address if (kind, address) == old else address for kind, address in inputs]
        change = dict(zip(("in1", "in2"), addresses, strict=False))
        body[line] = Instruction(**(one._asdict() | change))
        if written(one) == old:
            break
    return listing.with_body(after.function, body)


_KNOCK_OUTS: Final = (
    (Idea.AVERAGING, "weight averaging", _latest_in_place_of_sum),
    (Idea.BILINEAR, "bilinear form (a linear one instead)", _linear),
    (Idea.NORMALISATION, "normalisation", _passed_through),
    (Idea.NOISE, "noise (its mean instead)", _mean_in_place_of_draws),
    (Idea.ACTIVATION, "activation", _passed_through),
    (Idea.SLOPE, "derivative of the activation", _with_ones),
    (Idea.INITIAL, "initial weights (zeros instead)", _left_out),
    (Idea.BIAS, "bias", _left_out),
    (Idea.STEP, "learning rate (1 instead)", _passed_through),
    (Idea.SCALED_ERROR, "learning rate (1 instead)", _passed_through),
)
