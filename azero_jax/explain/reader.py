"""What the rules of `azero_jax.explain.ideas` ask about a program: what values depend on, and who reads them."""

from typing import Final

from azero_jax.explain.algebra import Algebra, Value, ratio
from azero_jax.explain.listing import Listing, Place, read, written
from azero_jax.explain.symbolic import LATER, SymbolicProgram, algebra_for
from azero_jax.language import ops
from azero_jax.language.roles import FEATURES, Metric, Register

SETUP: Final = 0  # numbers of functions
PREDICT: Final = 1
LEARN: Final = 2


class Reader:
    """One program, and what is known of its values.

    Attributes:
      listing: the program.
      metric: how its predictions are judged.
      program: the same, as it runs on values.
      later: any round after the first one.
      learned: registers that keep something of their past and get something of the error.
    """

    def __init__(self, listing: Listing, metric: Metric) -> None:
        """Runs a program without dead instructions."""
        self.listing, self.metric = listing, metric
        self.algebra: Algebra = algebra_for(listing)
        self.program = SymbolicProgram(listing, metric, self.algebra)
        self.later = self.program.later()
        self._label = self._atom(metric.label, "label", LATER)
        self._features = self._atom(FEATURES, "features", LATER)
        self.learned = self._find_learned()

    def value(self, place: Place) -> Value:
        """What an instruction makes in a later round; in Setup, what it makes there."""
        if place.function == SETUP:
            return self.program.set_up[1][place.line]
        return self.later.results[place.function - 1][place.line]

    def input(self, place: Place, register: Register) -> Value:
        """What a register holds when an instruction reads it in a later round."""
        writer = self.writer(place, register)
        if writer is not None:
            return self.value(writer)
        memory = self.later.start if place.function == PREDICT else self.later.before
        return self.program.held({} if place.function == SETUP else memory, register)

    def writer(self, place: Place, register: Register) -> Place | None:
        """The instruction of the same function that wrote what another one reads."""
        for line in range(place.line - 1, -1, -1):
            if written(self.listing[place.function][line]) == register:
                return Place(place.function, line)
        return None

    def readers(self, place: Place) -> list[Place]:
        """The instructions that read what another one wrote, in the same function or, if it is carried, elsewhere."""
        register = written(self.listing.at(place))
        found = []
        body = self.listing[place.function]
        for line in range(place.line + 1, len(body)):
            if register in read(body[line]):
                found.append(Place(place.function, line))
            if written(body[line]) == register:
                return found
        for function in (PREDICT, LEARN):
            for line, instruction in enumerate(self.listing[function]):
                if function == place.function and line > place.line:
                    break
                if register in read(instruction):
                    found.append(Place(function, line))
                if written(instruction) == register:
                    break
        return found

    def sees_error(self, value: Value) -> bool:
        """Whether a value depends on the label of the example."""
        return self._label in self.algebra.atoms(value)

    def sees_features(self, value: Value) -> bool:
        """Whether a value depends on the features of the example."""
        return self._features in self.algebra.atoms(value)

    def sees_weights(self, value: Value) -> bool:
        """Whether a value depends on a learned register."""
        atoms = self.algebra.atoms(value)
        return any(self._atom(register, "entry", *register) in atoms for register in self.learned)

    def error_factor(self, value: Value) -> float | None:
        """The number by which a value is a multiple of the label less the prediction, up to its sign; None if not."""
        label = self.later.before[self.metric.label]
        prediction = self.program.held(self.later.before, self.metric.prediction)
        name = "SCALAR_DIFF_OP" if label.kind == ops.SCALAR else "VECTOR_DIFF_OP"
        pairs = ((label, prediction), (prediction, label))
        differences = [self.algebra.apply(ops.OP_BY_NAME[name], pair) for pair in pairs]
        factors = (ratio(value, difference) for difference in differences)
        return next((abs(factor) for factor in factors if factor), None)

    def is_constant(self, place: Place, register: Register) -> bool:
        """Whether an instruction reads a number that is always the same, and not zero."""
        number = self.input(place, register).number
        return number is not None and number != 0

    def is_random(self, register: Register) -> bool:
        """Whether a register is redrawn in every round."""
        return any(one.op.random and written(one) == register for body in self.listing[1:] for one in body)

    def _atom(self, register: Register, *key: object) -> int:
        (found,) = self.algebra.atoms(self.algebra.atom(register.kind, *key))
        return found

    def _find_learned(self) -> frozenset[Register]:
        """Registers that keep their past and, in this round or a later one, get something of the error."""
        live = self.program.live
        after = {register: self.algebra.atoms(self.program.held(self.later.learned, register)) for register in live}
        told = {register for register in live if self._label in after[register]}
        while True:
            entries = {self._atom(register, "entry", *register) for register in told}
            more = {register for register in live if after[register] & entries} - told
            if not more:
                return frozenset(register for register in told if self._is_kept(register))
            told |= more

    def _is_kept(self, register: Register) -> bool:
        """Whether what a register holds is added to, rather than made anew."""
        if self.algebra.exact:
            return any(written(one) == register and register in read(one) for one in self.listing.learn)
        entry = self.algebra.atom(register.kind, "entry", *register)
        return entry.terms.keys() <= self.program.held(self.later.learned, register).terms.keys()
