"""Constant predictors: programs that, pruned, predict one number, scored without running them."""

from __future__ import annotations

from typing import Final

from azero_jax.compiled.inline import inlined
from azero_jax.language import ops
from azero_jax.language.program import OUT
from azero_jax.language.roles import SCALAR_PREDICTION, Metric

_SET_SCALAR: Final = ops.op_number("SCALAR_CONST_SET")
_PREDICTION: Final = SCALAR_PREDICTION.address

NOT_CONSTANT: Final = -1  # in place of a slot: the program is no constant predictor,
ZERO: Final = -2  # or it predicts zero, but sets no constant
NO_CONSTANTS, REGRESSION, TWO_CLASSES = range(3)
METRIC_CODE: Final = {
    Metric.RMS_ERROR: REGRESSION,
    Metric.ACCURACY: TWO_CLASSES,
    Metric.MULTICLASS_ACCURACY: NO_CONSTANTS,
}


@inlined
def find_constant(program, opcodes, addresses, b, live, begin, metric):  # type: ignore[no-untyped-def]
    """The slot whose constant a program predicts on every example, `ZERO`, or `NOT_CONSTANT`.

    Recognised are programs without a live instruction, and those whose only one sets s1. In the classification metrics
    a prediction that Predict does not write changes from example to example (it is squashed again and again), so only
    Predict may set it there.

    Args:
      program: its number in the batch.
      opcodes: of the batch, `[N, L]`.
      addresses: of the batch, `[N, L, 3]`.
      b: its row in the following two.
      live: `[B, L]` live slots.
      begin: `[B, 4]` where those of Setup, Predict and Learn begin, and how many there are.
      metric: a value of `METRIC_CODE`.
    """
    if metric == NO_CONSTANTS or begin[b, 3] > 1:
        return NOT_CONSTANT
    if begin[b, 3] == 0:
        return ZERO if metric == REGRESSION else NOT_CONSTANT
    slot = live[b, 0]
    is_predict = begin[b, 2] - begin[b, 1]
    is_learn = begin[b, 3] - begin[b, 2]
    stays = not is_learn and (is_predict or metric == REGRESSION)
    if stays and opcodes[program, slot] == _SET_SCALAR and addresses[program, slot, OUT] == _PREDICTION:
        return slot
    return NOT_CONSTANT
