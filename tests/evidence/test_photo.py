"""Evidence of photos: on a portrait each verdict and its opposite, by norms and by the person's own face; on faces with
known emotions the rates that such verdicts must give."""

import csv
from collections import Counter

import numpy as np
import pytest
import skimage.data

from llava_faba.claims.movements import read_claims
from llava_faba.evidence.norms import load_norms
from llava_faba.evidence.photo import NO_FACE, check_photo
from llava_faba.face.images import read_pixels
from llava_faba.face.measures import MeasuredFace, measure_landmarks, measure_photo
from tests.conftest import shared_path


@pytest.fixture(scope="module")
def smiling() -> MeasuredFace:
    """Eileen Collins smiles with her teeth showing, her brows at rest."""
    return measure_photo(skimage.data.astronaut())


def verdict(sentence, face, neutral=None):
    return check_photo(sentence, face, neutral)["sentences"][0]["verdict"]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("AU12 is present.", "supported"),
        ("AU12 is absent.", "contradicted"),
        ("She smiles, her lips are parted.", "supported"),
        ("The mouth is closed.", "contradicted"),
        ("The corners of the mouth are turned down.", "contradicted"),
        ("AU4 is active.", "contradicted"),
        ("The brows are relaxed.", "supported"),
        ("Her eyes are closed.", "contradicted"),
        ("Her eyes are open.", "supported"),
        ("The smile shows raised eyebrows.", "contradicted"),
        ("AU6 is present.", "not measurable"),
        ("She wears an orange suit.", "not measurable"),
    ],
)
def test_a_smile_is_seen_in_a_portrait(smiling, sentence, expected):
    assert verdict(sentence, smiling) == expected


def test_the_reason_names_measure_and_norm_and_the_rate_counts_what_was_judged(smiling):
    checked = check_photo("She smiles (AU12, AU6). The brows are furrowed. Her hair is dark.", smiling)
    assert checked["rate"] == 0.5
    assert "mouth corners farther out and up than in 99 % of neutral faces" in checked["sentences"][0]["reason"]


def test_without_a_face_nothing_is_judged():
    checked = check_photo("She smiles.", None)
    assert checked["rate"] is None and checked["sentences"][0]["reason"] == NO_FACE


def usual(**changes):
    """A face whose measures are the medians of the norms, but for `changes`, in inter-ocular distances."""
    norms = load_norms()
    values = {name: quantiles[5] for name, quantiles in norms.neutral.items() if not name.endswith("_gap")}
    return MeasuredFace({name: value + changes.get(name, 0.0) for name, value in values.items()}, norms.nose_tip)


def test_what_lies_among_neutral_faces_is_not_decided_but_by_ones_own():
    """Mouth corners just above the median may be a smile or this person's shape: only the own neutral face tells."""
    little = usual(mouth_corner_reach=0.015)
    assert verdict("AU12 is present.", little) == "not measurable"
    assert verdict("AU12 is present.", little, usual(mouth_corner_reach=-0.03)) == "supported"
    assert verdict("AU12 is present.", little, usual(mouth_corner_reach=0.01)) == "contradicted"
    assert verdict("AU12 is absent.", little, usual(mouth_corner_reach=-0.03)) == "contradicted"
    assert verdict("A slight smile.", little) == "supported"


def test_one_side_counts_where_one_side_is_named():
    one = usual(brow_inner_height_left=0.2, brow_outer_height_left=0.2)
    assert verdict("The left eyebrow is raised.", one) == "supported"
    assert verdict("The eyebrows are raised.", one) != "supported"
    assert verdict("The right eyebrow is not raised.", one) == "supported"
    uneven = usual(mouth_corner_height_left=0.1)
    assert verdict("The smile is asymmetric.", uneven) == "supported"
    assert verdict("The smile is symmetric.", uneven) == "contradicted"
    assert verdict("The smile is not asymmetric.", uneven) == "contradicted"


@pytest.mark.parametrize(
    ("sentence", "left", "right", "expected"),
    [
        ("The smile is not symmetrical.", 0.30, 0.05, "supported"),
        ("The smile isn't even on both sides.", 0.30, 0.05, "supported"),
        ("There is no asymmetry of the mouth.", 0.30, 0.05, "contradicted"),
        ("The brows are asymmetric.", 0.30, 0.05, "contradicted"),  # the mouth is uneven, not the brows
        ("The head is tilted to one side and she is smiling.", 0.10, 0.10, "supported"),
        ("She smiles crookedly with one side higher than the other.", 0.30, 0.05, "supported"),
    ],
)
def test_unevenness_is_bound_to_its_part_and_denied_as_it_is_said(sentence, left, right, expected):
    """Inverted before: a smile of 0.30 and 0.05 contradicted "not symmetrical", a tilted head made a smile uneven."""
    changes = {"mouth_corner_height_left": left, "mouth_corner_height_right": right, "mouth_corner_reach": 0.2}
    assert verdict(sentence, usual(**changes)) == expected


def test_what_is_said_of_sides_hides_no_other_claim():
    uneven = usual(mouth_corner_height_left=0.2, brow_furrow=-0.2)
    checked = check_photo("The smile is asymmetric and the brows are furrowed.", uneven)["sentences"][0]
    assert checked["verdict"] == "contradicted" and "brows" in checked["reason"]


def test_the_own_neutral_face_counts_for_asymmetry_too():
    """A mouth that is crooked at rest is no crooked smile."""
    crooked = usual(mouth_corner_height_left=0.15)
    assert verdict("The smile is asymmetric.", crooked) == "supported"
    assert verdict("The smile is asymmetric.", crooked, crooked) == "contradicted"
    assert verdict("The smile is symmetric.", crooked, crooked) == "supported"
    assert verdict("The smile is symmetric.", crooked, usual()) == "contradicted"


@pytest.mark.parametrize(
    "words", ["A subtle smile.", "A faint smile.", "There is a hint of a smile.", "A gentle smile.", "A slight smile."]
)
def test_small_words_of_degree_ask_for_less(words):
    """Some words of degree were not known: a subtle smile was held to the limit of a broad one."""
    little = usual(mouth_corner_reach=0.015)
    assert verdict("A smile.", little) == "not measurable"
    assert verdict(words, little) == "supported"


def test_a_degree_belongs_to_its_own_phrase():
    little = usual(mouth_corner_reach=0.015)
    assert verdict("The brows are slightly unusual and she smiles.", little) == "not measurable"
    brows, smile = read_claims("The brows are raised and she smiles slightly.")
    assert (brows.degree, smile.degree) == ("", "slight")


def test_the_own_neutral_face_outweighs_the_norms_in_a_clip():
    """A woman whose brows rise and whose lips part between two frames of a clip."""
    from tests.motion.clip_files import a_face

    open_mouth = measure_photo(a_face())
    shut = MeasuredFace(
        {**open_mouth.values, "lip_opening": open_mouth.values["lip_opening"] - 0.1}, open_mouth.nose_tip
    )
    assert verdict("The lips are parted.", open_mouth, shut) == "supported"
    assert verdict("The lips are parted.", open_mouth, open_mouth) == "contradicted"


@pytest.mark.slow
def test_rates_follow_the_emotions_of_labelled_faces():
    """AU12 belongs to happy faces, AU25 and AU5 to surprised ones, AU4 to angry ones (198 faces that gave no norms)."""
    root = shared_path("faces")
    with open(root / "eval.csv") as file:
        rows = list(csv.DictReader(file))
    faces = [(row["label"], measure_photo(read_pixels(root / row["image"]))) for row in rows]
    text = {au: f"AU{au} is present." for au in (4, 5, 12, 25)}
    counted = Counter((au, label, verdict(text[au], face)) for label, face in faces for au in text)

    def rate(au, *labels):
        yes, no = (sum(counted[au, label, said] for label in labels) for said in ("supported", "contradicted"))
        print(f"AU{au} on {' and '.join(labels)}: {yes} supported, {no} contradicted")
        return yes / (yes + no)

    assert rate(12, "Happiness") >= 0.8
    assert rate(12, "Happiness") - rate(12, "Sadness", "Anger", "Neutral") >= 0.35
    assert rate(25, "Surprise") - rate(25, "Sadness", "Neutral") >= 0.35
    assert rate(5, "Surprise") - rate(5, "Sadness", "Neutral", "Anger") >= 0.35
    assert rate(4, "Anger") - rate(4, "Surprise", "Sadness") >= 0.35


def test_covered_regions_are_not_judged(smiling):
    landmarks = np.random.default_rng(0).normal(0, 1, (68, 2)) + np.linspace(0, 5, 68)[:, None]
    hidden = measure_landmarks(landmarks, {"brows": False, "eyes": False, "mouth": False})
    assert verdict("AU12 is present.", hidden) == "not measurable"
