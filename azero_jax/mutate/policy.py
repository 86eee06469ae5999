"""Which mutations there are, and how often each happens.

The release's eight mutations follow the original's source, the paper's set its section 3.1 and appendix (arXiv
2003.03384).
"""

import dataclasses
import difflib
import enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Mutation(enum.IntEnum):
    """What a mutation does to one function, drawn uniformly from those that have an op to use.

    ALTER_PARAM: redraws one address or index, or changes one constant: its sign with probability 0.1, else its size by
      a factor exp(N(0, 1)).
    RANDOMIZE_INSTRUCTION: replaces one instruction by a random one.
    RANDOMIZE_COMPONENT_FUNCTION: replaces all instructions.
    INSERT_INSTRUCTION: inserts a random instruction, below the largest size.
    REMOVE_INSTRUCTION: removes one instruction, above the smallest size.
    TRADE_INSTRUCTION: inserts one and removes one, whatever the limits.
    RANDOMIZE_ALGORITHM: replaces all instructions of all functions.
    IDENTITY: nothing.
    INSERT_OR_REMOVE_INSTRUCTION: the paper's: removes with probability 2/3, else inserts.
    ALTER_ARGUMENT: the paper's: as ALTER_PARAM, but a constant's size changes by U[0.5, 2].
    """

    ALTER_PARAM = 0
    RANDOMIZE_INSTRUCTION = 1
    RANDOMIZE_COMPONENT_FUNCTION = 2
    INSERT_INSTRUCTION = 3
    REMOVE_INSTRUCTION = 4
    TRADE_INSTRUCTION = 5
    RANDOMIZE_ALGORITHM = 6
    IDENTITY = 7
    INSERT_OR_REMOVE_INSTRUCTION = 8
    ALTER_ARGUMENT = 9


class MutationOdds(NamedTuple):
    """How often each mutation happens, for compiled loops.

    Attributes:
      probability: that a child is mutated at all.
      cumulative: `[10]` cumulative probabilities of the mutations that then happen, in the order of `Mutation`.
    """

    probability: float
    cumulative: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class MutationPolicy:
    """Which mutations happen, and how often.

    Attributes:
      probability: that a child is mutated at all; the others are copies of their parent.
      weights: relative frequency of each mutation, as pairs such as `("alter_param", 2.0)`.

    Raises:
      ValueError: an unknown mutation, a negative weight, no positive weight, or a probability outside 0 to 1.
    """

    probability: float = 0.9
    weights: tuple[tuple[str, float], ...] = (
        ("alter_param", 1.0),
        ("randomize_instruction", 1.0),
        ("randomize_component_function", 1.0),
    )

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"mutation probability is {self.probability}; it must be from 0 to 1")
        names = [mutation.name.lower() for mutation in Mutation]
        for name, weight in self.weights:
            if name.lower() not in names:
                nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0)[0]
                raise ValueError(f"unknown mutation {name!r}; did you mean {nearest}? allowed: {', '.join(names)}")
            if not 0 <= weight < np.inf:
                raise ValueError(f"the weight of mutation {name} is {weight}; it must be 0 or more, and finite")
        if not sum(weight for _, weight in self.weights) > 0:
            raise ValueError("no mutation has a positive weight; at least one must")

    def odds(self) -> MutationOdds:
        """The same for compiled loops."""
        weights = np.zeros(len(Mutation))
        for name, weight in self.weights:
            weights[Mutation[name.upper()]] += weight
        return MutationOdds(self.probability, np.cumsum(weights) / weights.sum())
