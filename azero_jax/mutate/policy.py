"""Which mutations there are, and how often each happens.

The release's eight mutations follow the original's source, the paper's set its section 3.1 and appendix (arXiv
2003.03384).
"""

import dataclasses
import difflib
import enum
from typing import Final, NamedTuple

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

    Those that follow change live code, only where candidates are learnable, whatever the function:
    CHANGE_CONNECTION: one input or the output of an instruction becomes another register.
    CHANGE_OP: an instruction becomes another one with the same output, and the same inputs where these fit; so a
      constant becomes something that is computed, and the other way round.
    CHANGE_CONSTANT: one constant, as ALTER_PARAM does.
    INSERT_CONNECTED: a new instruction between one that writes a register and one that reads it.
    REMOVE_CONNECTED: an instruction goes; what read its output reads one of its inputs, if that fits.
    REBUILD_SUBGRAPH: an instruction, and one that makes an input of it, become others on what these two read.
    REBUILD_UPDATE: what last writes a learned register in Learn becomes `w = op(w, x)`, with another x, which may get a
      learning rate that Setup sets.
    REBUILD_FUNCTION: Predict or Learn is made anew as in random learnable programs.
    ADD_LEARNED: a register that Predict reads, or now reads, is written in Learn too, by such an update, a new one
      maybe in Setup.
    DROP_LEARNED: a learned register is written in Learn no more.
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
    CHANGE_CONNECTION = 10
    CHANGE_OP = 11
    CHANGE_CONSTANT = 12
    INSERT_CONNECTED = 13
    REMOVE_CONNECTED = 14
    REBUILD_SUBGRAPH = 15
    REBUILD_UPDATE = 16
    REBUILD_FUNCTION = 17
    ADD_LEARNED = 18
    DROP_LEARNED = 19

    @property
    def is_of_live_code(self) -> bool:
        """Whether it changes live code, for which candidates have to be learnable."""
        return self >= FIRST_LIVE


FIRST_LIVE: Final = Mutation.CHANGE_CONNECTION.value  # of the mutations of live code, which come last

# How often the mutations of live code happen in the presets. On affine tasks new updates twice as often took 301,000
# candidates in place of 391,000 (means of 16 seeds), constants twice as often 595,000.
LIVE_MUTATIONS: Final = (
    ("change_connection", 1.0),
    ("change_op", 1.0),
    ("change_constant", 1.0),
    ("insert_connected", 1.0),
    ("remove_connected", 1.0),
    ("rebuild_subgraph", 1.0),
    ("rebuild_update", 2.0),
    ("rebuild_function", 0.2),
    ("add_learned", 2.0),
    ("drop_learned", 0.2),
)


class MutationOdds(NamedTuple):
    """How often each mutation happens, for compiled loops.

    Attributes:
      probability: that a child is mutated at all.
      cumulative: `[20]` cumulative probabilities of the mutations that then happen, in the order of `Mutation`; exactly
        1 from the last one that happens on, whatever the rounding, so that a draw below 1 finds one.
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

    def names_of_live_code(self) -> list[str]:
        """Those of its mutations that change live code, in lower case."""
        return [name.lower() for name, weight in self.weights if weight > 0 and Mutation[name.upper()].is_of_live_code]

    def odds(self) -> MutationOdds:
        """The same for compiled loops."""
        weights = np.zeros(len(Mutation))
        for name, weight in self.weights:
            weights[Mutation[name.upper()]] += weight
        cumulative = np.cumsum(weights) / weights.sum()
        cumulative[np.flatnonzero(weights)[-1] :] = 1.0
        return MutationOdds(self.probability, cumulative)
