"""One entry of a block's schedule: a scalar branch to its group of ops, of which each lane selects its own.

A lane executes one op, so what another op of the group has written before is never what it reads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from azero_jax.engines.pallas.arithmetic import add_up, compute, square
from azero_jax.engines.pallas.registers import RegisterFiles, Tasks, divide, piece, repeat
from azero_jax.engines.random_bits import words_at
from azero_jax.engines.xla.groups import Entries
from azero_jax.language import ops
from azero_jax.language.compute import RandomWords
from azero_jax.language.families import Family

_OF_SUMS = (Family.NORM, Family.MEAN, Family.ST_DEV, Family.INNER_PRODUCT)
Group = tuple[tuple[int, int], ...]  # (branch, op) pairs


class Draw(NamedTuple):
    """Where random ops draw from: uint32 seed, number of the first task, and step."""

    seed: jax.Array
    first_task: jax.Array
    step: jax.Array


class Place(NamedTuple):
    """Which numbers of a register are worked on: `size` from `start` on, in one row of a matrix.

    Attributes:
      start: the first.
      size: how many.
      row: of a matrix; 0 of a vector.
      column: the first one.
    """

    start: Any
    size: int
    row: Any
    column: Any


def run_group(
    files: RegisterFiles, group: Group, entry: Entries, draw: Draw, enabled: Any, staged: tuple[Any, Any]
) -> None:
    """Executes an entry on all lanes and tasks.

    Args:
      files: the registers.
      group: the ops.
      entry: `[*lanes]` code.
      draw: of random ops.
      enabled: a reference, `[tasks, *lanes]`, 0 where memory stays; None where it does not matter.
      staged: references to room for operands.
    """
    plan = files.plan
    wide = any(ops.OPS[number].output + ops.OPS[number].inputs != ops.SCALAR for _, number in group)
    most = max(1, 8 // (piece(plan.space.features) if wide else 1))
    alone = any(ops.OPS[number].random or needs_stage(ops.OPS[number]) for _, number in group)
    count = 1 if alone else max(size for size in range(1, most + 1) if plan.tasks % size == 0)

    def run_tasks(number: Any) -> None:
        tasks = Tasks(number * count, count)
        written = entry.written
        if enabled is not None:
            written = jnp.where(enabled[tasks.slice] != 0, written, -1)
        _Group(files, group, entry._replace(written=written), draw, tasks, staged).run()

    repeat(plan.tasks // count, run_tasks)


def needs_stage(op: ops.Op) -> bool:
    """Whether an op reads numbers after it has written others."""
    of_rows = op.output == ops.VECTOR and ops.MATRIX in op.inputs
    return of_rows or op.family in (Family.TRANSPOSE, Family.MATMUL)


@dataclasses.dataclass(frozen=True)
class _Group:
    files: RegisterFiles
    group: Group
    entry: Entries
    draw: Draw
    tasks: Tasks
    staged: tuple[Any, Any]

    @cached_property
    def features(self) -> int:
        return self.files.plan.space.features

    def run(self) -> None:
        """Executes the ops, one kind of output after the other."""
        for kind in ops.KINDS:
            chosen = [(branch, ops.OPS[number]) for branch, number in self.group if ops.OPS[number].output == kind]
            families = {op.family for _, op in chosen}
            if not chosen:
                continue
            if kind == ops.SCALAR:
                self._scalars(chosen)
            elif Family.TRANSPOSE in families:
                self._transpose()
            elif Family.MATMUL in families:
                self._multiply()
            elif any(needs_stage(op) for _, op in chosen):
                self._rows_and_columns(chosen)
            else:
                self._numbers(kind, chosen)

    def _read(self, kind: str, operand: int, start: Any, count: int) -> jax.Array:
        address = (self.entry.in1, self.entry.in2)[operand]
        return self.files.read(kind, address, start, count, self.tasks)

    def _write(self, kind: str, start: Any, value: jax.Array, keep: jax.Array | None = None) -> None:
        self.files.write(kind, self.entry.out(kind), start, value, self.tasks, keep)

    def _select(self, values: Iterator[tuple[int, jax.Array]]) -> jax.Array:
        _, found = next(values)
        for branch, value in values:
            found = jnp.where(self.entry.branch == branch, value, found)
        return found

    def _shape(self, count: int) -> tuple[int, ...]:
        return (count, self.tasks.count, *self.files.plan.lanes)

    def _full(self, count: int, value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, self._shape(count))

    def _scalars(self, chosen: list[tuple[int, ops.Op]]) -> None:
        """Ops that make a number of a few numbers, or of all numbers of a vector or matrix."""
        sums = {kind: self._sums(kind, chosen) for kind in (ops.VECTOR, ops.MATRIX)}

        def values() -> Iterator[tuple[int, jax.Array]]:
            reads: dict[Any, jax.Array] = {}
            for branch, op in chosen:
                if op.family in _OF_SUMS:
                    kind = op.inputs[0]
                    yield branch, _of_sums(op, *sums[kind], self.files.plan.size(kind))
                else:
                    yield branch, self._value(op, Place(0, 1, 0, 0), reads)

        self._write(ops.SCALAR, 0, self._full(1, self._select(values())))

    def _sums(self, kind: str, chosen: list[tuple[int, ops.Op]]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Sums of products, squares and numbers, those that ops on registers of a kind need."""
        families = {op.family for _, op in chosen if op.inputs[:1] == kind and op.family in _OF_SUMS}
        if not families:
            return (jnp.zeros(()),) * 3
        return self._sums_of(
            families,
            self.files.plan.size(kind),
            lambda start, count: self._read(kind, 0, start, count),
            lambda start, count: self._read(kind, 1, start, count),
        )

    def _sums_of(
        self,
        families: set[Family],
        size: int,
        first: Callable[[Any, int], jax.Array],
        second: Callable[[Any, int], jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The same of operands `size` long, which are read in pieces; `[1, tasks, *lanes]` each."""
        step = piece(self.features)

        def add(number: Any, totals: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
            products, squares, numbers = totals
            a = first(number * step, step)
            if families & {Family.INNER_PRODUCT, Family.MATVEC}:
                products = add_up(products, a * second(number * step, step))
            if families & {Family.NORM, Family.ST_DEV}:
                squares = add_up(squares, square(a))
            if families & {Family.MEAN, Family.ST_DEV}:
                numbers = add_up(numbers, a)
            return products, squares, numbers

        nothing = jnp.full(self._shape(1), -0.0, self.files.plan.dtype)  # from which a sum of -0.0 stays -0.0
        totals = (nothing, nothing, nothing)
        return add(0, totals) if size == step else lax.fori_loop(jnp.int32(0), jnp.int32(size // step), add, totals)

    def _numbers(self, kind: str, chosen: list[tuple[int, ops.Op]]) -> None:
        """Ops that make every number of a vector or matrix of the numbers in its place."""
        step, f = piece(self.features), self.features

        def one(number: Any) -> None:
            start = number * step
            place = Place(start, step, *divide(start, f))
            reads: dict[Any, jax.Array] = {}
            value = self._select((branch, self._value(op, place, reads)) for branch, op in chosen)
            self._write(kind, start, self._full(step, value), self._kept(place, chosen))

        repeat(self.files.plan.size(kind) // step, one)

    def _kept(self, place: Place, chosen: list[tuple[int, ops.Op]]) -> jax.Array | None:
        """Where a partial write leaves the number that is there."""
        keep = None
        for branch, op in chosen:
            if op.partial_write:
                column = place.column + self._counted(place.size)
                other = column != (self.entry.in1 if op.output == ops.VECTOR else self.entry.in2)
                if op.output == ops.MATRIX:
                    other = other | (self.entry.in1 != place.row)
                keep = (self.entry.branch == branch) & other
        return keep

    def _counted(self, count: int) -> jax.Array:
        """0, 1, ... along the first axis."""
        return lax.broadcasted_iota(jnp.int32, self._shape(count), 0)

    def _value(self, op: ops.Op, place: Place, reads: dict[Any, jax.Array]) -> jax.Array:
        """What an op makes in one place; broadcasts to `[count, tasks, *lanes]`."""
        x, y = self.entry.x, self.entry.y
        if op.partial_write or (op.family is Family.IDENTITY and not op.inputs):
            return self._full(1, x)
        if op.random:
            return compute(op)(self._words(place, op.output), x, y)
        values = [self._operand(op, operand, place, reads) for operand in range(len(op.inputs))]
        if op.family in (Family.COLUMN_BROADCAST, Family.ROW_BROADCAST):
            return values[0]
        return values[0] * values[1] if op.family is Family.OUTER_PRODUCT else compute(op)(*values)

    def _operand(self, op: ops.Op, operand: int, place: Place, reads: dict[Any, jax.Array]) -> jax.Array:
        kind = op.inputs[operand]
        where = (place.start, place.size)
        if kind == ops.SCALAR:
            where = (0, 1)
        elif kind == ops.VECTOR and op.output == ops.MATRIX:
            of_row = op.family is Family.COLUMN_BROADCAST or (op.family is Family.OUTER_PRODUCT and operand == 0)
            where = (place.row, 1) if of_row else (place.column, place.size)
        key = (kind, operand, id(where[0]), where[1])
        if key not in reads:
            reads[key] = self._read(kind, operand, *where)
        return reads[key]

    def _words(self, place: Place, kind: str) -> RandomWords:
        task = self.draw.first_task + jnp.asarray(self.tasks.start).astype(jnp.uint32)
        key, counter = (self.draw.seed, task), (self.draw.step, self.entry.in1)
        return words_at(self._places(place, kind), self.files.plan.size(kind), key, counter)

    def _places(self, place: Place, kind: str) -> jax.Array:
        """Where random words count the numbers of a place: column by column."""
        if kind == ops.MATRIX:
            return (place.column + self._counted(place.size)) * self.features + place.row
        return place.start + self._counted(1 if kind == ops.SCALAR else place.size)

    def _transpose(self) -> None:
        f, (stage, _) = self.features, self.staged
        self._gather(0, stage)

        def one(number: Any) -> None:
            row, column = divide(number, f)
            self._write(ops.MATRIX, column * f + row, stage[_one(number)])

        repeat(f * f, one)

    def _multiply(self) -> None:
        f, step, (first, second) = self.features, piece(self.features), self.staged
        self._gather(0, first)
        self._gather(1, second)

        def one(number: Any) -> None:
            start = number * step
            row, column = divide(start, f)

            def add(k: Any, total: jax.Array) -> jax.Array:
                return total + first[_one(row * f + k)] * second[_some(k * f + column, step)]

            total = first[_one(row * f)] * second[_some(column, step)]
            self._write(ops.MATRIX, start, lax.fori_loop(jnp.int32(1), jnp.int32(f), add, total))

        repeat(f * f // step, one)

    def _gather(self, operand: int, stage: Any) -> None:
        """Puts each lane's matrix where it stays as it is."""
        step = piece(self.features)

        def one(number: Any) -> None:
            stage[_some(number * step, step)] = self._read(ops.MATRIX, operand, number * step, step)

        repeat(self.files.plan.size(ops.MATRIX) // step, one)

    def _rows_and_columns(self, chosen: list[tuple[int, ops.Op]]) -> None:
        """Ops that make a vector of a matrix: a number of each row, or of each column."""
        f, step, (stage, _) = self.features, piece(self.features), self.staged
        of_columns = [(branch, op) for branch, op in chosen if op.axes == (0,)]
        of_rows = [(branch, op) for branch, op in chosen if op.axes != (0,)]

        def one_row(row: Any) -> None:
            sums = self._sums_of(
                {op.family for _, op in of_rows},
                f,
                lambda start, count: self._read(ops.MATRIX, 0, row * f + start, count),
                lambda start, count: self._read(ops.VECTOR, 1, start, count),
            )
            stage[_one(row)] = self._select((branch, _of_sums(op, *sums, f)) for branch, op in of_rows)

        def some_columns(number: Any) -> None:
            def add(row: Any, total: jax.Array) -> jax.Array:
                return total + square(self._read(ops.MATRIX, 0, row * f + number * step, step))

            total = jnp.full(self._shape(step), -0.0, self.files.plan.dtype)
            norm = jnp.sqrt(lax.fori_loop(jnp.int32(0), jnp.int32(f), add, total))
            old = stage[_some(number * step, step)]
            is_chosen = self.entry.branch == of_columns[0][0]
            stage[_some(number * step, step)] = jnp.where(is_chosen, norm, old) if of_rows else norm

        if of_rows:
            repeat(f, one_row)
        if of_columns:
            repeat(f // step, some_columns)
        repeat(f // step, lambda n: self._write(ops.VECTOR, n * step, stage[_some(n * step, step)]))


def _of_sums(op: ops.Op, products: jax.Array, squares: jax.Array, numbers: jax.Array, count: int) -> jax.Array:
    """What an op makes of sums over `count` numbers."""
    if op.family in (Family.INNER_PRODUCT, Family.MATVEC):
        return products
    if op.family is Family.NORM:
        return jnp.sqrt(squares)
    if op.family is Family.MEAN:
        return numbers / count
    return jnp.sqrt(squares / count - square(numbers / count))


def _some(start: Any, count: int) -> Any:
    return pl.ds(start, count)


def _one(number: Any) -> Any:
    return _some(number, 1)
