"""Fitness by program: every candidate is pruned and looked up, and only what is new is written out.

For candidates in canonical form this finds the same algorithm in other words; for others it finds the same
instructions around other dead code.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.analysis.constant_predictors import NOT_CONSTANT, ZERO, find_constant
from azero_jax.analysis.levels import NO_BOUNDS, DataBounds, transfer_table
from azero_jax.analysis.liveness import Liveness, find_live, list_live, make_liveness
from azero_jax.analysis.pruning import write_live
from azero_jax.analysis.zero_predictors import Premises
from azero_jax.compiled.hashing import finish, mix
from azero_jax.compiled.inline import compiled_loop, inlined
from azero_jax.compiled.tables import SpaceTables, Table, space_tables
from azero_jax.fitness.cache import TOGETHER, FitnessCache, Unknown
from azero_jax.fitness.table import BLOCK, CAPACITY, Answers, CacheTable, Keys, insert, look_up_one, set_entry, touch
from azero_jax.language.program import ProgramArrays, Programs, empty_programs
from azero_jax.language.roles import Metric
from azero_jax.language.space import SearchSpace
from azero_jax.process.state import State

_COUNT_SHIFT: Final = np.uint64(48)  # of a key's first word: instructions, above the sizes
_CONSTANT_SHIFT: Final = np.uint64(56)  # of an instruction's word: which constants follow, above op and addresses
_ZERO_KEY: Final = np.uint64(0xFFFF)  # all zero predictors have it: more instructions in Setup than in all functions
_ZERO_HASH: Final = 0
_ASKED, _INSTRUCTIONS, _LIVE_INSTRUCTIONS, _KNOWN_ZEROS = range(4)  # counts, in the order of `Screened`


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
        self._premises: Premises | None = None
        if find_constants and not metric.is_one_hot:
            self._premises = Premises(transfer_table(space.features), *bounds, metric.is_classification)

    def screen(self, programs: Programs, fitness: NDArray[np.float64], target: Programs | None = None) -> Screened:
        """Prunes programs, finds constants, and fills in the fitness of what is known, as `FitnessCache.look_up` does.

        Args:
          programs: N programs of the space.
          fitness: `[N]` float64, NaN where it is asked for; other places are left alone.
          target: N programs, of which the first become the new ones; None makes room for them.
        """
        if target is None:
            target = empty_programs(len(programs), self._space)
        answers = self._ask(fitness)
        constant_slots, counts = np.full(len(fitness), NOT_CONSTANT), np.zeros(4, np.int64)
        count = _screen(
            programs.bits(), self._tables, self._premises, self._table, answers, target.bits(), constant_slots, counts
        )
        return Screened(self._unknown(answers, count), target[:count], constant_slots, *counts.tolist())

    def state(self) -> State:
        """The entries, least recently used first; keys as one stream of words."""
        order = self._oldest_first()
        stream = np.empty(len(order) * self._table.words[:, 0].size, np.uint64)
        return {**super().state(), "keys": stream[: _pack_keys(self._table, order, stream)].copy()}

    def restore(self, state: State) -> None:
        """Fills an empty cache of the same sizes with what `state()` gave."""
        _restore(self._table, state["keys"], state["hashes"], state["fitness"], state["sightings"])


class _Block(NamedTuple):
    """Up to `TOGETHER` programs that are looked up together, and scratch memory.

    Attributes:
      asked: `[TOGETHER]` their places in the batch.
      found: their live slots.
      keys: their keys.
      levels: `[2, R + 2]`, for `find_constant`.
    """

    asked: Table
    found: Liveness
    keys: Keys
    levels: Table


@compiled_loop
def _screen(
    programs: ProgramArrays,
    space: SpaceTables,
    premises: Premises | None,
    table: CacheTable,
    answers: Answers,
    target: ProgramArrays,
    constant_slots: Table,
    counts: Table,
) -> int:
    """Looks up a batch of programs, and writes the new ones to `target`; returns how many they are."""
    length = programs.opcodes.shape[1]
    most_words = 3 + 3 * length
    block = _Block(
        np.zeros(TOGETHER, np.int64),
        make_liveness(TOGETHER, length, space),
        Keys(np.zeros(TOGETHER, np.int64), np.zeros(TOGETHER, np.int64), np.zeros((TOGETHER, most_words), np.uint64)),
        np.zeros((2, len(space.registers)), np.int64),
    )
    count = n = 0
    while n < len(constant_slots):
        size, n = _gather(programs, n, space, premises, table, answers.fitness, block, constant_slots, counts)
        touch(table, block.keys.hashes, 0, size)
        count = _look_up_block(programs, space, table, answers, block, size, count, target, counts)
    return count


@inlined
def _gather(
    programs: ProgramArrays,
    n: int,
    space: SpaceTables,
    premises: Premises | None,
    table: CacheTable,
    fitness: NDArray[np.float64],
    block: _Block,
    constant_slots: Table,
    counts: Table,
) -> tuple[int, int]:
    """Fills a block with the next programs, from place `n` on, that are looked up; its size, and the place after it."""
    found, keys = block.found, block.keys
    is_cached = table.facts[CAPACITY] > 0
    asked = instructions = live_instructions = size = 0
    while size < TOGETHER and n < len(fitness):
        if np.isnan(fitness[n]):
            find_live(programs, n, space, found)
            list_live(programs, n, space, found, size)
            asked += 1
            live_instructions += found.begin[size, 3]
            for function in range(3):
                instructions += programs.sizes[n, function]
            slot = NOT_CONSTANT
            if premises is not None:  # without premises Numba compiles nothing of this
                slot = find_constant(programs, n, space, found, size, premises, block.levels)
            is_zero = slot == ZERO
            block.asked[size] = n
            if is_cached and is_zero:
                keys.words[size, 0], keys.sizes[size], keys.hashes[size] = _ZERO_KEY, 1, _ZERO_HASH
                size += 1
            elif slot == NOT_CONSTANT:
                if is_cached:
                    _encode(programs, n, found, keys, size)
                size += 1
            else:
                constant_slots[n] = slot
        n += 1
    counts[_ASKED] += asked
    counts[_INSTRUCTIONS] += instructions
    counts[_LIVE_INSTRUCTIONS] += live_instructions
    return size, n


@inlined
def _look_up_block(
    programs: ProgramArrays,
    space: SpaceTables,
    table: CacheTable,
    answers: Answers,
    block: _Block,
    size: int,
    count: int,
    target: ProgramArrays,
    counts: Table,
) -> int:
    """Looks up the programs of a block, before whom `count` were new; returns how many are new with them."""
    for b in range(size):
        n = block.asked[b]
        if look_up_one(table, block.keys, b, answers, n, count):
            write_live(programs, n, space, block.found, b, target, count)
            count += 1
        elif block.keys.words[b, 0] == _ZERO_KEY:
            counts[_KNOWN_ZEROS] += 1
    return count


@inlined
def _encode(programs: ProgramArrays, n: int, found: Liveness, keys: Keys, b: int) -> None:
    """Makes the live instructions key `b`: words that are equal exactly when they are, to the last bit of constants.

    The first word holds how many each function has, and all, then comes one word an instruction (op and addresses, and
    which constants are not zero), followed by those constants.
    """
    words, begin = keys.words, found.begin
    head = np.uint64(begin[b, 3]) << _COUNT_SHIFT
    for function in range(3):
        head |= np.uint64(begin[b, function + 1] - begin[b, function]) << np.uint64(16 * function)
    words[b, 0] = head
    end = 1
    for k in range(begin[b, 3]):
        slot = found.live[b, k]
        here = end
        end += 1
        word = np.uint64(programs.opcodes[n, slot])
        for field in range(3):
            word |= np.uint64(programs.addresses[n, slot, field]) << np.uint64(8 + 16 * field)
        for number in range(2):
            words[b, end] = programs.constants[n, slot, number]
            is_used = np.uint64(words[b, end] != 0)
            word |= is_used << (_CONSTANT_SHIFT + np.uint64(number))
            end += int(is_used)
        words[b, here] = word
    state = np.uint64(0)
    for place in range(end):
        state = mix(state, words[b, place])
    keys.sizes[b] = end
    keys.hashes[b] = np.int64(finish(state))


@inlined
def _length(word: np.uint64) -> int:
    """Words of the instruction that begins with this one."""
    constants = word >> _CONSTANT_SHIFT
    return 1 + int(constants & np.uint64(1)) + int(constants >> np.uint64(1))


@compiled_loop
def _pack_keys(table: CacheTable, order: NDArray[np.int64], stream: NDArray[np.uint64]) -> int:
    """Writes the used words of the keys one after another; returns how many."""
    place = 0
    for entry in order:
        words = 1
        for _ in range(table.words[0, entry, 0] >> _COUNT_SHIFT):
            words += _length(table.words[words // BLOCK, entry, words % BLOCK])
        for word in range(words):
            stream[place] = table.words[word // BLOCK, entry, word % BLOCK]
            place += 1
    return place


@compiled_loop
def _restore(
    table: CacheTable,
    stream: NDArray[np.uint64],
    hashes: NDArray[np.int64],
    fitness: NDArray[np.float64],
    sightings: NDArray[np.int64],
) -> None:
    words = np.zeros((1, len(table.words) * BLOCK), np.uint64)
    key = Keys(np.zeros(1, np.int64), np.zeros(1, np.int64), words)
    first = 0
    for n in range(len(hashes)):
        end = first + 1
        for _ in range(stream[first] >> _COUNT_SHIFT):
            end += _length(stream[end])
        words[0, : end - first] = stream[first:end]
        key.sizes[0], key.hashes[0] = end - first, hashes[n]
        set_entry(table, insert(table, key, 0), sightings[n], fitness[n])
        first = end
