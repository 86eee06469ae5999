"""Fitness by program: every candidate is pruned and looked up, and only what is new is written out.

For candidates in canonical form this finds the same algorithm in other words; for others it finds the same
instructions around other dead code.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.constant_predictors import (
    METRIC_CODE,
    NO_CONSTANTS,
    NOT_CONSTANT,
    TWO_CLASSES,
    ZERO,
    find_constant,
)
from azero_jax.analysis.levels import NO_BOUNDS, DataBounds, transfer_table
from azero_jax.analysis.liveness import SLOT_COLUMNS, find_live, list_live, make_live_sets
from azero_jax.analysis.pruning import write_live
from azero_jax.analysis.zero_predictors import predicts_zero
from azero_jax.compiled.hashing import finish, mix
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import WORDS, space_tables
from azero_jax.fitness.cache import (
    BLOCK,
    CAPACITY,
    END,
    TOGETHER,
    FitnessCache,
    Unknown,
    insert,
    look_up_one,
    set_entry,
    touch,
)
from azero_jax.language.program import Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.process.state import State

_COUNT_SHIFT: Final = np.uint64(48)  # of a key's first word: instructions, above the sizes
_CONSTANT_SHIFT: Final = np.uint64(56)  # of an instruction's word: which constants follow, above op and addresses


class Screened(NamedTuple):
    """What a look-up of programs gives.

    Attributes:
      unknown: what was not found.
      programs: `[M]` the new ones, pruned.
      constant_slots: `[N]` of programs that predict one constant, which are not looked up, the slot that sets it;
        `NOT_CONSTANT` of the others. Of those that provably predict zero it is `ZERO` in a cache that keeps nothing;
        any other looks them up as one program.
      asked: programs whose fitness was asked for.
      instructions: of these programs.
      live_instructions: how many of them are live.
      known_zeros: zero predictors that were looked up and are not new.
    """

    unknown: Unknown
    programs: Programs
    constant_slots: NDArray[np.int64]
    asked: int
    instructions: int
    live_instructions: int
    known_zeros: int


class ProgramCache(FitnessCache):
    """Fitness by pruned program, bounded, least recently used first out."""

    def __init__(
        self,
        capacity: int,
        space: SearchSpace,
        metric: Metric,
        *,
        find_constants: bool = True,
        bounds: DataBounds = NO_BOUNDS,
    ) -> None:
        """An empty cache.

        Args:
          capacity: most entries; 0 keeps nothing.
          space: of the programs.
          metric: how predictions are judged, which decides what is dead.
          find_constants: tell programs apart that predict one constant.
          bounds: of the data that the programs are run on; it helps to find those that predict zero.

        Raises:
          ValueError: a negative capacity, or the metric needs registers that the space does not have.
        """
        super().__init__(capacity, key_words=1 + 3 * space.length)
        self._space = space
        self._tables = space_tables(space, metric)
        self._metric = METRIC_CODE[metric] if find_constants else NO_CONSTANTS
        self._transfer = transfer_table(space.features)
        self._bounds = bounds

    def screen(self, programs: Programs, fitness: NDArray[np.float64], target: Programs | None = None) -> Screened:
        """Prunes programs, finds constants, and fills in the fitness of what is known, as `FitnessCache.look_up` does.

        Args:
          programs: N programs of the space.
          fitness: `[N]` float64, NaN where it is asked for; other places are left alone.
          target: N programs, of which the first become the new ones; None makes room for them.
        """
        if target is None:
            target = empty_programs(len(programs), self._space)
        place, new, entries, constant_slots = (np.empty(len(fitness), np.int64) for _ in range(4))
        self._begin()
        count, *counts, _ = _screen(
            *_words(programs),
            *self._tables[1:],
            self._metric,
            self._transfer,
            *self._bounds,
            *self._table,
            fitness,
            place,
            new,
            entries,
            constant_slots,
            *_words(target),
        )
        return Screened(self._unknown(count, new, place, entries), target[:count], constant_slots, *counts)

    def state(self) -> State:
        """The entries, least recently used first; keys as one stream of words."""
        keys, order = self._table.keys, self._oldest_first()
        words = np.empty(len(order) * keys[:, 0].size, np.uint64)
        return {**super().state(), "keys": words[: _pack_keys(order, keys, words)].copy()}

    def restore(self, state: State) -> None:
        """Fills an empty cache of the same sizes with what `state()` gave."""
        _restore(state["keys"], state["hashes"], state["fitness"], state["sightings"], *self._table)


def _words(programs: Programs) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """The arrays of a batch, constants as their bits: 0.0 is not -0.0, and a NaN is equal to itself."""
    return programs.opcodes, programs.addresses, programs.constants.view(np.uint64), programs.sizes


@inlined
def _encode(program, opcodes, addresses, constants, b, live, begin, keys, first):  # type: ignore[no-untyped-def]
    """Writes the live instructions as words that are equal exactly when they are, to the last bit of their constants.

    The first word holds how many each function has, and all, then comes one word an instruction (op and addresses, and
    which constants are not zero), followed by those constants. Returns how many words they are, and their hash.
    """
    head = np.uint64(begin[b, 3]) << _COUNT_SHIFT
    for function in range(3):
        head |= np.uint64(begin[b, function + 1] - begin[b, function]) << np.uint64(16 * function)
    keys[first] = head
    end = first + 1
    for k in range(begin[b, 3]):
        slot = live[b, k]
        here = end
        end += 1
        word = np.uint64(opcodes[program, slot])
        for field in range(3):
            word |= np.uint64(addresses[program, slot, field]) << np.uint64(8 + 16 * field)
        for number in range(2):
            keys[end] = constants[program, slot, number]
            is_used = np.uint64(keys[end] != 0)
            word |= is_used << (_CONSTANT_SHIFT + np.uint64(number))
            end += int(is_used)
        keys[here] = word
    state = np.uint64(0)
    for place in range(first, end):
        state = mix(state, keys[place])
    return end - first, np.int64(finish(state))


_ZERO_KEY: Final = np.uint64(0xFFFF)  # all zero predictors have it: more instructions in Setup than in all functions
_ZERO_HASH: Final = np.int64(0)


@compiled_loop
def _screen(  # type: ignore[no-untyped-def]
    opcodes, addresses, constants, sizes, op_table, registers, facts, metric, transfer, features, label,
    buckets, entries, values, keys, table_facts, fitness, place, new, waiting, constant_slots,
    to_opcodes, to_addresses, to_constants, to_sizes,
):  # fmt: skip
    """How many programs are new; the counts of `Screened`; and a number of no meaning."""
    length = opcodes.shape[1]
    most_words = 3 + 3 * length
    slots = np.zeros((length, SLOT_COLUMNS), np.int64)
    live_sets = make_live_sets(registers, facts[WORDS])
    scratch_levels = np.zeros((2, len(registers)), np.int64)
    asked = np.zeros(TOGETHER, np.int64)  # of each program of a block: its place in the batch,
    live = np.zeros((TOGETHER, length + 1), np.int64)  # live slots,
    begin = np.zeros((TOGETHER, 4), np.int64)
    block_keys = np.zeros(TOGETHER * most_words, np.uint64)  # key, one after the other,
    is_zero = np.zeros(TOGETHER, np.bool_)  # whether it predicts zero
    words = np.zeros(TOGETHER, np.int64)
    hashes = np.zeros(TOGETHER, np.int64)  # and hash
    count = asked_for = instructions = live_instructions = known_zeros = touched = next_program = 0
    while next_program < len(fitness):
        block = 0
        while block < TOGETHER and next_program < len(fitness):
            n = next_program
            next_program += 1
            place[n] = END
            constant_slots[n] = NOT_CONSTANT
            if np.isnan(fitness[n]):
                find_live(n, opcodes, addresses, sizes, op_table, facts, slots, live_sets)
                list_live(n, sizes, facts, slots, block, live, begin)
                asked_for += 1
                live_instructions += begin[block, 3]
                for function in range(3):
                    instructions += sizes[n, function]
                asked[block] = n
                constant_slots[n] = find_constant(n, opcodes, addresses, block, live, begin, metric)
                if (
                    constant_slots[n] == NOT_CONSTANT
                    and metric != NO_CONSTANTS
                    and predicts_zero(
                        n, opcodes, addresses, constants, op_table, facts, block, live, begin, live_sets,
                        transfer, features, label, metric == TWO_CLASSES, scratch_levels,
                    )
                ):  # fmt: skip
                    constant_slots[n] = ZERO
                is_zero[block] = constant_slots[n] == ZERO
                if is_zero[block] and table_facts[CAPACITY] > 0:
                    constant_slots[n] = NOT_CONSTANT
                if constant_slots[n] == NOT_CONSTANT:
                    if is_zero[block]:
                        block_keys[block * most_words] = _ZERO_KEY
                        words[block], hashes[block] = 1, _ZERO_HASH
                    elif table_facts[CAPACITY] > 0:
                        words[block], hashes[block] = _encode(
                            n, opcodes, addresses, constants, block, live, begin, block_keys, block * most_words
                        )
                    block += 1
        touched += touch(hashes, 0, block, buckets, entries, keys)
        for b in range(block):
            n = asked[b]
            place[n], waiting[count] = look_up_one(
                hashes[b],
                block_keys,
                b * most_words,
                words[b],
                buckets,
                entries,
                values,
                keys,
                table_facts,
                n,
                count,
                fitness,
            )
            if place[n] == count:
                new[count] = n
                write_live(
                    n, opcodes, addresses, constants, facts, b, live, begin,
                    count, to_opcodes, to_addresses, to_constants, to_sizes,
                )  # fmt: skip
                count += 1
            elif is_zero[b]:
                known_zeros += 1
    return count, asked_for, instructions, live_instructions, known_zeros, touched


@inlined
def _length(word):  # type: ignore[no-untyped-def]
    """Words of the instruction that begins with this one."""
    constants = word >> _CONSTANT_SHIFT
    return 1 + int(constants & np.uint64(1)) + int(constants >> np.uint64(1))


@compiled_loop
def _pack_keys(order, keys, stream):  # type: ignore[no-untyped-def]
    """Writes the used words of the keys one after another; returns how many."""
    place = 0
    for entry in order:
        words = 1
        for _ in range(keys[0, entry, 0] >> _COUNT_SHIFT):
            words += _length(keys[words // BLOCK, entry, words % BLOCK])
        for word in range(words):
            stream[place] = keys[word // BLOCK, entry, word % BLOCK]
            place += 1
    return place


@compiled_loop
def _restore(  # type: ignore[no-untyped-def]
    stream, hashes, fitness, sightings, buckets, entries, values, keys, facts
):
    first = 0
    for n in range(len(hashes)):
        end = first + 1
        for _word in range(stream[first] >> _COUNT_SHIFT):
            end += _length(stream[end])
        entry = insert(hashes[n], stream, first, end - first, buckets, entries, keys, facts)
        set_entry(entry, sightings[n], fitness[n], entries, values)
        first = end
