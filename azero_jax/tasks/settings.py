"""What tasks are made of, and how many there are of what size."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

from azero_jax.tasks.synthetic import TEACHERS

DATA_KINDS: Final = ("pairs", "multiclass", "table")  # kinds of tasks that are made of the user's data
KINDS: Final = (*TEACHERS, *DATA_KINDS)


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """The user's data, of which tasks are made.

    Attributes:
      data: files, folders or names such as `digits`; several make a mixture of their tasks. A relative path starts at
        the current folder, also in a file of settings; a run records it in full.
      label: the label column of a table; none takes the one called label, class, target or y.
      regression: whether labels are numbers to predict rather than classes; none decides by their values.
      missing: words that stand for a missing label in a table, such as `NA,?`; an empty cell does always.
      pairs: class pairs to search on, such as `0-5,3-8` (the positive class first); empty takes the default split's.
      projections: how many random projections there are of each class pair.
      data_seed: decides which examples are to train, to validate and to test by, and the projections.
      download: whether a data set known by name may be fetched from the network.

    >>> SourceConfig(data=("digits",), pairs=("0-5", "3-8")).projections
    100
    """

    data: tuple[str, ...] = ()
    label: str | None = None
    regression: bool | None = None
    missing: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    projections: int = 100
    data_seed: int = 0
    download: bool = False

    def __post_init__(self) -> None:
        if self.projections < 1:
            raise ValueError(f"projections is {self.projections}; it must be at least 1")
        if not 0 <= self.data_seed < 2**32:
            raise ValueError(f"data_seed is {self.data_seed}; it must be from 0 to {2**32 - 1}")


def check_kind(kind: str, source: SourceConfig) -> None:
    """Checks that tasks of a kind can be made of the data, and have a use for what is said of them.

    Raises:
      ValueError: something is said of data, but the tasks are drawn at random; or of pairs that there are not.
    """
    if kind not in DATA_KINDS:
        for name in ("data", "label", "regression", "missing", "pairs", "download"):
            if (value := getattr(source, name)) != getattr(SourceConfig, name):
                shown = ",".join(value) if isinstance(value, tuple) else str(value)
                said = f"{name} is {shown.lower() if isinstance(value, bool) else shown}"
                drawn = f"tasks of kind {kind} are drawn at random"
                raise ValueError(f"{said}, but {drawn}; with data the kind is one of {', '.join(DATA_KINDS)}")
    elif kind != "pairs" and source.pairs:
        raise ValueError(f"pairs is {','.join(source.pairs)}, but tasks of kind {kind} have none; leave pairs out")


class Stage(NamedTuple):
    """How many tasks one stage of a search has, and their training and validation examples; None takes all.

    `part` of the data's examples is what the tasks are judged by: "valid", or "test" where they are unseen.
    """

    tasks: int
    train_examples: int | None
    valid_examples: int | None
    part: str = "valid"


@dataclasses.dataclass(frozen=True)
class TaskConfig:
    """What kind of tasks there are, and how many are used at each stage of the search.

    Attributes:
      kind: "linear", "affine" or "teacher" (two-layer networks): regression tasks drawn at random; of the user's data,
        "pairs": two classes each; "multiclass": all classes; "table": the rows as they are.
      features: F, the length of a feature vector; real examples are projected to so many, and none takes them as they
        are.
      search_tasks: tasks on which every candidate is tried.
      train_examples: training examples of each of them; none takes all that the data have.
      valid_examples: validation examples of each of them; none takes all.
      epochs: passes over the training examples.
      select_tasks: fresh tasks on which the best candidates are compared.
      select_train_examples: training examples of the select and the final tasks; none takes all.
      select_valid_examples: validation examples of the select and the final tasks; none takes all.
      final_tasks: unseen tasks on which the program that was found is measured, once; a table makes one.

    >>> TaskConfig(train_examples=20).stages[0]
    Stage(tasks=10, train_examples=20, valid_examples=100, part='valid')
    """

    kind: str = "linear"
    features: int | None = 4
    search_tasks: int = 10
    train_examples: int | None = 100
    valid_examples: int | None = 100
    epochs: int = 1
    select_tasks: int = 100
    select_train_examples: int | None = 1000
    select_valid_examples: int | None = 100
    final_tasks: int = 100

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and not self.of_data:
                raise ValueError(f"{field.name} is none; tasks drawn at random need a number")
            if field.name != "kind" and value is not None and value < 1:
                raise ValueError(f"{field.name} is {value}; it must be at least 1")

    @property
    def of_data(self) -> bool:
        """Whether the tasks are made of the user's data."""
        return self.kind in DATA_KINDS

    @property
    def stages(self) -> tuple[Stage, Stage, Stage]:
        """The tasks to search on, to select by, and the unseen ones."""
        sizes = self.select_train_examples, self.select_valid_examples
        return (
            Stage(self.search_tasks, self.train_examples, self.valid_examples),
            Stage(self.select_tasks, *sizes),
            Stage(self.final_tasks, *sizes, "test"),
        )

    @classmethod
    def all_examples(
        cls,
        kind: str,
        *,
        features: int | None = None,
        search_tasks: int = 10,
        select_tasks: int = 10,
        final_tasks: int = 100,
    ) -> TaskConfig:
        """Tasks of the user's data that take all the examples that there are."""
        names = ("train_examples", "valid_examples", "select_train_examples", "select_valid_examples")
        unlimited: dict[str, Any] = dict.fromkeys(names)
        return cls(kind, features, search_tasks, select_tasks=select_tasks, final_tasks=final_tasks, **unlimited)
