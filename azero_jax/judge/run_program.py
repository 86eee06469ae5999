"""The one way to run known programs on tasks."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.canonical.form import canonicalize
from azero_jax.config.tree import Config, derive_seed
from azero_jax.engines.base import Engine
from azero_jax.engines.make import make_engine
from azero_jax.engines.outcome import Outcome, combine_tasks
from azero_jax.engines.settings import EngineConfig
from azero_jax.language.library import program_space
from azero_jax.language.program import Programs
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import parse_program
from azero_jax.process.patience import Patience
from azero_jax.tasks import Tasks
from azero_jax.tasks.sets import TaskSets

_SELECT_BATCH: Final = 64  # programs of one call on the select tasks: about the number of islands


class Judge:
    """Runs programs of one search space on one set of tasks, with `engine`.

    They are run in canonical form, as in a search, so that random ops draw the same numbers as there.
    """

    def __init__(
        self,
        space: SearchSpace,
        tasks: Tasks,
        engine: EngineConfig | None = None,
        *,
        epochs: int = 1,
        seed: int = 0,
        batch_size: int = 1,
    ) -> None:
        """Puts the tasks on the device; `batch_size` is the most programs in one call, the rest as in `judge_program`.

        Raises:
          ValueError: the tasks do not fit the space, or the engine is not available.
        """
        engine = engine or EngineConfig()
        settings = engine.run_settings(epochs=epochs, seed=seed, batch_size=batch_size)
        self.engine: Engine = make_engine(engine.engine, space, tasks, settings, few_programs=True)

    def outcome(self, programs: Programs, examples: tuple[int, int] | None = None) -> Outcome:
        """What becomes of N programs on T tasks; `examples` (training, validation) None takes all."""
        canonical = canonicalize(programs, self.engine.space, self.engine.tasks.metric).programs
        return self.engine.evaluate(canonical, examples=examples)

    def fitness(self, programs: Programs, examples: tuple[int, int] | None = None) -> NDArray[np.float64]:
        """`[N, T]` fitness of N programs on T tasks; `examples` as in `outcome`."""
        return np.asarray(self.outcome(programs, examples).fitness, np.float64)

    def mean_fitness(self, programs: Programs) -> NDArray[np.float64]:
        """`[N]` mean fitness of N programs over all tasks."""
        return combine_tasks(self.fitness(programs), "mean")


def judge_program(
    text: str,
    tasks: Tasks,
    engine: EngineConfig | None = None,
    *,
    space: SearchSpace | None = None,
    epochs: int = 1,
    seed: int = 0,
) -> NDArray[np.float64]:
    """`[T]` fitness of one program, given as text, on each of T tasks.

    Args:
      text: the program, as `azero_jax.language.text` reads it.
      tasks: what it is run on.
      engine: what runs it; None takes the defaults.
      space: what it must be a program of; None takes the smallest space that it fits into.
      epochs: passes over the training examples.
      seed: of the random ops.

    Raises:
      ValueError: the text is not a program (of the space).
    """
    space = space or program_space(text, tasks.features)
    program = parse_program(text, space)
    return Judge(space, tasks, engine, epochs=epochs, seed=seed).fitness(program)[0]


def select_judge(
    config: Config, task_sets: TaskSets, space: SearchSpace, number: int, purpose: str, patience: Patience | None = None
) -> Judge:
    """A judge on select tasks of experiment `number`, those for `purpose`; fitness is below 0 once patience is over.

    Its random ops draw other numbers than on the search tasks: what was only lucky there is not lucky here.
    """
    tasks = task_sets.select(derive_seed(config, number, purpose))
    seed = derive_seed(config, number, f"random ops, {purpose}")
    judge = Judge(space, tasks, config.engine, epochs=config.tasks.epochs, seed=seed, batch_size=_SELECT_BATCH)
    judge.engine.patience = patience
    return judge


def final_judge(config: Config, task_sets: TaskSets, space: SearchSpace, patience: Patience | None = None) -> Judge:
    """A judge on the unseen tasks of a search, which are the same in all its experiments."""
    tasks = task_sets.final(derive_seed(config, 0, "final"))
    seed = derive_seed(config, 0, "random ops, final")
    batch_size = config.output.hall_of_fame
    judge = Judge(space, tasks, config.engine, epochs=config.tasks.epochs, seed=seed, batch_size=batch_size)
    judge.engine.patience = patience
    return judge


def standard_error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of `[n]` values; NaN for fewer than two.

    >>> standard_error(np.array([1.0, 3.0]))
    1.0
    """
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
