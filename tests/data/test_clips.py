"""Annotated clips: both layouts read, each defect found, patients kept apart, drafts that their evidence supports."""

import json

import numpy as np
import pytest
from PIL import Image

from llava_faba.cli import main
from llava_faba.data.clips import examine_clips, read_samples, split_by_patient
from llava_faba.errors import InputError
from llava_faba.evidence.motion import check_report, draft_report
from llava_faba.files import write_json
from llava_faba.inference.runs import data_record, start_or_resume
from tests.evidence.test_motion import measured
from tests.motion.clip_files import a_face, write_clip

TRAMP_ROW = "video_00001_p7,3,4,notes,1"  # id_v, label, num_frames, another column, class
QAFE_ROW = "video_00002_p8,0,3,4"


@pytest.fixture
def pfed5(tmp_path):
    """PFED5's layout, with noise for frames: root/patient/video/*.jpg, video the id's first eleven characters."""
    for row, frames in ((TRAMP_ROW, 4), (QAFE_ROW, 3)):
        name = row.split(",")[0]
        folder = tmp_path / "frames" / name.split("_")[-1] / name[:11]
        folder.mkdir(parents=True)
        for number in range(frames):
            Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / f"{number}.jpg")
    return tmp_path


@pytest.mark.parametrize(("row", "expression", "rated"), [(TRAMP_ROW, "smile", 3), (QAFE_ROW, "clench_teeth", 0)])
def test_pfed5s_csv_is_read_in_both_projects_columns(pfed5, row, expression, rated):
    for header in ("", "id,label,num_frames,class\n"):
        (pfed5 / "set.csv").write_text(header + row + "\n")
        (sample,) = read_samples(pfed5 / "set.csv", pfed5 / "frames")
        assert (sample.expression, sample.severity, sample.patient) == (expression, rated, row.split(",")[0][-2:])
        assert sample.path.is_dir() and examine_clips(pfed5 / "set.csv", pfed5 / "frames") == (1, [])


def test_doctor_lists_every_defect_of_clips(pfed5, capsys):
    good = {"id": "a", "video": "p7/video_00001", "expression": "smile", "score": 2}
    bad = [
        {**good, "score": 7, "id": "b"},
        {**good, "video": "../x", "id": "c"},
        {**good, "video": "p9/none.mp4", "id": "d"},
        {**good, "expression": "", "id": "e"},
        {**good, "conversations": [{"from": "gpt", "value": "x"}], "id": "f"},
        {**good, "score": None, "id": "g"},
        {"video": "p7/video_00001", "expression": "smile"},
        good,
        "text",
    ]
    file = write_json(pfed5 / "data.json", [good, *bad])
    assert main(["doctor", str(file), "--image-root", str(pfed5 / "frames"), "--json"]) == 1
    defects = json.loads(capsys.readouterr().out)["defects"]
    kinds = [defect["defect"] for defect in defects]
    assert kinds == [
        "score",
        "path",
        "missing-clip",
        "unknown-expression",
        "conversations",
        "no-score",
        "no-id",
        "duplicate-id",
        "no-video",
    ]
    with pytest.raises(InputError, match=r"Sample 'b' \(entry 2\)"):
        read_samples(file, pfed5 / "frames")


def test_frames_that_are_missing_are_a_defect(pfed5):
    (pfed5 / "set.csv").write_text(TRAMP_ROW.replace(",4,", ",5,"))
    (_, (defect,)) = examine_clips(pfed5 / "set.csv", pfed5 / "frames")
    assert defect.defect == "frame-count" and "has 4 frames" in defect.detail


def test_a_split_keeps_patients_apart(pfed5):
    rows = [
        {"id": str(n), "video": "p7/video_00001", "expression": "smile", "score": 1, "patient": f"p{n % 5}"}
        for n in range(20)
    ]
    samples = read_samples(write_json(pfed5 / "data.json", rows), pfed5 / "frames")
    training, held_out = split_by_patient(samples, 0.2)
    assert len(training) == 16 and len(held_out) == 4
    assert not {samples[i].patient for i in training} & {samples[i].patient for i in held_out}


def test_the_command_writes_three_files_that_share_no_patient_and_no_other_split(pfed5, capsys):
    rows = [
        {"id": str(n), "video": "p7/video_00001", "expression": "smile", "score": n % 5, "patient": f"p{n % 10}"}
        for n in range(40)
    ]
    data, out = write_json(pfed5 / "data.json", rows), pfed5 / "split"
    command = ["split-clips", str(data), "--image-root", str(pfed5 / "frames"), "--out", str(out)]
    assert main([*command, "--validation", "0.2", "--test", "0.3"]) == 0
    parts = {name: json.loads((out / f"{name}.json").read_text()) for name in ("train", "validation", "test")}
    patients = {name: {row["patient"] for row in part} for name, part in parts.items()}
    assert [len(found) for found in patients.values()] == [5, 2, 3]
    assert len(set.union(*patients.values())) == 10
    assert sorted(row["id"] for part in parts.values() for row in part) == sorted(row["id"] for row in rows)
    assert {row["id"]: row["score"] for part in parts.values() for row in part} == {r["id"]: r["score"] for r in rows}
    assert main([*command, "--validation", "0.7", "--test", "0.3"]) == 2
    assert "together under 1" in capsys.readouterr().err


def test_what_a_draft_says_is_supported_by_what_it_was_drafted_from():
    for motion in (
        measured(),
        measured(0.02, 0.02, 0.01, 0.2, 0.01, 0),
        measured(0.3, 0.1, blinks=1),
        measured(0.06, 0.06),
    ):
        checked = check_report(draft_report(motion), motion)
        wrong = [s for s in checked["sentences"] if s["verdict"] == "contradicted"]
        assert not wrong and checked["rate"] == 1.0


def test_drafts_fill_in_the_reports_that_are_missing(tmp_path):
    write_clip(tmp_path / "a.mp4", [a_face()] * 6)
    (tmp_path / "b.mp4").write_bytes(b"no film")
    rows = [
        {"id": name, "video": f"{name}.mp4", "expression": "smile", "score": 1, "patient": name} for name in ("a", "b")
    ]
    file, out = write_json(tmp_path / "data.json", rows), tmp_path / "drafts.json"
    assert main(["draft-reports", str(file), "--image-root", str(tmp_path), "--out", str(out)]) == 0
    drafted, unread = json.loads(out.read_text())
    assert drafted["draft"] and "corners of the mouth" in drafted["conversations"][1]["value"]
    assert unread["conversations"] == [] and "draft" not in unread
    assert read_samples(out, tmp_path)[0].conversations


def test_drafting_goes_on_where_it_was_stopped(tmp_path):
    write_clip(tmp_path / "a.mp4", [a_face()] * 6)
    row = {"video": "a.mp4", "expression": "smile", "score": 1, "patient": "p"}
    file, out = write_json(tmp_path / "data.json", [{"id": "1", **row}, {"id": "2", **row}]), tmp_path / "drafts.json"
    begun = tmp_path / "drafts.json.begun.jsonl"
    start_or_resume(begun, data_record(file, tmp_path))
    begun.write_text('{"id": "1", "draft": "Drafted before the kill."}\n{"id": "2", "dra')
    assert main(["draft-reports", str(file), "--image-root", str(tmp_path), "--out", str(out)]) == 0
    first, second = json.loads(out.read_text())
    assert first["conversations"][1]["value"] == "Drafted before the kill."
    assert "corners of the mouth" in second["conversations"][1]["value"]
    assert not begun.exists()
