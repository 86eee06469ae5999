"""Programs without one of their instructions, or without one of their ideas.

An instruction is knocked out by leaving it out, so that its register keeps what it held. An idea is knocked out by what
a person would put in its place: the value that is normalised in place of the normalised one, ones for the derivative of
an activation that is gone, the latest weights for their average, the mean of a distribution for draws from it, ones for
one of the two inputs of a bilinear form, so that a linear model is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from azero_jax.explain.algebra import equal
from azero_jax.explain.ideas import Idea, Recognised, is_made_with
from azero_jax.explain.listing import Listing, Place, read, written
from azero_jax.explain.reader import LEARN, Reader
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import Metric, Register

_NO_OP: Final = Instruction(ops.NO_OP)
_SET_SCALAR: Final = ops.OP_BY_NAME["SCALAR_CONST_SET_OP"]
_FILL: Final = ops.OP_BY_NAME["SCALAR_BROADCAST_OP"]
_FILL_MATRIX: Final = ops.OP_BY_NAME["VECTOR_ROW_BROADCAST_OP"]
_PRODUCTS: Final = {  # of a scalar and a register of each kind
    ops.SCALAR: ops.OP_BY_NAME["SCALAR_PRODUCT_OP"],
    ops.VECTOR: ops.OP_BY_NAME["SCALAR_VECTOR_PRODUCT_OP"],
    ops.MATRIX: ops.OP_BY_NAME["SCALAR_MATRIX_PRODUCT_OP"],
}

KnockOut = Callable[[Reader, Listing, Place], Listing]
"""Takes the program as it was, what is left of it, and a place; both have the same instructions at the same places."""


class KnockedOut(NamedTuple):
    """What was knocked out, and what is left."""

    name: str
    listing: Listing


def without_ideas(listing: Listing, recognised: Mapping[Place, Recognised], metric: Metric) -> list[KnockedOut]:
    """For each idea that is found, and that something can be put in the place of, the program without it."""
    reader, found = Reader(listing, metric), []
    for idea, name, knock_out in _KNOCK_OUTS:
        places = _places_of(idea, recognised)
        left = listing
        if idea is Idea.ACTIVATION and places:
            for place in _places_of(Idea.SLOPE, recognised):
                left = _with_ones(reader, left, place)
        for place in places:
            left = knock_out(reader, left, place)
        if left != listing:
            found.append(KnockedOut(name, left))
    return found


def _places_of(idea: Idea, recognised: Mapping[Place, Recognised]) -> list[Place]:
    return [place for place in sorted(recognised, reverse=True) if recognised[place].idea is idea]


def _left_out(reader: Reader, listing: Listing, place: Place) -> Listing:
    return listing.with_instruction(place, _NO_OP)


def _unscaled(reader: Reader, listing: Listing, place: Place) -> Listing:
    """What is multiplied by the learning rate is read in place of the product: an error, or what is no constant."""
    is_error = reader.error_factor(reader.value(place)) is not None

    def is_scaled(register: Register) -> bool:
        if is_error:
            return reader.error_factor(reader.input(place, register)) is not None
        return not reader.is_constant(place, register)

    return _passed_through(
        listing, place, [register for register in read(reader.listing.at(place)) if is_scaled(register)]
    )


def _not_normalised(reader: Reader, listing: Listing, place: Place) -> Listing:
    """The numerator is read in place of a quotient; of 1 / size ones are left."""
    instruction = listing.at(place)
    if instruction.op.family is Family.RECIPROCAL:
        return _with_ones(reader, listing, place)
    return _passed_through(listing, place, read(instruction)[:1])


def _not_activated(reader: Reader, listing: Listing, place: Place) -> Listing:
    """The hidden layer is read in place of its activation."""
    layers = [r for r in read(reader.listing.at(place)) if is_made_with(reader, place, r, frozenset({Family.MATVEC}))]
    return _passed_through(listing, place, layers)


def _passed_through(listing: Listing, place: Place, sources: Sequence[Register]) -> Listing:
    """The first source of the target's kind is read in place of what an instruction makes.

    It is left as it is if there is no such source. A source that is overwritten too early is copied.
    """
    target = written(listing.at(place))
    source = next((register for register in sources if register.kind == target.kind), None)
    if source is None:
        return listing
    if source == target:
        return listing.with_instruction(place, _NO_OP)
    if _can_stand_in(listing, place, source):
        return _reading(listing.with_instruction(place, _NO_OP), target, source, place)
    one, left = _with_constant(listing, 1.0)
    return left.with_instruction(
        place, Instruction(_PRODUCTS[target.kind], in1=one.address, in2=source.address, out=target.address)
    )


def _can_stand_in(listing: Listing, place: Place, source: Register) -> bool:
    """Whether all who read what an instruction makes could read another register, as long as that keeps its value."""
    body, target = listing[place.function], written(listing.at(place))
    is_overwritten = False
    for one in body[place.line + 1 :]:
        if target in read(one) and (is_overwritten or one.op.partial_write):
            return False
        if written(one) == target:
            return True
        is_overwritten |= written(one) == source
    others = [one for function in range(3) if function != place.function for one in listing[function]]
    return all(target not in read(one) for one in (*others, *body[: place.line]))


def _latest_in_place_of_sum(reader: Reader, listing: Listing, place: Place) -> Listing:
    """Nothing is added up; the latest is read in place of the sum, everywhere."""
    target = written(listing.at(place))
    (latest,) = [register for register in read(listing.at(place)) if register != target]
    left = _left_out(reader, listing, place)
    for function in range(3):
        left = _reading(left, target, latest, Place(function, -1))
    return left


def _mean_in_place_of_draws(reader: Reader, listing: Listing, place: Place) -> Listing:
    """The mean of a distribution is written in place of draws from it; a mean of zero is never written."""
    one = listing.at(place)
    mean = (one.x + one.y) / 2 if one.op.family is Family.UNIFORM and one.x < one.y else one.x
    return _left_out(reader, listing, place) if mean == 0 else _with_number(listing, place, mean)


def _with_ones(reader: Reader, listing: Listing, place: Place) -> Listing:
    """Ones are written by an instruction, whatever it made before."""
    return _with_number(listing, place, 1.0)


def _with_number(listing: Listing, place: Place, number: float) -> Listing:
    """An instruction writes one number into every element of its output."""
    one = listing.at(place)
    if one.op.output == ops.SCALAR:
        return listing.with_instruction(place, Instruction(_SET_SCALAR, out=one.out, x=number))
    scalar, left = _with_constant(listing, number)
    if one.op.output == ops.VECTOR:
        return left.with_instruction(place, Instruction(_FILL, in1=scalar.address, out=one.out))
    vector = _free(listing, ops.VECTOR)
    left = left.with_body(0, (*left.setup, Instruction(_FILL, in1=scalar.address, out=vector.address)))
    return left.with_instruction(place, Instruction(_FILL_MATRIX, in1=vector.address, out=one.out))


def _linear(reader: Reader, listing: Listing, place: Place) -> Listing:
    """One of the two inputs of a bilinear form is ones: what the matrix is multiplied with, there and in its gradient.

    The gradient is an outer product with that input, on the right. On the left it may stand too if the form is that of
    one vector with itself, whose gradient is symmetric.
    """
    inputs = read(reader.listing.at(place))
    makers = [maker for register in inputs if (maker := reader.writer(place, register)) is not None]
    product = next((maker for maker in makers if reader.listing.at(maker).op.family is Family.MATVEC), None)
    if product is None:
        return listing
    _, factor = read(reader.listing.at(product))
    value = reader.input(product, factor)
    is_square = any(equal(reader.input(place, register), value) for register in inputs)
    ones, left = _new_ones(listing)
    left = left.with_instruction(product, left.at(product)._replace(in2=ones.address))
    for line, one in enumerate(reader.listing.learn):
        if one.op.family is Family.OUTER_PRODUCT:
            outer = Place(LEARN, line)
            first, second = (equal(reader.input(outer, register), value) for register in read(one))
            if second:
                left = left.with_instruction(outer, one._replace(in2=ones.address))
            elif first and is_square:
                left = left.with_instruction(outer, one._replace(in1=one.in2, in2=ones.address))
    return left


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


_KNOCK_OUTS: Final[tuple[tuple[Idea, str, KnockOut], ...]] = (
    (Idea.AVERAGING, "weight averaging", _latest_in_place_of_sum),
    (Idea.BILINEAR, "bilinear form (a linear one instead)", _linear),
    (Idea.NORMALISATION, "normalisation", _not_normalised),
    (Idea.NOISE, "noise (its mean instead)", _mean_in_place_of_draws),
    (Idea.ACTIVATION, "activation", _not_activated),
    (Idea.SLOPE, "derivative of the activation", _with_ones),
    (Idea.INITIAL, "initial weights (zeros instead)", _left_out),
    (Idea.BIAS, "bias", _left_out),
    (Idea.STEP, "learning rate (1 instead)", _unscaled),
    (Idea.SCALED_ERROR, "learning rate (1 instead)", _unscaled),
)
