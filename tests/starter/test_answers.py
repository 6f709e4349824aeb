"""What the starter is trained to say: labels that every rule reads, and movements that the landmarks support."""

import importlib.util

import numpy as np
import pytest

from llava_faba.eval.parse import parse_emotion
from llava_faba.evidence.photo import check_photo
from llava_faba.face.landmarks import MIRRORED, to_eye_frame
from llava_faba.face.measures import measure_landmarks
from llava_faba.vocabulary import EMOTIONS
from tests.conftest import REPOSITORY, shared_path

VALID = {"brows": True, "eyes": True, "mouth": True}


@pytest.fixture(scope="module")
def answers():
    """The script as a module."""
    file = REPOSITORY / "scripts" / "starter" / "write_answers.py"
    spec = importlib.util.spec_from_file_location("write_answers", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured():
    """Thirty real faces."""
    from llava_faba.face.detectors import DlibDetector
    from llava_faba.face.images import read_pixels

    detector, found = DlibDetector(second_look=False), []
    for number in range(30):
        pixels = read_pixels(shared_path("faces", "images", f"train_{number:04d}.jpg"))
        if (box := detector.find_one(pixels)) is not None:
            found.append(measure_landmarks(detector.fit(pixels, box), VALID))
    assert len(found) > 20
    return found


@pytest.mark.parametrize("label", EMOTIONS)
def test_every_rule_reads_the_label_and_no_other(answers, label):
    for moves in (None, {}, {4: True}, {12: False, 25: True}, {1: True, 2: True, 5: False, 27: True}):
        text = answers.emotion_answer(label, moves)
        for rules in ("strict", "paper", "emola"):
            assert parse_emotion(text, rules).value == label, (rules, text)


def test_no_sentence_is_contradicted_by_the_landmarks_it_was_written_from(answers, measured):
    supported = 0
    for face in measured:
        moves = answers.movements(answers.shares(face))
        for text in (answers.emotion_answer("Neutral", moves), answers.au_answer(moves)):
            verdicts = [one["verdict"] for one in check_photo(text, face)["sentences"]]
            assert "contradicted" not in verdicts, text
            supported += verdicts.count("supported")
    assert supported > len(measured) / 2


def test_without_landmarks_no_movement_is_named(answers, measured):
    for text in (answers.emotion_answer("Fear", None), answers.au_answer(None)):
        assert "AU" not in text
        assert {one["verdict"] for one in check_photo(text, measured[0])["sentences"]} == {"not measurable"}


def test_a_mirror_image_is_its_own_mirror_image():
    shape = np.random.default_rng(0).normal(size=(68, 2))
    assert [MIRRORED[number] for number in MIRRORED] == list(range(68))
    turned = to_eye_frame((shape * [-1, 1])[list(MIRRORED)])
    assert np.allclose(turned, to_eye_frame(shape)[list(MIRRORED)] * [-1, 1])
