"""A kernel's instruction bundles, read from what the compiler for TPUs writes: how many its loops have.

A TPU issues one bundle a cycle; waiting for the vector memory is part of the schedule, so the bundles of a loop's body,
times how often it runs, are its cycles. The compiler writes them where `LIBTPU_INIT_ARGS` has `DUMP`, a folder put in.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

DUMP: Final = "--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true"
FILES: Final = "*interpreter*[0-9]-final_bundles.txt"

_BUNDLE: Final = re.compile(r"^\s*(?:0x[0-9a-f]+|0)\s+(?:[A-Z]{2})?\s*:[\s>]*\{(.*)$")
_REGION: Final = re.compile(r"Start region (\d+)")
_EXIT: Final = re.compile(
    r"(%p\w+) = scmp\.ge\.s32\.totalorder (?:\(\S+\), )?%s\w+, (%?\w+)(?: /\* loop exit test \*/)?"
)
_BACK: Final = re.compile(r"sbr\.rel \(!(%p\w+)\) target = \$region(\d+)")
_DELAY: Final = 4  # bundles after a branch that are executed still


@dataclasses.dataclass
class Loop:
    """A loop, or, as the outermost, the whole kernel.

    Attributes:
      first: its first bundle.
      last: its last one.
      rounds: how often it runs; None if that is not a constant.
      loops: the loops in it, in the order of the code.
    """

    first: int
    last: int
    rounds: int | None
    loops: list[Loop]

    @property
    def bundles(self) -> int:
        """Of one round, without those of the loops in it."""
        return self.last + 1 - self.first - sum(loop.last + 1 - loop.first for loop in self.loops)

    @property
    def cycles(self) -> int:
        """Of one round, every branch taken, and every loop whose rounds are not constant run once."""
        return self.bundles + sum(loop.cycles * (loop.rounds or 1) for loop in self.loops)


def parse_bundles(text: str) -> Loop:
    """The loops of a kernel."""
    bundles = [found[1] for line in text.splitlines() if (found := _BUNDLE.match(line))]
    starts = {region: number for number, bundle in enumerate(bundles) for region in _REGION.findall(bundle)}
    exits = {test: limit for bundle in bundles for test, limit in _EXIT.findall(bundle)}
    loops = []
    for number, bundle in enumerate(bundles):
        for test, region in _BACK.findall(bundle):
            if starts.get(region, number + 1) <= number:
                limit = exits.get(test, "")
                last = min(number + _DELAY, len(bundles) - 1)
                loops.append(Loop(starts[region], last, int(limit) if limit.isdigit() else None, []))
    kernel = Loop(0, len(bundles) - 1, 1, [])
    stack = [kernel]
    for loop in sorted(loops, key=lambda loop: (loop.first, -loop.last)):
        while loop.first > stack[-1].last:
            stack.pop()
        loop.last = min(loop.last, stack[-1].last)  # two loops that end together
        stack[-1].loops.append(loop)
        stack.append(loop)
    return kernel
