"""A learning algorithm that azero_jax found, in NumPy.

    model = EvolvedProgram().fit(features, labels)
    predictions = model.predict(features)

Features are [N, F] numbers of a like scale, labels [N] classes, 0 or 1.
"""

import numpy as np

MAX_ABS_ERROR = 100.0  # a larger error ends the training


def _uniform(words, low, high):
    """Low, if it is not below high."""
    return low + (high - low) * ((words[0] + 0.5) * 2.0**-32) if low < high else np.full(words[0].shape, low)


def _gaussian(words, mean, deviation):
    radius = np.sqrt(-2 * np.log((words[0] + 0.5) * 2.0**-32))
    return mean + deviation * (radius * np.cos(2 * np.pi * 2.0**-32 * words[1]))


def _threefry(key, counter):
    """Threefry-2x32 with 20 rounds (Salmon and others, 2011): two random words of two words of key and counter."""
    keys = (*key, key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


class EvolvedProgram:
    """An algorithm that is trained row by row, by setup once, and by predict_row and learn_row for each row.

    Args:
        epochs: passes over the rows; the first in the order given, the others shuffled.
        seed: of the shuffling, and of what the algorithm draws at random.
    """

    def __init__(self, epochs=1, seed=0):
        self.epochs, self.seed = epochs, seed

    def fit(self, features, labels):
        """Trains from the start. Returns self."""
        features, labels = np.asarray(features, float), np.asarray(labels)
        self.clear(features.shape[1])
        with np.errstate(all="ignore"):
            self.setup()
        order, shuffle = np.arange(len(labels)), np.random.default_rng(self.seed)
        for _ in range(self.epochs):
            self.partial_fit(features[order], labels[order])
            order = shuffle.permutation(order)
        return self

    def partial_fit(self, features, labels):
        """Goes on training. Returns self."""
        with np.errstate(all="ignore"):
            for x, y in zip(np.asarray(features, float), np.asarray(labels, float)):
                if self.stopped:
                    break
                self.begin(x)
                self.predict_row()
                self.s1 = _sigmoid(self.s1)
                self.stopped = not abs(y - self.s1) <= MAX_ABS_ERROR
                if not self.stopped:
                    self.s0 = y
                    self.learn_row()
        return self

    def scores(self, features):
        """The algorithm's output for each row, which does not depend on the other rows."""
        trained, scores = vars(self).copy(), []
        with np.errstate(all="ignore"):
            self.begin(self.v0)  # what a prediction leaves for the next one is there for every row
            self.predict_row()
            begun = vars(self).copy()
            for x in np.asarray(features, float):
                vars(self).update(begun)
                self.begin(x)
                self.predict_row()
                scores.append(self.s1)
        vars(self).update(trained)
        return np.array(scores)

    def predict(self, features):
        """[N] classes, 0 or 1."""
        return (self.predict_proba(features) > 0.5).astype(int)

    def predict_proba(self, features):
        """[N] probabilities of class 1."""
        with np.errstate(all="ignore"):
            return _sigmoid(self.scores(features))

    def clear(self, features):
        """Sets the memory to zero."""
        self.n, self.step, self.stopped = features, 0, False
        self.s0 = 0.0
        self.s1 = 0.0
        self.s2 = 0.0
        self.s3 = 0.0
        self.s4 = 0.0
        self.v0 = np.zeros(features)
        self.v1 = np.zeros(features)
        self.v2 = np.zeros(features)
        self.v3 = np.zeros(features)
        self.v4 = np.zeros(features)
        self.v5 = np.zeros(features)
        self.v6 = np.zeros(features)
        self.v7 = np.zeros(features)
        self.v8 = np.zeros(features)
        self.m0 = np.zeros((features, features))
        self.m1 = np.zeros((features, features))

    def begin(self, x):
        """Gets ready to predict a row."""
        self.step += 1
        self.v0 = x
        self.s0 = 0.0

    def words(self, stream, shape):
        """Two random words for each element: a function of seed, step, stream and place."""
        element = np.arange(int(np.prod(shape)), dtype=np.uint32).reshape(shape)
        key = np.array(self.seed, np.uint32), np.array(0, np.uint32)
        return _threefry(key, (np.array(self.step, np.uint32), np.uint32(stream << 24) | element))

    def setup(self):
        self.m0 = _uniform(self.words(1, (self.n, self.n)), -1.8948371431918534, 3.266232928555512)
        self.v7 = _gaussian(self.words(0, (self.n,)), 0.25440605192327365, 0.01855801684205096)
        self.s3 = 0.0834600012346402

    def predict_row(self):
        self.v8 = self.m1 @ self.v4
        self.v5 = np.where(self.v6 < self.v0, self.v0, self.v6)
        self.v5 = np.where(self.v7 < self.v5, self.v5, self.v7)
        self.v5 = self.m0 @ self.v5
        self.v5 = self.v2 + self.v5
        self.v5 = self.v7 + self.v5
        self.v1 = np.where(self.v7 < self.v5, self.v5, self.v7)
        self.s1 = np.dot(self.v0, self.v1)
        self.s1 = self.s4 + self.s1
        self.s1 = self.s1 + self.s1

    def learn_row(self):
        self.s2 = self.s0 - self.s1
        self.v5 = self.s2 * self.v0
        self.v5 = self.s3 * self.v5
        self.m0 = np.outer(self.v6, self.v2)
        self.m1 = self.m0 + self.m1
        self.v7 = self.v7 + self.v5
        self.v2 = self.v8 * self.v5
        self.v1 = np.where(self.v1 > 0, 1.0, 0.0)
        self.v5 = self.v8 * self.v1
        self.v5 = self.v5 * self.v8
        self.v8 = self.v5 * self.v5
        self.v3 = self.s2 * self.v5
        self.v3 = self.v8 * self.v3
        self.v2 = self.v2 + self.v2
        self.s4 = self.s1 - self.s1
        self.s4 = self.s3 + self.s4
        self.v2 = self.v5 + self.v2
        self.v6 = np.where(self.v5 > 0, 1.0, 0.0)
        self.v4 = self.v4 + self.v6
        self.v3 = self.v5 + self.v3
        self.m0 = np.outer(self.v3, self.v5)
