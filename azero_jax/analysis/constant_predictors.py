"""Constant predictors: programs that predict one number on every example, found without running them."""

from typing import Final

from azero_jax.analysis.liveness import Liveness
from azero_jax.analysis.zero_predictors import Premises, predicts_zero
from azero_jax.compiled.inline import inlined
from azero_jax.compiled.tables import SpaceTables, Table
from azero_jax.language import ops
from azero_jax.language.program import OUT, ProgramArrays
from azero_jax.language.roles import SCALAR_PREDICTION

_SET_SCALAR: Final = ops.op_number("SCALAR_CONST_SET")
_PREDICTION: Final = SCALAR_PREDICTION.address

NOT_CONSTANT: Final = -1  # in place of a slot: the program is no constant predictor,
ZERO: Final = -2  # or it predicts zero, maybe without setting a constant


@inlined
def find_constant(
    programs: ProgramArrays, n: int, space: SpaceTables, found: Liveness, b: int, premises: Premises, levels: Table
) -> int:
    """The slot whose constant a program predicts on every example, `ZERO`, or `NOT_CONSTANT`.

    Arguments are those of `predicts_zero`; the metric's prediction is a scalar.
    """
    slot = _find_set(programs, n, found, b, premises.is_squashed)
    if slot == NOT_CONSTANT and predicts_zero(programs, n, space, found, b, premises, levels):
        slot = ZERO
    return slot


@inlined
def _find_set(programs: ProgramArrays, n: int, found: Liveness, b: int, is_squashed: bool) -> int:
    """Recognises programs without a live instruction, and those whose only one sets s1.

    A prediction that is squashed, but not written by Predict, changes from example to example (it is squashed again and
    again), so only Predict may set it there.
    """
    begin = found.begin
    if begin[b, 3] > 1:
        return NOT_CONSTANT
    if begin[b, 3] == 0:
        return NOT_CONSTANT if is_squashed else ZERO
    slot = found.live[b, 0]
    is_predict = begin[b, 2] - begin[b, 1]
    is_learn = begin[b, 3] - begin[b, 2]
    stays = not is_learn and (is_predict or not is_squashed)
    if stays and programs.opcodes[n, slot] == _SET_SCALAR and programs.addresses[n, slot, OUT] == _PREDICTION:
        return slot
    return NOT_CONSTANT
