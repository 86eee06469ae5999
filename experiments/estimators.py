"""The estimators beside scikit-learn's linear models: cross-validation, the scaler in a pipeline.

    python experiments/estimators.py [--max-seconds 20] [--epochs 2] [--seeds 0]

Each row of the results has the scores of five folds: accuracy on breast_cancer and wine (beside LogisticRegression),
the coefficient of determination on diabetes (beside Ridge). Results go to experiments/results/estimators.jsonl.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import azero_jax as az

RESULTS = Path(__file__).parent / "results" / "estimators.jsonl"
FOLDS = 5
PROBLEMS: dict[str, tuple[Any, Any, Any]] = {
    "breast_cancer": (load_breast_cancer, az.EvolvedClassifier, LogisticRegression),
    "diabetes": (load_diabetes, az.EvolvedRegressor, Ridge),
    "wine": (load_wine, az.EvolvedClassifier, LogisticRegression),
}


def measure(problem: str, name: str, model: Any, **options: Any) -> None:
    """Cross-validates one model, and writes the row down."""
    x, y = PROBLEMS[problem][0](return_X_y=True)
    start, cpu = time.perf_counter(), time.process_time()
    scores = cross_val_score(make_pipeline(StandardScaler(), model), x, y, cv=FOLDS)
    seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    row = {"problem": problem, "model": name, **options, "mean": scores.mean(), "scores": scores.tolist(), **seconds}
    with RESULTS.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print(f"{problem:14} {name:20} {options} {scores.mean():.4f} {scores.round(3).tolist()}", flush=True)


def main() -> None:
    """Measures all problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=["breast_cancer", "diabetes"], choices=PROBLEMS)
    parser.add_argument("--max-seconds", type=float, default=20.0, help="of each search")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    for problem in arguments.problems:
        _, estimator, baseline = PROBLEMS[problem]
        measure(problem, baseline.__name__, baseline())
        for seed in arguments.seeds:
            options = {"max_seconds": arguments.max_seconds, "epochs": arguments.epochs, "random_state": seed}
            measure(problem, estimator.__name__, estimator(**options), **options)


if __name__ == "__main__":
    main()
