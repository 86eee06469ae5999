"""Workers on Ray, measured on this machine.

    python experiments/workers.py speed     # candidates per second of one worker and of two; the coordinator's share
    python experiments/workers.py speed --preset affine         # the same on a preset as it is
    python experiments/workers.py affine    # success rates of four workers, with and without migration
    python experiments/workers.py kills     # workers killed at ten random moments of a search
    python experiments/workers.py cost      # of one exchange, and what it comes to for 10,000 workers

Each writes its part of `results/workers.json`; `cost` also writes `results/ten_thousand_workers.md`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import pickle
import platform
import random
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

import azero_jax as az
from azero_jax.cluster.messages import Job, Numbers, Order
from azero_jax.cluster.ray_crew import ray_running
from azero_jax.cluster.worker import Worker
from azero_jax.config.leaves import override
from azero_jax.config.tree import ClusterConfig
from azero_jax.tasks.sets import GeneratedTasks

RESULTS: Final = Path(__file__).parent / "results" / "workers.json"
PAGE: Final = Path(__file__).parent / "results" / "ten_thousand_workers.md"
SPEED: Final[dict[str, tuple[dict[str, str], int]]] = {  # by preset: settings, and candidates of each worker
    "linear": ({"candidates": "any"}, 6_000_000),
    "affine": ({}, 400_000),
}
HERE: Final = {"cluster.ray_address": "auto"}  # the Ray that this script has started, for one worker too


class Watch:
    """Reports of a search, with the processor times of this process, the coordinator's, and of its workers'."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.times: list[tuple[float, float, int, float]] = []

    def __call__(self, progress: az.Progress) -> None:
        """Takes note of a report."""
        used = sum(_processor_seconds(process) for process in processes(self.said))
        self.times.append((progress.seconds, time.process_time(), progress.counters.candidates, used))

    def share(self) -> float:
        """Of a core that this process took between the first and the last report."""
        (begin, used_before, _, _), (end, used, _, _) = self.times[0], self.times[-1]
        return (used - used_before) / (end - begin)

    def efficiency(self) -> float:
        """Candidates for each second of the workers' processor time, between the same two."""
        (_, _, before, used_before), (_, _, after, used) = self.times[0], self.times[-1]
        return (after - before) / (used - used_before)


def processes(said: list[str]) -> list[int]:
    """Of the workers, as far as they have said who they are."""
    return [int(line.split("process ")[1].split()[0]) for line in said if "process" in line and "worker" in line]


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def ray_here(workers: int) -> Iterator[None]:
    """One Ray for all searches of a measurement."""
    with ray_running(ClusterConfig(workers=workers)):
        yield


def speed(preset: str) -> dict[str, Any]:
    """Candidates a second and a second of processor time, of one worker and of two, medians of five searches."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    efficiencies: dict[int, list[float]] = {1: [], 2: []}
    shares = []
    given, candidates = SPEED[preset]
    with ray_here(2):
        for repeat in range(5):
            for workers in rates:
                settings = {
                    "seed": repeat,
                    "cluster.workers": workers,
                    "cluster.worker_lines": True,
                    "budget.sufficient_fitness": 1.0,
                    "budget.max_candidates": candidates * workers,
                    **HERE,
                }
                watch = Watch()
                result = az.search(
                    override(az.load_preset(preset, **given), settings), report=watch, say=watch.said.append
                )
                rates[workers].append(result.candidates / result.seconds)
                efficiencies[workers].append(watch.efficiency())
                if workers == 2:
                    shares.append(watch.share())
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    lone, shared = (statistics.median(efficiencies[workers]) for workers in (1, 2))
    found = {
        "candidates_per_second": {"one_worker": one, "two_workers": two, "ratio": two / one},
        "candidates_per_processor_second": {"one_worker": lone, "two_workers": shared, "ratio": 2 * shared / lone},
        "coordinator_share": statistics.median(shares),
        "all": {"rates": rates, "efficiencies": efficiencies, "coordinator_shares": shares},
    }
    return {**read().get("speed", {}), preset: found}


def affine(minutes: float) -> dict[str, Any]:
    """How many of ten seeds four workers solve within 200,000 candidates, with migration and without.

    Each has 16 islands of 100.

    What there is already is not run again; after so many minutes no other search begins.
    """
    end, searches = time.monotonic() + 60 * minutes, read().get("affine", {}).get("searches", {})
    with ray_here(4):
        for seed, migrants in itertools.product(range(8000, 8010), (0, 50)):
            lines = searches.setdefault(f"migrants {migrants}", [])
            if time.monotonic() > end or any(line["seed"] == seed for line in lines):
                continue
            settings = {
                "seed": seed,
                "cluster.workers": 4,
                "cluster.migrants": migrants,
                "cluster.round_candidates": 2_000,
                "search.population": 100,
                "search.batch": 50,
                "budget.check_every": 2_000,
                "budget.max_candidates": 200_000,
            }
            result = az.search(override(az.load_preset("affine"), settings), report=lambda progress: None)
            lines.append({"seed": seed, "solved": result.solved, "candidates": result.candidates})
            print(migrants, lines[-1], flush=True)
    solved = {name: f"{sum(line['solved'] for line in lines)} of {len(lines)}" for name, lines in searches.items()}
    return {"solved": solved, "searches": searches}


def kills() -> dict[str, Any]:
    """A search of which a worker is killed at ten random moments."""
    generator, said, warnings, killed = random.Random(0), list[str](), list[str](), list[float]()
    over = threading.Event()

    def kill() -> None:
        while len(killed) < 10 and not over.wait(generator.uniform(0.5, 4.0)):
            there = [process for process in processes(said) if Path(f"/proc/{process}").exists()]
            if there:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(generator.choice(there), signal.SIGKILL)
                    killed.append(time.monotonic())

    settings = {
        "seed": 3,
        "cluster.workers": 2,
        "cluster.worker_lines": True,
        "cluster.migrants": 50,
        "output.checkpoint_seconds": 2.0,
        "budget.sufficient_fitness": 0.99999,
    }
    with ray_here(2):
        killer = threading.Thread(target=kill)
        killer.start()
        config = override(az.load_preset("affine"), settings)
        result = az.search(config, report=lambda progress: None, say=said.append, warn=warnings.append)
        over.set()
        killer.join()
    figures = {"kills": len(killed), "solved": result.solved, "final_fitness": result.final_fitness}
    return {**figures, "seconds": result.seconds, "candidates": result.candidates, "said": warnings}


def cost() -> dict[str, Any]:
    """Of one exchange: bytes that travel, and the coordinator's processor time; and of one worker's state."""
    sizes = {name: _sizes(name) for name in ("linear", "affine")}
    with ray_here(2):
        settings = {
            "cluster.workers": 2,
            "cluster.migrants": 50,
            "cluster.round_candidates": 1,
            "budget.sufficient_fitness": 1.0,
            "budget.max_candidates": 400_000,
        }
        watch = Watch()
        config = override(az.load_preset("linear"), settings)
        result = az.search(config, report=watch, report_seconds=2.0)
    step = config.search.islands * config.search.batch
    used = watch.times[-1][1] - watch.times[0][1]
    rounds = result.candidates / step * (watch.times[-1][0] - watch.times[0][0]) / result.seconds
    figures = {"sizes": sizes, "coordinator_seconds_a_report": used / rounds, "reports": rounds}
    PAGE.write_text(page(figures), encoding="utf-8")
    return figures


def _sizes(preset: str) -> dict[str, int]:
    """Bytes of what a worker of a preset is told and tells."""
    config = override(az.load_preset(preset), {"cluster.workers": 2, "cluster.migrants": 50})
    worker = Worker(0, Job(config, (), True), GeneratedTasks(config.tasks), Numbers(0, 2))
    first = worker.round(Order(1, 60_000, False, 50, None, False))
    report = worker.round(Order(2, 120_000, False, 50, first.emigrants, True))
    order = Order(3, 180_000, False, 50, report.emigrants, False)
    state = sum(np.asarray(array).nbytes for array in (report.state or {}).values())
    plain = report._replace(state=None)
    return {"order": len(pickle.dumps(order)), "report": len(pickle.dumps(plain)), "state": state}


def page(figures: dict[str, Any]) -> str:
    """What the cost of one exchange comes to for 10,000 workers."""
    workers, seconds, a_report = 10_000, figures["coordinator_seconds_a_report"], figures["sizes"]["affine"]
    gigabytes = {"pool": workers * a_report["report"] / 1e9, "states": workers * a_report["state"] / 1e9}
    lines = [
        "# Ten thousand workers: what they would ask of one coordinator",
        "",
        "Arithmetic, not a measurement: nobody here has 10,000 machines. Measured on this one are the cost of an",
        f"exchange of 50 programs ({seconds * 1e3:.2f} ms of the coordinator's processor time for a worker's round,",
        f"Ray's own included; {a_report['order']:,} bytes to a worker of the preset affine, {a_report['report']:,}",
        f"back) and a worker's state ({a_report['state'] / 2**20:.1f} MiB). By `experiments/workers.py cost`,",
        f"{_machine()}.",
        "",
        "| a round takes | reports/s | coordinator's processor | network in | network out |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in (1, 10, 60, 600):
        rate = workers / each
        into, out = (rate * a_report[name] / 1e6 for name in ("report", "order"))
        lines.append(f"| {each} s | {rate:,.0f} | {rate * seconds:.2f} cores | {into:,.1f} MB/s | {out:,.1f} MB/s |")
    lines += [
        "",
        f"* **Processor.** A coordinator is one thread: it keeps up with rounds of {workers * seconds:.0f} s and more.",
        "  The paper's workers exchange every 100 to 10,000 candidates; where a core makes 300 candidates a second,",
        "  10,000 are 33 s. Shorter rounds need a pool that is split between coordinators.",
        f"* **Memory.** The pool and the latest reports: {gigabytes['pool']:.1f} GB. The workers' states, which the",
        f"  coordinator keeps so that another worker can take a dead one's place: {gigabytes['states']:.0f} GB.",
        f"* **Checkpoint.** The states: at 1 GB/s they take {gigabytes['states']:.0f} s to write. Above some hundred",
        "  workers states should stay on the workers' machines, and a lost machine's islands be filled by immigrants.",
        "  That is not built.",
        "* **Synchronous rounds** last as long as the slowest of 10,000 workers takes; `--asynchronous true` waits for",
        "  none, but there the totals and the pool are put together anew at every report, so that the work grows with",
        "  the square of the workers. From about a thousand on that would have to be changed.",
        "",
    ]
    return "\n".join(lines)


def _machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    return f"{model.partition(': ')[2] or platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def read() -> dict[str, Any]:
    """What has been measured."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


@click.command(help=__doc__)
@click.argument("what", type=click.Choice(["speed", "affine", "kills", "cost"]))
@click.option("--minutes", default=1e9, help="Of affine: begin no search after so many.")
@click.option("--preset", default="linear", type=click.Choice(list(SPEED)), help="Of speed: which one.")
def main(what: str, minutes: float, preset: str) -> None:
    """Measures, and writes down."""
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "speed": functools.partial(speed, preset),
        "affine": functools.partial(affine, minutes),
        "kills": kills,
        "cost": cost,
    }
    found = {**measures[what](), "machine": _machine(), "day": time.strftime("%Y-%m-%d")}
    RESULTS.write_text(json.dumps({**read(), what: found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
