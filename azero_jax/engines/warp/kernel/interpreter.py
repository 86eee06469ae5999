"""The interpreter: one Warp kernel that runs programs on tasks, for the CPU and for CUDA.

A thread runs one program on one *group* of tasks, which are the lanes of its values. On the CPU a value is a SIMD
register: a group is 4 to 16 tasks; or it is one task, and a SIMD register is a block of its elements (`spec.Layout`).
On CUDA a group is one task, and the 32 threads of a warp run one program on 32 tasks and take every branch together.
A program costs what its own instructions cost, until the last of its tasks has stopped.
"""

from typing import Any, Final

import warp as wp

from azero_jax.engines.outcome import Stop
from azero_jax.engines.warp.batch import (
    ADDRESSES_AT,
    CONSTANTS_AT,
    IN_USE,
    MEMORY_AT,
    OPCODES_AT,
    RECORD,
    SIZES_AT,
    TRACE,
    TRAIN,
    VALID,
)
from azero_jax.engines.warp.kernel.denormals import flush_denormals, restore_denormals
from azero_jax.engines.warp.kernel.draws import Draw
from azero_jax.engines.warp.kernel.examples import (
    make_hide_label,
    make_show_features,
    make_show_label,
    make_train_error,
    make_valid_error,
)
from azero_jax.engines.warp.kernel.instructions import make_loop, make_run_function
from azero_jax.engines.warp.kernel.stopping import (
    count_failures,
    make_fail_lanes,
    make_load_memory,
    make_restore_lanes,
    make_stop_lanes,
    make_store_errors,
    make_store_memory,
)
from azero_jax.engines.warp.kernel.storage import Lot, block_type, code_type, count_type, real_type, value_type
from azero_jax.engines.warp.spec import AFTER_SETUP, AFTER_TRAINING, TRAINING, VALIDATING, KernelSpec, has_matrix_ops
from azero_jax.language import ops

STOP_TRAIN: Final = int(Stop.TRAIN)  # constants of the compiled code
STOP_LATER_TRAIN: Final = int(Stop.LATER_TRAIN)
WIDE_VECTORS: Final = "-mprefer-vector-width=512"  # a value of 16 float32 lanes in one register, not two halves
MAX_UNROLL: Final = 16  # loops over lanes and short vectors become straight code, loops over matrices do not


def make_kernel(spec: KernelSpec, loop: Any = None) -> Any:
    """The interpreter, compiled for `spec` when it is first launched.

    `loop` executes the instructions of a function, as that of `make_loop` does, which is the default.

    The arguments, N being one device's programs at most, G the groups of tasks, E the epochs:

      batch: bytes of the programs, see `azero_jax.engines.warp.batch.BatchBuffer`.
      order `[E * train_examples]`: training examples of each epoch.
      examples: values, `[G, train_examples + valid_examples, example]`; on CUDA `[examples, example, G]`. An example is
        its features, then its label, then nothing up to where a block ends.
      tasks, groups, train_examples, valid_examples, seed, max_abs_error: constants of the engine.
      first_program: the program of the batch that the first thread runs.
      scratch: registers of the program that is running, on the CPU, where a launch runs one thread after the other.
      loss, stop, train_steps `[N * G]` values, errors `[N * recorded * G]` values: outputs, see `RawOutcome`; `stop`
        is `Stop` and `StopReason` in one, see `STOP_BITS`.
      traced `[N * T * 2 * memory]`: memory after Setup and after training, if it is traced.
    """
    run = make_run_function(spec, loop or make_loop(spec))
    show_features, show_label, hide_label = make_show_features(spec), make_show_label(spec), make_hide_label(spec)
    train_error, valid_error = make_train_error(spec), make_valid_error(spec)
    stop_lanes, fail_lanes, restore_lanes = make_stop_lanes(spec), make_fail_lanes(spec), make_restore_lanes(spec)
    load_memory, store_memory, store_errors = make_load_memory(spec), make_store_memory(spec), make_store_errors(spec)

    real, value, block, lanes, cuda = real_type(spec), value_type(spec), block_type(spec), spec.lanes, spec.cuda
    count, code = count_type(spec), code_type(spec)
    epochs = spec.epochs
    slots, predict_offset, learn_offset = spec.slots, spec.offsets[1], spec.offsets[2]
    features, block_size = spec.registers.features, spec.registers.block
    example_size = spec.example_size
    training, validating = spec.state + TRAINING, spec.state + VALIDATING
    # Without matrix ops nothing reads a matrix, but for traces, which load all registers first.
    clear = spec.registers.memory if has_matrix_ops(spec.ops) else spec.registers.start(ops.MATRIX)
    scratch_size = spec.scratch

    # One long function: in Warp's dialect a function cannot change its caller's variables, of which the loops share
    # many; and a call copies the descriptors of its arrays.
    def interpret(
        batch: wp.array(dtype=wp.uint8),
        order: wp.array(dtype=wp.int32),
        examples: wp.array(dtype=value),
        tasks: int,
        groups: int,
        train_examples: int,
        valid_examples: int,
        seed: wp.uint32,
        max_abs_error: real,
        first_program: int,
        scratch: wp.array(dtype=value),
        loss: wp.array(dtype=value),
        stop: wp.array(dtype=code),
        train_steps: wp.array(dtype=count),
        errors: wp.array(dtype=value),
        traced: wp.array(dtype=real),
    ):
        thread = first_program * groups + wp.tid()
        head = wp.array(ptr=batch.ptr, shape=(0,), dtype=wp.int64)
        lot = Lot()
        lot.number = thread
        lot.program = thread // groups
        lot.group = thread - lot.program * groups
        lot.tasks = tasks
        train_limit = int(head[TRAIN])
        valid_limit = int(head[VALID])
        record = int(head[RECORD]) != 0
        trace = int(head[TRACE]) != 0
        lot.examples = wp.min(train_limit, train_examples) + valid_limit
        if lot.program >= int(head[IN_USE]) or lot.group * lanes >= tasks:
            return
        denormals = flush_denormals()
        constants_at = batch.ptr + wp.uint64(head[CONSTANTS_AT])
        addresses_at = batch.ptr + wp.uint64(head[ADDRESSES_AT])
        opcodes_at = batch.ptr + wp.uint64(head[OPCODES_AT])
        sizes = wp.array(ptr=batch.ptr + wp.uint64(head[SIZES_AT]), shape=(0,), dtype=wp.int32)

        if wp.static(cuda):
            registers = wp.zeros(shape=scratch_size, dtype=value)
            element_step = groups
            first_example = lot.group
        else:
            registers = scratch
            element_step = int(1)
            first_example = lot.group * (train_examples + valid_examples) * example_size
        example_step = example_size * element_step
        label_place = features * element_step

        blocks = wp.array(ptr=registers.ptr, shape=(0,), dtype=block)
        example_blocks = wp.array(ptr=examples.ptr, shape=(0,), dtype=block)

        # Memory before Setup.
        zero = value(real(0.0))
        e = int(0)
        while e < int(clear):
            registers[e] = zero
            e += 1
        if trace:
            start = wp.array(ptr=batch.ptr + wp.uint64(head[MEMORY_AT]), shape=(0,), dtype=real)
            load_memory(registers, start, lot)
        left = wp.min(tasks - lot.group * lanes, lanes)
        active = value(real(0.0))
        best = value(real(0.0))
        for lane in range(lanes):
            active[lane] = wp.where(lane < left, real(1.0), real(0.0))
            best[lane] = real(wp.inf)
        registers[training] = active
        stop[thread] = code(wp.int8(0))
        train_steps[thread] = count(train_limit)

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

        run(registers.ptr, opcodes_at, addresses_at, constants_at, setup_first, setup_size, draw)
        if trace:
            store_memory(registers, traced, lot, AFTER_SETUP)
            store_memory(registers, traced, lot, AFTER_TRAINING)  # of a run without training

        trained = int(0)
        recorded = int(0)
        step = int(1)
        while trained < train_limit and left > 0:
            # Training: v0 = features, s0 = 0, Predict, check, s0 = label, Learn. No program writes v0.
            stop_kind = wp.where(trained == 0, STOP_TRAIN, STOP_LATER_TRAIN)
            epoch_start = trained
            for i in range(wp.min(train_examples, train_limit - epoch_start)):
                example = first_example + order[epoch_start + i] * example_step
                draw.step = wp.uint32(step + i)
                show_features(blocks, example_blocks, example // block_size, element_step)
                hide_label(registers)
                run(registers.ptr, opcodes_at, addresses_at, constants_at, predict_first, predict_size, draw)
                error = train_error(registers, examples, example + label_place, element_step)
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
                        train_steps,
                        traced,
                    )
                    if left == 0:
                        break
                if record and epoch_start == 0:
                    store_errors(error, registers[training], errors, recorded, lot, groups)
                    recorded += 1
                show_label(registers, examples, example + label_place, element_step)
                run(registers.ptr, opcodes_at, addresses_at, constants_at, learn_first, learn_size, draw)
            trained = wp.min(epoch_start + train_examples, train_limit)
            if trace and trained == train_limit and left > 0:
                store_memory(registers, traced, lot, AFTER_TRAINING)

            # Validation: v0 = features, s0 = 0, Predict, check.
            step = step + train_examples
            if left > 0:
                registers[validating] = registers[training]
                valid_left = int(left)
                total = value(real(0.0))
                for i in range(valid_limit):
                    example = first_example + (train_examples + i) * example_step
                    draw.step = wp.uint32(step + i)
                    show_features(blocks, example_blocks, example // block_size, element_step)
                    hide_label(registers)
                    run(registers.ptr, opcodes_at, addresses_at, constants_at, predict_first, predict_size, draw)
                    error = valid_error(registers, examples, example + label_place, element_step)
                    total = total + wp.cw_mul(error, error)
                    if count_failures(error, registers[validating], max_abs_error) > 0:
                        valid_left = fail_lanes(registers, error, max_abs_error, lot, stop)
                        if valid_left == 0:
                            break
                    if record and epoch_start == 0:
                        store_errors(error, registers[validating], errors, recorded, lot, groups)
                        recorded += 1
                if wp.static(epochs):
                    restore_lanes(registers)
                finished = registers[validating]
                for lane in range(lanes):
                    is_best = finished[lane] > real(0.0) and total[lane] < best[lane]
                    best[lane] = wp.where(is_best, total[lane], best[lane])
            step = step + valid_examples

        while record and recorded < lot.examples:
            store_errors(zero, zero, errors, recorded, lot, groups)
            recorded += 1
        loss[thread] = best
        restore_denormals(denormals)

    flags = wp.config.cpu_compiler_flags
    options = {
        "enable_backward": False,
        "fast_math": False,
        "fuse_fp": False,  # no fused multiply-add: a st.dev. of equal numbers is 0 or NaN as in the original
        "max_unroll": MAX_UNROLL,
        "cpu_compiler_flags": f"{'-march=native' if flags is None else flags} {WIDE_VECTORS}",
    }
    return wp.kernel(interpret, module="unique", module_options=options)
