"""`llava-faba assess`: the JSON others read, the plot, and one clear line for what cannot be assessed."""

import json

from llava_faba.cli import main
from tests.motion.clip_files import a_face, write_clip, write_sound


def test_motion_alone_needs_no_model(tmp_path, capsys):
    clip = write_clip(tmp_path / "face.mp4", [a_face()] * 8)
    assert main(["assess", str(clip), "--report-only-motion", "--json", "--plot", str(tmp_path / "motion.png")]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["frames"] == 8 and record["valid_share"] == 1 and record["fps"] == 25
    assert set(record["region_valid_share"]) == {"brows", "eyes", "mouth"}
    assert all(set(measured) == {"value", "unit"} for measured in record["motion"].values())
    assert [record[key] for key in ("severity", "interval", "report", "evidence")] == [None] * 4
    assert (tmp_path / "motion.png").read_bytes().startswith(b"\x89PNG")


def test_a_clip_that_cannot_be_used_ends_with_status_2(tmp_path, capsys):
    assert main(["assess", str(write_sound(tmp_path / "sound.mp4")), "--report-only-motion"]) == 2
    assert "has no video stream" in capsys.readouterr().err
    assert main(["assess", str(tmp_path / "nothing.mp4"), "--report-only-motion"]) == 2
