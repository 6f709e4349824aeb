"""The ablation's table: ours in the paper's rows, a dash where nothing was scored."""

import sys

import pytest

from llava_faba.errors import MissingFileError
from llava_faba.eval.published import published
from llava_faba.files import write_json
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from ablation_table import ROWS, ablation_table


def test_every_row_is_printed_in_the_paper():
    printed = {(row.table, row.method) for row in published("faba")}
    assert {(table, row) for table, row, _ in ROWS} <= printed


def test_scores_stand_beside_the_papers(tmp_path):
    write_json(tmp_path / "before" / "au" / "score.json", [{"s_re": 12.34, "s_ge": 5.0, "n": 9}])
    table = ablation_table(tmp_path).splitlines()
    row = next(line for line in table if line.startswith("Table S5, prior token before visual tokens"))
    assert row.split()[-4:] == ["-", "63.5/32.1", "12.3/5.0", "55.4/34.3"]
    assert table[-1] == "samples: au 9"


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"Run scripts/ablate\.sh first"):
        ablation_table(tmp_path)
