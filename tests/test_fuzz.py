"""Whatever is fed ends in a value, or in a ValueError of one line.

AZERO_JAX_FUZZ sets the examples of each test; all together were run once with 20,000 each.
"""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azero_jax.config.file import read_config
from azero_jax.data import load_source
from azero_jax.language.library import load_program
from azero_jax.language.space import make_space
from azero_jax.language.text import parse_program
from azero_jax.process.messages import MAX_MESSAGE
from azero_jax.tasks.tabular import hold_out, table_tasks
from tests.support.data_files import png, random_pixels

EXAMPLES = int(os.environ.get("AZERO_JAX_FUZZ", "60"))
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=EXAMPLES < 100,
)

cells = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "2",
            "-1",
            "0.5",
            "1e5",
            "1e308",
            "1e-308",
            "inf",
            "nan",
            "NA",
            "None",
            "null",
            "True",
            "yes",
            "no",
            "1,5",
            '"1,5"',
            "1.234,5",
            "1 234",
            "\u22125",
            '"',
            "'",
            "#",
            "0x10",
            "1_000",
            "5%",
            "2020-01-01",
            "\t",
            " a ",
            "é",
            "\ufeff",
            "9" * 40,
            "\x00",
            "\U0001d7dd",
            "\u0661",
        ]
    ),
    st.integers(-5, 5).map(str),
    st.floats().map(repr),
    st.text(max_size=5),
)
headers = st.lists(
    st.sampled_from(["a", "b", "c", "label", "class", "y", "", "id", "Unnamed: 0", "ä", "1"]), max_size=5
)
separators = st.sampled_from([",", ";", "\t", "|", ", ", " "])
endings = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])


@st.composite
def csv_texts(draw):
    """Tables that are nearly right, and bytes that are anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    separator, ending, header = draw(separators), draw(endings), draw(headers)
    width = len(header)
    column = draw(st.lists(st.sampled_from(["0", "1", "x", "2.5", "-3"]), min_size=1, max_size=4))
    lines = [header]
    for _ in range(draw(st.integers(0, 14))):
        good = [draw(st.sampled_from(column)) for _ in range(width)]
        lines.append(good if draw(st.integers(0, 7)) else draw(st.lists(cells, max_size=6)))
    text = ending.join(separator.join(line) for line in lines)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32"]))
    return text.encode(encoding, errors="replace")


def ends_well(function, *arguments, **options):
    """What a function gives; None for a ValueError, whose message is checked."""
    try:
        return function(*arguments, **options)
    except ValueError as error:
        kind, message = type(error), str(error)
    # Others, such as UnicodeDecodeError, are ValueErrors of libraries that nobody has put into words.
    assert kind is ValueError or kind.__module__.startswith("azero_jax"), message
    assert len(message.splitlines()) == 1, message
    assert len(message) <= MAX_MESSAGE, message
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@FUZZED
@given(content=csv_texts(), suffix=st.sampled_from(["csv", "tsv"]), regression=st.sampled_from([None, False, True]))
def test_tables(folder, content, suffix, regression):
    path = write(folder / f"t.{suffix}", content)
    source = ends_well(load_source, path, regression=regression)
    if source is not None:
        held_out = ends_well(hold_out, source)
        tasks = None if held_out is None else ends_well(table_tasks, held_out, 2)
        assert tasks is None or all(np.isfinite(array).all() for array in tasks.arrays)


PROGRAM = load_program("two_layer_net").text
pieces = st.sampled_from(
    [
        "def Setup():",
        "def Predict():",
        "def Learn():",
        "s1",
        "v0",
        "m1",
        " = ",
        " + ",
        "dot(",
        ")",
        "(",
        ", ",
        "\n  ",
        "0.5",
        "1e400",
        "inf",
        "-",
        "\u2212",
        "gaussian(",
        "[",
        "]",
        "9" * 330,
        "s99999999999999999999",
        "#",
        "pass",
        "True",
        "lambda: 0",
        "\\",
        '"',
        "\n",
        "s2[1]",
        "v1[2] = s3",
        "abs(",
        "if ",
        "\x0c",
    ]
)


@st.composite
def program_texts(draw):
    """A program with a few places changed, or anything."""
    if draw(st.booleans()):
        return "".join(draw(st.lists(st.one_of(pieces, st.text(max_size=4)), max_size=25)))
    text = PROGRAM
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.one_of(pieces, st.text(max_size=3))) + text[place + draw(st.integers(0, 5)) :]
    return text


SPACE = make_space(features=4, scalars=5, vectors=5, matrices=3, setup=21, predict=21, learn=21)


@FUZZED
@given(text=program_texts())
def test_programs(text):
    ends_well(parse_program, text, SPACE)


keys = st.sampled_from(
    [
        "seed",
        "search.population",
        "tasks.kind",
        "evaluator.fec_decimals",
        "evaluator.train_budget",
        "space.ops",
        "preset",
        "source.data",
        "budget.max_seconds",
        "search.mutations",
        "engine",
        "search",
        "nothing",
        "\u00fc",
        "search.learned",
    ]
)
values = st.one_of(
    st.integers().map(str),
    st.floats().map(lambda value: repr(value)),
    st.sampled_from(
        [
            "true",
            '"linear"',
            "[]",
            "[1, 2]",
            "{}",
            "{alter_param = 1}",
            '"none"',
            "1e400",
            "[[[[",
            "'",
            "nan",
            "1979-05-27",
            '""',
            '["a", 1]',
            "9" * 5000,
            "-inf",
        ]
    ),
    st.text(max_size=8),
)


@FUZZED
@given(entries=st.lists(st.tuples(keys, values), max_size=4), rest=st.text(max_size=10))
def test_configurations(folder, entries, rest):
    text = "\n".join(f"{key} = {value}" for key, value in entries) + "\n" + rest
    ends_well(read_config, write(folder / "c.toml", text.encode(errors="replace")))


arrays = st.one_of(
    st.just(np.zeros((12, 3))),
    st.just(np.arange(12) % 2),
    st.just(np.array(["a", "b"] * 6)),
    st.just(np.array([b"a", b"\xff"] * 6)),
    st.just(np.zeros((12, 2, 2), np.uint8)),
    st.just(np.zeros((0, 3))),
    st.just(np.array(3.0)),
    st.just(np.array(["2020-01-01"] * 12, "datetime64[D]")),
    st.just(np.zeros(12, [("a", "f4")])),
    st.just(np.full((12, 3), np.nan)),
    st.just(np.zeros((12, 3), complex)),
    st.just(np.zeros(12, np.float16)),
)
names = st.sampled_from(["x", "y", "x_train", "y_train", "x_test", "y_test", "data", "label", "other"])


@FUZZED
@given(
    members=st.dictionaries(names, arrays, max_size=4),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=9)), max_size=2),
    cut=st.sampled_from([0, 0, 0, 1, 30, 200]),
    regression=st.booleans(),
)
def test_arrays(folder, members, damage, cut, regression):
    buffer = io.BytesIO()
    np.savez(buffer, **members)
    content = buffer.getvalue()
    for place, piece in damage:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + len(piece) :]
    ends_well(load_source, write(folder / "a.npz", content[: len(content) - cut]), regression=regression)


PICTURES = [png(pixels) for pixels in random_pixels(3, 6, 6, 3)] + [png(random_pixels(1, 6, 6)[0])]
member_names = st.sampled_from(
    [
        "cat/1.png",
        "cat/2.png",
        "dog/1.png",
        "dog/b/2.PNG",
        "train/cat/1.png",
        "val/dog/1.png",
        "test/cat/3.png",
        "1.png",
        "../x.png",
        "/x/y.png",
        "a\\b.png",
        "__MACOSX/cat/1.png",
        "readme.txt",
        "cat/",
        "C:/x/y.png",
        "cat/.png",
        "ü/é.png",
    ]
)
contents = st.one_of(
    st.sampled_from(PICTURES),
    st.binary(max_size=40),
    st.tuples(st.sampled_from(PICTURES), st.integers(0, 90), st.binary(min_size=1, max_size=4)).map(
        lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + len(made[2]) :]
    ),
)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@FUZZED
@given(
    members=st.lists(st.tuples(member_names, contents), max_size=6),
    cut=st.sampled_from([0, 0, 0, 1, 40]),
    damage=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=1),
)
def test_archives(folder, members, cut, damage):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    content = buffer.getvalue()
    for place, piece in damage:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + len(piece) :]
    ends_well(load_source, write(folder / "a.zip", content[: len(content) - cut]))
