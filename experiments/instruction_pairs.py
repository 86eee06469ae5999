"""Which two instructions could run as one, counted over the programs that real searches run.

    python experiments/instruction_pairs.py --preset digits --preset multiclass
    python experiments/instruction_pairs.py --preset cifar10 --data cifar10.zip

A pair is an instruction and the only one that reads what it makes, in the same function. It is *in place* if the second
one adds to (or multiplies) the register that it writes, so that three addresses say it all. Pairs that occur often, and
take long, are rows of `azero_jax.analysis.fusion.FUSIONS`.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final
from unittest import mock

import click

import azero_jax as az
from azero_jax.analysis.fusion import FUSIONS
from azero_jax.config.leaves import override
from azero_jax.engines.warp import engine as warp_engine
from azero_jax.explain.listing import Listing, live_at_entry, prune, read, read_listing, written
from azero_jax.language.program import Programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.language.text import format_program

RESULTS: Final = Path(__file__).parent / "results" / "instruction_pairs.json"
SAMPLE: Final = 20  # one program of so many is looked at

Pair = tuple[str, str, bool]
"""Names of the two ops, and whether the pair is in place."""


def pairs_of(listing: Listing, metric: Metric) -> list[Pair]:
    """The pairs of Predict and Learn of a program without dead instructions."""
    entry = live_at_entry(listing, metric)
    found = []
    for function, body in ((1, listing.predict), (2, listing.learn)):
        after = entry if function == 2 else entry | {metric.prediction}
        reads_in_learn = {register for one in listing.learn for register in read(one)} if function == 1 else set()
        for place, first in enumerate(body):
            between = written(first)
            readers = []
            for second in body[place + 1 :]:
                if between in read(second):
                    readers.append(second)
                if written(second) == between:
                    break
            else:
                if between in after or between in reads_in_learn:
                    continue
            if len(readers) == 1 and read(readers[0]).count(between) == 1:
                second = readers[0]
                others = [register for register in read(second) if register != between]
                found.append((first.op.name, second.op.name, written(second) in others))
    return found


def count_pairs(config: az.Config) -> tuple[Counter[Pair], int]:
    """The pairs of a sample of the programs that a search runs, and how many instructions these have."""
    counts: Counter[Pair] = Counter()
    instructions = seen = 0
    fuse = warp_engine.fuse

    def look(programs: Programs, space: SearchSpace, metric: Metric) -> Programs:
        nonlocal instructions, seen
        for index in range(-seen % SAMPLE, len(programs), SAMPLE):
            listing = prune(read_listing(format_program(programs, index, space)), metric)
            counts.update(pairs_of(listing, metric))
            instructions += len(listing.predict) + len(listing.learn)
        seen += len(programs)
        return fuse(programs, space, metric)

    with mock.patch.object(warp_engine, "fuse", look):
        az.search(config)
    return counts, instructions


@click.command(help=__doc__)
@click.option("--preset", "presets", multiple=True, required=True, help="What is searched; may be repeated.")
@click.option("--data", help="The data of presets that need some.")
@click.option("--max-seconds", default=60.0, show_default=True, help="Of each search.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Results file.")
def main(presets: tuple[str, ...], data: str | None, max_seconds: float, out: Path) -> None:
    """Counts, prints, and writes down."""
    results: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    fused = {(one.first.name, one.second.name) for one in FUSIONS}
    for preset in presets:
        values: dict[str, Any] = {"budget.max_seconds": max_seconds, "budget.sufficient_fitness": 1.0}
        if data:
            values["source.data"] = (data,)
        counts, instructions = count_pairs(override(az.load_preset(preset), values))
        rows = [
            {"first": first, "second": second, "in_place": in_place, "of_100_instructions": 100 * count / instructions}
            for (first, second, in_place), count in counts.most_common(40)
        ]
        results[preset] = {"instructions": instructions, "pairs": rows}
        print(f"{preset}: {instructions:,} instructions of Predict and Learn")
        for row in rows[:15]:
            mark = "fused" if row["in_place"] and (row["first"], row["second"]) in fused else ""
            where = "in place" if row["in_place"] else ""
            print(f"  {row['of_100_instructions']:5.2f}  {row['first']}, {row['second']}  {where}  {mark}")
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
