"""Evidence: sentences against what was measured, each verdict with a case that could go the other way."""

import pytest

from llava_faba.evidence.motion import check_report


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
