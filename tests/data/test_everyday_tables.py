"""Tables as spreadsheets, databases and scripts write them: read rightly, or refused with the place named."""

import gzip
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from azero_jax.data import load_source
from azero_jax.process.messages import MAX_MESSAGE


def write(folder, text, name="t.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def refused(data, **options):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load_source(data, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= MAX_MESSAGE
    return message


def rows(count, separator=",", ending="\n"):
    return "".join(f"{(7 * n) % 10}.5{separator}{(3 * n) % 11}{separator}{n % 2}{ending}" for n in range(count))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,label\n1,5,0\n", ("line 2 has 3 fields", "has 2: a, label")),
        ("a,label\n1,0\n2,1,\n", ("line 3 has 3 fields", "has 2")),
        ("a,b,label\n1,2,0\n\n1,2\n", ("line 4 has 2 fields", "has 3")),
        ('a,label\n"1,0\n2,1\n', ("t.csv", "line 2 has 1 fields")),
        ("a,label,label\n1,0,0\n2,1,1\n", ("same name 'label'",)),
        ("a, a ,label\n1,0,0\n2,1,1\n", ("same name 'a'",)),
        ("1.5,2,0\n2.5,3,1\n", ("first line must name the columns", "1.5, 2, 0")),
        ("a;b;label\n1,5;2.5;0\n2,5;3.5;1\n", ("decimals have commas, but there are points in column 'b', as '2.5'",)),
        ("a;label\n72,5;1.250\n61,0;0.995\n90,2;1.5\n", ("points in column 'label', as '0.995'",)),
        ("a;label\n1,5;1.500\n3,0;2.500\n5,5;3.000\n", ("points in column 'label', as '1.500'",)),
        ("a;b;label\n1,5;2.500 ;0\n2,5;3.500 ;1\n", ("points in column 'b', as '2.500'",)),
        ("a;label\n1,5;0\n2.5;1\n3.125;0\n1,25;1\n", ("points in column 'a', as '2.5'",)),
        ("a,b,label\n1,2,0\n12%,3,1\n", ("column 'a', row 3 is '12%'",)),
        ("a,b,label\n1,2,0\n\n2020-01-01,3,1\n", ("column 'a', row 4 is '2020-01-01'",)),
        (b"a,label\n1\x00,2\n", ("NUL character at 9", "UTF-8")),
        (b"PK\x03\x04xxxx", ("spreadsheet",)),
        ("a,label\n1,0.5\n2,0.5\n3,0.5\n", ("every label is 0.5",)),
        ("a,label\n1,1\n2,2\n3,NA\n4,0\n", ("'label', row 4 is 'NA', not a number",)),
        (",label\n0,1\n1,2\n", ("numbers the rows",)),
    ],
)
def test_what_is_refused(tmp_path, text, said):
    message = refused(write(tmp_path, text))
    for words in ("t.csv", *said):
        assert words in message, message


PLAIN = "a,b,label\n" + rows(12)


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (PLAIN.replace(",", ";").replace(".", ","), "t.csv", "semicolons"),
        (PLAIN.replace(",", ";"), "t.csv", "semicolons"),
        ("sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"), "t.csv", ""),
        (PLAIN.replace(",", "\t"), "t.csv", "tabs"),
        (PLAIN.replace(",", "\t"), "t.tsv", ""),
        (PLAIN.replace(",", ";"), "t.tsv", "semicolons"),
        (PLAIN.replace(",", "|"), "t.csv", "bars"),
        (PLAIN.replace(",", " "), "t.csv", "blanks"),
        (PLAIN.replace(",", ", "), "t.csv", ""),
        (PLAIN.replace(",", " , "), "t.csv", ""),
        (PLAIN.replace("\n", "\r\n"), "t.csv", ""),
        (PLAIN.replace("\n", "\r"), "t.csv", ""),
        (PLAIN + ",,\n,,\n", "t.csv", "2 rows without any value"),
        (PLAIN.replace("\n", "\n\n"), "t.csv", ""),
        ("\ufeff" + PLAIN, "t.csv", ""),
        (("\ufeff" + PLAIN).encode("utf-16-le"), "t.csv", "UTF-16-LE"),
        (("\ufeff" + PLAIN).encode("utf-16-be"), "t.csv", "UTF-16-BE"),
        (PLAIN.encode("utf-16-le"), "t.csv", "UTF-16-LE"),
        (gzip.compress(PLAIN.encode(), mtime=0), "t.csv.gz", ""),
        (PLAIN.replace("a,b", "größe,b").encode("cp1252"), "t.csv", "Windows-1252"),
        ('"' + PLAIN.replace(",", '","').replace("\n", '"\n"')[:-1], "t.csv", ""),
        (
            "\n".join(f"{'' if n == 0 else n - 1},{line}" for n, line in enumerate(PLAIN.splitlines())),
            "t.csv",
            "left out",
        ),
        (
            "\n".join(f"{'Unnamed: 0' if n == 0 else 99 - n},{line}" for n, line in enumerate(PLAIN.splitlines())),
            "t.csv",
            "left out",
        ),
        (
            "\n".join(f"{'id' if n == 0 else 3 * n},{line}" for n, line in enumerate(PLAIN.splitlines())),
            "t.csv",
            "'id'",
        ),
    ],
)
def test_what_is_read_as_the_plain_table(tmp_path, content, name, said):
    plain = load_source(write(tmp_path, PLAIN, "plain.csv"))
    assert plain.train.features[1].tolist() == [7.5, 3.0]
    source = load_source(write(tmp_path, content, name))
    assert source.fingerprint == plain.fingerprint
    assert said in " ".join(source.notes)


@pytest.mark.parametrize(
    ("cells", "separator", "expected"),
    [
        (["1.234,5", "2,25"], ";", [1234.5, 2.25]),
        (['"1,234.5"', "2.25"], ",", [1234.5, 2.25]),
        (['"1,234"', "12"], ",", [1234, 12]),
        (['"0,125"', "12"], ",", [0.125, 12]),
        (["1.234", "2,25"], ";", [1234, 2.25]),
        (["1.234.567", "2.500"], ";", [1234567, 2500]),
        (["1 234,5", "2,25"], ";", [1234.5, 2.25]),
        (["1\u202f234.5", "2.25"], ",", [1234.5, 2.25]),
        (["1'234.5", "2.25"], ",", [1234.5, 2.25]),
        (["\u22121.5", "2.25"], ",", [-1.5, 2.25]),
        (["1e3", "-2.5E-1"], ",", [1000, -0.25]),
    ],
)
def test_numbers_as_people_write_them(tmp_path, cells, separator, expected):
    lines = [separator.join(("x", "label"))] + [
        separator.join((cell, word)) for cell, word in zip(cells, "ab", strict=True)
    ]
    source = load_source(write(tmp_path, "\n".join(lines)))
    assert source.train.features[:, 0].tolist() == expected


def test_a_label_with_decimal_commas_is_a_number(tmp_path):
    source = load_source(write(tmp_path, "x;y\n1;0,5\n2;1,5\n3;2,5\n"))
    assert source.train.labels.tolist() == [0.5, 1.5, 2.5]


def test_a_blank_row_makes_no_points(tmp_path):
    source = load_source(write(tmp_path, "a;b;label\n1,5;2;x\n;;\n3,0;4;z\n"))
    assert source.train.features.tolist() == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "n/a"])
def test_words_that_pandas_takes_for_missing_are_classes(tmp_path, word):
    path = write(tmp_path, f"a,label\n1,{word}\n2,Mild\n3,Severe\n")
    source = load_source(path)
    assert set(source.class_names) == {word, "Mild", "Severe"}
    assert f"'{word}'" in " ".join(source.notes)
    message = refused(path, missing=(word,))
    assert "row 2 has no label" in message
    assert word in message


def test_what_was_taken_for_granted_is_said_with_the_way_to_change_it(tmp_path):
    squares = write(tmp_path, "x,y\n" + "".join(f"{x},{x * x}\n" for x in range(-5, 6)))
    source = load_source(squares)
    assert len(source.class_names) == 6
    assert "taken for 6 classes; --regression true" in " ".join(source.notes)
    assert load_source(squares, regression=True).is_regression
    assert not load_source(squares, regression=True).notes
    halves = write(tmp_path, "x,y\n" + "".join(f"{x},{x * x / 2}\n" for x in range(-5, 6)))
    assert "--regression false" in " ".join(load_source(halves).notes)


@pytest.mark.parametrize(
    ("column", "regression", "tells"),
    [
        (lambda y: y, False, True),
        (lambda y: 5 - 3 * y, False, True),
        (lambda y: y % 2, False, False),
        (lambda y: np.random.default_rng(0).normal(size=len(y)), False, False),
        (lambda y: 2 * y + 1, True, True),
        (lambda y: np.exp(y), True, True),
        (lambda y: np.random.default_rng(0).normal(size=len(y)), True, False),
        (lambda y: y + np.random.default_rng(0).normal(size=len(y)), True, False),
    ],
)
def test_a_column_that_gives_the_answer_away_is_pointed_out(column, regression, tells):
    y = np.random.default_rng(1).normal(size=40) if regression else np.arange(40) % 3
    frame = pd.DataFrame({"noise": np.random.default_rng(2).normal(size=40), "told": column(y), "y": y})
    notes = " ".join(load_source(frame, regression=regression).notes)
    assert ("determines the label 'y': 'told'" in notes) == tells


PLAIN_LABELS = ["no", "yes", "no", "yes"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pd.Categorical(PLAIN_LABELS), ("no", "yes")),
        (pd.array(PLAIN_LABELS, dtype="string"), ("no", "yes")),
        (np.array(PLAIN_LABELS, object), ("no", "yes")),
        (np.array([b"no", b"yes", b"no", b"yes"]), ("no", "yes")),
        (np.array([b"no", b"yes", b"no", b"yes"], object), ("no", "yes")),
        (pd.array([0, 1, 0, 1], dtype="Int64"), ("0", "1")),
        (pd.Categorical([0, 1, 0, 1]), ("0", "1")),
        (pd.array([False, True, False, True], dtype="boolean"), ("False", "True")),
        (np.array([False, True, False, True]), ("False", "True")),
        (np.array([0.0, 1.0, 0.0, 1.0]), ("0", "1")),
    ],
)
@pytest.mark.parametrize("form", ["frame", "arrays"])
def test_labels_of_every_type_are_as_their_plain_twins(labels, names, form):
    x = np.arange(4.0)[:, None]
    data = pd.DataFrame({"a": x[:, 0], "label": labels}) if form == "frame" else (x, labels)
    source = load_source(data)
    assert source.class_names == names
    assert source.train.labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1, "a", 2.5, "b"], "mixed types (number, text)"),
        ([1, None, 2, 3], "row 1 has no label"),
        (pd.array([0, None, 1, 1], dtype="Int64"), " 1 "),
        (pd.date_range("2020", periods=4), "dates"),
        (pd.date_range("2020", periods=4, tz="UTC"), "Timestamp"),
        ([(1, 2), (3, 4), (1, 2), (3, 4)], ""),
        ([1j, 2, 3, 4], ""),
    ],
)
@pytest.mark.parametrize("form", ["frame", "arrays"])
def test_labels_that_are_refused_by_name(labels, said, form):
    x = np.arange(4.0)[:, None]
    data = pd.DataFrame({"a": x[:, 0], "label": labels}) if form == "frame" else (x, labels)
    assert said.lower() in refused(data).lower()


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, 2, 3, 5], dtype="Int64"),
        pd.array([1, 2, 3, 5], dtype="Float32"),
        pd.Categorical([1, 2, 3, 5]),
        np.array([1, 2, 3, 5], object),
        np.array([Decimal(1), Decimal(2), Decimal(3), Decimal(5)]),
        np.array(["1", "2", "3", "5"]),
    ],
)
def test_columns_of_every_type_are_as_their_plain_twins(column):
    source = load_source(pd.DataFrame({"a": column, "label": PLAIN_LABELS}))
    assert source.train.features[:, 0].tolist() == [1, 2, 3, 5]


def test_boolean_columns_are_zeros_and_ones():
    for kind in (bool, "boolean", object):
        frame = pd.DataFrame({"a": pd.Series([True, False, True, False], dtype=kind), "label": PLAIN_LABELS})
        assert load_source(frame).train.features[:, 0].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.date_range("2020", periods=4), "datetime64"),
        (pd.date_range("2020", periods=4, tz="UTC"), "datetime64"),
        (pd.to_timedelta([1, 2, 3, 4]), "timedelta"),
        (pd.period_range("2020", periods=4), "period"),
        (np.array([1, 2, 3, 4j]), "complex"),
        (["a", "b", "c", "d"], "row 0 is 'a'"),
        (pd.array([1, None, 3, 5], dtype="Int64"), "row 1 is empty"),
        ([{}, {}, {}, {}], "row 0 is '{}'"),
    ],
)
def test_columns_that_are_refused_by_name(column, said):
    message = refused(pd.DataFrame({"a": column, "label": PLAIN_LABELS}))
    assert "'a'" in message
    assert said in message


def test_a_message_about_very_long_names_stays_short(tmp_path):
    path = write(tmp_path, ",".join(f"{'column' * 40}{n}" for n in range(50)) + "\n" + ",".join("1" * 50) + "\n")
    assert "say which column is the label" in refused(path)
