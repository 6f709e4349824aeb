"""The quickstart's faces: cut out of installed packages, annotated by hand, and read as FABA-Instruct."""

import json
import subprocess
import sys

import numpy as np
import pytest

from llava_faba.data.doctor import examine
from llava_faba.data.fabainstruct import read_evaluation, read_training
from llava_faba.eval.labels import DATASETS, au_label
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.face.images import read_pixels
from tests.conftest import REPOSITORY

ANNOTATIONS = json.loads((REPOSITORY / "scripts/quickstart/annotations.json").read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("quickstart")
    script = REPOSITORY / "scripts/quickstart/make_faces.py"
    subprocess.run([sys.executable, script, out], check=True, env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True)
    return out


def test_eight_faces_are_cut_and_every_file_is_healthy(made):
    training = read_training([made / "train.json"], made)
    assert len(training) == 16 and len({sample.id for sample in training}) == 16
    for task in ("emotion", "au"):
        samples = read_evaluation(made / f"eval_{task}.json", made, task)
        assert len(samples) == len({read_pixels(sample.image_path).tobytes() for sample in samples}) == 8
        assert examine(made / f"eval_{task}.json", made).defects == []
    assert examine(made / "train.json", made).defects == []


def test_each_crop_shows_the_face_that_is_described(made):
    """The astronaut smiles with her teeth showing: they are the brightest thing below the eyes of her crop."""
    pixels = read_pixels(made / "images/astronaut_0.png").astype(float)
    assert pixels.shape == (336, 336, 3)
    lower_face = pixels[170:300, 90:250].mean(2)
    row, column = np.unravel_index(lower_face.argmax(), lower_face.shape)
    assert 200 < row + 170 < 260 and 110 < column + 90 < 230


@pytest.mark.parametrize("task", ["emotion", "au"])
def test_a_description_says_what_its_label_says_under_all_rules(task):
    """A model that learnt the descriptions by heart must score 100."""
    faces = [face[task] for faces in ANNOTATIONS.values() for face in faces]
    assert len(faces) == 8
    for face in faces:
        for rules in ("emola", "paper"):
            if task == "emotion":
                assert parse_emotion(face["text"], rules).value == face["label"]
            else:
                assert parse_aus(face["text"], DATASETS["faba"], rules).value == au_label(face["label"], "face")
