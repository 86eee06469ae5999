"""What instructions are for, where a rule recognises it: error, learning rate, gradient, weights, hidden layer, ...

The rules look at what values depend on in a later round (see `azero_jax.explain.symbolic`), and at who reads what. They
are silent about the rest.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from azero_jax.explain.algebra import equal
from azero_jax.explain.listing import Listing, Place, read, written
from azero_jax.explain.reader import LEARN, PREDICT, SETUP, Reader
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.grammar import Instruction
from azero_jax.language.roles import FEATURES, Metric, Register


class Idea(enum.StrEnum):
    """Something that people have a name for; the value is what a comment says."""

    ERROR = "prediction error"
    SCALED_ERROR = "prediction error times learning rate"
    RATE = "learning rate"
    SCALE = "scale of the prediction"
    GRADIENT = "gradient"
    STEP = "step: gradient times learning rate"
    WEIGHTS = "weights, updated"
    BIAS = "bias, updated"
    AVERAGING = "weight averaging: sum of the weights so far"
    INITIAL = "random initial weights"
    HIDDEN = "hidden layer"
    ACTIVATION = "activation"
    SLOPE = "derivative of the activation"
    BILINEAR = "bilinear form"
    NORM = "size to normalise by"
    NORMALISATION = "normalisation"
    NOISE = "noise, new for every example"
    NOISY = "features with noise"
    PREDICTION = "prediction"


NAMES: Final = {
    Idea.ERROR: "error",
    Idea.SCALED_ERROR: "scaled_error",
    Idea.RATE: "rate",
    Idea.SCALE: "scale",
    Idea.GRADIENT: "gradient",
    Idea.STEP: "step",
    Idea.WEIGHTS: "weights",
    Idea.BIAS: "bias",
    Idea.AVERAGING: "weight_sum",
    Idea.INITIAL: "weights",
    Idea.HIDDEN: "hidden",
    Idea.ACTIVATION: "active",
    Idea.SLOPE: "slope",
    Idea.BILINEAR: "prediction",
    Idea.NORM: "size",
    Idea.NORMALISATION: "normalised",
    Idea.NOISE: "noise",
    Idea.NOISY: "noisy",
    Idea.PREDICTION: "prediction",
}

_ACTIVATIONS: Final = frozenset(
    {
        *(Family.MAXIMUM, Family.MINIMUM, Family.ABSOLUTE, Family.SIN, Family.COS, Family.TAN, Family.ARCTAN),
        *(Family.EXP, Family.HEAVISIDE),
    }
)
_SLOPES: Final = {Family.MAXIMUM: Family.HEAVISIDE, Family.SIN: Family.COS}  # derivatives that are ops


class Recognised(NamedTuple):
    """The idea of an instruction, and what a comment says of it."""

    idea: Idea
    comment: str


def recognise(listing: Listing, metric: Metric) -> dict[Place, Recognised]:
    """The ideas that rules find in a program without dead instructions.

    >>> from azero_jax.explain.listing import read_listing
    >>> from azero_jax.language.library import load_program
    >>> found = recognise(read_listing(load_program("linear_regressor").text), Metric.RMS_ERROR)
    >>> [found[place].idea.name for place in sorted(found)]
    ['RATE', 'PREDICTION', 'ERROR', 'SCALED_ERROR', 'GRADIENT', 'WEIGHTS']
    """
    reader = Reader(listing, metric)
    found: dict[Place, Recognised] = {}
    for place, instruction in listing.places():
        for rule in (_learn_rule, _predict_rule, _setup_rule):
            recognised = rule(reader, place, instruction)
            if recognised is not None:
                found[place] = recognised
                break
    return found


def _learn_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised | None:
    if place.function != LEARN:
        return None
    value, target = reader.value(place), written(instruction)
    factor = reader.error_factor(value)
    if factor is not None:
        plain = Recognised(Idea.ERROR, Idea.ERROR)
        return plain if factor == 1 else Recognised(Idea.SCALED_ERROR, Idea.SCALED_ERROR)
    if target in reader.learned and target in read(instruction):
        return _update_rule(reader, place, instruction)
    if instruction.op.random:
        return Recognised(Idea.NOISE, Idea.NOISE)
    family, inputs = instruction.op.family, read(instruction)
    if family is Family.IDENTITY and instruction.op.constants:
        return _constant_rule(reader, place)
    normalised = _normalisation_rule(reader, place, instruction)
    if normalised is not None:
        return normalised
    slope = _slope_rule(reader, place, instruction)
    if slope is not None:
        return slope
    if family in (Family.PRODUCT, Family.OUTER_PRODUCT) and _reaches_update(reader, place):
        has_error = reader.sees_error(value)
        constant = [register for register in inputs if reader.is_constant(place, register)]
        if constant and (has_error or not reader.sees_weights(value)):
            return Recognised(Idea.STEP, "times the learning rate")
        if has_error:
            others = [r for r in inputs if not reader.sees_error(reader.input(place, r))]
            what = "features" if others and others[0] == FEATURES else ""
            return Recognised(Idea.GRADIENT, f"gradient: error times {what}" if what else Idea.GRADIENT)
    return None


def _update_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised:
    target = written(instruction)
    others = [register for register in read(instruction) if register != target]
    if others and others[0] in reader.learned and reader.writer(place, others[0]) is not None:
        source = reader.writer(place, others[0])
        assert source is not None
        if others[0] in read(reader.listing.at(source)):
            return Recognised(Idea.AVERAGING, Idea.AVERAGING)
    uses = [one for one in reader.listing.predict if target in read(one)]
    if uses and all(one.op.family in (Family.SUM, Family.DIFFERENCE) for one in uses):
        return Recognised(Idea.BIAS, Idea.BIAS)
    return Recognised(Idea.WEIGHTS, Idea.WEIGHTS)


def _constant_rule(reader: Reader, place: Place) -> Recognised | None:
    readers = reader.readers(place)
    products = [other for other in readers if reader.listing.at(other).op.family is Family.PRODUCT]
    if not readers or len(products) != len(readers):
        return None
    if all(other.function == LEARN and _reaches_update(reader, other) for other in readers):
        return Recognised(Idea.RATE, Idea.RATE)
    if all(other.function == PREDICT for other in readers):
        return Recognised(Idea.SCALE, Idea.SCALE)
    if all(reader.learned & set(read(reader.listing.at(other))) for other in readers):
        return Recognised(Idea.SCALE, "scale of the weights")
    return None


def _normalisation_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised | None:
    family = instruction.op.family
    if family in (Family.NORM, Family.ST_DEV):
        divides = [
            other
            for other in reader.readers(place)
            if reader.listing.at(other).op.family in (Family.QUOTIENT, Family.RECIPROCAL)
        ]
        return Recognised(Idea.NORM, Idea.NORM) if divides else None
    if family in (Family.QUOTIENT, Family.RECIPROCAL):
        source = reader.writer(place, read(instruction)[-1])
        if source is not None and reader.listing.at(source).op.family in (Family.NORM, Family.ST_DEV):
            what = "error" if reader.error_factor(reader.input(place, read(instruction)[0])) else ""
            return Recognised(Idea.NORMALISATION, f"normalisation of the {what}" if what else Idea.NORMALISATION)
    return None


def _slope_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised | None:
    if not instruction.op.inputs or instruction.op.output == ops.SCALAR:
        return None
    value = reader.input(place, read(instruction)[0])
    for line, other in enumerate(reader.listing.predict):
        if _SLOPES.get(other.op.family) is instruction.op.family:
            before = Place(PREDICT, line)
            known = [reader.input(before, register) for register in read(other)]
            if _is_rectification(reader, before):  # what is above 0 after it was so before
                known.append(reader.value(before))
            if any(equal(value, one) for one in known):
                return Recognised(Idea.SLOPE, Idea.SLOPE)
    return None


def _predict_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised | None:
    if place.function != PREDICT:
        return None
    value, family, inputs = reader.value(place), instruction.op.family, read(instruction)
    target = written(instruction)
    is_last = all(written(one) != target for one in reader.listing.predict[place.line + 1 :])
    if target == reader.metric.prediction and is_last:
        if family is Family.INNER_PRODUCT and all(reader.sees_features(reader.input(place, r)) for r in inputs):
            has_matrix = any(_uses_matrix(reader, place, register) for register in inputs)
            is_hidden = any(_has_activation(reader, place, register) for register in inputs)
            if has_matrix and not is_hidden:
                return Recognised(Idea.BILINEAR, "prediction: bilinear form")
        return Recognised(Idea.PREDICTION, Idea.PREDICTION)
    if instruction.op.random:
        return Recognised(Idea.NOISE, Idea.NOISE)
    if family in (Family.SUM, Family.DIFFERENCE) and FEATURES in inputs:
        if any(reader.is_random(register) for register in inputs):
            return Recognised(Idea.NOISY, Idea.NOISY)
        return None
    if target.kind == ops.VECTOR and target != reader.metric.prediction and reader.sees_features(value):
        if family is Family.MATVEC and reader.sees_weights(value):
            return Recognised(Idea.HIDDEN, Idea.HIDDEN)
        if family is Family.SUM and any(_uses_matrix(reader, place, register) for register in inputs):
            return Recognised(Idea.HIDDEN, "hidden layer with its biases")
        if family in _ACTIVATIONS and any(_uses_matrix(reader, place, register) for register in inputs):
            is_relu = _is_rectification(reader, place)
            return Recognised(Idea.ACTIVATION, "activation: rectification" if is_relu else Idea.ACTIVATION)
    if family is Family.PRODUCT and any(reader.is_constant(place, register) for register in inputs):
        return Recognised(Idea.SCALE, "scaled by a constant")
    return _normalisation_rule(reader, place, instruction)


def _setup_rule(reader: Reader, place: Place, instruction: Instruction) -> Recognised | None:
    if place.function != SETUP:
        return None
    if instruction.op.random and written(instruction) in reader.learned:
        return Recognised(Idea.INITIAL, Idea.INITIAL)
    if instruction.op.family is Family.IDENTITY and instruction.op.constants:
        return _constant_rule(reader, place)
    return None


def _is_rectification(reader: Reader, place: Place) -> bool:
    instruction = reader.listing.at(place)
    inputs = (reader.input(place, register) for register in read(instruction))
    return instruction.op.family is Family.MAXIMUM and any(value.number == 0 for value in inputs)


def _reaches_update(reader: Reader, place: Place) -> bool:
    """Whether what an instruction of Learn makes goes into a learned register, within Learn."""
    pending, seen = [place], {place}
    while pending:
        for other in reader.readers(pending.pop()):
            if other.function == LEARN and other not in seen:
                if written(reader.listing.at(other)) in reader.learned:
                    return True
                seen.add(other)
                pending.append(other)
    return False


def _uses_matrix(reader: Reader, place: Place, register: Register) -> bool:
    return is_made_with(reader, place, register, frozenset({Family.MATVEC}))


def _has_activation(reader: Reader, place: Place, register: Register) -> bool:
    return is_made_with(reader, place, register, _ACTIVATIONS)


def is_made_with(reader: Reader, place: Place, register: Register, families: frozenset[Family]) -> bool:
    """Whether an op of some families has a part in what an instruction reads, within its function."""
    pending = [(place, register)]
    while pending:
        source = reader.writer(*pending.pop())
        if source is not None:
            if reader.listing.at(source).op.family in families:
                return True
            pending += [(source, other) for other in read(reader.listing.at(source))]
    return False
