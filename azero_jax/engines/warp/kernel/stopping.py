"""The state of a run beside its registers, in Warp: early stops, and what is written out."""

from typing import Any, Final

import warp as wp

from azero_jax.engines.outcome import NO_ERROR, Stop, StopReason
from azero_jax.engines.warp.kernel.storage import Lot, real_type, run_index
from azero_jax.engines.warp.spec import AFTER_TRAINING, STATE_SIZE, STOP_BITS, TRAINING, VALIDATING, KernelSpec

STOP_VALID: Final = int(Stop.VALID)  # constants of the compiled code
REASON_NAN: Final = int(StopReason.NAN) << STOP_BITS
REASON_MAX_ABS_ERROR: Final = int(StopReason.MAX_ABS_ERROR) << STOP_BITS


@wp.func
def count_failures(error: Any, active: Any, limit: Any):
    """Number of active lanes whose error is NaN or above the limit."""
    failures = int(0)
    for lane in range(len(error)):
        failures = failures + wp.where(error[lane] <= limit, 0, int(active[lane]))
    return failures


def make_stop_lanes(spec: KernelSpec) -> Any:
    """A Warp function that ends the training of the lanes that failed, and returns how many are left."""
    training, lanes, real = spec.state + TRAINING, spec.lanes, real_type(spec)
    store_lane = _make_store_lane(spec)

    @wp.func
    def stop_lanes(
        registers: Any,
        error: Any,
        limit: Any,
        kind: int,
        attempted: int,
        lot: Lot,
        trace: bool,
        stop: Any,
        train_steps: Any,
        memory: Any,
    ):
        active = registers[training]
        codes = stop[lot.number]
        steps = train_steps[lot.number]
        left = int(0)
        for lane in range(int(lanes)):
            if active[lane] > real(0.0):
                if error[lane] <= limit:
                    left = left + 1
                else:
                    active[lane] = real(0.0)
                    codes[lane] = first_stop(codes[lane], kind, error[lane])
                    steps[lane] = attempted
                    if trace:
                        store_lane(registers, memory, lot, lane, AFTER_TRAINING)
        registers[training] = active
        stop[lot.number] = codes
        train_steps[lot.number] = steps
        return left

    return stop_lanes


@wp.func
def first_stop(code: wp.int8, kind: int, error: Any):
    """The code of what stopped a run first: now `kind` does, unless an earlier validation did."""
    if code != wp.int8(0):
        return code
    return wp.int8(kind + wp.where(error != error, REASON_NAN, REASON_MAX_ABS_ERROR))


def make_fail_lanes(spec: KernelSpec) -> Any:
    """A Warp function that ends this epoch's validation of the lanes that failed, and returns how many are left."""
    validating, lanes, real = spec.state + VALIDATING, spec.lanes, real_type(spec)
    epochs, memory, backup = spec.epochs, spec.registers.memory, spec.state + STATE_SIZE

    @wp.func
    def fail_lanes(registers: Any, error: Any, limit: Any, lot: Lot, stop: Any):
        active = registers[validating]
        codes = stop[lot.number]
        left = int(0)
        for lane in range(int(lanes)):
            if active[lane] > real(0.0):
                if error[lane] <= limit:
                    left = left + 1
                else:
                    active[lane] = real(0.0)
                    codes[lane] = first_stop(codes[lane], STOP_VALID, error[lane])
                    if wp.static(epochs):  # the other lanes go on; this one's memory must not change any more
                        for e in range(int(memory)):
                            saved = registers[backup + e]
                            saved[lane] = registers[e][lane]
                            registers[backup + e] = saved
        registers[validating] = active
        stop[lot.number] = codes
        return left

    return fail_lanes


def make_restore_lanes(spec: KernelSpec) -> Any:
    """A Warp function that gives lanes that failed in validation the memory that they had then."""
    training, validating, lanes = spec.state + TRAINING, spec.state + VALIDATING, spec.lanes
    memory, backup = spec.registers.memory, spec.state + STATE_SIZE

    @wp.func
    def restore_lanes(registers: Any):
        for lane in range(int(lanes)):
            if registers[training][lane] > registers[validating][lane]:
                for e in range(int(memory)):
                    value = registers[e]
                    value[lane] = registers[backup + e][lane]
                    registers[e] = value

    return restore_lanes


def make_load_memory(spec: KernelSpec) -> Any:
    """A Warp function that fills the registers of a group's lanes from `[N * T * memory]`."""
    lanes, memory = spec.lanes, spec.registers.memory

    @wp.func
    def load_memory(registers: Any, source: Any, lot: Lot):
        for lane in range(int(lanes)):
            if lot.group * lanes + lane < lot.tasks:
                for e in range(int(memory)):
                    value = registers[e]
                    value[lane] = source[run_index(lot, lanes, lane) * memory + e]
                    registers[e] = value

    return load_memory


def _make_store_lane(spec: KernelSpec) -> Any:
    """A Warp function that writes a lane's registers to `[N * T * 2 * memory]`, as those after Setup or training."""
    lanes, memory = spec.lanes, spec.registers.memory

    @wp.func
    def store_lane(registers: Any, target: Any, lot: Lot, lane: int, when: int):
        first = (2 * run_index(lot, lanes, lane) + when) * memory
        for e in range(int(memory)):
            target[first + e] = registers[e][lane]

    return store_lane


def make_store_memory(spec: KernelSpec) -> Any:
    """A Warp function that does so for the lanes that are still training."""
    training, lanes, store_lane = spec.state + TRAINING, spec.lanes, _make_store_lane(spec)

    @wp.func
    def store_memory(registers: Any, target: Any, lot: Lot, when: int):
        active = registers[training]
        for lane in range(int(lanes)):
            if active[lane] > active.dtype(0.0):
                store_lane(registers, target, lot, lane, when)

    return store_memory


def make_store_errors(spec: KernelSpec) -> Any:
    """A Warp function that records the errors of an example: those of the lanes that are active, of others NO_ERROR."""
    lanes, real = spec.lanes, real_type(spec)

    @wp.func
    def store_errors(error: Any, active: Any, errors: Any, example: int, lot: Lot, groups: int):
        r = type(error)()
        for lane in range(lanes):
            r[lane] = wp.where(active[lane] > real(0.0), error[lane], real(NO_ERROR))
        errors[(lot.program * lot.examples + example) * groups + lot.group] = r

    return store_errors
