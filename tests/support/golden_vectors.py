"""Reading of the golden vectors: what the original system computed, as programs, tasks and memories of ours.

The vectors lie in the folder that the environment variable AZERO_GOLDEN names, by default `tests/golden`.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.engines.outcome import Memory, Stop, StopReason
from azero_jax.language import ops
from azero_jax.language.program import empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import FUNCTION_NAMES, FunctionSpace, SearchSpace
from azero_jax.language.text import Instruction, write_instruction
from azero_jax.tasks import Tasks, make_tasks

Case = dict[str, Any]

STOPS: Final = {"none": Stop.NONE, "train": Stop.TRAIN, "valid": Stop.VALID, "train_later_epoch": Stop.LATER_TRAIN}
STOP_REASONS: Final = {"": StopReason.NONE, "nan": StopReason.NAN, "max_abs_error": StopReason.MAX_ABS_ERROR}
METRICS: Final = {"RMS_ERROR": Metric.RMS_ERROR, "ACCURACY": Metric.ACCURACY}


def read_cases(name: str) -> list[Case]:
    """The cases of `ops.jsonl.gz` or `programs.jsonl.gz`."""
    folder = Path(os.environ.get("AZERO_GOLDEN") or Path(__file__).parent.parent / "golden")
    with gzip.open(folder / name, "rt") as lines:
        return [json.loads(line) for line in lines]


def group_by(cases: Iterable[Case], key: Callable[[Case], Hashable]) -> dict[Any, list[Case]]:
    """The cases with the same key, keys in order."""
    groups: dict[Any, list[Case]] = defaultdict(list)
    for case in cases:
        groups[key(case)].append(case)
    return dict(sorted(groups.items(), key=lambda item: str(item[0])))


def read_instruction(ins: Case, features: int) -> Instruction:
    """An instruction; the original's fractions that stand for indices are resolved as SEMANTICS.md section 1 says."""
    op = ops.OP_BY_NAME[ins["op"]]
    reals = [float(np.float32(ins.get(f"f{field}", 0.0))) for field in range(3)]
    in1, in2 = ins["in1"], ins["in2"]
    if op.indices:
        in1, in2, *_ = [int(np.float32(features) * np.float32(value)) for value in reals[: op.indices]] + [0]
    constants = [ins["act"]] if "act" in ins else reals[op.indices : op.indices + op.constants]
    x, y, *_ = [*constants, 0.0, 0.0]
    return Instruction(op, in1, in2, ins["out"], x, y)


def read_programs(bodies: list[tuple[list[Case], list[Case], list[Case]]], features: int, counts: tuple[int, int, int]):
    """The smallest space that holds the given (setup, predict, learn) bodies, and the bodies as its programs."""
    functions = []
    for bodies_of_one in zip(*bodies, strict=True):
        numbers = {ops.OP_BY_NAME[ins["op"]].number for body in bodies_of_one for ins in body} - {ops.NO_OP.number}
        longest = max(len(body) for body in bodies_of_one)
        functions.append(FunctionSpace(tuple(sorted(numbers)), 0, longest, longest))
    space = SearchSpace(features, *counts, *functions)
    programs = empty_programs(len(bodies), space)
    for index, body_of_each in enumerate(bodies):
        for function, body in enumerate(body_of_each):
            for slot, ins in enumerate(body, start=space.offsets[function]):
                write_instruction(programs, index, slot, read_instruction(ins, features))
            programs.sizes[index, function] = len(body)
    return space, programs


def read_memory(snapshots: list[Case]) -> Memory:
    """Snapshots `{s, v, m}` of N programs, as memory of one task each."""
    return Memory(*(np.array([snapshot[kind] for snapshot in snapshots], float)[:, None] for kind in ops.KINDS))


def bodies(case: Case) -> tuple[list[Case], list[Case], list[Case]]:
    """Setup, Predict and Learn of a program case."""
    setup, predict, learn = (case[name] for name in FUNCTION_NAMES)
    return setup, predict, learn


def task_key(case: Case) -> str:
    """Equal for cases that run on the same task."""
    return json.dumps([case["train_features"], case["train_labels"], case["valid_features"], case["valid_labels"]])


def read_tasks(cases: list[Case]) -> tuple[Tasks, NDArray[np.int64]]:
    """The different tasks of the cases, padded to the same numbers of examples, and which one each case runs on."""
    keys = [task_key(case) for case in cases]
    unique = list(dict.fromkeys(keys))
    first = [cases[keys.index(key)] for key in unique]

    def stack(name: str) -> NDArray[np.float64]:
        arrays = [np.array(case[name], float) for case in first]
        longest = max(len(array) for array in arrays)
        return np.stack(
            [np.concatenate([array, np.zeros((longest - len(array), *array.shape[1:]))]) for array in arrays]
        )

    names = ("train_features", "train_labels", "valid_features", "valid_labels")
    tasks = make_tasks(*(stack(name) for name in names), METRICS[cases[0]["eval_type"]])
    return tasks, np.array([unique.index(key) for key in keys])
