# ruff: noqa: RUF046, UP018
# mypy: ignore-errors
# These functions are in Warp's dialect of Python: it has its own types, and `int(0)` makes a variable of a constant.
"""The state of a run beside its registers, in Warp: early stops, fitness, and what is written out."""

import math
from typing import Any, Final

import warp as wp

from azero_jax.engines.base import Stop, StopReason
from azero_jax.engines.warp_kernel.spec import STATE_SIZE, TRAINING, VALIDATING, KernelSpec
from azero_jax.engines.warp_kernel.types import Lot, real_type, run_index
from azero_jax.tasks import Metric

STOP_VALID: Final = int(Stop.VALID)  # constants of the compiled code
REASON_NAN: Final = int(StopReason.NAN)
NOT_RUN: Final = -1.0  # an error that was not reached
REASON_MAX_ABS_ERROR: Final = int(StopReason.MAX_ABS_ERROR)


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
    memory = spec.registers.memory

    @wp.func
    def stop_lanes(
        registers: Any,
        error: Any,
        limit: Any,
        kind: int,
        attempted: int,
        lot: Lot,
        trace: bool,
        stop: wp.array(dtype=wp.int8),
        stop_reason: wp.array(dtype=wp.int8),
        train_steps: wp.array(dtype=wp.int32),
        memory_after_training: Any,
    ):
        active = registers[training]
        left = int(0)
        for lane in range(int(lanes)):
            if active[lane] > real(0.0):
                if error[lane] <= limit:
                    left = left + 1
                else:
                    active[lane] = real(0.0)
                    run = run_index(lot, lanes, lane)
                    note_stop(stop, stop_reason, run, kind, error[lane])
                    train_steps[run] = attempted
                    if trace:
                        for e in range(int(memory)):
                            memory_after_training[run * memory + e] = registers[e][lane]
        registers[training] = active
        return left

    return stop_lanes


@wp.func
def note_stop(stop: wp.array(dtype=wp.int8), stop_reason: wp.array(dtype=wp.int8), run: int, kind: int, error: Any):
    """Notes what stopped a run, unless an earlier validation did."""
    if stop[run] == wp.int8(0):
        stop[run] = wp.int8(kind)
        stop_reason[run] = wp.int8(wp.where(error != error, REASON_NAN, REASON_MAX_ABS_ERROR))


def make_fail_lanes(spec: KernelSpec) -> Any:
    """A Warp function that ends this epoch's validation of the lanes that failed, and returns how many are left."""
    validating, lanes, real = spec.state + VALIDATING, spec.lanes, real_type(spec)
    epochs, memory, backup = spec.epochs, spec.registers.memory, spec.state + STATE_SIZE

    @wp.func
    def fail_lanes(
        registers: Any,
        error: Any,
        limit: Any,
        lot: Lot,
        stop: wp.array(dtype=wp.int8),
        stop_reason: wp.array(dtype=wp.int8),
    ):
        active = registers[validating]
        left = int(0)
        for lane in range(int(lanes)):
            if active[lane] > real(0.0):
                if error[lane] <= limit:
                    left = left + 1
                else:
                    active[lane] = real(0.0)
                    note_stop(stop, stop_reason, run_index(lot, lanes, lane), STOP_VALID, error[lane])
                    if wp.static(epochs):  # the other lanes go on; this one's memory must not change any more
                        for e in range(int(memory)):
                            saved = registers[backup + e]
                            saved[lane] = registers[e][lane]
                            registers[backup + e] = saved
        registers[validating] = active
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


def make_store_memory(spec: KernelSpec) -> Any:
    """A Warp function that writes the registers of the lanes that are still training to `[N * T * memory]`."""
    training, lanes, memory = spec.state + TRAINING, spec.lanes, spec.registers.memory

    @wp.func
    def store_memory(registers: Any, target: Any, lot: Lot):
        active = registers[training]
        for lane in range(int(lanes)):
            if active[lane] > active.dtype(0.0):
                for e in range(int(memory)):
                    target[run_index(lot, lanes, lane) * memory + e] = registers[e][lane]

    return store_memory


def make_store_errors(spec: KernelSpec) -> Any:
    """A Warp function that records the errors of an example: those of the lanes that are active, of others NOT_RUN."""
    lanes, real = spec.lanes, real_type(spec)

    @wp.func
    def store_errors(error: Any, active: Any, errors: Any, example: int, lot: Lot, used_lanes: int):
        first = (lot.program * lot.examples + example) * lot.tasks + lot.group * lanes
        lane = int(0)
        while lane < used_lanes:
            errors[first + lane] = wp.where(active[lane] > real(0.0), error[lane], real(NOT_RUN))
            lane += 1

    return store_errors


def make_fitness(spec: KernelSpec) -> Any:
    """A Warp function: fitness of each lane in use, from the sum of its squared errors (0 and 1 for classes)."""
    real, squared = real_type(spec), spec.metric is Metric.RMS_ERROR
    slope = real(2 / math.pi)  # made here: a number inside a Warp function has single precision

    @wp.func
    def fitness(total: Any, divisor: Any, used_lanes: int):
        r = type(total)()
        lane = int(0)
        while lane < used_lanes:
            loss = total[lane] / divisor
            if wp.static(squared):
                r[lane] = real(1.0) - slope * wp.atan(wp.sqrt(loss))
            else:
                r[lane] = real(1.0) - loss
            if not (loss >= real(0.0) and loss - loss == real(0.0)):  # NaN or infinity
                r[lane] = real(0.0)
            lane += 1
        return r

    return fitness
