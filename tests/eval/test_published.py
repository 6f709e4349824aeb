"""The printed tables are the papers', number by number, and hold together."""

import pytest

from llava_faba.eval.published import published
from tests.conftest import shared_path

TABLES = {"Table 3": 9, "Table 4": 15, "Table 5": 15, "Table 6": 8, "Table 7": 10, "Table 8": 6, "Table 9": 6} | {
    "Table S4": 4,
    "Table S5": 4,
}


def rows_of(table):
    return [row for row in published() if row.table == table]


def test_every_table_is_there_with_all_its_rows():
    assert {table: len(rows_of(table)) for table in TABLES} == TABLES


@pytest.mark.parametrize("table", ["Table 3", "Table 4", "Table 5", "Table 6", "Table 7"])
def test_each_row_stands_in_the_paper(table):
    """The paper's tables, read from its text: method, then the numbers in the order of the columns."""
    text = shared_path("reference", "paper_faba.md").read_text().replace("<b>", "").replace("</b>", "")
    start = text.index(f"**{table}:**")
    lines = {}
    for line in text[start:].splitlines()[1:]:
        name, *numbers = line.split("\t")
        lines.setdefault(name.split(" [")[0].replace("*", "").removesuffix(" (Ours.)"), []).append(numbers)
    by_method = {}
    for row in rows_of(table):
        numbers = [*row.per_class.values(), *row.values.values()]
        if row.task == "emotion":
            numbers = [*row.values.values(), *row.per_class.values()]
        by_method.setdefault(row.method, []).extend(numbers)
    for method, numbers in by_method.items():
        assert any([float(n) for n in printed if n] == numbers for printed in lines[method]), method


def test_a_printed_rege_is_the_sum_of_its_parts():
    for row in published():
        if {"s_re", "s_ge", "rege"} <= row.values.keys():
            assert row.values["rege"] == pytest.approx(row.values["s_re"] + row.values["s_ge"], abs=0.01), row


def test_rows_whose_printed_mean_is_not_that_of_their_aus_say_so():
    noted = {(row.table, row.method) for row in published() if "AUs average" in row.note}
    assert noted == {
        ("Table 4", "DRML"),
        ("Table 4", "EAC-Net"),
        ("Table 5", "DRML"),
        ("Table 5", "EAC-Net"),
        ("Table 5", "SRERL"),
        ("Table 7", "MiniGPT4-v2"),
    }
    for row in published():
        if row.per_class and (row.table, row.method) not in noted:
            mean = sum(row.per_class.values()) / len(row.per_class)
            assert row.values["s_re"] == pytest.approx(mean, abs=0.1), row


def test_every_row_says_where_it_is_from():
    assert all(row.source and row.values for row in published())
