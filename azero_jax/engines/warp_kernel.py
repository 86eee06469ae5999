# mypy: disable-error-code="valid-type"
"""The interpreter: one Warp kernel that runs programs on tasks, for the CPU and for CUDA.

A thread runs one program on one *group* of tasks, which are the lanes of its values: 4 to 16 tasks on the CPU, where a
value is then a SIMD register, and one task on CUDA, where the 32 threads of a warp run one program on 32 tasks and take
every branch together. A program costs what its own instructions cost, until the last of its tasks has stopped.
"""

import math
from typing import Any, Final

import warp as wp

from azero_jax import ops
from azero_jax.engines.base import Stop, StopReason
from azero_jax.engines.checks import LABEL_VECTOR, PREDICTION_VECTOR
from azero_jax.engines.warp_ops import Draw, lanes_absolute, make_op_function
from azero_jax.engines.warp_spec import STATE_SIZE, TRAINING, VALIDATING, KernelSpec
from azero_jax.program import IN1, IN2, OUT
from azero_jax.tasks import Metric

MAX_UNROLL: Final = 16  # loops over lanes and short vectors become straight code, loops over matrices do not

# Constants of the compiled code.
STOP_TRAIN: Final = int(Stop.TRAIN)
STOP_VALID: Final = int(Stop.VALID)
STOP_LATER_TRAIN: Final = int(Stop.LATER_TRAIN)
REASON_NAN: Final = int(StopReason.NAN)
REASON_MAX_ABS_ERROR: Final = int(StopReason.MAX_ABS_ERROR)
NOT_RUN: Final = -1.0  # an error that was not reached
LABEL: Final = ops.LABEL_ADDRESS
PREDICTION: Final = ops.PREDICTION_ADDRESS


def real_type(spec: KernelSpec) -> Any:
    """Warp's type of a number."""
    return wp.float64 if spec.precision == "float64" else wp.float32


def value_type(spec: KernelSpec) -> Any:
    """Warp's type of a value: one number a lane."""
    return wp.types.vector(length=spec.lanes, dtype=real_type(spec))


@wp.struct
class Lot:
    """Which run a thread works on."""

    program: int
    group: int
    tasks: int
    examples: int  # recorded errors of a run


@wp.func
def run_index(lot: Lot, width: int, lane: int):
    """Index of a lane's run in the outputs `[N * T]`."""
    return lot.program * lot.tasks + lot.group * width + lane


def make_dispatch(functions: dict[int, Any]) -> Any:
    """A Warp function that calls the function of an opcode; the compiler makes a jump table of the chain."""
    numbers = sorted(functions)

    @wp.func
    def nothing(op: int, registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        pass

    dispatch = nothing
    for number in reversed(numbers):
        dispatch = _make_link(number, functions[number], dispatch)
    return dispatch


def _make_link(number: int, function: Any, otherwise: Any) -> Any:
    @wp.func
    def link(op: int, registers: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if op == number:
            function(registers, constants, slot, a, b, o, draw)
        else:
            otherwise(op, registers, constants, slot, a, b, o, draw)

    return link


def make_run_function(spec: KernelSpec) -> Any:
    """A Warp function that executes the instructions in `[first, first + size)`."""
    functions = {
        number: make_op_function(ops.OPS[number], spec.registers, value_type(spec), real_type(spec), spec.lanes)
        for number in spec.ops
    }
    dispatch = make_dispatch(functions)

    @wp.func
    def run(
        registers: Any,
        opcodes: wp.array(dtype=wp.uint8),
        addresses: wp.array(dtype=wp.uint16),
        constants: Any,
        first: int,
        size: int,
        draw: Draw,
    ):
        for slot in range(first, first + size):
            a = int(addresses[3 * slot + IN1])
            b = int(addresses[3 * slot + IN2])
            o = int(addresses[3 * slot + OUT])
            dispatch(int(opcodes[slot]), registers, constants, slot, a, b, o, draw)

    return run


# ---- examples and errors --------------------------------------------------------------------------------------------


def make_show_features(spec: KernelSpec) -> Any:
    """A Warp function that puts an example's features into v0."""
    start, features = spec.registers.start(ops.VECTOR), spec.registers.features

    @wp.func
    def show_features(registers: Any, data: Any, first: int, step: int):
        for e in range(features):
            registers[start + e] = data[first + e * step]

    return show_features


def make_show_label(spec: KernelSpec) -> Any:
    """A Warp function that puts an example's label into s0, or into v1 if there are many classes."""
    start, features = spec.registers.start(ops.VECTOR) + LABEL_VECTOR * spec.registers.features, spec.registers.features

    @wp.func
    def show_scalar(registers: Any, labels: Any, first: int, step: int):
        registers[LABEL] = labels[first]

    @wp.func
    def show_one_hot(registers: Any, labels: Any, first: int, step: int):
        for e in range(features):
            registers[start + e] = labels[first + e * step]

    return show_one_hot if spec.metric is Metric.MULTICLASS_ACCURACY else show_scalar


def make_hide_label(spec: KernelSpec) -> Any:
    """A Warp function that clears what `make_show_label` wrote."""
    start, features = spec.registers.start(ops.VECTOR) + LABEL_VECTOR * spec.registers.features, spec.registers.features
    multiclass, value, real = spec.metric is Metric.MULTICLASS_ACCURACY, value_type(spec), real_type(spec)

    @wp.func
    def hide_label(registers: Any):
        registers[LABEL] = value(real(0.0))
        if wp.static(multiclass):
            for e in range(features):
                registers[start + e] = value(real(0.0))

    return hide_label


@wp.func
def sigmoid(x: Any):
    r = type(x)()
    for lane in range(len(x)):
        r[lane] = x.dtype(1.0) / (x.dtype(1.0) + wp.exp(-x[lane]))
    return r


def make_softmax(spec: KernelSpec) -> Any:
    """A Warp function that writes softmax(v2) to `target` on."""
    source, features = (
        spec.registers.start(ops.VECTOR) + PREDICTION_VECTOR * spec.registers.features,
        spec.registers.features,
    )
    lanes = spec.lanes

    @wp.func
    def softmax(registers: Any, target: int):
        largest = registers[source]
        for e in range(1, features):
            x = registers[source + e]
            for lane in range(lanes):
                largest[lane] = wp.where(x[lane] > largest[lane], x[lane], largest[lane])
        total = largest - largest
        for e in range(features):
            x = registers[source + e] - largest
            for lane in range(lanes):
                x[lane] = wp.exp(x[lane])
            registers[target + e] = x
            total = total + x
        for e in range(features):
            registers[target + e] = wp.cw_div(registers[target + e], total)

    return softmax


def make_train_error(spec: KernelSpec) -> Any:
    """A Warp function: absolute errors of a training example; overwrites the prediction with its probability."""
    if spec.metric is Metric.MULTICLASS_ACCURACY:
        return _make_multiclass_train_error(spec)
    classify = spec.metric is Metric.ACCURACY

    @wp.func
    def train_error(registers: Any, labels: Any, first: int, step: int):
        if wp.static(classify):
            registers[PREDICTION] = sigmoid(registers[PREDICTION])
        return lanes_absolute(labels[first] - registers[PREDICTION])

    return train_error


def _make_multiclass_train_error(spec: KernelSpec) -> Any:
    features, lanes = spec.registers.features, spec.lanes
    start = spec.registers.start(ops.VECTOR) + PREDICTION_VECTOR * features
    softmax = make_softmax(spec)

    @wp.func
    def train_error(registers: Any, labels: Any, first: int, step: int):
        softmax(registers, start)
        error = lanes_absolute(labels[first] - registers[start])
        for e in range(1, features):
            x = lanes_absolute(labels[first + e * step] - registers[start + e])
            for lane in range(lanes):  # a NaN replaces a number, and nothing replaces a NaN
                error[lane] = wp.where(x[lane] <= error[lane] or error[lane] != error[lane], error[lane], x[lane])
        return error

    return train_error


def make_valid_error(spec: KernelSpec) -> Any:
    """A Warp function: absolute errors of a validation example, or 0 and 1 for right and wrong classes."""
    if spec.metric is Metric.MULTICLASS_ACCURACY:
        return _make_multiclass_valid_error(spec)
    classify, lanes, real = spec.metric is Metric.ACCURACY, spec.lanes, real_type(spec)

    @wp.func
    def valid_error(registers: Any, labels: Any, first: int, step: int):
        label = labels[first]
        error = label - registers[PREDICTION]
        if wp.static(classify):
            probability = sigmoid(registers[PREDICTION])
            for lane in range(lanes):
                right = (label[lane] > real(0.5)) == (probability[lane] > real(0.5))
                error[lane] = wp.where(right, real(0.0), real(1.0))
        return lanes_absolute(error)

    return valid_error


def _make_multiclass_valid_error(spec: KernelSpec) -> Any:
    features, lanes, real, spare = spec.registers.features, spec.lanes, real_type(spec), spec.registers.spare
    softmax = make_softmax(spec)

    @wp.func
    def valid_error(registers: Any, labels: Any, first: int, step: int):
        softmax(registers, spare)
        largest = registers[spare]
        label = labels[first]  # of the predicted class: 1 if right
        for e in range(1, features):
            probability = registers[spare + e]
            other = labels[first + e * step]
            for lane in range(lanes):
                if probability[lane] > largest[lane]:
                    largest[lane] = probability[lane]
                    label[lane] = other[lane]
        for lane in range(lanes):
            label[lane] = real(1.0) - label[lane]
        return label

    return valid_error


# ---- stopping -------------------------------------------------------------------------------------------------------


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
    trace, memory = spec.trace, spec.registers.memory

    @wp.func
    def stop_lanes(
        registers: Any,
        error: Any,
        limit: Any,
        kind: int,
        attempted: int,
        lot: Lot,
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
                    if wp.static(trace):
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
    """A Warp function that records the errors of an example, of the lanes that are active in `mask`."""
    lanes = spec.lanes

    @wp.func
    def store_errors(registers: Any, error: Any, mask: int, errors: Any, example: int, lot: Lot):
        active = registers[mask]
        for lane in range(int(lanes)):
            if active[lane] > active.dtype(0.0):
                errors[run_index(lot, lanes, lane) * lot.examples + example] = error[lane]

    return store_errors


def make_fitness(spec: KernelSpec) -> Any:
    """A Warp function: fitness of each lane, from the sum of its squared errors (which are 0 and 1 for classes)."""
    lanes, real, squared = spec.lanes, real_type(spec), spec.metric is Metric.RMS_ERROR
    slope = real(2 / math.pi)  # made here: a number inside a Warp function has single precision

    @wp.func
    def fitness(total: Any, divisor: Any):
        r = type(total)()
        for lane in range(int(lanes)):
            loss = total[lane] / divisor
            if wp.static(squared):
                r[lane] = real(1.0) - slope * wp.atan(wp.sqrt(loss))
            else:
                r[lane] = real(1.0) - loss
            if not (loss >= real(0.0) and loss - loss == real(0.0)):  # NaN or infinity
                r[lane] = real(0.0)
        return r

    return fitness


# ---- the kernel -----------------------------------------------------------------------------------------------------


def make_kernel(spec: KernelSpec) -> Any:
    """The interpreter, compiled for `spec` when it is first launched.

    The arguments are flat arrays; N is a batch's capacity, G the groups of tasks, E the epochs.

      opcodes `[N * L]`, addresses `[N * L * 3]`, constants `[N * L * 2]`, sizes `[N * 3]`: the programs.
      batch `[5]`: programs in use, training examples over all epochs, validation examples, divisor of the loss, whether
        to record errors.
      order `[E * train_examples]`: training examples of each epoch.
      train_features, train_labels, valid_features, valid_labels: values, `[G, examples, F or 1]`; on CUDA
        `[examples, F or 1, G]`.
      memory `[N * T * memory]`: to start from, if traced.
      tasks, groups, train_examples, valid_examples, seed, max_abs_error: constants of the engine.
      scratch: registers of the program that is running, on the CPU, which runs one thread at a time.
      fitness, stop, stop_reason, train_steps `[N * T]`, errors `[N * T * recorded]`, memory_after_setup and
        memory_after_training `[N * T * memory]`: outputs.
    """
    run = make_run_function(spec)
    show_features, show_label, hide_label = make_show_features(spec), make_show_label(spec), make_hide_label(spec)
    train_error, valid_error = make_train_error(spec), make_valid_error(spec)
    stop_lanes, fail_lanes, restore_lanes = make_stop_lanes(spec), make_fail_lanes(spec), make_restore_lanes(spec)
    epoch_fitness, load_memory, store_memory = make_fitness(spec), make_load_memory(spec), make_store_memory(spec)
    store_errors = make_store_errors(spec)

    real, value, lanes, cuda = real_type(spec), value_type(spec), spec.lanes, spec.cuda
    trace, epochs = spec.trace, spec.epochs
    slots, predict_offset, learn_offset = spec.slots, spec.offsets[1], spec.offsets[2]
    features = spec.registers.features
    label_length = features if spec.metric is Metric.MULTICLASS_ACCURACY else 1
    training, validating, clear = spec.state + TRAINING, spec.state + VALIDATING, spec.state + STATE_SIZE
    scratch_size = spec.scratch

    def interpret(
        opcodes: wp.array(dtype=wp.uint8),
        addresses: wp.array(dtype=wp.uint16),
        constants: wp.array(dtype=real),
        sizes: wp.array(dtype=wp.int32),
        batch: wp.array(dtype=wp.int32),
        order: wp.array(dtype=wp.int32),
        train_features: wp.array(dtype=value),
        train_labels: wp.array(dtype=value),
        valid_features: wp.array(dtype=value),
        valid_labels: wp.array(dtype=value),
        memory: wp.array(dtype=real),
        tasks: int,
        groups: int,
        train_examples: int,
        valid_examples: int,
        seed: wp.uint32,
        max_abs_error: real,
        scratch: wp.array(dtype=value),
        fitness: wp.array(dtype=real),
        stop: wp.array(dtype=wp.int8),
        stop_reason: wp.array(dtype=wp.int8),
        train_steps: wp.array(dtype=wp.int32),
        errors: wp.array(dtype=real),
        memory_after_setup: wp.array(dtype=real),
        memory_after_training: wp.array(dtype=real),
    ):
        thread = wp.tid()
        lot = Lot()
        lot.program = thread // groups
        lot.group = thread - lot.program * groups
        lot.tasks = tasks
        train_limit = batch[1]
        valid_limit = batch[2]
        record = batch[4] != 0
        lot.examples = wp.min(train_limit, train_examples) + valid_limit
        if lot.program >= batch[0] or lot.group * lanes >= tasks:
            return

        if wp.static(cuda):
            registers = wp.zeros(shape=scratch_size, dtype=value)
            example_step = groups
            train_first = lot.group
            valid_first = lot.group
            element_step = groups
        else:
            registers = scratch
            example_step = int(1)
            train_first = lot.group * train_examples
            valid_first = lot.group * valid_examples
            element_step = int(1)

        # Memory and state before Setup.
        for e in range(int(clear)):
            registers[e] = value(real(0.0))
        if wp.static(trace):
            load_memory(registers, memory, lot)
        active = value(real(0.0))
        left = int(0)
        for lane in range(int(lanes)):
            if lot.group * lanes + lane < tasks:
                active[lane] = real(1.0)
                left = left + 1
                i = run_index(lot, lanes, lane)
                stop[i] = wp.int8(0)
                stop_reason[i] = wp.int8(0)
                train_steps[i] = train_limit
                if record:
                    for e in range(lot.examples):
                        errors[i * lot.examples + e] = real(NOT_RUN)
        registers[training] = active

        draw = Draw()
        draw.seed = seed
        draw.step = wp.uint32(0)
        draw.task = wp.uint32(lot.group * lanes)
        setup_first = lot.program * slots
        predict_first = setup_first + predict_offset
        learn_first = setup_first + learn_offset
        setup_size = sizes[3 * lot.program]
        predict_size = sizes[3 * lot.program + 1]
        learn_size = sizes[3 * lot.program + 2]

        run(registers, opcodes, addresses, constants, setup_first, setup_size, draw)
        if wp.static(trace):
            store_memory(registers, memory_after_setup, lot)

        best = value(real(0.0))
        trained = int(0)
        step = int(1)
        while trained < train_limit and left > 0:
            # Training: v0 = features, s0 = 0, Predict, check, v0 = features, s0 = label, Learn.
            stop_kind = wp.where(trained == 0, STOP_TRAIN, STOP_LATER_TRAIN)
            epoch_start = trained
            for i in range(wp.min(train_examples, train_limit - epoch_start)):
                example = order[epoch_start + i]
                x = (train_first + example * example_step) * features
                y = (train_first + example * example_step) * label_length
                if wp.static(cuda):
                    x = train_first + example * example_step * features
                    y = train_first + example * example_step * label_length
                draw.step = wp.uint32(step + i)
                show_features(registers, train_features, x, element_step)
                hide_label(registers)
                run(registers, opcodes, addresses, constants, predict_first, predict_size, draw)
                error = train_error(registers, train_labels, y, element_step)
                if count_failures(error, registers[training], max_abs_error) > 0:
                    left = stop_lanes(
                        registers,
                        error,
                        max_abs_error,
                        stop_kind,
                        epoch_start + i + 1,
                        lot,
                        stop,
                        stop_reason,
                        train_steps,
                        memory_after_training,
                    )
                    if left == 0:
                        break
                if record and epoch_start == 0:
                    store_errors(registers, error, training, errors, i, lot)
                show_features(registers, train_features, x, element_step)
                if wp.static(label_length > 1):
                    registers[LABEL] = value(real(0.0))
                show_label(registers, train_labels, y, element_step)
                run(registers, opcodes, addresses, constants, learn_first, learn_size, draw)
            trained = wp.min(epoch_start + train_examples, train_limit)
            if wp.static(trace):
                if trained == train_limit and left > 0:
                    store_memory(registers, memory_after_training, lot)

            # Validation: v0 = features, s0 = 0, Predict, check.
            step = step + train_examples
            if left > 0:
                registers[validating] = registers[training]
                valid_left = int(left)
                total = value(real(0.0))
                for i in range(valid_limit):
                    x = (valid_first + i * example_step) * features
                    y = (valid_first + i * example_step) * label_length
                    if wp.static(cuda):
                        x = valid_first + i * example_step * features
                        y = valid_first + i * example_step * label_length
                    draw.step = wp.uint32(step + i)
                    show_features(registers, valid_features, x, element_step)
                    hide_label(registers)
                    run(registers, opcodes, addresses, constants, predict_first, predict_size, draw)
                    error = valid_error(registers, valid_labels, y, element_step)
                    total = total + wp.cw_mul(error, error)
                    if count_failures(error, registers[validating], max_abs_error) > 0:
                        valid_left = fail_lanes(registers, error, max_abs_error, lot, stop, stop_reason)
                        if valid_left == 0:
                            break
                    if record and epoch_start == 0:
                        store_errors(registers, error, validating, errors, lot.examples - valid_limit + i, lot)
                if wp.static(epochs):
                    restore_lanes(registers)
                reached = wp.cw_mul(epoch_fitness(total, real(batch[3])), registers[validating])
                for lane in range(lanes):
                    best[lane] = wp.where(reached[lane] > best[lane], reached[lane], best[lane])
            step = step + valid_examples

        for lane in range(int(lanes)):
            if lot.group * lanes + lane < tasks:
                fitness[run_index(lot, lanes, lane)] = best[lane]

    options = {"enable_backward": False, "fuse_fp": False, "fast_math": False, "max_unroll": MAX_UNROLL}
    return wp.kernel(interpret, module="unique", module_options=options)
