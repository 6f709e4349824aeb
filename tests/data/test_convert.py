"""Small trees in the released layouts become FABA-Instruct files by the paper's protocol; nothing is lost unsaid."""

import json
from itertools import chain

import pytest

from llava_faba import cli
from llava_faba.data.convert import answer_text
from llava_faba.data.fabainstruct import read_evaluation, read_training
from llava_faba.data.layouts import BP4D_AUS, BP4D_FOLDS, DISFA_AUS, DISFA_FOLDS
from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from tests.conftest import shared_path


def convert(*arguments, status=0):
    assert cli.main(["convert", *map(str, arguments)]) == status


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def answers(path, root):
    return {sample.image: sample.conversations[1]["value"] for sample in read_training([path], root)}


@pytest.fixture
def raf_db(tmp_path):
    names = ["train_00001", "train_00002", "test_0001", "test_0002"]
    (tmp_path / "basic/EmoLabel").mkdir(parents=True)
    labels = "".join(f"{name}.jpg {label}\n" for name, label in zip(names, (5, 4, 1, 7), strict=True))
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").write_text(labels)
    touch(*(tmp_path / f"basic/Image/aligned/{name}_aligned.jpg" for name in names[:3]))
    return tmp_path


@pytest.fixture
def bp4d(tmp_path):
    """Two frames for each of the 41 subjects; frame names padded to different widths, one frame not coded."""
    header = [0, 1, 2, 3, 4, 5, 6, 7, 10, 12, 14, 15, 17, 23, 24]
    (tmp_path / "AUCoding/AU_OCC").mkdir(parents=True)
    for subject in chain(*BP4D_FOLDS):
        rows = [header, [7] + [0] * 14, [2440] + [1, 0, 9, 1] + [0] * 10]
        if subject == "F001":
            rows.append([2441] + [1, 9, 9, 1] + [0] * 10)
        text = "\n".join(",".join(map(str, row)) for row in rows)
        (tmp_path / f"AUCoding/AU_OCC/{subject}_T1.csv").write_text(text + "\n")
        touch(tmp_path / f"2D+3D/{subject}/T1/0007.jpg", tmp_path / f"2D+3D/{subject}/T1/2440.jpg")
    return tmp_path


@pytest.fixture
def disfa(tmp_path):
    """Three frames a subject, labels counted from 1, pictures from 0; the last picture of SN001 is missing."""
    for subject in chain(*DISFA_FOLDS):
        folder = tmp_path / "ActionUnit_Labels" / subject
        folder.mkdir(parents=True)
        for au in (*DISFA_AUS, 5, 15):
            intensities = {1: (0, 1, 2), 12: (2, 0, 5), 5: (5, 5, 5)}.get(au, (0, 0, 0))
            text = "".join(f"{frame},{value}\n" for frame, value in enumerate(intensities, start=1))
            (folder / f"{subject}_au{au}.txt").write_text(text)
        touch(*(tmp_path / f"img/{subject}/{frame}.png" for frame in range(2 if subject == "SN001" else 3)))
    return tmp_path


def test_raf_db_keeps_its_own_division_and_names_its_labels(raf_db, tmp_path, capsys):
    convert("raf-db", raf_db, "--out", tmp_path / "out")
    found = answers(tmp_path / "out/train.json", raf_db)
    folder = "basic/Image/aligned"
    assert found == {f"{folder}/train_00001_aligned.jpg": "Sadness", f"{folder}/train_00002_aligned.jpg": "Happiness"}
    (sample,) = read_evaluation(tmp_path / "out/eval.json", raf_db, "emotion")
    assert (sample.id, sample.label, sample.reference) == (f"{folder}/test_0001_aligned.jpg", "Surprise", "Surprise")
    assert lines(tmp_path / "out/left_out.jsonl") == [
        {"image": f"{folder}/test_0002_aligned.jpg", "reason": "the picture does not exist"}
    ]
    assert "left out: 1" in capsys.readouterr().out


def test_bp4d_is_three_subject_exclusive_folds_of_twelve_aus(bp4d, tmp_path):
    convert("bp4d", bp4d, "--out", tmp_path / "out")
    folds, root = json.loads((tmp_path / "out/folds.json").read_text()), bp4d / "2D+3D"
    evaluated = []
    for number, fold in enumerate(folds, start=1):
        train = answers(tmp_path / f"out/fold{number}/train.json", root)
        samples = read_evaluation(tmp_path / f"out/fold{number}/eval.json", root, "au")
        assert {image[:4] for image in train} == set(fold["train_subjects"])
        assert {sample.image[:4] for sample in samples} == set(fold["eval_subjects"]) == set(BP4D_FOLDS[number - 1])
        assert not set(fold["train_subjects"]) & set(fold["eval_subjects"])
        assert len(train) == fold["train"] and len(samples) == fold["eval"]
        evaluated += samples
        assert train[f"{fold['train_subjects'][0]}/T1/0007.jpg"] == "None"
        assert train[f"{fold['train_subjects'][0]}/T1/2440.jpg"] == "AU1, AU4"
    assert len(evaluated) == len({sample.id for sample in evaluated}) == 82
    assert {sample.label for sample in evaluated} == {"", "1, 4"}
    assert lines(tmp_path / "out/left_out.jsonl") == [
        {"image": "F001/T1/2441", "reason": "an evaluated AU is not coded in this frame"}
    ]


def test_disfa_counts_an_au_as_active_from_intensity_two(disfa, tmp_path):
    convert("disfa", disfa, "--out", tmp_path / "out")
    found = answers(tmp_path / "out/fold1/train.json", disfa / "img")
    assert [found[f"SN010/{frame}.png"] for frame in range(3)] == ["AU12", "None", "AU1, AU12"]
    parts = [json.loads((tmp_path / f"out/fold{n}/eval.json").read_text()) for n in (1, 2, 3)]
    assert sum(map(len, parts)) == 27 * 3 - 1
    assert [entry["image"] for entry in lines(tmp_path / "out/left_out.jsonl")] == ["SN001/2"]


def test_disfa_frames_that_count_from_one_are_recognised(disfa, tmp_path):
    for subject in chain(*DISFA_FOLDS):
        touch(*(tmp_path / f"crops/{subject}/frame_{frame:05}.jpg" for frame in (1, 2, 3)))
    convert("disfa", disfa, "--images", tmp_path / "crops", "--out", tmp_path / "out")
    found = answers(tmp_path / "out/fold1/train.json", tmp_path / "crops")
    assert [found[f"SN010/frame_0000{frame}.jpg"] for frame in (1, 2, 3)] == ["AU12", "None", "AU1, AU12"]


def test_the_folds_hold_every_subject_once():
    """41 subjects of BP4D and 27 of DISFA (supplement D.1 counts 26; the released labels have 27)."""
    for folds, count in ((BP4D_FOLDS, 41), (DISFA_FOLDS, 27)):
        subjects = list(chain(*folds))
        assert len(subjects) == len(set(subjects)) == count


@pytest.mark.parametrize("by", ["folders", "list"])
def test_gft_keeps_its_own_division(tmp_path, by):
    header = "Frame,AU01,AU02,AU04,AU05,AU06,AU10,AU12,AU14,AU15,AU23,AU24"
    for subject, part in (("001A", "train"), ("002B", "test")):
        folder = tmp_path / "gft" / (part if by == "folders" else "labels")
        folder.mkdir(parents=True, exist_ok=True)
        coded = "10,0,0,0,1,1,0,1,0,0,0,0\n11,0,0,0,0,-9,0,1,0,0,0,0\n"
        (folder / f"{subject}.csv").write_text(f"{header}\n{coded}")
        touch(*(tmp_path / f"gft/frames/{subject}/{frame:04}.jpg" for frame in (10, 11)))
    (tmp_path / "test.txt").write_text("002B\n")
    extra = ["--test-subjects", tmp_path / "test.txt"] if by == "list" else []
    convert("gft", tmp_path / "gft", "--out", tmp_path / "out", *extra)
    assert answers(tmp_path / "out/train.json", tmp_path / "gft/frames") == {"001A/0010.jpg": "AU6, AU12"}
    (sample,) = read_evaluation(tmp_path / "out/eval.json", tmp_path / "gft/frames", "au")
    assert (sample.image, sample.label) == ("002B/0010.jpg", "6, 12")
    assert len(lines(tmp_path / "out/left_out.jsonl")) == 2


def test_csvs_in_different_folders_keep_their_own_pictures(tmp_path):
    """As people lay them out: train/labels.csv beside train/images, test/labels.csv beside test/images."""
    for part in ("train", "test"):
        touch(tmp_path / part / "images/1.jpg")
        (tmp_path / part / "labels.csv").write_text("image,label\nimages/1.jpg,Happiness\nimages/2.jpg,Anger\n")
    csvs = ["--train", tmp_path / "train/labels.csv", "--eval", tmp_path / "test/labels.csv"]
    convert("csv", *csvs, "--task", "emotion", "--out", tmp_path / "out")
    record = json.loads((tmp_path / "out/convert.json").read_text())
    assert record["image_root"] == str(tmp_path.resolve()) and record["left_out"] == 2
    (trained,) = read_training([tmp_path / "out/train.json"], record["image_root"])
    (evaluated,) = read_evaluation(tmp_path / "out/eval.json", record["image_root"], "emotion")
    assert trained.image == "train/images/1.jpg" and trained.image_path.is_file()
    assert evaluated.image == "test/images/1.jpg" and evaluated.image_path.is_file()


def test_a_plain_csv_of_emotions_as_the_shared_faces_are(tmp_path):
    root = shared_path("faces")
    convert("csv", "--train", root / "train.csv", "--eval", root / "eval.csv", "--task", "emotion", "--out", tmp_path)
    training = read_training([tmp_path / "train.json"], root)
    assert len(training) == 928 and len(read_evaluation(tmp_path / "eval.json", root, "emotion")) == 198
    asked = {sample.conversations[0]["value"].removesuffix("\n<image>") for sample in training}
    assert asked <= set(INSTRUCTIONS["emotion"]) and len(asked) > 90


@pytest.mark.parametrize("header", ["image,label", "image,AU1,AU4,AU12"])
def test_a_plain_csv_of_aus(tmp_path, header):
    rows = {
        "image,label": ["AU1+AU4", '"12, 4"', "none", ""],
        "image,AU1,AU4,AU12": ["1,1,0", "0,1,1", "0,0,0", "0,0,0"],
    }
    touch(*(tmp_path / f"{number}.jpg" for number in range(4)))
    text = "\n".join([header, *(f"{number}.jpg,{row}" for number, row in enumerate(rows[header]))])
    (tmp_path / "faces.csv").write_text(text)
    convert("csv", "--eval", tmp_path / "faces.csv", "--task", "au", "--out", tmp_path / "out")
    samples = read_evaluation(tmp_path / "out/eval.json", tmp_path, "au")
    assert [sample.label for sample in samples] == ["1, 4", "4, 12", "", ""]
    assert [sample.reference for sample in samples] == ["AU1, AU4", "AU4, AU12", "None", "None"]
    assert not (tmp_path / "out/train.json").exists()


def test_fixed_questions_are_the_ones_of_the_evaluation(tmp_path):
    root = shared_path("faces")
    convert("csv", "--train", root / "train.csv", "--task", "emotion", "--questions", "fixed", "--out", tmp_path)
    asked = {sample.conversations[0]["value"] for sample in read_training([tmp_path / "train.json"], root)}
    assert asked == {QUESTIONS["emotion"] + "\n<image>"}


def test_a_rerun_writes_the_same_bytes_and_another_conversion_is_refused(raf_db, tmp_path, capsys):
    convert("raf-db", raf_db, "--out", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    convert("raf-db", raf_db, "--out", tmp_path / "out")
    convert("raf-db", raf_db, "--out", tmp_path / "out", "--questions", "fixed", status=2)
    assert "holds another conversion" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("text", "task", "complaint"),
    [
        (
            "image,label\na.jpg,Joyful\nb.jpg,Joyful\nc.jpg,3\n",
            "emotion",
            "3 unknown labels for the task 'emotion': 'Joyful' (2x)",
        ),
        ("image,label\na.jpg,Happiness\n", "au", "unknown labels for the task 'au'"),
        ("image,AU1\na.jpg,2\n", "au", "unknown labels"),
        ("file,label\na.jpg,Happiness\n", "emotion", "has the columns file, label"),
        ("image,label\n", "emotion", "has no rows"),
        ("image,label\n../a.jpg,Happiness\n", "emotion", "not inside"),
        ("image,label\nnone.jpg,Happiness\n", "emotion", "Nothing of csv can be converted: 1 pictures were left out"),
    ],
)
def test_an_unusable_csv_is_refused_and_nothing_is_written(tmp_path, text, task, complaint, capsys):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/faces.csv").write_text(text)
    touch(*(tmp_path / f"faces/{name}.jpg" for name in "abc"))
    convert("csv", "--train", tmp_path / "faces/faces.csv", "--task", task, "--out", tmp_path / "out", status=2)
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["raf-db"], "`convert raf-db` was called without ROOT"),
        (["raf-db", "ROOT", "--task", "au"], "`convert raf-db` was called with --task"),
        (["csv", "ROOT", "--task", "au"], "`convert csv` was called with ROOT"),
        (["csv", "--task", "au"], "none is given"),
        (["bp4d", "ROOT"], "no folder of AU codes"),
        (["disfa", "ROOT"], "no folder of AU labels"),
        (["gft", "ROOT"], "no file"),
        (["raf-db", "ROOT"], "RAF-DB list"),
        (["raf-db", "nowhere"], "does not exist"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(tmp_path, arguments, complaint, capsys):
    arguments = [str(tmp_path) if argument == "ROOT" else argument for argument in arguments]
    convert(*arguments, "--out", tmp_path / "out", status=2)
    assert complaint in capsys.readouterr().err


def test_a_subject_that_is_in_no_fold_is_refused(bp4d, tmp_path, capsys):
    touch(bp4d / "2D+3D/F099/T1/0001.jpg")
    (bp4d / "AUCoding/AU_OCC/F099_T1.csv").write_text("0," + ",".join(map(str, BP4D_AUS)) + "\n1" + ",0" * 12 + "\n")
    convert("bp4d", bp4d, "--out", tmp_path / "out", status=2)
    assert "F099" in capsys.readouterr().err


def test_answers_are_written_as_the_paper_writes_them():
    assert [answer_text("Happiness"), answer_text((1, 4)), answer_text(())] == ["Happiness", "AU1, AU4", "None"]


def test_aus_and_emotions_are_those_that_are_scored():
    """Training and scoring state the protocol in two places, since scoring needs no training code."""
    from llava_faba.data import fabainstruct
    from llava_faba.data import layouts as protocols
    from llava_faba.eval import labels as lexicon
    from llava_faba.eval.labels import DATASETS

    assert fabainstruct.EMOTIONS == lexicon.EMOTIONS
    for name in ("bp4d", "disfa", "gft"):
        assert getattr(protocols, f"{name.upper()}_AUS") == DATASETS[name].scored_aus
