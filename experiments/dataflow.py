"""What registers of a program depend on from round to round: for the rules by which experiments count discoveries."""

from __future__ import annotations

from azero_jax.explain.listing import Listing, read, written
from azero_jax.language.roles import Register


def depends_on(listing: Listing, through: frozenset[Register] | None = None) -> dict[Register, frozenset[Register]]:
    """For each register that Predict or Learn writes, those that it depends on after any number of rounds.

    Which instruction comes first makes no difference here, so that there may be a dependence that no round has.

    Args:
      listing: the program, without dead instructions.
      through: dependences end at these registers, which are named but whose own are not; None stands for none.
    """
    ends = through or frozenset()
    closed: dict[Register, set[Register]] = {}
    for one in (*listing.predict, *listing.learn):
        closed.setdefault(written(one), set()).update(read(one))
    grown = True
    while grown:
        grown = False
        for inputs in closed.values():
            more = set().union(*(closed.get(register, set()) for register in inputs - ends)) - inputs
            inputs |= more
            grown |= bool(more)
    return {register: frozenset(inputs) for register, inputs in closed.items()}
