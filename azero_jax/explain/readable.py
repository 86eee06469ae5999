"""A program for reading: registers renamed by their roles, each line commented where its role is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

from azero_jax.explain.ideas import NAMES, Recognised
from azero_jax.explain.listing import Listing, Place, live_at_entry, written
from azero_jax.language.grammar import format_instruction
from azero_jax.language.roles import FEATURES, Metric
from azero_jax.language.space import FUNCTION_NAMES

_REGISTER: Final = re.compile(r"\b[svm]\d+\b")
_LEARN: Final = 2
_GAP: Final = 3  # spaces between the longest line and its comment


def commented(listing: Listing, recognised: Mapping[Place, Recognised]) -> str:
    """The program's text with comments, which can be read back as a program."""
    lines = {place: format_instruction(instruction) for place, instruction in listing.places()}
    return _laid_out(listing, lines, recognised)


def renamed(listing: Listing, recognised: Mapping[Place, Recognised], metric: Metric) -> str:
    r"""The program with names in place of registers, and comments.

    A register that keeps something from one function or round to the next has one name; any other one is named anew
    wherever it is written.

    >>> from azero_jax.explain.ideas import recognise
    >>> from azero_jax.explain.listing import read_listing
    >>> learn = "def Learn():\n s1 = s0 - s1\n v2 = s1 * v0\n v1 = v1 + v2"
    >>> listing = read_listing("def Predict():\n s1 = dot(v0, v1)\n" + learn)
    >>> print(renamed(listing, recognise(listing, Metric.RMS_ERROR), Metric.RMS_ERROR))
    def Setup():
    def Predict():
      prediction = dot(features, weights)   # prediction
    def Learn():
      error = label - prediction            # prediction error
      gradient = error * features           # gradient: error times features
      weights = weights + gradient          # weights, updated
    <BLANKLINE>
    """
    names, lines = _Names(listing, recognised, metric), {}
    for function, body in enumerate(listing):
        current: dict[str, str] = {}
        for line, instruction in enumerate(body):
            place = Place(function, line)
            target, _, source = format_instruction(instruction).partition(" = ")
            register = str(written(instruction))
            read = _REGISTER.sub(partial(_name, current, names), source)
            current[register] = names.of(place)
            lines[place] = f"{target.replace(register, current[register])} = {read}"
    return _laid_out(listing, lines, recognised)


def _name(current: Mapping[str, str], names: _Names, match: re.Match[str]) -> str:
    return current.get(match.group(), names.shared(match.group()))


class _Names:
    """Hands out names, each to one register or value."""

    def __init__(self, listing: Listing, recognised: Mapping[Place, Recognised], metric: Metric) -> None:
        self._shared = {str(FEATURES): "features", str(metric.label): "label", str(metric.prediction): "prediction"}
        self._own: dict[Place, str] = {}
        taken, crossing = set(self._shared.values()), _crossing(listing)
        kept = {str(register) for register in live_at_entry(listing, metric)}
        written_at = {place: str(written(instruction)) for place, instruction in listing.places()}
        bases = {
            place: NAMES[recognised[place].idea] if place in recognised else register
            for place, register in written_at.items()
        }
        shared_at = {
            place: register
            for place, register in written_at.items()
            if register in crossing and (register in kept or place.function != _LEARN)
        }
        last = {register: bases[place] for place, register in shared_at.items()}  # it says best what one is for
        for place, base in bases.items():
            if place not in shared_at:
                self._own[place] = _free(base, taken)
            else:
                register = shared_at[place]
                if register not in self._shared:
                    self._shared[register] = _free(last[register], taken)
                self._own[place] = self._shared[register]
            taken.add(self._own[place])

    def of(self, place: Place) -> str:
        """The name of what an instruction writes."""
        return self._own[place]

    def shared(self, register: str) -> str:
        """The name of a register that this function has not written."""
        return self._shared.get(register, register)


def _free(base: str, taken: set[str]) -> str:
    if base not in taken or _REGISTER.fullmatch(base):
        return base
    return next(name for number in range(2, len(taken) + 3) if (name := f"{base}{number}") not in taken)


def _crossing(listing: Listing) -> set[str]:
    """Registers that some function reads before it writes them."""
    found = set()
    for body in listing:
        seen: set[str] = set()
        for instruction in body:
            _, _, source = format_instruction(instruction).partition(" = ")
            register = str(written(instruction))
            found |= {name for name in _REGISTER.findall(source) if name not in seen}
            if instruction.op.partial_write and register not in seen:
                found.add(register)
            seen.add(register)
    return found


def _laid_out(listing: Listing, lines: Mapping[Place, str], recognised: Mapping[Place, Recognised]) -> str:
    width = max((len(line) for line in lines.values()), default=0) + _GAP
    text = []
    for function, body in enumerate(listing):
        text.append(f"def {FUNCTION_NAMES[function].capitalize()}():")
        for number in range(len(body)):
            place = Place(function, number)
            comment = f"# {recognised[place].comment}" if place in recognised else ""
            text.append(f"  {lines[place]:<{width}}{comment}".rstrip())
    return "\n".join(text) + "\n"
