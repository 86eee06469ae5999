# ruff: noqa: RUF046, UP018
# mypy: ignore-errors
# These functions are in Warp's dialect of Python: it has its own types, and `int(0)` makes a variable of a constant.
"""The interpreter: one Warp kernel that runs programs on tasks, for the CPU and for CUDA.

A thread runs one program on one *group* of tasks, which are the lanes of its values: 4 to 16 tasks on the CPU, where a
value is then a SIMD register (or one task, and a SIMD register is a block of its elements), and one task on CUDA, where
the 32 threads of a warp run one program on 32 tasks and take every branch together. A program costs what its own
instructions cost, until the last of its tasks has stopped.
"""

from typing import Any, Final

import warp as wp

from azero_jax import ops
from azero_jax.engines.base import Stop
from azero_jax.engines.warp_kernel.examples import (
    LABEL,
    make_hide_label,
    make_show_features,
    make_show_label,
    make_train_error,
    make_valid_error,
)
from azero_jax.engines.warp_kernel.ops import make_op_function
from azero_jax.engines.warp_kernel.random import Draw
from azero_jax.engines.warp_kernel.spec import TRAINING, VALIDATING, KernelSpec
from azero_jax.engines.warp_kernel.stopping import (
    count_failures,
    make_fail_lanes,
    make_fitness,
    make_load_memory,
    make_restore_lanes,
    make_stop_lanes,
    make_store_errors,
    make_store_memory,
)
from azero_jax.engines.warp_kernel.types import Lot, block_type, make_storage, real_type, run_index, value_type
from azero_jax.program import IN1, IN2, OUT
from azero_jax.tasks import Metric

STOP_TRAIN: Final = int(Stop.TRAIN)  # constants of the compiled code
STOP_LATER_TRAIN: Final = int(Stop.LATER_TRAIN)
WIDE_VECTORS: Final = "-mprefer-vector-width=512"  # a value of 16 float32 lanes in one register, not two halves
LONGEST_CHAIN: Final = 16  # comparisons of opcodes, one nested in the other
MAX_UNROLL: Final = 16  # loops over lanes and short vectors become straight code, loops over matrices do not


def make_dispatch(functions: dict[int, Any]) -> Any:
    """A Warp function that calls the function of an opcode.

    The compiler makes jump tables of chains of comparisons. Long tables are halved first: Warp compiles a chain
    recursively, and the recursion must stay far from Python's limit. (Comparisons one after the other, not nested,
    would not need that, but they keep the compiler busy for minutes.)
    """
    numbers = sorted(functions)
    if len(numbers) > LONGEST_CHAIN:
        half = len(numbers) // 2
        low, high = ({number: functions[number] for number in part} for part in (numbers[:half], numbers[half:]))
        return _make_split(numbers[half], make_dispatch(low), make_dispatch(high))

    @wp.func(inline=True)
    def dispatch(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        pass

    for number in reversed(numbers):
        dispatch = _make_link(number, functions[number], dispatch)
    return dispatch


def _make_split(middle: int, low: Any, high: Any) -> Any:
    @wp.func(inline=True)
    def split(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if op < middle:
            low(op, registers, blocks, constants, slot, a, b, o, draw)
        else:
            high(op, registers, blocks, constants, slot, a, b, o, draw)

    return split


def _make_link(number: int, function: Any, otherwise: Any) -> Any:
    @wp.func(inline=True)
    def link(op: int, registers: Any, blocks: Any, constants: Any, slot: int, a: int, b: int, o: int, draw: Draw):
        if op == number:
            function(registers, blocks, constants, slot, a, b, o, draw)
        else:
            otherwise(op, registers, blocks, constants, slot, a, b, o, draw)

    return link


def make_run_function(spec: KernelSpec) -> Any:
    """A Warp function that executes the instructions in `[first, first + size)`."""
    storage = make_storage(spec)
    dispatch = make_dispatch({number: make_op_function(ops.OPS[number], storage) for number in spec.ops})
    real, value, block = storage.real, storage.value, storage.block

    # Out of line: one copy for Setup, Predict and Learn. Arrays that are made from pointers have strides that the
    # compiler knows. It adds the length to a negative index; none is, and a length of 0 makes that vanish.
    @wp.func(inline=False)
    def run(
        registers_at: wp.uint64,
        opcodes_at: wp.uint64,
        addresses_at: wp.uint64,
        constants_at: wp.uint64,
        first: int,
        size: int,
        draw: Draw,
    ):
        registers = wp.array(ptr=registers_at, shape=(0,), dtype=value)
        blocks = wp.array(ptr=registers_at, shape=(0,), dtype=block)
        opcodes = wp.array(ptr=opcodes_at, shape=(0,), dtype=wp.uint8)
        addresses = wp.array(ptr=addresses_at, shape=(0,), dtype=wp.uint16)
        constants = wp.array(ptr=constants_at, shape=(0,), dtype=real)
        slot = int(first)
        while slot < first + size:
            a = int(addresses[3 * slot + IN1])
            b = int(addresses[3 * slot + IN2])
            o = int(addresses[3 * slot + OUT])
            dispatch(int(opcodes[slot]), registers, blocks, constants, slot, a, b, o, draw)
            slot += 1

    return run


def make_kernel(spec: KernelSpec, run: Any = None) -> Any:
    """The interpreter, compiled for `spec` when it is first launched.

    `run` executes the instructions of a function, as that of `make_run_function` does, which is the default.

    The arguments are flat arrays; N is a batch's capacity, G the groups of tasks, E the epochs.

      opcodes `[N * L]`, addresses `[N * L * 3]`, constants `[N * L * 2]`, sizes `[N * 3]`: the programs.
      batch `[6]`: programs in use, training examples over all epochs, validation examples, divisor of the loss, whether
        to record errors, whether to trace memory.
      order `[E * train_examples]`: training examples of each epoch.
      train_features, valid_features: blocks, `[G, examples, F / block]`; on CUDA `[examples, F, G]`.
      train_labels, valid_labels: values, `[G, examples, F or 1]`; on CUDA `[examples, F or 1, G]`.
      memory `[N * T * memory]`: to start from, if traced.
      tasks, groups, train_examples, valid_examples, seed, max_abs_error: constants of the engine.
      scratch: registers of the program that is running, on the CPU, which runs one thread at a time.
      fitness, stop, stop_reason, train_steps `[N * T]`, errors `[N * recorded * T]`, memory_after_setup and
        memory_after_training `[N * T * memory]`: outputs.
    """
    run = run or make_run_function(spec)
    show_features, show_label, hide_label = make_show_features(spec), make_show_label(spec), make_hide_label(spec)
    train_error, valid_error = make_train_error(spec), make_valid_error(spec)
    stop_lanes, fail_lanes, restore_lanes = make_stop_lanes(spec), make_fail_lanes(spec), make_restore_lanes(spec)
    epoch_fitness, load_memory, store_memory = make_fitness(spec), make_load_memory(spec), make_store_memory(spec)
    store_errors = make_store_errors(spec)

    real, value, block, lanes, cuda = real_type(spec), value_type(spec), block_type(spec), spec.lanes, spec.cuda
    epochs = spec.epochs
    slots, predict_offset, learn_offset = spec.slots, spec.offsets[1], spec.offsets[2]
    blocks_of_vector = spec.registers.blocks(ops.VECTOR)
    label_length = spec.registers.features if spec.metric is Metric.MULTICLASS_ACCURACY else 1
    training, validating = spec.state + TRAINING, spec.state + VALIDATING
    # Without matrix ops nothing reads a matrix, but for traces, which load all registers first.
    has_matrices = any(ops.MATRIX in (*ops.OPS[op].inputs, ops.OPS[op].output) for op in spec.ops)
    clear = spec.registers.memory if has_matrices else spec.registers.start(ops.MATRIX)
    scratch_size = spec.scratch

    def interpret(
        opcodes: wp.array(dtype=wp.uint8),
        addresses: wp.array(dtype=wp.uint16),
        constants: wp.array(dtype=real),
        sizes: wp.array(dtype=wp.int32),
        batch: wp.array(dtype=wp.int32),
        order: wp.array(dtype=wp.int32),
        train_features: wp.array(dtype=block),
        train_labels: wp.array(dtype=value),
        valid_features: wp.array(dtype=block),
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
        trace = batch[5] != 0
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

        blocks = wp.array(ptr=registers.ptr, shape=(0,), dtype=block)

        # Memory before Setup.
        zero = value(real(0.0))
        e = int(0)
        while e < int(clear):
            registers[e] = zero
            e += 1
        if trace:
            load_memory(registers, memory, lot)
        active = value(real(0.0))
        first_run = run_index(lot, lanes, 0)
        left = wp.min(tasks - lot.group * lanes, lanes)
        used_lanes = int(left)
        lane = int(0)
        while lane < used_lanes:
            active[lane] = real(1.0)
            stop[first_run + lane] = wp.int8(0)
            stop_reason[first_run + lane] = wp.int8(0)
            train_steps[first_run + lane] = train_limit
            lane += 1
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

        run(registers.ptr, opcodes.ptr, addresses.ptr, constants.ptr, setup_first, setup_size, draw)
        if trace:
            store_memory(registers, memory_after_setup, lot)
            store_memory(registers, memory_after_training, lot)  # of a run without training

        best = value(real(0.0))
        trained = int(0)
        recorded = int(0)
        step = int(1)
        while trained < train_limit and left > 0:
            # Training: v0 = features, s0 = 0, Predict, check, v0 = features, s0 = label, Learn.
            stop_kind = wp.where(trained == 0, STOP_TRAIN, STOP_LATER_TRAIN)
            epoch_start = trained
            for i in range(wp.min(train_examples, train_limit - epoch_start)):
                example = order[epoch_start + i]
                x = (train_first + example * example_step) * blocks_of_vector
                y = (train_first + example * example_step) * label_length
                if wp.static(cuda):
                    x = train_first + example * example_step * blocks_of_vector
                    y = train_first + example * example_step * label_length
                draw.step = wp.uint32(step + i)
                show_features(blocks, train_features, x, element_step)
                hide_label(registers)
                run(registers.ptr, opcodes.ptr, addresses.ptr, constants.ptr, predict_first, predict_size, draw)
                error = train_error(registers, train_labels, y, element_step)
                if count_failures(error, registers[training], max_abs_error) > 0:
                    left = stop_lanes(
                        registers,
                        error,
                        max_abs_error,
                        stop_kind,
                        epoch_start + i + 1,
                        lot,
                        trace,
                        stop,
                        stop_reason,
                        train_steps,
                        memory_after_training,
                    )
                    if left == 0:
                        break
                if record and epoch_start == 0:
                    store_errors(error, registers[training], errors, recorded, lot, used_lanes)
                    recorded += 1
                show_features(blocks, train_features, x, element_step)
                if wp.static(label_length > 1):
                    registers[LABEL] = value(real(0.0))
                show_label(registers, train_labels, y, element_step)
                run(registers.ptr, opcodes.ptr, addresses.ptr, constants.ptr, learn_first, learn_size, draw)
            trained = wp.min(epoch_start + train_examples, train_limit)
            if trace and trained == train_limit and left > 0:
                store_memory(registers, memory_after_training, lot)

            # Validation: v0 = features, s0 = 0, Predict, check.
            step = step + train_examples
            if left > 0:
                registers[validating] = registers[training]
                valid_left = int(left)
                total = value(real(0.0))
                for i in range(valid_limit):
                    x = (valid_first + i * example_step) * blocks_of_vector
                    y = (valid_first + i * example_step) * label_length
                    if wp.static(cuda):
                        x = valid_first + i * example_step * blocks_of_vector
                        y = valid_first + i * example_step * label_length
                    draw.step = wp.uint32(step + i)
                    show_features(blocks, valid_features, x, element_step)
                    hide_label(registers)
                    run(registers.ptr, opcodes.ptr, addresses.ptr, constants.ptr, predict_first, predict_size, draw)
                    error = valid_error(registers, valid_labels, y, element_step)
                    total = total + wp.cw_mul(error, error)
                    if count_failures(error, registers[validating], max_abs_error) > 0:
                        valid_left = fail_lanes(registers, error, max_abs_error, lot, stop, stop_reason)
                        if valid_left == 0:
                            break
                    if record and epoch_start == 0:
                        store_errors(error, registers[validating], errors, recorded, lot, used_lanes)
                        recorded += 1
                if wp.static(epochs):
                    restore_lanes(registers)
                reached = wp.cw_mul(epoch_fitness(total, real(batch[3]), used_lanes), registers[validating])
                for lane in range(lanes):
                    best[lane] = wp.where(reached[lane] > best[lane], reached[lane], best[lane])
            step = step + valid_examples

        while record and recorded < lot.examples:
            store_errors(zero, zero, errors, recorded, lot, used_lanes)
            recorded += 1
        lane = int(0)
        while lane < used_lanes:
            fitness[first_run + lane] = best[lane]
            lane += 1

    options = {
        "enable_backward": False,
        "fast_math": False,
        "fuse_fp": False,  # no fused multiply-add: a st.dev. of equal numbers is 0 or NaN as in the original
        "max_unroll": MAX_UNROLL,
        "cpu_compiler_flags": f"{wp.config.cpu_compiler_flags or '-march=native'} {WIDE_VECTORS}",
    }
    return wp.kernel(interpret, module="unique", module_options=options)
