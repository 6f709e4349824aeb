"""Evidence: sentences against what was measured, each verdict with a case that could go the other way."""

import numpy as np
import pytest

from llava_faba.evidence.motion import check_report, draft_report
from llava_faba.motion.measures import measure_motion
from tests.motion.test_measures import NOISE, a_clip, face, level

__all__ = ["face"]


def judge(sentence, motion):
    return check_report(sentence, motion)["sentences"][0]


def measured(left=0.3, right=0.28, mouth=0.2, brow=0.01, lid=0.08, blinks=2):
    values = {
        "mouth_corner_left_amplitude": left,
        "mouth_corner_right_amplitude": right,
        "mouth_opening_amplitude": mouth,
        "brow_left_amplitude": brow,
        "brow_right_amplitude": brow,
        "lid_left_amplitude": lid,
        "lid_right_amplitude": lid,
        "blink_count": blinks,
    }
    return {name: {"value": value, "unit": "-"} for name, value in values.items()}


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The corners of the mouth rise quickly.", "supported"),
        ("The mouth corners hardly move.", "contradicted"),
        ("The smile is slightly reduced.", "contradicted"),
        ("The brows do not move.", "supported"),
        ("The eyebrows are raised.", "contradicted"),
        ("The smile is symmetric.", "supported"),
        ("There is a clear asymmetry of the smile.", "contradicted"),
        ("There is no asymmetry of the mouth corners.", "supported"),
        ("AU12 is present.", "supported"),
        ("AU 4 is active.", "contradicted"),
        ("The person blinks twice.", "supported"),
        ("No blinking is seen.", "contradicted"),
        ("The lips open.", "supported"),
        ("The person seems to be sad.", "not measurable"),
        ("The hair is dark.", "not measurable"),
        ("The corners of the mouth rise, but the brows do not move.", "supported"),
        ("The brows do not move while the lips open.", "supported"),
        ("The brows move, but the corners of the mouth rise.", "contradicted"),
        ("AU12 is active, AU4 is not.", "supported"),
        ("AU4 is active, AU12 is not.", "contradicted"),
        ("The smile is not symmetrical.", "contradicted"),
        ("The left corner of the mouth rises more than the right one.", "contradicted"),
        ("The brow movement is symmetric.", "supported"),
        ("The brows show little movement.", "supported"),
        ("The mouth corners show only minimal movement.", "contradicted"),
        ("Neither the brows nor the forehead move.", "supported"),
        ("There are three blinks.", "contradicted"),
        ("The person blinks, and the brows do not move.", "supported"),
        ("The lips are pressed together.", "not measurable"),
    ],
)
def test_sentences_are_judged_by_what_was_measured(sentence, verdict):
    assert judge(sentence, measured())["verdict"] == verdict


def test_the_other_measurement_turns_the_verdict_round():
    assert judge("The smile is symmetric.", measured(right=0.1))["verdict"] == "contradicted"
    assert judge("The mouth corners hardly move.", measured(0.02, 0.02))["verdict"] == "supported"


def test_what_was_not_seen_is_not_measurable_and_outside_the_rate():
    hidden = measured(left=None, right=None)
    checked = check_report("The corners of the mouth rise. The brows do not move. Hair is dark.", hidden)
    assert [s["verdict"] for s in checked["sentences"]] == ["not measurable", "supported", "not measurable"]
    assert checked["rate"] == 1.0
    assert check_report("", hidden) == {"sentences": [], "rate": None}
    half = check_report("The corners of the mouth rise by 0.3. The brows rise.", measured())
    assert half["rate"] == 0.5


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The lips close.", "supported"),
        ("The lips do not close.", "contradicted"),
        ("The mouth is closed.", "supported"),
        ("The mouth opens.", "contradicted"),
        ("The eyelids open.", "contradicted"),
        ("The eyes are not closed.", "supported"),
    ],
)
def test_a_mouth_that_closes_is_told_from_one_that_is_closed(sentence, verdict):
    values = measured(mouth=0.0, lid=0.0)
    values |= {"mouth_opening_opens": {"value": 0.0, "unit": "-"}, "mouth_opening_closes": {"value": 0.1, "unit": "-"}}
    assert judge(sentence, values)["verdict"] == verdict


BROWS = (range(17, 22), range(22, 27))
ACTS = {  # expression -> points and where they go, x to the right, y down
    "frown": [([48, 54], (0, 0.12)), (BROWS[0], (0.05, 0.08)), (BROWS[1], (-0.05, 0.08))],
    "pout": [([48, 60], (0.12, 0)), ([54, 64], (-0.12, 0))],
    "one-sided smile": [([48], (-0.15, -0.2))],
    "clench": [([48], (-0.12, 0)), ([54], (0.12, 0)), ([61, 62, 63], (0, -0.04)), ([65, 66, 67], (0, 0.05))],
}
SAID = {  # sentence -> the expressions of which it is true
    "The corners of the mouth are pulled down.": ["frown"],
    "The brows are lowered.": ["frown"],
    "The brows are raised.": [],
    "The mouth corners move inwards.": ["pout"],
    "The mouth corners move outwards.": ["one-sided smile", "clench"],
    "The corners of the mouth rise.": ["one-sided smile"],
    "The left corner of the mouth rises.": ["one-sided smile"],
    "The right corner of the mouth rises.": [],
    "Both corners of the mouth rise.": [],
    "There is a clear asymmetry of the smile.": ["one-sided smile"],
    "The lips part.": ["clench"],
    "The jaw drops.": [],
}


@pytest.mark.parametrize("act", ACTS)
def test_a_planted_expression_is_drafted_and_judged_by_its_direction(face, act):
    """Evidence was blind to it: a frown was drafted as a smile, and "the corners rise" was supported by it."""
    times = np.arange(120) / 30
    path = np.clip((times - 1.2) / 0.6, 0, 1) - np.clip((times - 2.8) / 0.6, 0, 1)
    shapes = np.repeat(level(face)[None], len(times), axis=0)
    for points, way in ACTS[act]:
        shapes[:, list(points)] += (path[:, None] * way)[:, None]
    shapes += np.random.default_rng(1).normal(0, NOISE, shapes.shape)
    motion = measure_motion(a_clip(100 * shapes)).values
    for sentence, acts in SAID.items():
        assert judge(sentence, motion)["verdict"] == ("supported" if act in acts else "contradicted"), sentence
    draft = draft_report(motion)
    assert check_report(draft, motion)["rate"] == 1.0, draft
    words = {"frown": "down", "pout": "inwards", "one-sided smile": "The left corner", "clench": "The lips part"}[act]
    assert words in draft, draft
