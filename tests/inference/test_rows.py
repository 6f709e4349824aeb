"""Rows are read as they were written, and a table that was cut anywhere is finished to the same bytes."""

import pytest

from llava_faba.errors import InputError
from llava_faba.inference.rows import CsvRows

ROWS = [
    {"input": "a, b.png", "n": 1, "text": 'She said "happy";\nthen left'},
    {"input": "ünï.png", "n": None, "text": "one\r\ntwo\rthree\0"},
    {"input": "c.png", "n": 0.25, "text": ""},
]


def test_rows_are_read_as_they_were_written(tmp_path):
    with CsvRows(tmp_path / "t.csv", ["input", "n", "text"]) as rows:
        rows.append(ROWS[:2])
        rows.append(ROWS[2:])
        read = list(rows)
    assert [row["input"] for row in read] == [row["input"] for row in ROWS]
    assert [row["n"] for row in read] == ["1", "", "0.25"]
    assert [row["text"] for row in read] == [ROWS[0]["text"], "one\ntwo\nthree", ""]
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert table["text"].tolist() == [row["text"] for row in read]


@pytest.mark.trust
def test_rows_cut_at_any_byte_are_finished_to_the_same_bytes(tmp_path):
    path = tmp_path / "t.csv"
    with CsvRows(path, ["input", "n", "text"]) as rows:
        rows.append(ROWS)
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        with CsvRows(path, ["input", "n", "text"]) as rows:
            there = len(list(rows))
            rows.append(ROWS[there:])
        assert path.read_bytes() == whole, kept


def test_a_table_has_one_writer(tmp_path):
    with CsvRows(tmp_path / "t.csv", ["n"]), pytest.raises(InputError, match="one writer at a time"):
        CsvRows(tmp_path / "t.csv", ["n"])
