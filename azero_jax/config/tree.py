"""The configuration of a search: one typed tree of frozen dataclasses. Presets are values of it."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from azero_jax.engines.settings import EngineConfig
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language.settings import SpaceConfig
from azero_jax.tasks.settings import SourceConfig, TaskConfig, check_kind

_FIRST_ROUND: Final = 10_000  # candidates, or more
_ROUND_SHARE: Final = 16
_MOST_FIRST_ROUNDS: Final = 8  # in one later round


@dataclasses.dataclass(frozen=True)
class BudgetConfig:
    """When a search ends.

    Attributes:
      sufficient_fitness: the search is over when a program's mean fitness is above this on two sets of select tasks.
      max_candidates: most candidates, checked after each step, such as the initial populations as a whole; none for no
        limit.
      max_train_steps: most training examples attempted, over all candidates and tasks; none for no limit.
      max_seconds: most seconds; none for no limit.
      no_improvement_candidates: the search ends when the best fitness on the select tasks has not grown for so many
        candidates; none for no limit.
      experiment_candidates: after so many candidates the search starts anew with other tasks; 0 never.
      check_every: candidates between two trials of the islands' best programs on the select tasks.
      tune_trials: when the search has ended, the constants of the best program are tuned on the select tasks by so many
        trials of random search; 0 leaves them as evolution did.

    >>> BudgetConfig(max_seconds=0.0)
    Traceback (most recent call last):
    ValueError: max_seconds is 0; it must be above 0 (or none, for no limit)
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

    >>> OutputConfig(checkpoint_seconds=10.0).keep_checkpoints
    3
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
class ClusterConfig:
    """Who searches: this process alone, or workers side by side on this machine or on a Ray cluster.

    Attributes:
      workers: processes that search side by side, each on a GPU or a core of its own (on one machine up to 4 may share
        a core); 1 searches in this process. More need the package ray.
      ray_address: HOST:PORT of a Ray cluster to search on, or `auto` for the one that this machine belongs to; none
        keeps to this machine.
      device: what each worker gets: "gpu", "cpu" (one core), or "auto" for a GPU where the cluster has some.
      asynchronous: workers wait for nobody, which suits uneven machines; what is found then depends on their speed.
      round_candidates: candidates of each worker from one exchange with the others to the next; none takes
        `check_every`, or 10,000 if that is more, and later a sixteenth of what a worker has done, up to 8 times that.
      migrants: programs that each worker gives away then, and gets of others, by `search.topology`; 0 exchanges none.
      mixed: the workers search on the sources of data in turn, each on one, and select by all of them.
      worker_lines: show a line a worker.

    >>> [ClusterConfig(workers=4).round_size(2000, done) for done in (0, 800_000, 5_000_000)]
    [10000, 50000, 80000]
    """

    workers: int = 1
    ray_address: str | None = None
    device: str = "auto"
    asynchronous: bool = False
    round_candidates: int | None = None
    migrants: int = 0
    mixed: bool = False
    worker_lines: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be at least 1")
        if self.device not in ("auto", "cpu", "gpu"):
            raise ValueError(f"device is {self.device!r}; allowed: auto, cpu, gpu")
        if self.round_candidates is not None and self.round_candidates < 1:
            raise ValueError(f"round_candidates is {self.round_candidates}; it must be at least 1 (or none)")
        if self.migrants < 0:
            raise ValueError(f"migrants is {self.migrants}; it must be 0 or more")

    @property
    def is_used(self) -> bool:
        """Whether there are workers at all."""
        return self.workers > 1 or self.ray_address is not None

    def round_size(self, check_every: int, done: int) -> int:
        """Candidates of a worker in its next round, after so many.

        A round costs the coordinator the same whatever its length, and what is found in it is told at its end. So
        rounds grow with the search: one that is soon solved ends soon, a long one takes little of the coordinator's
        time. Only candidates decide how long a round is, not time, which would make searches differ.
        """
        if self.round_candidates is not None:
            return self.round_candidates
        first = max(check_every, _FIRST_ROUND)
        return min(max(first, done // _ROUND_SHARE), _MOST_FIRST_ROUNDS * first)


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
      cluster: who searches.

    >>> config = Config(seed=7, tasks=TaskConfig(kind="affine"), budget=BudgetConfig(max_seconds=60.0))
    >>> config.tasks.features, config.search.population
    (4, 1000)
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
    cluster: ClusterConfig = ClusterConfig()

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must be from 0 to {2**32 - 1}")
        check_kind(self.tasks.kind, self.source)
        if self.cluster.migrants > 0 and self.search.algorithm == "random":
            raise ValueError("migrants are for evolution; random search has no populations: leave it 0")
        if self.tasks.features is not None:
            self.space.build(self.tasks.features)

    def replace(self, **settings: Any) -> Config:
        """The same with other settings, by their short names, as on the command line.

        Args:
          **settings: such as `population=500` for `--population 500`; or a whole branch, such as `space=SpaceConfig()`.

        Raises:
          ValueError: an unknown name, with the nearest ones, or a value that is not allowed.

        >>> config = Config().replace(population=500, max_seconds=60)
        >>> config.search.population, config.budget.max_seconds
        (500, 60.0)
        >>> config.replace(popluation=500)
        Traceback (most recent call last):
        ValueError: unknown setting 'popluation'; did you mean population or mutations or projections?
        """
        from azero_jax.config.leaves import replace_settings  # which reads this tree

        return replace_settings(self, settings)


def derive_seed(config: Config, experiment: int, purpose: str) -> int:
    """A 32-bit seed for one purpose of one experiment."""
    words = (config.seed, experiment, *purpose.encode())
    return int(np.random.SeedSequence(words).generate_state(1)[0])
