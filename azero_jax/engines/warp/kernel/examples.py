"""Showing an example to a program, and judging its prediction, in Warp."""

from typing import Any

import warp as wp

from azero_jax.engines.warp.kernel.lanes import lanes_absolute
from azero_jax.engines.warp.kernel.storage import real_type, value_type
from azero_jax.engines.warp.spec import KernelSpec
from azero_jax.language.roles import FEATURES, SCALAR_LABEL


def make_show_features(spec: KernelSpec) -> Any:
    """A Warp function that puts an example's features into their register."""
    start, count = spec.registers.place(FEATURES) // spec.registers.block, spec.registers.blocks(FEATURES.kind)

    @wp.func
    def show_features(blocks: Any, data: Any, first: int, step: int):
        e = int(0)
        while e < count:
            blocks[start + e] = data[first + e * step]
            e += 1

    return show_features


def make_show_label(spec: KernelSpec) -> Any:
    """A Warp function that puts an example's label into its register."""
    start, size = spec.registers.place(spec.metric.label), spec.label_size

    @wp.func
    def show_label(registers: Any, labels: Any, first: int, step: int):
        for e in range(size):
            registers[start + e] = labels[first + e * step]

    return show_label


def make_hide_label(spec: KernelSpec) -> Any:
    """A Warp function that clears what `make_show_label` wrote, and the scalar label."""
    place, size = spec.registers.place, spec.label_size
    scalar, start = place(SCALAR_LABEL), place(spec.metric.label)
    one_hot, value, real = spec.metric.is_one_hot, value_type(spec), real_type(spec)

    @wp.func
    def hide_label(registers: Any):
        registers[scalar] = value(real(0.0))
        if wp.static(one_hot):
            for e in range(size):
                registers[start + e] = value(real(0.0))

    return hide_label


@wp.func
def sigmoid(x: Any):
    r = type(x)()
    for lane in range(len(x)):
        r[lane] = x.dtype(1.0) / (x.dtype(1.0) + wp.exp(-x[lane]))
    return r


def make_softmax(spec: KernelSpec) -> Any:
    """A Warp function that writes the softmax of the prediction to `target` on."""
    source, features, lanes = spec.registers.place(spec.metric.prediction), spec.registers.features, spec.lanes

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
    if spec.metric.is_one_hot:
        return _make_multiclass_train_error(spec)
    classify, prediction = spec.metric.is_classification, spec.registers.place(spec.metric.prediction)

    @wp.func
    def train_error(registers: Any, labels: Any, first: int, step: int):
        if wp.static(classify):
            registers[prediction] = sigmoid(registers[prediction])
        return lanes_absolute(labels[first] - registers[prediction])

    return train_error


def _make_multiclass_train_error(spec: KernelSpec) -> Any:
    start, features, lanes = spec.registers.place(spec.metric.prediction), spec.registers.features, spec.lanes
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
    if spec.metric.is_one_hot:
        return _make_multiclass_valid_error(spec)
    classify, prediction = spec.metric.is_classification, spec.registers.place(spec.metric.prediction)
    lanes, real = spec.lanes, real_type(spec)

    @wp.func
    def valid_error(registers: Any, labels: Any, first: int, step: int):
        label = labels[first]
        error = label - registers[prediction]
        if wp.static(classify):
            probability = sigmoid(registers[prediction])
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
