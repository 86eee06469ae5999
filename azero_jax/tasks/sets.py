"""The three sets of tasks of a search on real data: to search on, to select by, and unseen.

Each class has the methods `search`, `select` and `final`, which `azero_jax.experiment` asks for tasks. Nothing that is
judged by in `final` (the pairs where there are enough of them, the examples always) is used by the other two.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from azero_jax.data.source import Source
from azero_jax.tasks.classification import join_tasks, multiclass_tasks, pair_tasks
from azero_jax.tasks.pairs import Pair, PairSplit, choose_tasks
from azero_jax.tasks.projected import Projected
from azero_jax.tasks.tabular import VALID_SHARE, table_tasks
from azero_jax.tasks.tasks import Tasks


class Counts(NamedTuple):
    """How many tasks and examples each set has; None takes all examples that there are.

    Attributes:
      search_tasks: tasks to search on; fewer if there are not as many pairs and projections.
      select_tasks: tasks to select by.
      final_tasks: unseen tasks.
      train_examples: training examples of a search task.
      valid_examples: validation examples of a search task.
      select_train_examples: training examples of a select or final task.
      select_valid_examples: examples that a select or final task is judged by.
    """

    search_tasks: int = 10
    select_tasks: int = 10
    final_tasks: int = 100
    train_examples: int | None = None
    valid_examples: int | None = None
    select_train_examples: int | None = None
    select_valid_examples: int | None = None


class PairTasks(NamedTuple):
    """Binary tasks of class pairs: other pairs to search on, to select by and to judge by."""

    data: Projected
    pairs: PairSplit
    counts: Counts = Counts()

    def search(self, seed: int) -> Tasks:
        """Search pairs, validation examples; `seed` chooses pairs and projections."""
        counts = self.counts
        sizes = counts.train_examples, counts.valid_examples
        return self._draw(self.pairs.search, counts.search_tasks, seed, "valid", sizes)

    def select(self, seed: int) -> Tasks:
        """Select pairs, validation examples; `seed` chooses pairs and projections."""
        counts = self.counts
        sizes = counts.select_train_examples, counts.select_valid_examples
        return self._draw(self.pairs.select, counts.select_tasks, seed, "valid", sizes)

    def final(self, seed: int) -> Tasks:
        """Unseen pairs, test examples; `seed` chooses pairs and projections."""
        counts = self.counts
        sizes = counts.select_train_examples, counts.select_valid_examples
        return self._draw(self.pairs.unseen, counts.final_tasks, seed, "test", sizes)

    def _draw(
        self, pairs: tuple[Pair, ...], count: int, seed: int, part: str, sizes: tuple[int | None, int | None]
    ) -> Tasks:
        projections = self.data.projections
        chosen = choose_tasks(pairs, projections, min(count, len(pairs) * projections), seed)
        return pair_tasks(self.data, chosen, part=part, train_examples=sizes[0], valid_examples=sizes[1])


class MixedTasks(NamedTuple):
    """Tasks of several sets side by side, such as half CIFAR-10 and half MNIST (the paper's "Full" method).

    The parts' own counts add up; they must agree in features and examples.
    """

    parts: tuple[PairTasks, ...]

    def search(self, seed: int) -> Tasks:
        """The search tasks of all parts."""
        return join_tasks(*(part.search(seed) for part in self.parts))

    def select(self, seed: int) -> Tasks:
        """The select tasks of all parts."""
        return join_tasks(*(part.select(seed) for part in self.parts))

    def final(self, seed: int) -> Tasks:
        """The unseen tasks of all parts."""
        return join_tasks(*(part.final(seed) for part in self.parts))


class MulticlassTasks(NamedTuple):
    """Tasks of all classes at once, each under another projection."""

    data: Projected
    counts: Counts = Counts()

    def search(self, seed: int) -> Tasks:
        """Validation examples; `seed` chooses the projections."""
        counts = self.counts
        return self._draw(counts.search_tasks, seed, "valid", counts.train_examples, counts.valid_examples)

    def select(self, seed: int) -> Tasks:
        """Validation examples; `seed` chooses the projections."""
        counts = self.counts
        return self._draw(
            counts.select_tasks, seed, "valid", counts.select_train_examples, counts.select_valid_examples
        )

    def final(self, seed: int) -> Tasks:
        """Test examples; `seed` chooses the projections."""
        counts = self.counts
        return self._draw(counts.final_tasks, seed, "test", counts.select_train_examples, counts.select_valid_examples)

    def _draw(self, count: int, seed: int, part: str, train_examples: int | None, valid_examples: int | None) -> Tasks:
        order = np.random.default_rng(seed).permutation(self.data.projections)
        numbers = [int(number) for number in order[:count]]
        return multiclass_tasks(
            self.data, numbers, part=part, train_examples=train_examples, valid_examples=valid_examples
        )


class TableTasks(NamedTuple):
    """Tasks of a table whose test rows have been held out (`azero_jax.tasks.tabular.hold_out`)."""

    source: Source
    counts: Counts = Counts()
    valid_share: float = VALID_SHARE

    def search(self, seed: int) -> Tasks:
        """Training and validation rows split anew for each task."""
        return self._split(self.counts.search_tasks, self.counts.train_examples, seed)

    def select(self, seed: int) -> Tasks:
        """Training and validation rows split anew for each task."""
        return self._split(self.counts.select_tasks, self.counts.select_train_examples, seed)

    def final(self, seed: int) -> Tasks:
        """One task: every row that was not held out is for training, those that were to judge by."""
        return table_tasks(self.source, part="test", train_examples=self.counts.select_train_examples, seed=seed)

    def _split(self, count: int, train_examples: int | None, seed: int) -> Tasks:
        return table_tasks(self.source, count, valid_share=self.valid_share, train_examples=train_examples, seed=seed)
