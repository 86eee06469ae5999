"""The configuration of a search: one typed tree of frozen dataclasses. Presets are values of it."""

from __future__ import annotations

import dataclasses

from azero_jax.engines.base import RunSettings
from azero_jax.evaluate import EvaluatorSettings
from azero_jax.evolve import EvolutionSettings
from azero_jax.ops import op_number
from azero_jax.space import FUNCTION_NAMES, SearchSpace, make_space
from azero_jax.tasks.synthetic import TEACHERS

ALL_OPS = ("all",)
MIN_FEATURES = 4  # for checks of a space before the number of features is known
DATA_KINDS = ("pairs", "multiclass", "table")  # kinds of tasks that are made of the user's data


@dataclasses.dataclass(frozen=True)
class SpaceConfig:
    """What a program may look like; the number of features comes from the tasks.

    Attributes:
      scalars: scalar addresses, s0 (label) and s1 (prediction) included.
      vectors: vector addresses, v0 (features) included.
      matrices: matrix addresses.
      setup: fewest, initial and most instructions of Setup, such as `1,5,10`; one number stands for all three.
      predict: the same of Predict.
      learn: the same of Learn.
      ops: names of the ops that evolution may use, or `all` (those that have addresses to work on).
      setup_ops: ops of Setup, in place of `ops`; empty takes `ops`.
      predict_ops: ops of Predict, in place of `ops`; empty takes `ops`.
      learn_ops: ops of Learn, in place of `ops`; empty takes `ops`.
    """

    scalars: int = 4
    vectors: int = 3
    matrices: int = 1
    setup: tuple[int, ...] = (10,)
    predict: tuple[int, ...] = (2,)
    learn: tuple[int, ...] = (8,)
    ops: tuple[str, ...] = ALL_OPS
    setup_ops: tuple[str, ...] = ()
    predict_ops: tuple[str, ...] = ()
    learn_ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("setup", "predict", "learn"):
            if len(getattr(self, name)) not in (1, 3):
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be one number or three (fewest, initial, most)"
                )
        self.build(MIN_FEATURES)

    def build(self, features: int) -> SearchSpace:
        """The search space of tasks with F = `features`."""

        def sizes(values: tuple[int, ...]) -> tuple[int, int, int]:
            return (values[0], values[len(values) // 2], values[-1])

        space = make_space(
            features=features,
            scalars=self.scalars,
            vectors=self.vectors,
            matrices=self.matrices,
            setup=sizes(self.setup),
            predict=sizes(self.predict),
            learn=sizes(self.learn),
            allowed=None if self.ops == ALL_OPS else self.ops,
        )
        own = {}
        for name in FUNCTION_NAMES:
            if names := getattr(self, f"{name}_ops"):
                numbers = tuple(sorted({op_number(op) for op in names}))
                own[name] = dataclasses.replace(getattr(space, name), ops=numbers)
        return dataclasses.replace(space, **own)


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """The user's data, of which tasks are made.

    Attributes:
      data: files, folders or names such as `digits`; several make a mixture of their tasks.
      label: the label column of a table; none takes the one called label, class, target or y.
      regression: whether labels are numbers to predict rather than classes; none decides by their values.
      pairs: class pairs to search on, such as `0-5,3-8` (the positive class first); empty takes the default split's.
      projections: how many random projections there are of each class pair.
      data_seed: decides which examples are to train, to validate and to test by, and the projections.
      download: whether a data set known by name may be fetched from the network.
    """

    data: tuple[str, ...] = ()
    label: str | None = None
    regression: bool | None = None
    pairs: tuple[str, ...] = ()
    projections: int = 100
    data_seed: int = 0
    download: bool = False

    def __post_init__(self) -> None:
        if self.projections < 1:
            raise ValueError(f"projections is {self.projections}; it must be at least 1")
        if not 0 <= self.data_seed < 2**32:
            raise ValueError(f"data_seed is {self.data_seed}; it must be from 0 to {2**32 - 1}")


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
        if self.kind not in (*TEACHERS, *DATA_KINDS):
            raise ValueError(f"kind is {self.kind!r}; allowed: {', '.join((*TEACHERS, *DATA_KINDS))}")
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


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """What runs the programs.

    Attributes:
      engine: "warp" (CPU and CUDA, fast), "xla" (any platform), or "auto", the first of these that works here.
      precision: "float32" or "float64".
      max_abs_error: an absolute error above this ends a program's run on a task.
      batch_size: most programs in one call; larger batches are split.
    """

    engine: str = "auto"
    precision: str = RunSettings.precision
    max_abs_error: float = RunSettings.max_abs_error
    batch_size: int = RunSettings.batch_size

    def __post_init__(self) -> None:
        if self.engine not in ("auto", "warp", "xla"):
            raise ValueError(f"engine is {self.engine!r}; allowed: auto, warp, xla")
        RunSettings(self.precision, 1, self.max_abs_error, 0, self.batch_size)


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """When a search ends.

    Attributes:
      sufficient_fitness: the search is over when a program's mean fitness is above this on two sets of select tasks.
      max_candidates: most candidates; none for no limit.
      max_train_steps: most training examples attempted, over all candidates and tasks; none for no limit.
      max_seconds: most seconds; none for no limit.
      no_improvement_candidates: the search ends when the best fitness on the select tasks has not grown for so many
        candidates; none for no limit.
      experiment_candidates: after so many candidates the search starts anew with other tasks; 0 never.
      check_every: candidates between two trials of the islands' best programs on the select tasks.
      tune_trials: when the search has ended, the constants of the best program are tuned on the select tasks by so many
        trials of random search; 0 leaves them as evolution did.
    """

    sufficient_fitness: float = 0.9999
    max_candidates: int | None = None
    max_train_steps: int | None = None
    max_seconds: float | None = None
    no_improvement_candidates: int | None = None
    experiment_candidates: int = 0
    check_every: int = 50_000
    tune_trials: int = 0

    def __post_init__(self) -> None:
        for name in ("max_candidates", "max_train_steps", "max_seconds", "no_improvement_candidates"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value:g}; it must be above 0 (or none, for no limit)")
        if not 0 < self.sufficient_fitness <= 1:
            raise ValueError(f"sufficient_fitness is {self.sufficient_fitness}; it must be above 0 and at most 1")
        for name in ("experiment_candidates", "tune_trials"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.check_every < 1:
            raise ValueError(f"check_every is {self.check_every}; it must be at least 1")


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """What a run directory gets; nothing here changes the search.

    Attributes:
      report_every: candidates between two lines of metrics, or a thousandth of those so far if that is more.
      checkpoint_seconds: seconds between two checkpoints.
      keep_checkpoints: how many of the latest checkpoints are kept.
      hall_of_fame: how many of the best distinct algorithms are kept and measured on the unseen tasks.
      tensorboard: also write the metrics as TensorBoard scalars; needs the package tensorboardX.
    """

    report_every: int = 50_000
    checkpoint_seconds: float = 60.0
    keep_checkpoints: int = 3
    hall_of_fame: int = 10
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in ("report_every", "keep_checkpoints", "hall_of_fame"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(f"checkpoint_seconds is {self.checkpoint_seconds:g}; it must be 0 or more")


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that decides a search.

    Attributes:
      seed: of everything random; the same seed gives the same search.
      space: what a program may look like.
      tasks: what it is tried on.
      source: the data of which tasks are made.
      search: how candidates come about.
      evaluator: how running them is avoided.
      engine: what runs them.
      budget: when the search ends.
      output: what a run directory gets.
    """

    seed: int = 0
    space: SpaceConfig = SpaceConfig()
    tasks: TaskConfig = TaskConfig()
    source: SourceConfig = SourceConfig()
    search: EvolutionSettings = EvolutionSettings()
    evaluator: EvaluatorSettings = EvaluatorSettings()
    engine: EngineConfig = EngineConfig()
    budget: BudgetConfig = BudgetConfig()
    output: OutputConfig = OutputConfig()

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must be from 0 to {2**32 - 1}")
        if self.source.data and not self.tasks.of_data:
            raise ValueError(
                f"data is {','.join(self.source.data)}, but tasks of kind {self.tasks.kind} are drawn at random; with"
                f" data the kind is one of {', '.join(DATA_KINDS)}"
            )
        self.space.build(self.tasks.features or MIN_FEATURES)


def run_settings(config: Config, seed: int, batch_size: int | None = None) -> RunSettings:
    """How engines run programs under this configuration."""
    return RunSettings(
        precision=config.engine.precision,
        epochs=config.tasks.epochs,
        max_abs_error=config.engine.max_abs_error,
        seed=seed,
        batch_size=batch_size or config.engine.batch_size,
    )
