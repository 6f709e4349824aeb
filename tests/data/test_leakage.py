"""What two sets of clips share: patients, the same file under another name, ids."""

import shutil

import pytest

from llava_faba.data.clips import read_samples
from llava_faba.data.leakage import join_marks, marks_of, refuse_leaks, shared_marks
from llava_faba.errors import InputError
from llava_faba.files import write_json


def a_set(folder, name, rows):
    entries = [
        {"id": id_, "video": video, "expression": "smile", "score": 1, **({"patient": patient} if patient else {})}
        for id_, video, patient in rows
    ]
    return read_samples(write_json(folder / name, entries), folder)


@pytest.fixture
def clips(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.mp4").write_bytes(bytes([number]) * 300_000)
    return tmp_path


def test_a_patient_a_copied_file_and_an_id_are_each_found(clips):
    shutil.copy(clips / "0.mp4", clips / "renamed.mp4")
    training = a_set(clips, "train.json", [("a", "0.mp4", "p1"), ("b", "1.mp4", None)])
    for row, kind in (
        (("x", "2.mp4", "p1"), r"1 patients \(p1\)"),
        (("x", "renamed.mp4", "p2"), r"1 files \(0.mp4\)"),
        (("b", "2.mp4", None), r"1 ids \(b\)"),
    ):
        other = a_set(clips, "other.json", [row])
        with pytest.raises(InputError, match=f"training set and the test set share {kind}"):
            refuse_leaks({"training set": training, "validation set": [], "test set": other})
    clean = a_set(clips, "clean.json", [("a", "2.mp4", "p2"), ("c", "3.mp4", None)])
    refuse_leaks({"training set": training, "test set": clean})  # clip "a" of another patient is another clip


def test_what_a_model_keeps_are_hashes_that_find_the_same(clips):
    training = marks_of(a_set(clips, "train.json", [("a", "0.mp4", "Ann"), ("b", "1.mp4", "Bob")]))
    assert "Ann" not in str(training) and [len(marks) for marks in training.values()] == [2, 2, 2]
    other = marks_of(a_set(clips, "other.json", [("z", "1.mp4", "Ann"), ("y", "3.mp4", "Cid")]))
    assert shared_marks(training, other) == {"ids": 0, "files": 1, "patients": 1}
    assert len(join_marks(training, other)["patients"]) == 3


def test_folders_of_frames_are_told_apart_by_their_content(clips):
    for name, fill in (("one", 1), ("two", 2), ("copy", 1)):
        (clips / name).mkdir()
        for number in range(3):
            (clips / name / f"{number}.jpg").write_bytes(bytes([fill]) * 100)
    one, two, copy = (marks_of(a_set(clips, "f.json", [("a", name, name)])) for name in ("one", "two", "copy"))
    assert shared_marks(one, copy)["files"] == 1 and shared_marks(one, two)["files"] == 0
