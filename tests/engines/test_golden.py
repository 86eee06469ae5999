"""Every engine computes what the original system computed: each op, and whole programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from azero_jax.engines.outcome import Memory, Outcome
from azero_jax.engines.settings import RunSettings
from azero_jax.engines.xla import engine as xla_engine
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.tasks import make_tasks
from tests.support.engines import ENGINES, FAST_ENGINES, SLOW_ENGINES
from tests.support.golden_vectors import (
    STOP_REASONS,
    STOPS,
    Case,
    bodies,
    group_by,
    read_cases,
    read_memory,
    read_programs,
    read_tasks,
    task_key,
)

RTOL = 1e-9  # a perturbation of the features by 1e-14 moves no golden fitness by more than 1e-10

# The engines that compile slowly run the ops at one size, and programs of each metric.

OP_CASES = group_by(read_cases("ops.jsonl.gz"), lambda case: (case["F"], case["ins"]["op"]))


def program_key(case: Case) -> tuple[Any, ...]:
    """What cases of one engine share; the examples' order of later epochs belongs to one task."""
    return (
        case["F"],
        (case["num_scalars"], case["num_vectors"], case["num_matrices"]),
        case["eval_type"],
        case["max_abs_error"],
        case["num_train_epochs"],
        task_key(case) if case["num_train_epochs"] > 1 else "",
    )


def limits_key(case: Case) -> tuple[int, int, int]:
    """What cases of one call to an engine share: training and validation examples, and the divisor."""
    return case["train_limit"], case["valid_limit"], len(case["valid_labels"])


PROGRAMS = read_cases("programs.jsonl.gz")
PROGRAM_CASES = group_by(PROGRAMS, program_key)
KERNEL_CASES = group_by(PROGRAMS, lambda case: program_key(case)[:-1])  # that one kernel runs


@pytest.mark.parametrize("features", sorted({features for features, _ in OP_CASES}))
@pytest.mark.parametrize("engine_name", FAST_ENGINES)
def test_every_op_in_float64(engine_name: str, features: int) -> None:
    check_ops_in_float64(engine_name, features)


@pytest.mark.parametrize("engine_name", SLOW_ENGINES)
def test_every_op_in_engines_that_compile_slowly(engine_name: str) -> None:
    check_ops_in_float64(engine_name, 4)


def check_ops_in_float64(engine_name: str, features: int) -> None:
    cases = [case for (f, _), group in OP_CASES.items() if f == features for case in group]
    after = run_ops(engine_name, cases, "float64")
    expected = read_memory([case["after"] for case in cases])
    for index, case in enumerate(cases):
        for kind, actual, wanted in zip(ops.KINDS, after, expected, strict=True):
            allowed = np.zeros_like(wanted[index])
            if kind == ops.OP_BY_NAME[case["ins"]["op"]].output:
                allowed[0, case["ins"]["out"]] = rounding_of_products(case)
            message = f"case {case['id']} ({case['ins']['op']}, {case['kind']}): {kind}"
            assert np.isclose(actual[index], wanted[index], RTOL, allowed, equal_nan=True).all(), message


def rounding_of_products(case: Case) -> NDArray[np.float64]:
    """How far the sums of products of a case may be off: F roundings of the sum of the products' magnitudes.

    A processor with fused multiply-add may leave a product unrounded as it goes into the sum; which ones do depends on
    the processor and on how the compiler vectorises. Where large products cancel, all that is left may be the rounding
    of one: the bound is that of any sum of F rounded products, in any order.
    """
    op, ins, before = ops.OP_BY_NAME[case["ins"]["op"]], case["ins"], case["before"]
    if op.family not in (Family.INNER_PRODUCT, Family.MATVEC, Family.MATMUL):
        return np.zeros(())
    with np.errstate(over="ignore", invalid="ignore"):
        first, second = (np.abs(before[kind][ins[name]]) for kind, name in zip(op.inputs, ("in1", "in2"), strict=True))
        magnitudes = first @ second
    return np.where(np.isfinite(magnitudes), case["F"] * np.finfo(float).eps * magnitudes, 0)


@pytest.mark.parametrize("engine_name", FAST_ENGINES)
def test_a_product_that_cancels_leaves_no_more_than_its_rounding(engine_name: str) -> None:
    """0 where every product is rounded, -5e135 where the last is fused with the sum."""
    a, b = [-1e150, -100.0, 1.57, 1e150], [-100.0, -100.0, -3.14, -100.0]
    registers = {"s": [0.0] * 4, "v": [[0.0] * 4, a, b], "m": np.zeros((1, 4, 4)).tolist()}
    ins = {"op": "VECTOR_INNER_PRODUCT_OP", "in1": 1, "in2": 2, "out": 2}
    case = {"F": 4, "ins": ins, "before": registers}
    allowed = rounding_of_products(case)
    assert 5e135 < allowed < 1e-15 * 4 * 1e152
    result = run_ops(engine_name, [case], "float64").scalars[0, 0, 2]
    assert abs(result) <= allowed


@pytest.mark.parametrize("features", sorted({features for features, _ in OP_CASES}))
@pytest.mark.parametrize("engine_name", FAST_ENGINES)
def test_every_op_in_float32(engine_name: str, features: int) -> None:
    """Within 1e-5 of the result, and 1e-6 of the largest product of inputs where terms cancel.

    Left out are cases whose inputs float32 cannot tell from 0, 1, -1 or infinity though they differ: there the exact
    result may be far off.
    """
    cases = [case for (f, _), group in OP_CASES.items() if f == features for case in group]
    cases = [case for case in cases if float32_can_tell(read_inputs(case))]
    after = run_ops(engine_name, cases, "float32")
    for index, case in enumerate(cases):
        op = ops.OP_BY_NAME[case["ins"]["op"]]
        if op.output:
            actual = after[ops.KINDS.index(op.output)][index, 0, case["ins"]["out"]].astype(float)
            with np.errstate(over="ignore"):  # what is too large for float32 is infinite
                expected = np.float32(case["after"][op.output][case["ins"]["out"]]).astype(float)
            inputs = np.abs(read_inputs(case))
            largest = inputs[np.isfinite(inputs)].max(initial=1.0)
            message = f"case {case['id']} ({op.name}, {case['kind']})"
            assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * largest ** len(op.inputs), err_msg=message)


def read_inputs(case: Case) -> NDArray[np.float64]:
    """Every number that the instruction of an op case reads, its constants included."""
    op, ins = ops.OP_BY_NAME[case["ins"]["op"]], case["ins"]
    read = [case["before"][kind][ins[field]] for kind, field in zip(op.inputs, ("in1", "in2"), strict=False)]
    return np.concatenate([np.ravel(values) for values in [*read, ins.get("act", 0.0)]]).astype(float)


def float32_can_tell(values: NDArray[np.float64]) -> bool:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(float)
    special = np.isin(rounded, (0.0, 1.0, -1.0, np.inf, -np.inf)) & (rounded != values)
    return not special.any()


def run_ops(engine_name: str, cases: list[Case], precision: str) -> Memory:
    """Memory after one instruction of each case, executed as Setup."""
    features = cases[0]["F"]
    before = read_memory([case["before"] for case in cases])
    counts = (before.scalars.shape[2], before.vectors.shape[2], before.matrices.shape[2])
    space, programs = read_programs([([case["ins"]], [], []) for case in cases], features, counts)
    nothing = np.zeros((10, features)), np.zeros(10)
    engine = ENGINES[engine_name](space, make_tasks(*nothing, *nothing), RunSettings(precision=precision))
    with np.errstate(over="ignore"):  # registers that the instruction does not read may be too large for float32
        return engine.trace(programs, before, examples=(0, 1))[0]


SMALLEST = list({key[2::2]: key for key in PROGRAM_CASES if key[0] == 4}.values())  # a metric, a number of epochs each
MOST = [key for key in SMALLEST if key[2::2] != ("RMS_ERROR", 1)]  # several epochs have all that one has


@pytest.mark.parametrize("engine_name", [name for name in FAST_ENGINES if name != "xla_select"])
@pytest.mark.parametrize(
    "key", PROGRAM_CASES, ids=[f"F{key[0]}-{key[2]}-{key[4]}-{i}" for i, key in enumerate(PROGRAM_CASES)]
)
def test_whole_programs(engine_name: str, key: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    if key[0] == 4:  # the most cases; others record fewer examples than there are
        monkeypatch.setattr(xla_engine, "RECORD_MULTIPLE", 64)  # so that all numbers of examples share a compilation
    # A Warp kernel is compiled for a space alone, so that one serves all; XLA compiles for each set of tasks anyway.
    check_programs(engine_name, PROGRAM_CASES[key], KERNEL_CASES[key[:-1]] if engine_name.startswith("warp") else ())


@pytest.mark.parametrize("engine_name", SLOW_ENGINES)
@pytest.mark.parametrize("key", MOST, ids=[f"{key[2]}-{key[4]}" for key in MOST])
def test_whole_programs_in_engines_that_compile_slowly(key: tuple[Any, ...], engine_name: str) -> None:
    by_limits = group_by(PROGRAM_CASES[key], limits_key).values()  # each of which would be a compilation
    check_programs(engine_name, max(by_limits, key=len)[:4])


def check_programs(engine_name: str, cases: list[Case], with_room_for: Sequence[Case] = ()) -> None:
    """Compares programs with what the original computed, in a space that has room for others too."""
    key = program_key(cases[0])
    tasks, task = read_tasks(cases)
    space, programs = read_programs([bodies(case) for case in [*cases, *with_room_for]], key[0], key[1])
    settings = RunSettings(precision="float64", max_abs_error=key[3], epochs=key[4], batch_size=32)
    engine = ENGINES[engine_name](space, tasks, settings, order=cases[0]["train_order"])
    places = {case["id"]: place for place, case in enumerate(cases)}
    limits = group_by(cases, limits_key)
    for (train, valid, divisor), group in limits.items():
        chosen = np.array([places[case["id"]] for case in group])
        outcome = engine.evaluate(programs[chosen], examples=(train, valid), divisor=divisor, record=True)
        setup, training = engine.trace(programs[chosen], examples=(train, valid))
        for row, case in enumerate(group):
            where = f"program {case['id']} ({case['category']})"
            place = (row, task[chosen[row]])
            outcome_there = Outcome(*(field[place] for field in outcome[:4]), outcome.errors[row, :, task[chosen[row]]])
            check_outcome(outcome_there, case, where)
            check_memory(Memory(*(file[place] for file in setup)), case["mem_setup"], f"{where}: mem_setup")
            check_memory(Memory(*(file[place] for file in training)), case["mem_train"], f"{where}: mem_train")


def check_outcome(outcome: Outcome, case: Case, where: str) -> None:
    """Compares the outcome of one program on one task."""
    assert_allclose(outcome.fitness, case["fitness"], rtol=RTOL, err_msg=where)
    assert outcome.stop == STOPS[case["stop"]], where
    assert outcome.stop_reason == STOP_REASONS[case["stop_reason"]], where
    assert outcome.train_steps == case["num_train_steps"], where
    first_epoch = min(case["train_limit"], len(case["train_labels"]))
    check_errors(outcome.errors[:first_epoch], case["train_errors"], where)
    check_errors(outcome.errors[first_epoch:], case["valid_errors"], where)


def check_memory(memory: Memory, expected: Case, where: str) -> None:
    for kind, file in zip(ops.KINDS, memory, strict=True):
        assert_allclose(file, np.array(expected[kind]), rtol=RTOL, atol=0, err_msg=f"{where} {kind}")


def check_errors(errors: NDArray[np.float64], expected: list[float], where: str) -> None:
    assert_allclose(errors[: len(expected)], expected, rtol=RTOL, err_msg=where)
    assert_array_equal(errors[len(expected) :], -1, err_msg=where)
