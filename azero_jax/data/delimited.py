"""Text tables as they come from spreadsheets, databases and scripts: which bytes, separators and numbers they have.

What is read in another way than it stands is told in notes; what can be read in two ways is refused.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from azero_jax.data.libraries import require
from azero_jax.data.numbers import decimal_mark, doubtful_point, plain, with_point
from azero_jax.process.messages import listed, one_line

MAX_BYTES: Final = 8 << 30  # of a table, unpacked

_SEPARATORS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\x00\x00": "utf-32-le",
    b"\x00\x00\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_LOOKED_AT: Final = 200  # records, to find the separator by
_SAMPLE: Final = 1 << 20  # characters, of which they are


class Delimited(NamedTuple):
    """A table's text, split into records.

    Attributes:
      text: the whole, from the header on.
      separator: between fields.
      header: the columns' names.
      lines: `[N]` line number of each record.
      is_blank: `[N]` whether all fields of a record are empty.
      label: number of the label column.
      labels: its texts, without blanks around them, of the records that are not blank.
      notes: what was read in another way than it stands.
    """

    text: str
    separator: str
    header: list[str]
    lines: NDArray[np.int64]
    is_blank: NDArray[np.bool_]
    label: int
    labels: list[str]
    notes: list[str]


def read_delimited(path: Path, default: str, find_label: Callable[[list[str]], int]) -> Delimited:
    """Reads a table's text, `default` being the separator that its name promises; `find_label` looks into the header.

    Raises:
      ValueError: it is no text, has no separator, or a record has more or fewer fields than the header.
    """
    text, notes = _decode(path, _read_bytes(path))
    offset = 0
    if text[:4].lower() == "sep=" and text[5:6] in ("\n", "\r"):  # what Excel takes for a declaration
        first, _, text = text.partition("\n")
        default, offset = first[4], 1
    separator = _find_separator(text, default)
    if separator != default:
        notes.append(f"fields are separated by {_SEPARATORS.get(separator, 'blanks')}")
    try:
        records = _records(text, separator)
        first_line, header = next(records, (0, []))
        if not any(name.strip() for name in header):
            raise ValueError(f"{path}: the file is empty" if not header else f"{path}: the header has no names")
        header = [name.strip() for name in header]
        label = find_label(header)
        lines, blank, labels = [], [], []
        for line, fields in records:
            if len(fields) != len(header):
                counts = f"line {line + offset} has {len(fields)} fields, the header (line {first_line + offset})"
                raise ValueError(f"{path}: {counts} has {len(header)}: {listed(header, 4)}; they must be as many")
            text_of_label = fields[label].strip()
            is_blank = not (text_of_label or any(map(str.strip, fields)))
            lines.append(line + offset)
            blank.append(is_blank)
            if not is_blank:
                labels.append(text_of_label)
    except csv.Error as error:
        raise ValueError(
            f"{path}: not a readable table ({one_line(str(error), 100)}; is a quote not closed?)"
        ) from None
    places = np.array(lines, np.int64), np.array(blank, np.bool_)
    return Delimited(text, separator, header, *places, label, labels, notes)


def read_columns(table: Delimited, path: Path, numbers: list[int]) -> tuple[Any, list[str], str]:
    """The columns of these numbers as a data frame, the labels, with decimal points, and the decimal mark, if it told.

    Raises:
      ValueError: numbers that can be read in two ways, or text that pandas cannot read.
    """
    pandas: Any = require("pandas", "reading tables")
    frame = _read_frame(table, path, numbers)
    texts = {n: [plain(str(cell)) for cell in frame[n]] for n in numbers if not _is_numeric(frame[n])}
    labels = [plain(label) for label in table.labels]
    decimal = decimal_mark([*texts.values(), labels], table.separator)
    if decimal == ",":
        pointed = [n for n in numbers if frame[n].dtype.kind == "f"]
        written = _read_frame(table, path, pointed, keep_texts=True) if pointed else frame
        as_written = {n: [plain(cell) for cell in written[n]] for n in pointed}
        _check_points(table, path, texts | as_written | {table.label: labels})
    for number, cells in texts.items():
        frame[number] = pandas.Series([with_point(cell, decimal) for cell in cells], dtype=object).where(
            frame[number].notna(), None
        )
    return frame, [with_point(label, decimal) for label in labels], decimal


def _read_frame(table: Delimited, path: Path, numbers: list[int], *, keep_texts: bool = False) -> Any:
    """The columns of these numbers of the rows that are not blank, as pandas types them, or as texts."""
    pandas: Any = require("pandas", "reading tables")
    kept: dict[str, Any] = {"dtype": str, "keep_default_na": False} if keep_texts else {"low_memory": False}
    try:
        frame = pandas.read_csv(
            io.StringIO(table.text), sep=table.separator, header=0, names=list(range(len(table.header))),
            usecols=numbers, index_col=False, skipinitialspace=True, **kept,
        )  # fmt: skip
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError, ValueError, OverflowError) as error:
        raise ValueError(f"{path}: not a readable table ({one_line(str(error), 100)})") from None
    if len(frame) != len(table.lines):
        raise ValueError(f"{path}: not a readable table ({len(frame)} or {len(table.lines)} rows; is a quote open?)")
    return frame[~table.is_blank].reset_index(drop=True)


def _check_points(table: Delimited, path: Path, columns: dict[int, list[str]]) -> None:
    """Refuses points that may be decimal ones, in columns of a table whose decimals have commas."""
    for number, cells in columns.items():
        if cell := doubtful_point(cells):
            column = f"column {table.header[number]!r}, as {cell[:40]!r}"
            how = "write all decimals with one mark, and thousands without any"
            raise ValueError(f"{path}: decimals have commas, but there are points in {column}; {how}")


def _is_numeric(column: Any) -> bool:
    return column.dtype.kind in "iufb"


def _read_bytes(path: Path) -> bytes:
    if path.suffix.lower() != ".gz":
        content = path.read_bytes()
    else:
        try:
            with gzip.open(path) as file:
                content = file.read(MAX_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: the gzip stream is damaged or cut off ({error})") from None
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: has more than {MAX_BYTES:,} bytes, which is the most that is read of a table")
    return content


def _decode(path: Path, content: bytes) -> tuple[str, list[str]]:
    """A file's text, and what is to be said of its encoding."""
    mark = next((mark for mark in _BYTE_ORDER_MARKS if content.startswith(mark)), b"")
    encoding = _BYTE_ORDER_MARKS.get(mark) or _encoding_without_mark(content)
    notes = [] if encoding == "utf-8" else [f"the text is read as {encoding.upper()}"]
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        where = f"byte {error.object[error.start : error.start + 1].hex()} at {error.start + len(mark)}"
        if encoding != "utf-8" or mark:
            raise ValueError(f"{path}: not {encoding.upper()}, as it begins ({where}); save it as UTF-8") from None
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not a text table ({where} is not UTF-8); save it as UTF-8") from None
        notes = [f"the text is read as Windows-1252, because {where} is not UTF-8"]
    if (place := text.find("\0")) >= 0 or content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        what = f"there is a NUL character at {place}" if place >= 0 else "it is a spreadsheet or an archive"
        raise ValueError(f"{path}: not a text table ({what}); save it as CSV in UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _encoding_without_mark(content: bytes) -> str:
    """UTF-16 shows by its many zero bytes, all in even or all in odd places."""
    start = content[:1000]
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 3 and start[place::2].count(0) > 0.4 * len(start) and not start[1 - place :: 2].count(0):
            return encoding
    return "utf-8"


def _find_separator(text: str, default: str) -> str:
    """The separator that splits the header, and best the records after it, into as many fields."""
    text = text[:_SAMPLE]
    candidates = [default, *(mark for mark in _SEPARATORS if mark != default)]
    scores = {mark: _score(text, mark) for mark in candidates}
    best = max(candidates, key=lambda mark: scores[mark])
    if scores[best] > 0:
        return best
    return " " if _score(text, " ") == 1 else default


def _score(text: str, separator: str) -> float:
    """Share of the first records with as many fields as the header; 0 where the header is not split."""
    counts: list[int] = []
    try:
        for _, fields in _records(text, separator):
            counts.append(len(fields))
            if len(counts) > _LOOKED_AT:
                break
    except csv.Error:
        return 0.0
    if not counts or counts[0] < 2:
        return 0.0
    counts = counts[: max(len(counts) - 1, 2)]  # the last may be cut off
    same = sum(count == counts[0] for count in counts[1:]) / max(len(counts) - 1, 1)
    return max(same, 0.01)


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not an empty line, with the number of its first line."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    line = 1
    for fields in reader:
        if len(fields) > 1 or (fields and fields[0].strip()):
            yield line, fields
        line = reader.line_num + 1
