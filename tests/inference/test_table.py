"""The table of faces: what users of Py-Feat expect, complete whatever the files, the same bytes whatever stops it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.inference.columns import answer_cells, columns, face_cells
from llava_faba.inference.describer import Describer, Request
from llava_faba.inference.inputs import find_files
from llava_faba.inference.photos import describe_photos
from llava_faba.inference.table import FaceSelection, table_record, write_table
from llava_faba.starter.folder import starter_model
from tests.conftest import shared_path
from tests.tiny import prior_model
from tests.train.runs import REPOSITORY

pytest.importorskip("dlib")
skimage_data = pytest.importorskip("skimage.data")
ASKED = Request.of_tasks(max_new_tokens=6, with_probabilities=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One face, nobody, a text, half a JPEG, and two faces of a group."""
    root = tmp_path_factory.mktemp("photos")
    face = Image.fromarray(skimage_data.astronaut()).crop((100, 0, 360, 260))
    face.save(root / "a.png")
    Image.new("RGB", (90, 80), "grey").save(root / "b.png")
    (root / "c.jpg").write_text("no picture")
    buffer = io.BytesIO()
    face.save(buffer, "JPEG")
    (root / "d.jpg").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (root / "sub").mkdir()
    with Image.open(shared_path("faces", "multi_face.jpg")) as group:
        group.crop((380, 180, 690, 480)).save(root / "sub" / "e.png")
    return root


@pytest.fixture(scope="module")
def describer(tiny_llava):
    return Describer.from_pretrained(tiny_llava, device="cpu", dtype="float32", batch_size=2)


def tabulate(describer, files, out, selection=None, asked=ASKED):
    selection = selection or FaceSelection()
    record = table_record(describer, "a model", None, files, asked, selection)
    return write_table(describer, files, asked, selection, out, record)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def table(describer, folder, tmp_path_factory):
    """The file, and what was said about it."""
    out = tmp_path_factory.mktemp("table") / "faces.csv"
    return out, tabulate(describer, find_files([str(folder)]), out)


def test_every_face_and_every_failure_has_a_row(table, folder):
    out, summary = table
    rows = read(out)
    files = [os.path.relpath(row["input"], folder) for row in rows]
    assert files == ["a.png", "b.png", "c.jpg", "d.jpg", "sub/e.png", "sub/e.png"]
    assert [row["face_id"] for row in rows] == ["0", "", "", "", "0", "1"]
    reasons = ["", "no face was found", "c.jpg cannot be decoded", "d.jpg cannot be decoded", "", ""]
    for row, reason in zip(rows, reasons, strict=True):
        assert reason in row["unread"] and bool(reason) == bool(row["unread"])
    assert summary.faces == 3 and [name for name, _ in summary.unread] == [row["input"] for row in rows[1:4]]
    empty = set(rows[1]) - {"input", "frame", "unread"}
    assert all(row[name] == "" for row in rows[1:4] for name in empty)


def test_the_columns_are_those_users_know(table):
    names = list(read(table[0])[0])
    assert names[:4] == ["input", "frame", "timestamp", "face_id"]
    assert names[4:9] == ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"]
    assert names[9:13] == ["Pitch", "Roll", "Yaw", "emotion"]
    aus = "01 02 04 05 06 07 09 10 12 14 15 16 17 20 23 24 25 26 27 43".split()
    assert names[13:33] == [f"AU{au}" for au in aus]
    assert names[33:40] == [f"p_{name}" for name in "happiness sadness surprise anger neutral disgust fear".split()]
    assert names[40:60] == [f"p_AU{au}" for au in aus]
    assert names[60:65] == ["interocular_px", "sharpness", "brows_valid", "eyes_valid", "mouth_valid"]
    assert names[65:] == ["answer_emotion", "answer_au", "unread"]
    assert not any(name.startswith("p_") for name in columns(("emotion", "au"), False))
    assert "emotion" not in columns(("au",), True) and "answer_emotion" not in columns(("au",), True)


def test_the_rows_say_what_the_describer_says(table, describer, folder):
    rows = [row for row in read(table[0]) if not row["unread"]]
    described = describe_photos(describer, [folder / "a.png", folder / "sub" / "e.png"], ASKED, "all")
    assert len(rows) == len(described) == 3
    for row, face in zip(rows, described, strict=True):
        left, top, right, bottom = face["box"]
        box = [float(row[f"FaceRect{name}"]) for name in ("X", "Y", "Width", "Height")]
        assert box == [left, top, right - left, bottom - top]
        emotion, au = face["answers"]
        assert (row["answer_emotion"], row["answer_au"]) == (emotion["answer"], au["answer"])
        assert row["emotion"] == (emotion["recognised"] or "")
        for answer, named in (
            (emotion, lambda name: f"p_{name.lower()}"),
            (au, lambda name: f"p_AU{int(name[2:]):02d}"),
        ):
            assert "probabilities" in answer
            for name, share in (answer["probabilities"] or {}).items():  # None: the answer names nothing to be weighed
                assert float(row[named(name)]) == pytest.approx(share, abs=1e-4)
        if emotion["probabilities"] is None:
            assert {row[name] for name in list(row)[33:40]} == {""}


def test_recognised_aus_are_ones_and_zeros_and_silence_is_empty():
    answer = {"task": "au", "answer": "AU6 and AU12 are present, AU4 is not.", "recognised": [6, 12]}
    cells = answer_cells([answer])
    assert {name for name, value in cells.items() if value == 1} == {"AU06", "AU12"}
    assert {name for name, value in cells.items() if value == 0} == set(cells) - {"AU06", "AU12", "answer_au"}
    none = answer_cells([{**answer, "answer": "No action units are active.", "recognised": []}])
    assert none["AU01"] == none["AU43"] == 0 and len(none) == 21
    assert set(answer_cells([{**answer, "answer": "A lovely day.", "recognised": []}])) == {"answer_au"}
    unread = answer_cells([{**answer, "answer": None, "recognised": None, "probabilities": None}])
    assert unread.pop("unread") and not any(unread.values())
    mood = {"task": "emotion", "answer": "Happy.", "recognised": "Happiness", "probabilities": {"Happiness": 0.98765}}
    assert answer_cells([mood]) == {"answer_emotion": "Happy.", "emotion": "Happiness", "p_happiness": 0.9877}


def test_pandas_reads_numbers_as_numbers(table):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(table[0])
    texts = {"input", "emotion", "answer_emotion", "answer_au", "unread"}
    numbers = [name for name in frame.columns if name not in texts]
    assert all(pandas.api.types.is_numeric_dtype(frame[name]) for name in numbers)
    seen = frame[frame["unread"].isna()]
    assert seen.groupby(["input", "frame"]).size().tolist() == [1, 2]
    assert (seen["FaceRectWidth"] > 40).all() and seen["brows_valid"].isin([0, 1]).all()


@pytest.mark.trust
def test_a_table_cut_anywhere_is_finished_to_the_same_bytes(table, describer, folder, tmp_path):
    files, whole = find_files([str(folder)]), table[0].read_bytes()
    ends = [end + 1 for end, byte in enumerate(whole) if byte == 10]
    out = tmp_path / "faces.csv"
    assert tabulate(describer, files[:0], out).faces == 0
    (tmp_path / "faces.csv.run.json").unlink()
    out.unlink()
    assert tabulate(describer, files, out) == table[1] and out.read_bytes() == whole
    for kept in (0, 7, *ends[:-1], ends[2] + 40, len(whole) - 3, len(whole)):
        out.write_bytes(whole[:kept])
        assert tabulate(describer, files, out) == table[1]
        assert out.read_bytes() == whole, kept


def test_another_run_in_the_same_place_is_refused(table, describer, folder, tmp_path):
    files = find_files([str(folder)])
    out = tmp_path / "faces.csv"
    tabulate(describer, files, out)
    for change in (
        {"selection": FaceSelection("largest")},
        {"selection": FaceSelection(fps=2)},
        {"asked": Request.of_tasks(["au"], max_new_tokens=6, with_probabilities=True)},
        {"files": files[1:]},
    ):
        with pytest.raises(InputError, match="Choose another --csv"):
            tabulate(describer, **{"files": files, "out": out, **change})
    assert out.read_bytes() == table[0].read_bytes()


def test_a_face_that_the_prior_cannot_read_is_a_row_without_answers(tiny_llava, folder, tmp_path):
    from llava_faba.model.checkpoint import load
    from llava_faba.prior.dlib68 import PRIOR_DIM

    tokenizer, _, processor, _ = load(tiny_llava)
    model = prior_model(tiny_llava, facial_prior_tower="dlib_68", facial_prior_hidden_size=PRIOR_DIM)
    describer = Describer(tokenizer, model, processor, batch_size=4)
    files = find_files([str(folder / "[ab].png")])
    summary = tabulate(describer, files, tmp_path / "faces.csv", FaceSelection("no"))
    face, nobody = read(tmp_path / "faces.csv")
    assert face["answer_emotion"] and not face["unread"] and face["FaceRectX"] == ""
    assert nobody["unread"] == "no face was read in the picture" and nobody["face_id"] == "0"
    assert nobody["answer_emotion"] == nobody["p_AU01"] == "" and summary.faces == 1


def test_a_clip_has_rows_with_exact_times_and_goes_on_where_it_stopped(describer, folder, tmp_path):
    pytest.importorskip("av")
    from tests.motion.clip_files import write_clip

    with Image.open(folder / "a.png") as picture:
        face = np.asarray(picture.convert("RGB"))
    nobody = np.full_like(face, 128)
    clip = write_clip(tmp_path / "clip.mp4", [face, nobody, face, face, face], [0, 400, 1120, 2080, 2400])
    out = tmp_path / "clip.csv"
    summary = tabulate(describer, [clip], out, FaceSelection(fps=2))
    rows = read(out)
    assert [(row["frame"], row["timestamp"]) for row in rows] == [("0", "0.0"), ("2", "1.12"), ("3", "2.08")]
    assert summary.faces == 3
    whole = out.read_bytes()
    for lines in (1, 2, 3):
        out.write_bytes(b"".join(whole.splitlines(keepends=True)[:lines]))
        tabulate(describer, [clip], out, FaceSelection(fps=2))
        assert out.read_bytes() == whole


def test_a_reduced_frame_has_its_box_in_the_clips_own_pixels():
    from llava_faba.face.crop import find_faces

    (face,) = find_faces(skimage_data.astronaut(), "largest")
    once, twice = face_cells(face, 1), face_cells(face, 2)
    for name in ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "interocular_px"):
        assert twice[name] == pytest.approx(2 * once[name], abs=0.01)
    assert {name for name in once if once[name] != twice[name]} == {*list(once)[:4], "interocular_px"}


def describe(model, *arguments):
    return cli.main(
        ["describe", "--model-path", str(model), "--max-new-tokens", "4", "--device", "cpu", *map(str, arguments)]
    )


def test_the_command_names_what_could_not_be_read(tiny_llava, folder, tmp_path, capsys):
    out = tmp_path / "faces.csv"
    assert describe(tiny_llava, "--input", folder / "?.*", "--csv", out, "--task", "emotion") == 0
    said = capsys.readouterr().err
    assert all(f"{name}: " in said for name in ("b.png", "c.jpg", "d.jpg"))
    assert "faces described 1" in said and "rows without an answer 3" in said
    assert describe(tiny_llava, "--input", folder / "c.jpg", "--csv", tmp_path / "none.csv") == 1
    assert describe(tiny_llava, "--input", tmp_path / "gone", "--csv", tmp_path / "x.csv") == 2
    assert "does not exist" in capsys.readouterr().err and not (tmp_path / "x.csv").exists()


def test_shards_are_the_parts_of_one_run(tiny_llava, folder, tmp_path):
    arguments = ["--input", folder, "--task", "emotion", "--csv"]
    assert describe(tiny_llava, *arguments, tmp_path / "whole.csv") == 0
    for part in range(2):
        describe(tiny_llava, *arguments, tmp_path / f"{part}.csv", "--shard", f"{part}/2")
    parts = [row for part in range(2) for row in read(tmp_path / f"{part}.csv")]
    assert parts == read(tmp_path / "whole.csv")


def test_json_of_pictures_has_probabilities(tiny_llava, folder, capsys):
    assert describe(tiny_llava, "--image", folder / "a.png", "--probabilities", "--json") == 0
    emotion, au = json.loads(capsys.readouterr().out)[0]["answers"]
    for answer in (emotion, au):  # random words name no label, and nothing is invented for them
        assert answer["recognised"] in (None, []) and answer["probabilities"] is None
    assert describe(tiny_llava, "--image", folder / "a.png", "--probabilities") == 0
    assert "probabilities: none, since the answer names nothing" in capsys.readouterr().out


@pytest.mark.trust
def test_a_killed_run_goes_on_to_the_same_bytes(tiny_llava, folder, tmp_path):
    program = "import sys; from llava_faba.cli import main; sys.exit(main(sys.argv[1:]))"
    out, whole = tmp_path / "killed.csv", tmp_path / "whole.csv"
    arguments = ["--input", folder, "--probabilities", "--batch-size", "1", "--csv"]
    flags = ["describe", "--model-path", tiny_llava, "--max-new-tokens", "4", "--device", "cpu", *arguments, out]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, flags)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not (out.is_file() and out.read_bytes().count(b"\n") >= 2):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 2 <= out.read_bytes().count(b"\n") < 7
    assert describe(tiny_llava, *arguments, whole) == 0
    assert describe(tiny_llava, *arguments, out) == 0
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--input", "x"], "--input was given without --csv"),
        (["--input", "x", "--image", "y", "--csv", "z.csv"], "--image and --input were given together"),
        (["--input", "x", "--csv", "z.csv", "--json"], "--json was given with --input"),
        (["--image", "x", "--csv", "z.csv"], "--csv was given with --image"),
        (["--input", "x", "--csv", "z.csv", "--fps", "0"], "--fps is 0.0"),
        (["--input", "x", "--csv", "z.csv", "--fps", "nan"], "--fps is nan"),
        (["--input", "x", "--csv", "."], "--csv names the folder ."),
    ],
)
def test_unusable_flags_are_refused(tmp_path, flags, message, capsys):
    assert describe(tmp_path, *flags) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("crop", ["all", "no"])
def test_evidence_columns_are_what_describe_says_of_a_photo(crop, folder, tmp_path):
    starter = Describer.from_pretrained(starter_model(), device="cpu", dtype="float32", batch_size=2)
    asked, out = Request.of_tasks(max_new_tokens=60, with_evidence=True), tmp_path / "faces.csv"
    files = [folder / "a.png", folder / "sub" / "e.png"]
    tabulate(starter, files, out, FaceSelection(crop), asked)
    rows, described = read(out), describe_photos(starter, files, asked, crop)
    assert len(rows) == len(described) == {"all": 3, "no": 2}[crop]
    judged = 0
    for row, face in zip(rows, described, strict=True):
        for name, measured in face["measured"].items():
            assert row[name] == ("" if measured["value"] is None else str(measured["value"])), name
        for answer in face["answers"]:
            verdicts = [sentence["verdict"] for sentence in answer["evidence"]["sentences"]]
            for verdict in ("supported", "contradicted"):
                assert row[f"{verdict}_{answer['task']}"] == str(verdicts.count(verdict))
                judged += verdicts.count(verdict)
    assert judged >= len(rows)
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    tabulate(starter, files, out, FaceSelection(crop), asked)
    assert out.read_bytes() == whole
    with pytest.raises(InputError):
        tabulate(starter, files, out, FaceSelection(crop), Request.of_tasks(max_new_tokens=60))
