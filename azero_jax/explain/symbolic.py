"""Symbolic runs of one program: what its registers hold, as values, in the first round and in any later one.

A round is Predict and, in training, Learn. In the first one memory is what Setup made of zeros, so much more is known
than of the later ones, where a register holds an unknown, or a number if it is proved to hold that one in every later
round (an *invariant*). Before Predict of a later round comes Learn, or in validation Predict.
"""

from __future__ import annotations

from typing import NamedTuple

from azero_jax.analysis.canonical.form import number_streams
from azero_jax.explain.algebra import UNSAFE, Algebra, Value, equal, freeze
from azero_jax.explain.listing import Listing, live_at_entry, written
from azero_jax.language.grammar import Instruction
from azero_jax.language.program import IN1
from azero_jax.language.roles import FEATURES, Metric, Register

FIRST, LATER = "first", "later"  # rounds
_FEATURES: int = 4  # whatever there are, proofs are the same; streams of random ops too

Memory = dict[Register, Value]  # a register that is missing holds zeros


class Round(NamedTuple):
    """What one round makes.

    Attributes:
      start: memory when Predict begins, with the features.
      prediction: when Predict ends.
      predicted: memory then.
      learned: memory when Learn ends.
      results: what each instruction of Predict and of Learn makes, in order.
      before: memory when Learn begins, with the label and, where there is one, the squashed prediction.
    """

    start: Memory
    prediction: Value
    predicted: Memory
    learned: Memory
    results: tuple[tuple[Value, ...], tuple[Value, ...]]
    before: Memory


class SymbolicProgram:
    """One program, run on values.

    Attributes:
      listing: the program.
      live: registers whose contents when Predict begins make a difference.
      set_up: memory after Setup, and the values that its instructions make.
      first: the first round.
      invariants: numbers that registers hold at the beginning of every later round.
    """

    def __init__(self, listing: Listing, metric: Metric, algebra: Algebra) -> None:
        """Runs the program; programs that are to be compared share an algebra."""
        self.listing, self._metric, self._algebra = listing, metric, algebra
        self._streams = stream_numbers(listing, metric)
        self.live = live_at_entry(listing, metric)
        memory: Memory = {}
        self.set_up = (memory, self._run(0, memory, FIRST))
        self.first = self.round(dict(memory), FIRST)
        self.invariants = self._find_invariants()

    def round(self, memory: Memory, which: str) -> Round:
        """Runs one round on a memory, which is overwritten."""
        metric, algebra = self._metric, self._algebra
        for register in metric.given:
            memory[register] = algebra.number(register.kind, 0.0)
        memory[FEATURES] = algebra.atom(FEATURES.kind, "features", which)
        start = dict(memory)
        predicted_values = self._run(1, memory, which)
        predicted = dict(memory)
        prediction = self.held(memory, metric.prediction)
        if metric.is_classification:
            memory[metric.prediction] = algebra.atom(metric.prediction.kind, "squashed", freeze(prediction))
        memory[metric.label] = algebra.atom(metric.label.kind, "label", which)
        before = dict(memory)
        learned_values = self._run(2, memory, which)
        return Round(start, prediction, predicted, memory, (predicted_values, learned_values), before)

    def later(self, unknown: Memory | None = None) -> Round:
        """Any later round; `unknown` has what registers hold that are no invariants, by default an atom each."""
        memory: Memory = {}
        for register in self._registers():
            entry = self._algebra.atom(register.kind, "entry", *register)
            memory[register] = (unknown or {}).get(register, entry)
        for register, number in self.invariants.items():
            memory[register] = self._algebra.number(register.kind, number)
        return self.round(memory, LATER)

    def held(self, memory: Memory, register: Register) -> Value:
        """What a register holds in a memory."""
        return memory.get(register, self._algebra.number(register.kind, 0.0))

    def scaled(self, value: Value, factor: float) -> Value:
        """A value times a number."""
        return self._algebra.scaled(value, factor)

    def scaled_entry(self, register: Register, factor: float) -> Value:
        """What a register holds when a later round begins, times a number."""
        number = self.invariants.get(register)
        entry = self._algebra.atom(register.kind, "entry", *register)
        return self.scaled(entry if number is None else self._algebra.number(register.kind, number), factor)

    def _registers(self) -> frozenset[Register]:
        return self.live | {written(instruction) for _, instruction in self.listing.places()}

    def _find_invariants(self) -> dict[Register, float]:
        """The largest set of numbers that holds after the first Learn, and again after every Predict and Learn."""
        outside = self._metric.given
        self.invariants = {}
        for register in self._registers():
            number = self.held(self.first.learned, register).number
            if register not in outside and number is not None:
                self.invariants[register] = number
        while True:
            later = self.later()
            kept = {
                register: number
                for register, number in self.invariants.items()
                if all(
                    equal(self.held(memory, register), self._algebra.number(register.kind, number))
                    for memory in (later.predicted, later.learned)
                )
            }
            if kept == self.invariants:
                return kept
            self.invariants = kept

    def _run(self, function: int, memory: Memory, which: str) -> tuple[Value, ...]:
        results = []
        for line, instruction in enumerate(self.listing[function]):
            value = self._execute(instruction, memory, self._streams[function][line], (which, function))
            memory[written(instruction)] = value
            results.append(value)
        return tuple(results)

    def _execute(self, instruction: Instruction, memory: Memory, stream: int, when: tuple[str, int]) -> Value:
        op, algebra = instruction.op, self._algebra
        if op.random:
            return algebra.atom(op.output, "draw", op.number, stream, instruction.x, instruction.y, *when)
        if op.partial_write:
            old = self.held(memory, written(instruction))
            place = (instruction.in1, instruction.in2)[: op.indices]
            return algebra.atom(op.output, "set", freeze(old), *place, instruction.x)
        if op.constants:
            return algebra.number(op.output, instruction.x)
        addresses = (instruction.in1, instruction.in2)
        inputs = (Register(kind, address) for kind, address in zip(op.inputs, addresses, strict=False))
        return algebra.apply(op, tuple(self.held(memory, register) for register in inputs))


def algebra_for(*listings: Listing) -> Algebra:
    """An algebra in which what is proved of these programs holds."""
    used = (instruction.op for listing in listings for _, instruction in listing.places())
    return Algebra(exact=any(op.family in UNSAFE for op in used))


def stream_numbers(listing: Listing, metric: Metric) -> tuple[tuple[int, ...], ...]:
    """The stream that each instruction draws from, if it is random, in the canonical form (else 0)."""
    if not any(instruction.op.random for _, instruction in listing.places()):
        return tuple((0,) * len(body) for body in listing)
    features = 1 + max((max(i.in1, i.in2) for _, i in listing.places() if i.op.indices), default=_FEATURES)
    space = listing.space(features)
    # A multiclass program may leave out the registers of its role; they are part of every space that it runs in.
    numbered = number_streams(listing.programs(features), space, metric).addresses[0, :, IN1]
    return tuple(
        tuple(int(numbered[space.offsets[f] + line]) if one.op.random else 0 for line, one in enumerate(body))
        for f, body in enumerate(listing)
    )
