"""A table whose header names the AUs is read by its columns."""

import pytest

from llava_faba.eval.labels import dataset_named
from llava_faba.eval.parse import parse_aus


@pytest.mark.parametrize(
    ("table", "present"),
    [
        ("| AU1 | AU4 | AU12 |\n|---|---|---|\n| no | yes | yes |", (4, 12)),
        ("AU1 | AU4 | AU12\n--- | --- | ---\nabsent | present | 0", (4,)),
        ("AU1 | AU4\n--- | ---\n| present | absent |", (1,)),
        ("|  | AU1 | AU4 | AU12 |\n|:--|:-:|:-:|:-:|\n| side | left | both | both |\n| active | ✗ | ✓ | ✓ |", (4, 12)),
        ("Here:\n\n| AU6 | AU12 |\n| --- | --- |\n| 2/5 | 0/5 |\n\nSo a smile.", (6,)),
        ("| AU6 (Cheek raiser) | AU12 (Lip corner puller) |\n|---|---|\n| - | Yes |", (12,)),
        ("| AU | Present |\n|---|---|\n| AU6 | yes |\n| AU12 | no |", (6,)),
    ],
)
def test_each_column_has_the_value_below_its_header(table, present):
    assert parse_aus(table, dataset_named("faba"), "strict").value == present


def test_a_table_without_values_affirms_what_it_names():
    assert parse_aus("| AU6 | AU12 |\n|---|---|\n| cheeks | corners |", dataset_named("faba"), "strict").value == (
        6,
        12,
    )
