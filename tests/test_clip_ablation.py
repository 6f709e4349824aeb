"""The ablation of clips: a row a part, each variant known to the script, a dash where nothing was scored."""

import re
import sys

import pytest

from llava_faba.errors import MissingFileError
from llava_faba.files import write_json
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))
from clip_ablation_table import ROWS, ablation_table


def test_every_variant_of_the_script_has_a_row_and_flags_that_training_knows():
    from llava_faba.video.config import FIELDS, TRAINING_FIELDS

    script = (REPOSITORY / "scripts" / "ablate_clips.sh").read_text()
    (variants,) = re.findall(r"VARIANTS:-([^}]+)}", script)
    assert [variant for variant, _ in ROWS] == variants.split()
    flags = set(re.findall(r"--(\w+)", script.split("flags() {")[1].split("\n}")[0]))
    assert len(flags) > 6 and flags <= {*FIELDS, *TRAINING_FIELDS}


def test_scores_stand_side_by_side(tmp_path):
    scores = {"spearman_mean": 0.61, "interval_coverage_by_patient": 0.9, "rouge_l": float("nan"), "bleu": 1.5}
    scores |= {"evidence_rate": 0.25, "all": {"mae": 0.44}, "per_expression": {"smile": {}}, "rated": 9, "notes": ["x"]}
    write_json(tmp_path / "no_colour" / "scores.json", scores)
    lines = ablation_table(tmp_path).splitlines()
    row = next(line for line in lines if line.startswith("trajectory without R, G, B"))
    assert row.split()[-6:] == ["61.0", "90.0", "-", "1.5", "25.0", "0.44"]
    assert next(line for line in lines if line.startswith("joint") or "decoupled" in line).split()[-6:] == ["-"] * 6
    assert lines[-1] == "note: x" and "9 rated clips" in lines[-2]


def test_a_folder_without_scores_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"Run scripts/ablate_clips\.sh first"):
        ablation_table(tmp_path)
