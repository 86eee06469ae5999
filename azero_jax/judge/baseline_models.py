"""Hand-designed models that stand beside evolved programs: (logistic) regression and a two-layer ReLU net."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

Params = dict[str, jax.Array]
Weights = dict[str, NDArray[np.float32]]


class Baseline(NamedTuple):
    """One model."""

    name: str
    init: Callable[[np.random.Generator, int, int], Weights]  # of features and outputs; for a scale of 1
    apply: Callable[[Params, jax.Array], jax.Array]  # makes `[B, outputs]` of parameters and `[B, F]`


@functools.cache  # so that what is compiled for a model is compiled once
def linear_model() -> Baseline:
    """Logistic regression; linear regression where the metric is RMS_ERROR. Starts from zero."""

    def init(generator: np.random.Generator, features: int, outputs: int) -> Weights:
        del generator
        return {"w": np.zeros((features, outputs), np.float32), "b": np.zeros(outputs, np.float32)}

    return Baseline("logistic regression", init, lambda params, x: x @ params["w"] + params["b"])


@functools.cache
def two_layer_net(hidden: int | None = None) -> Baseline:
    """Net with `hidden` ReLUs in one layer; None makes as many as there are features, like the programs' matrices."""

    def init(generator: np.random.Generator, features: int, outputs: int) -> Weights:
        def draw(inputs: int, units: int) -> NDArray[np.float32]:
            return (generator.standard_normal((inputs, units)) / math.sqrt(inputs)).astype(np.float32)

        width = hidden or features
        return {
            "w1": draw(features, width),
            "b1": np.zeros(width, np.float32),
            "w2": draw(width, outputs),
            "b2": np.zeros(outputs, np.float32),
        }

    def apply(params: Params, x: jax.Array) -> jax.Array:
        return jax.nn.relu(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]

    return Baseline("two-layer net", init, apply)
