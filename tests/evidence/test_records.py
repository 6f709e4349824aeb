"""Evidence on the surfaces: `describe --image --evidence`, and the judge of `score --evidence`."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

from llava_faba import cli
from llava_faba.errors import InputError
from llava_faba.evidence.records import AnsweredFaces, add_evidence, read_neutral
from llava_faba.face.crop import find_faces


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder with a smiling face and a picture without one."""
    folder = tmp_path_factory.mktemp("photos")
    Image.fromarray(skimage.data.astronaut()[:256, 96:352]).save(folder / "smile.png")
    Image.new("RGB", (96, 96), "grey").save(folder / "wall.png")
    return folder


def test_a_record_gets_its_measures_and_each_answer_its_evidence():
    pixels = skimage.data.astronaut()
    record = {"answers": [{"answer": "She smiles."}, {"answer": None}]}
    add_evidence(record, pixels)
    assert record["measured"]["lip_opening"]["unit"] == "inter-ocular distances"
    assert [answer["evidence"] and answer["evidence"]["rate"] for answer in record["answers"]] == [1.0, None]
    found = {"answers": []}
    add_evidence(found, pixels, find_faces(pixels, "largest")[0])
    assert found["measured"] == record["measured"]


def test_a_neutral_photo_must_show_a_face(photos):
    assert read_neutral(photos / "smile.png").values["mouth_width"] > 0.7
    with pytest.raises(InputError, match=r"No face was found in the neutral photo .*wall.png"):
        read_neutral(photos / "wall.png")


def test_the_judge_of_a_file_measures_each_picture_once_and_refuses_paths_outside(photos):
    faces = AnsweredFaces(photos, ["smile.png", "wall.png", "smile.png"])
    assert (
        faces.judge("She smiles.", "smile.png")["rate"] == 1 and faces.judge("She smiles.", "wall.png")["rate"] is None
    )
    for image, message in (("../x.png", "not inside"), ("gone.png", "does not exist")):
        with pytest.raises(InputError, match=message):
            AnsweredFaces(photos, [image])


def test_describe_marks_the_sentences_of_a_picture(tiny_llava, photos, capsys):
    asked = ["describe", "--model-path", str(tiny_llava), "--image", str(photos / "smile.png"), "--task", "au"]
    asked += ["--max-new-tokens", "12", "--device", "cpu"]
    assert cli.main([*asked, "--evidence", "--json"]) == 0
    (face,) = json.loads(capsys.readouterr().out)
    assert face["measured"]["mouth_width"]["value"] > 0.7
    (answer,) = face["answers"]
    assert set(answer["evidence"]) == {"sentences", "rate"}
    assert cli.main([*asked, "--neutral", str(photos / "smile.png")]) == 0
    shown = capsys.readouterr().out
    assert all(f"[{one['verdict']}: " in shown for one in answer["evidence"]["sentences"] if one["verdict"][0] == "n")
    assert cli.main([*asked, "--neutral", str(photos / "wall.png")]) == 2


def test_evidence_belongs_to_pictures(capsys):
    assert cli.main(["describe", "--model-path", "m", "--data", "x.json", "--evidence"]) == 2
    assert "--evidence was given with --data" in capsys.readouterr().err


def test_score_reports_the_rate_of_real_pictures(photos, tmp_path, capsys):
    from tests.eval.answer_lines import au_line, write_lines

    lines = [au_line(0, "AU12 is present.", image="smile.png"), au_line(1, "AU4 is present.", image="smile.png")]
    lines += [au_line(2, "AU12 is present.", image="wall.png")]
    path = write_lines(tmp_path / "au.jsonl", lines)
    assert cli.main(["score", str(path), "--evidence", "--image-root", str(photos), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert result["evidence_rate"] == 50 and result["evidence"]["judged"] == 2
    assert [one["id"] for one in result["evidence"]["contradicted"]] == ["face-1"]
    assert np.isfinite(result["s_ge"])
