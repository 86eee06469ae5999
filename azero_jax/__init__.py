"""Evolve whole machine-learning algorithms from scratch (AutoML-Zero), thousands of candidates at a time.

    import azero_jax as az
    result = az.search(az.load_preset("linear", seed=3, max_seconds=60))
    print(result)  # in a notebook `result` shows itself, `result.plot()` and `result.explain()` show more

A program has three functions, Setup, Predict and Learn, made of basic maths on a small memory of scalars, vectors and
matrices. Tasks are arrays: features `[T, N, F]`, labels `[T, N]`, for T tasks of N examples with F features.

Public are the names here, and those of `azero_jax.tasks`, `azero_jax.data` and `azero_jax.programs`; everything deeper
may move.
"""

from typing import TYPE_CHECKING, Any

# The doors of the command line come first: imported later, `azero_jax.search` would take the place of the function.
import azero_jax.evaluate
import azero_jax.search  # noqa: F401
from azero_jax.api import evaluate_program, explain_program, explain_run, learning_curves, lineage, load_tasks, search
from azero_jax.config.presets import load_preset
from azero_jax.config.tree import BudgetConfig, ClusterConfig, Config, OutputConfig
from azero_jax.data.libraries import require
from azero_jax.engines.settings import EngineConfig
from azero_jax.evolve.settings import EvolutionSettings
from azero_jax.explain.drawing import Drawing
from azero_jax.explain.explanation import Explanation
from azero_jax.explain.export.write import export_program, write_exports
from azero_jax.explain.learning import LearningCurves
from azero_jax.explain.lineage import LineageStep
from azero_jax.explain.result import Animation, Result
from azero_jax.fitness.settings import EvaluatorSettings
from azero_jax.language.library import load_program
from azero_jax.language.roles import Metric
from azero_jax.language.settings import SpaceConfig
from azero_jax.learner.learner import Learner
from azero_jax.protocol.curve import CurvePoint
from azero_jax.protocol.finalist import Finalist
from azero_jax.protocol.front import Front
from azero_jax.protocol.result import Progress, SearchResult
from azero_jax.tasks import FixedTasks, Tasks, TaskSets, affine_tasks, linear_tasks, make_tasks, teacher_tasks
from azero_jax.tasks.settings import SourceConfig, TaskConfig

if TYPE_CHECKING:
    from azero_jax.estimator.estimators import EvolvedClassifier as EvolvedClassifier
    from azero_jax.estimator.estimators import EvolvedRegressor as EvolvedRegressor

__all__ = [
    "Animation",
    "BudgetConfig",
    "ClusterConfig",
    "Config",
    "CurvePoint",
    "Drawing",
    "EngineConfig",
    "EvaluatorSettings",
    "EvolutionSettings",
    "Explanation",
    "Finalist",
    "FixedTasks",
    "Front",
    "Learner",
    "LearningCurves",
    "LineageStep",
    "Metric",
    "OutputConfig",
    "Progress",
    "Result",
    "SearchResult",
    "SourceConfig",
    "SpaceConfig",
    "TaskConfig",
    "TaskSets",
    "Tasks",
    "affine_tasks",
    "evaluate_program",
    "explain_program",
    "explain_run",
    "export_program",
    "learning_curves",
    "lineage",
    "linear_tasks",
    "load_preset",
    "load_program",
    "load_tasks",
    "make_tasks",
    "search",
    "teacher_tasks",
    "write_exports",
]


def __getattr__(name: str) -> Any:
    """The estimators, which alone need scikit-learn: imported when they are first asked for."""
    if name not in ("EvolvedClassifier", "EvolvedRegressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("sklearn", f"azero_jax.{name}")
    from azero_jax.estimator import estimators

    return getattr(estimators, name)


def __dir__() -> list[str]:
    """The public names."""
    return [*globals(), "EvolvedClassifier", "EvolvedRegressor"]
