"""A proof that two programs predict the same on every example of every task.

By induction over the rounds. In the first round both run on what their Setups made: their predictions have to be equal
as values. Of the registers that the second program's later rounds depend on, each has to be a multiple of the first
program's, by one factor in all rounds (a learned weight may be kept at another scale), or an invariant. The step: if
that holds when a later round begins, the predictions are equal, and it holds again after Predict (in validation Predict
follows Predict) and after Learn. It is taken for granted that there is at least one training example.
"""

from azero_jax.explain.algebra import equal, ratio
from azero_jax.explain.listing import Listing
from azero_jax.explain.symbolic import Memory, SymbolicProgram, algebra_for
from azero_jax.language.roles import Metric, Register


def proves_equal(first: Listing, second: Listing, metric: Metric) -> bool:
    r"""Whether two programs are proved to predict the same; see the module.

    >>> from azero_jax.explain.listing import read_listing
    >>> one = read_listing("def Predict():\n s1 = dot(v0, v1)\ndef Learn():\n v1 = v0 + v1\n v1 = v0 + v1")
    >>> two = read_listing("def Predict():\n s1 = dot(v1, v0)\ndef Learn():\n v2 = v0 + v0\n v1 = v1 + v2")
    >>> proves_equal(one, two, Metric.RMS_ERROR), proves_equal(one, one.without((2, 0)), Metric.RMS_ERROR)
    (True, False)
    """
    algebra = algebra_for(first, second)
    return is_same(*(SymbolicProgram(listing, metric, algebra) for listing in (first, second)))


def is_same(first: SymbolicProgram, second: SymbolicProgram) -> bool:
    """The same for two programs of one algebra."""
    if not equal(first.first.prediction, second.first.prediction):
        return False
    factors: dict[Register, float] = {}
    for register in second.live - second.invariants.keys():
        learned = (program.held(program.first.learned, register) for program in (second, first))
        factor = ratio(*learned)
        if factor is None:
            return False
        factors[register] = factor
    ours = first.later()
    unknown: Memory = {}
    for register, factor in factors.items():
        unknown[register] = first.scaled_entry(register, factor)
    theirs = second.later(unknown)
    if not equal(ours.prediction, theirs.prediction):
        return False
    return all(
        equal(second.held(new, register), first.scaled(first.held(old, register), factor))
        for old, new in ((ours.predicted, theirs.predicted), (ours.learned, theirs.learned))
        for register, factor in factors.items()
    )
