"""Memory over many experiments of one search: it must stay flat.

    python experiments/flat_memory.py [EXPERIMENTS]

Prints the resident memory every tenth of them, and its slope over the second half; writes
experiments/results/flat_memory.json.
"""

import json
import platform
import sys
from pathlib import Path

import numpy as np

import azero_jax as az
from azero_jax.config.leaves import override

CANDIDATES = 4000  # of each experiment


def resident_mib() -> float:
    """Memory that this process has at hand, in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def main(experiments: int) -> None:
    """Runs the search, and shows what it took."""
    values = {
        "search.islands": 4,
        "search.population": 200,
        "search.batch": 50,
        "evaluator.cache_size": 5000,
        "evaluator.fec_size": 5000,
        "budget.experiment_candidates": CANDIDATES,
        "budget.check_every": 2000,
        "budget.max_candidates": CANDIDATES * experiments,
        "budget.sufficient_fitness": 1.0,
    }
    begun: dict[int, float] = {}

    def report(progress: az.Progress) -> None:
        begun.setdefault(progress.experiment, resident_mib())

    result = az.search(override(az.load_preset("affine"), values), report=report, report_seconds=0.0)
    numbers, memory = np.array(list(begun)), np.array(list(begun.values()))
    late = numbers > experiments // 2
    slope = float(np.polyfit(numbers[late], memory[late], 1)[0] * 1024)
    for number, mib in list(begun.items())[:: max(len(begun) // 10, 1)]:
        print(f"experiment {number:4d}: {mib:8.1f} MiB")
    print(f"{result.experiments} experiments, {result.candidates:,} candidates; second half {slope:.1f} KiB each")
    results = Path(__file__).parent / "results" / "flat_memory.json"
    record = {
        "experiments": result.experiments,
        "slope_kib_an_experiment": slope,
        "mib": {str(number): round(mib, 1) for number, mib in begun.items()},
        "machine": platform.processor() or platform.machine(),
    }
    results.write_text(json.dumps(record) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
