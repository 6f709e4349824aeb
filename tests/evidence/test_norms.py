"""Norms: learned quantiles are those of the faces given, a tilted head is levelled, the shipped ones are whole."""

import json

import numpy as np
import pytest

from llava_faba.errors import InputError
from llava_faba.evidence.norms import PERCENTS, learn_norms, load_norms
from llava_faba.face.measures import REGION, SIDED, MeasuredFace


def a_face(value, nose_tip=0.5):
    names = [*REGION, *(f"{name}_{side}" for name in SIDED for side in ("left", "right"))]
    return MeasuredFace(dict.fromkeys(names, value), nose_tip)


@pytest.fixture
def norms(tmp_path):
    """Of a hundred neutral faces, 0.00 to 0.99, that all look straight ahead, beside as many others."""
    tips = np.tile([0.4, 0.6], 50)
    faces = [(a_face(k / 100, tip), "Neutral") for k, tip in enumerate(tips)]
    record = learn_norms([*faces, *[(a_face(9.0), "Happiness")] * 100, (None, "Neutral")], "a test")
    path = tmp_path / "norms.json"
    path.write_text(json.dumps(record))
    return load_norms(path)


def test_a_share_is_the_share_of_neutral_faces_below(norms):
    assert norms.faces["lip_opening"] == 100 and norms.source == "a test"
    assert norms.share_below("lip_opening", 0.745) == pytest.approx(0.75, abs=0.03)
    assert norms.share_below("lip_opening", 5) == 0.99 and norms.share_below("lip_opening", -5) == 0.01


def test_what_the_tilt_of_a_head_adds_is_taken_away():
    """Faces whose measure is their own plus twice what the nose tip says: levelled, only their own remains."""
    random = np.random.default_rng(0)
    tips, own = random.normal(0.5, 0.05, 400), random.normal(0, 0.01, 400)
    faces = [a_face(value + 2 * tip, tip) for value, tip in zip(own, tips, strict=True)]
    record = learn_norms([(face, "Neutral") for face in faces], "a test")
    assert record["slopes"]["mouth_corner_height"] == pytest.approx(2, abs=0.05)
    spread = record["neutral"]["mouth_corner_height"]
    assert spread[PERCENTS.index(95)] - spread[PERCENTS.index(5)] == pytest.approx(2 * 1.645 * 0.01, rel=0.2)


def test_too_few_neutral_faces_are_refused():
    with pytest.raises(InputError, match="29 faces that are labelled Neutral"):
        learn_norms([(a_face(0.1), "Neutral")] * 29, "a test")


def test_a_file_that_holds_no_norms_is_refused(tmp_path):
    (tmp_path / "norms.json").write_text('{"percents": [1, 2]}')
    with pytest.raises(InputError, match="holds no norms"):
        load_norms(tmp_path / "norms.json")


def test_the_shipped_norms_are_whole_and_say_whose_they_are():
    norms = load_norms()
    assert "Apache-2.0" in norms.source and min(norms.faces.values()) > 100
    for name, quantiles in norms.neutral.items():
        assert len(quantiles) == len(PERCENTS) and quantiles == sorted(quantiles), name
