"""Evolve whole machine-learning algorithms from scratch (AutoML-Zero), thousands of candidates at a time.

    import azero_jax as az
    result = az.search(az.load_preset("linear"), report=print)
    print(result.program, result.final_fitness)

A program has three functions, Setup, Predict and Learn, made of basic maths on a small memory of scalars, vectors and
matrices. Tasks are arrays: features `[T, N, F]`, labels `[T, N]`, for T tasks of N examples with F features.
"""

from azero_jax.api import evaluate_program, search
from azero_jax.config import BudgetConfig, Config, EngineConfig, OutputConfig, SourceConfig, SpaceConfig, TaskConfig
from azero_jax.evaluate import EvaluatorSettings
from azero_jax.evolve import EvolutionSettings
from azero_jax.presets import load_preset
from azero_jax.result import Finalist, Progress, SearchResult
from azero_jax.task_sets import FixedTasks, TaskSets
from azero_jax.tasks import Metric, Tasks, affine_tasks, linear_tasks, make_tasks, teacher_tasks

__all__ = [
    "BudgetConfig",
    "Config",
    "EngineConfig",
    "EvaluatorSettings",
    "EvolutionSettings",
    "Finalist",
    "FixedTasks",
    "Metric",
    "OutputConfig",
    "Progress",
    "SearchResult",
    "SourceConfig",
    "SpaceConfig",
    "TaskConfig",
    "TaskSets",
    "Tasks",
    "affine_tasks",
    "evaluate_program",
    "linear_tasks",
    "load_preset",
    "make_tasks",
    "search",
    "teacher_tasks",
]
