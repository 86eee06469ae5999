"""A learning algorithm that azero_jax found, as pure JAX functions of a memory.

    memory = fit(features, labels)
    scores = jax.vmap(predict, (None, 0))(memory, features)

Features are [N, F] numbers of a like scale, labels [N] classes, 0 or 1.
The sigmoid of a score is the probability of class 1.
The memory is a dictionary of arrays. Everything can be jitted, and differentiated by the constants too.
"""

import math

import jax
import jax.numpy as jnp

MAX_ABS_ERROR = 100.0  # a larger error ends the training
CONSTANTS = {
    "c1": -1.8948371431918534,
    "c2": 3.266232928555512,
    "c3": 0.25440605192327365,
    "c4": 0.01855801684205096,
    "c5": 0.0834600012346402,
}


def _uniform(words, low, high):
    """Low, if it is not below high."""
    dtype = jnp.result_type(float)
    if dtype == jnp.float64:
        unit = (words[0].astype(dtype) + 0.5) * 2.0**-32
    else:
        unit = ((words[0] >> 9).astype(dtype) + 0.5) * 2.0**-23
    return jnp.where(low < high, low + (high - low) * unit, low)


def _gaussian(words, mean, deviation):
    first, second = (word.astype(jnp.result_type(float)) for word in words)
    radius = jnp.sqrt(-2 * jnp.log((first + 0.5) * 2.0**-32))
    return mean + deviation * (radius * jnp.cos(2 * jnp.pi * 2.0**-32 * second))


def _words(memory, stream, shape):
    """Two random words for each element: a function of seed, step, stream and place."""
    element = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    return _threefry((memory["seed"], jnp.uint32(0)), (memory["step"], jnp.uint32(stream << 24) | element))


def _threefry(key, counter):
    """Threefry-2x32 with 20 rounds (Salmon and others, 2011): two random words of two words of key and counter."""
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << rotation) | (x1 >> (32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    return x0, x1


def init(features, seed=0, constants=CONSTANTS):
    """Memory before the first row of so many features."""
    memory = {
        "step": jnp.uint32(0),
        "seed": jnp.uint32(seed),
        "stopped": jnp.array(False),
        "s0": jnp.zeros(()),
        "s1": jnp.zeros(()),
        "s2": jnp.zeros(()),
        "s3": jnp.zeros(()),
        "s4": jnp.zeros(()),
        "v0": jnp.zeros(features),
        "v1": jnp.zeros(features),
        "v2": jnp.zeros(features),
        "v3": jnp.zeros(features),
        "v4": jnp.zeros(features),
        "v5": jnp.zeros(features),
        "v6": jnp.zeros(features),
        "v7": jnp.zeros(features),
        "v8": jnp.zeros(features),
        "m0": jnp.zeros((features, features)),
        "m1": jnp.zeros((features, features)),
    }
    return setup(memory, constants)


def train_step(memory, x, y, constants=CONSTANTS):
    """Memory after another row, [F] features and a label; the same if the training has ended."""
    predicted = predict_row(begin(memory, x), constants)
    predicted["s1"] = 1 / (1 + jnp.exp(-predicted["s1"]))
    error = jnp.abs(y - predicted["s1"])
    predicted["stopped"] = ~(error <= MAX_ABS_ERROR)
    learned = learn_row({**predicted, "s0": y}, constants)

    def choose(old, stopped, new):
        return jnp.where(memory["stopped"], old, jnp.where(predicted["stopped"], stopped, new))

    return jax.tree.map(choose, memory, predicted, learned)


def predict(memory, x, constants=CONSTANTS):
    """Score of a row, [F] features, which does not depend on other rows."""
    memory = predict_row(begin(memory, memory["v0"]), constants)  # it leaves the same for every row
    return predict_row(begin(memory, x), constants)["s1"]


def fit(features, labels, seed=0, constants=CONSTANTS):
    """Memory after all rows, one after the other."""

    def step(memory, row):
        return train_step(memory, *row, constants), None

    start = init(features.shape[1], seed, constants)
    return jax.lax.scan(step, start, (features, labels))[0]


def begin(memory, x):
    """Memory ready to predict a row."""
    return {
        **memory,
        "step": memory["step"] + 1,
        "v0": jnp.asarray(x, memory["v0"].dtype),
        "s0": jnp.zeros_like(memory["s0"]),
    }


def setup(memory, constants):
    n = len(memory["v0"])
    m0 = memory["m0"]
    v7 = memory["v7"]
    s3 = memory["s3"]
    m0 = _uniform(_words(memory, 1, (n, n)), constants["c1"], constants["c2"])
    v7 = _gaussian(_words(memory, 0, (n,)), constants["c3"], constants["c4"])
    s3 = constants["c5"]
    return {**memory, "m0": m0, "v7": v7, "s3": s3}


def predict_row(memory, constants):
    v8 = memory["v8"]
    m1 = memory["m1"]
    v4 = memory["v4"]
    v5 = memory["v5"]
    v6 = memory["v6"]
    v0 = memory["v0"]
    v7 = memory["v7"]
    m0 = memory["m0"]
    v2 = memory["v2"]
    v1 = memory["v1"]
    s1 = memory["s1"]
    s4 = memory["s4"]
    v8 = m1 @ v4
    v5 = jnp.where(v6 < v0, v0, v6)
    v5 = jnp.where(v7 < v5, v5, v7)
    v5 = m0 @ v5
    v5 = v2 + v5
    v5 = v7 + v5
    v1 = jnp.where(v7 < v5, v5, v7)
    s1 = jnp.dot(v0, v1)
    s1 = s4 + s1
    s1 = s1 + s1
    return {**memory, "v8": v8, "v5": v5, "v1": v1, "s1": s1}


def learn_row(memory, constants):
    s2 = memory["s2"]
    s0 = memory["s0"]
    s1 = memory["s1"]
    v5 = memory["v5"]
    v0 = memory["v0"]
    s3 = memory["s3"]
    m0 = memory["m0"]
    v6 = memory["v6"]
    v2 = memory["v2"]
    m1 = memory["m1"]
    v7 = memory["v7"]
    v8 = memory["v8"]
    v1 = memory["v1"]
    v3 = memory["v3"]
    s4 = memory["s4"]
    v4 = memory["v4"]
    s2 = s0 - s1
    v5 = s2 * v0
    v5 = s3 * v5
    m0 = jnp.outer(v6, v2)
    m1 = m0 + m1
    v7 = v7 + v5
    v2 = v8 * v5
    v1 = jnp.where(v1 > 0, 1.0, 0.0)
    v5 = v8 * v1
    v5 = v5 * v8
    v8 = v5 * v5
    v3 = s2 * v5
    v3 = v8 * v3
    v2 = v2 + v2
    s4 = s1 - s1
    s4 = s3 + s4
    v2 = v5 + v2
    v6 = jnp.where(v5 > 0, 1.0, 0.0)
    v4 = v4 + v6
    v3 = v5 + v3
    m0 = jnp.outer(v3, v5)
    return {
        **memory,
        "s2": s2,
        "v5": v5,
        "m0": m0,
        "m1": m1,
        "v7": v7,
        "v2": v2,
        "v1": v1,
        "v8": v8,
        "v3": v3,
        "s4": s4,
        "v6": v6,
        "v4": v4,
    }
