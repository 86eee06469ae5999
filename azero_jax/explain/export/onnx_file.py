"""A trained learner's predictor as an ONNX model, one node for each step; needs the package onnx.

A register of R rows is `[R, 1, 1]`, `[R, F, 1]` or `[R, F, F]`, with 1 in place of R where it is the same for all. What
random ops draw is the same for every row, as the learner predicts, so that it is a constant.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from azero_jax.data.libraries import require
from azero_jax.engines.random_bits import random_words
from azero_jax.engines.xla.step import Draw
from azero_jax.engines.xla.straight_line import Line
from azero_jax.language import ops
from azero_jax.language.families import Family
from azero_jax.language.roles import FEATURES, Metric
from azero_jax.learner.learner import Learner
from azero_jax.learner.training import PREDICTING_STEP, TASK

OPSET: Final = 18
_SWAP: Final = (0, 2, 1)  # a column to a row


class Graph:
    """An ONNX graph as it grows.

    Attributes:
      nodes: in the order in which they run.
      constants: arrays by name.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        """An empty graph of numbers of one type."""
        self._helper: Any = require("onnx.helper", "ONNX export", "onnx")
        self._numpy: Any = require("onnx.numpy_helper", "ONNX export", "onnx")
        self._dtype = dtype
        self._type = self._helper.np_dtype_to_tensor_dtype(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Name of a constant array."""
        name = f"c{len(self.constants)}"
        array = np.array(value, dtype or self._dtype)
        self.constants.append(self._numpy.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [name], **attributes))
        return name

    def number(self, condition: str) -> str:
        """1.0 where a condition holds, else 0.0."""
        return self.add("Cast", condition, to=self._type)

    def transposed(self, x: str) -> str:
        """With rows and columns swapped."""
        return self.add("Transpose", x, perm=_SWAP)

    def total(self, x: str, axes: tuple[int, ...]) -> str:
        """Sum over some axes of a register (0 the rows of a matrix or a vector), as a scalar or a vector."""
        summed = self.add("ReduceSum", x, self.constant([axis + 1 for axis in axes], np.int64), keepdims=1)
        return self.transposed(summed) if axes == (0,) else summed  # of a vector it is one number, either way

    def model(self, features: int, outputs: list[tuple[str, Any, list[Any]]]) -> Any:
        """The model: `outputs` are name, type and shape."""
        make, used = self._helper.make_tensor_value_info, {name for node in self.nodes for name in node.input}
        graph = self._helper.make_graph(
            self.nodes,
            "evolved program",
            [make("features", self._type, ["N", features])],
            [make(name, kind or self._type, shape) for name, kind, shape in outputs],
            [constant for constant in self.constants if constant.name in used],
        )
        opset = self._helper.make_opsetid("", OPSET)
        return self._helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="azero_jax")


Build = Callable[[Graph, ops.Op, dict[str, str]], str]  # of graph, op and names of its operands


def _plain(kind: str) -> Build:
    return lambda graph, op, x: graph.add(kind, *(x[letter] for letter in "ab"[: len(op.inputs)]))


def _choose(kind: str, compared: str, chosen: str) -> Build:
    def build(graph: Graph, op: ops.Op, x: dict[str, str]) -> str:
        condition = graph.add(kind, *(x[letter] for letter in compared))
        return graph.add("Where", condition, *(x[letter] for letter in chosen))

    return build


def _step(kind: str) -> Build:
    return lambda graph, op, x: graph.number(graph.add(kind, x["a"], graph.constant(0)))


def _mean(graph: Graph, op: ops.Op, x: dict[str, str]) -> str:
    return graph.add("Div", graph.total(x["a"], op.axes), x[f"n{len(op.axes)}"])


def _norm(graph: Graph, op: ops.Op, x: dict[str, str]) -> str:
    return graph.add("Sqrt", graph.total(graph.add("Mul", x["a"], x["a"]), op.axes))


def _st_dev(graph: Graph, op: ops.Op, x: dict[str, str]) -> str:
    mean = _mean(graph, op, x)
    squares = _mean(graph, op, x | {"a": graph.add("Mul", x["a"], x["a"])})
    return graph.add("Sqrt", graph.add("Sub", squares, graph.add("Mul", mean, mean)))


def _set(graph: Graph, op: ops.Op, x: dict[str, str]) -> str:
    return graph.add("Where", x["place"], x["x"], x["old"])


BUILDERS: Final[dict[Family, Build]] = {
    Family.SUM: _plain("Add"),
    Family.DIFFERENCE: _plain("Sub"),
    Family.PRODUCT: _plain("Mul"),
    Family.QUOTIENT: _plain("Div"),
    Family.ABSOLUTE: _plain("Abs"),
    Family.RECIPROCAL: lambda graph, op, x: graph.add("Div", graph.constant(1), x["a"]),
    Family.SIN: _plain("Sin"),
    Family.COS: _plain("Cos"),
    Family.TAN: _plain("Tan"),
    Family.ARCSIN: _plain("Asin"),
    Family.ARCCOS: _plain("Acos"),
    Family.ARCTAN: _plain("Atan"),
    Family.EXP: _plain("Exp"),
    Family.LOG: _plain("Log"),
    Family.SCALAR_HEAVISIDE: _step("GreaterOrEqual"),
    Family.HEAVISIDE: _step("Greater"),
    Family.MINIMUM: _choose("Less", "ba", "ba"),
    Family.MAXIMUM: _choose("Less", "ab", "ba"),
    Family.MATRIX_MINIMUM: _choose("Less", "ab", "ab"),
    Family.MATRIX_MAXIMUM: _choose("Greater", "ab", "ab"),
    Family.NORM: _norm,
    Family.MEAN: _mean,
    Family.ST_DEV: _st_dev,
    Family.INNER_PRODUCT: lambda graph, op, x: graph.total(graph.add("Mul", x["a"], x["b"]), (0,)),
    Family.OUTER_PRODUCT: lambda graph, op, x: graph.add("Mul", x["a"], graph.transposed(x["b"])),
    Family.MATVEC: _plain("MatMul"),
    Family.MATMUL: _plain("MatMul"),
    Family.COLUMN_BROADCAST: lambda graph, op, x: graph.add("Mul", x["a"], graph.transposed(x["ones"])),
    Family.ROW_BROADCAST: lambda graph, op, x: graph.add("Mul", x["ones"], graph.transposed(x["a"])),
    Family.TRANSPOSE: lambda graph, op, x: graph.transposed(x["a"]),
    Family.IDENTITY: lambda graph, op, x: graph.add("Mul", x["a"], x["ones"]) if op.inputs else x["x"],
    Family.SET_ELEMENT: _set,
    Family.SET_MATRIX_ELEMENT: _set,
    Family.UNIFORM: lambda graph, op, x: x["drawn"],
    Family.GAUSSIAN: lambda graph, op, x: x["drawn"],
}


def onnx_file(learner: Learner) -> bytes:
    """The model of a trained learner: `features` `[N, F]` to what its metric asks for, in the learner's precision.

    The runtime has to know the ops of Predict in this precision: onnxruntime has no tan, arcsin, arccos and arctan of
    float64, so train a learner in float32 if Predict has one of these and the model is for it.

    RMS_ERROR: `predictions` `[N]`. Else `probabilities` (`[N, 2]`, or `[N, F]` of many classes) and `labels` `[N]`.

    Raises:
      NotFittedError: the learner has not been trained.
      ValueError: the package onnx is missing.
    """
    graph, features = Graph(np.dtype(learner.settings.precision)), learner.features or 0
    registers = {name: graph.constant(_lifted(array)) for name, array in learner.predicting_memory.items()}
    axis = graph.constant([2], np.int64)
    registers[str(FEATURES)] = graph.add("Unsqueeze", "features", axis)
    common = {f"n{rank}": graph.constant(features**rank) for rank in (1, 2)}
    common["ones"] = graph.constant(np.ones((1, features, 1)))
    for line, values in _predict_lines(learner):
        op = ops.OPS[line.op]
        operands = dict(common)
        for letter, kind, address in zip("ab", op.inputs, (line.in1, line.in2), strict=False):
            operands[letter] = registers[f"{kind}{address}"]
        out = f"{op.output}{line.out}"
        if op.partial_write:
            place = np.zeros(_lifted(np.zeros((features,) * op.indices)).shape, bool)
            place[(0, line.in1, line.in2)] = True  # a vector is one column wide, and its second index 0
            operands |= {"old": registers[out], "place": graph.constant(place, bool)}
        operands |= {name: graph.constant(_lifted(value)) for name, value in values.items()}
        registers[out] = BUILDERS[op.family](graph, op, operands)
    outputs = _outputs(graph, registers[str(learner.metric.prediction)], learner.metric, features)
    return graph.model(features, outputs).SerializeToString()


def _predict_lines(learner: Learner) -> Iterator[tuple[Line, dict[str, NDArray[Any]]]]:
    """The instructions of Predict with their constants, or with what they draw."""
    assert learner.code is not None
    setup, predict, _ = learner.code.lines
    dtype, settings = np.dtype(learner.settings.precision), learner.settings
    for number, line in enumerate(predict, len(setup)):
        op, (x, y) = ops.OPS[line.op], learner.constants[number]
        values = {"x": x, "y": y} if op.constants else {}
        if op.random:
            shape = learner.code.shape(f"{op.output}{line.out}", 1)
            with jax.enable_x64(settings.precision == "float64"):
                step = np.uint32(learner.steps + PREDICTING_STEP)
                draw = Draw(np.uint32(settings.seed), TASK, step)  # type: ignore[arg-type]
                drawn = op.compute(random_words(*draw, jnp.uint32(line.in1), shape[:-1]), x, y)
                values = {"drawn": np.broadcast_to(np.asarray(drawn, dtype), shape)[..., 0]}
        yield line, values


def _lifted(value: Any) -> NDArray[Any]:
    """A register of one row with its axis of rows, and columns."""
    array = np.asarray(value)
    return array.reshape((1, *array.shape, *(1,) * (2 - array.ndim)))


def _outputs(graph: Graph, prediction: str, metric: Metric, features: int) -> list[tuple[str, Any, list[Any]]]:
    """Adds what comes of the prediction; returns the outputs."""
    int64 = 7
    rows = graph.add("Slice", graph.add("Shape", "features"), *(graph.constant([n], np.int64) for n in (0, 1)))
    size = metric.outputs(features)
    rest = graph.constant([size] if metric.is_classification else [], np.int64)
    one_row = graph.add("Reshape", prediction, graph.constant([-1, size], np.int64))
    whole = graph.add("Expand", one_row, graph.add("Concat", rows, graph.constant([size], np.int64), axis=0))
    if not metric.is_classification:
        graph.add("Reshape", whole, graph.add("Concat", rows, rest, axis=0), output="predictions")
        return [("predictions", None, ["N"])]
    if metric.is_one_hot:
        graph.add("Softmax", whole, output="probabilities", axis=1)
    else:
        positive = graph.add("Sigmoid", whole)
        negative = graph.add("Sub", graph.constant(1), positive)
        graph.add("Concat", negative, positive, output="probabilities", axis=1)
    graph.add("ArgMax", "probabilities", output="labels", axis=1, keepdims=0)
    return [("probabilities", None, ["N", max(size, 2)]), ("labels", int64, ["N"])]
