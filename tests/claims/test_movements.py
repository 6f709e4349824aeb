"""Claims of sentences, written as EmoLA's data and its models write them; each with its denial."""

import pytest

from llava_faba.claims.claim import Claim
from llava_faba.claims.movements import read_claims

OPEN = (25, 26, 27)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("AU12 is present, but AU4 is absent.", {(12,): True, (4,): False}),
        ("Action Units 6 and 12 are activated.", {(6,): True, (12,): True}),
        ("No sign of AU4 or AU9.", {(4,): False, (9,): False}),
        ("AU1 (inner brow raiser): The inner portion of the eyebrows is raised.", {(1,): True}),
        ("AU25: lips part - absent.", {(25,): False}),
        ("The lip corners are pulled up, and the lips are parted.", {(12,): True, OPEN: True}),
        ("The corners of the mouth are turned downwards.", {(15,): True}),
        ("A closed mouth with the corners turned down.", {OPEN: False, (15,): True}),
        ("She is smiling broadly with raised cheeks and visible teeth.", {(12,): True, (6,): True, OPEN: True}),
        ("The man doesn't smile.", {(12,): False}),
        ("The mouth corners hardly rise.", {(12,): False}),
        ("The eyebrows are not raised and the mouth is closed.", {(1, 2): False, OPEN: False}),
        ("The eyebrows are drawn together and lowered.", {(4,): True}),
        ("Wide eyes, raised brows and an open mouth.", {(5,): True, (1, 2): True, OPEN: True}),
        ("The brows are relaxed, the eyes are wide open.", {(1, 2, 4): False, (5,): True}),
        ("Her eyes are open.", {(43,): False}),
        ("The eyelids are drooping.", {(7, 43): True}),
        ("The upper lip is raised and the nose is wrinkled.", {(10,): True, (9,): True}),
        ("His mouth is wide open and his jaw has dropped.", {OPEN: True, (26, 27): True}),
        ("The eyebrows are neutral and the mouth corners are raised.", {(1, 2, 4): False, (12,): True}),
        ("She looks up and opens the door.", {}),
        ("The lips are stretched and the chin is raised.", {(20,): True, (17,): True}),
        ("The person seems happy.", {}),
        ("Crow's feet are visible around the eyes.", {(6,): True}),
        ("The brows are drawn inward but not downward.", {(4,): True}),
        ("The eyes are wide, but not as wide as the mouth is open.", {(5,): True, OPEN: True}),
        ("If she were smiling, the cheeks would be raised.", {}),
        ("The brows are raised, but the cheeks aren't.", {(1, 2): True, (6,): False}),
        ("Is he smiling? No.", {(12,): False}),
        ("He raises the brows, and the mouth corners are lowered.", {(1, 2): True, (15,): True}),
        ("Unlike the brows, the cheeks are raised.", {(6,): True}),
        ("Rather than being raised, the eyebrows are pulled down.", {(1, 2): False, (4,): True}),
        ("The man no longer smiles, and a dropped jaw is missing.", {(12,): False, (26, 27): False}),
        ("AU25: the lips are closed; AU6 is missing, AU12 isn't.", {(25,): False, (6,): False, (12,): True}),
        ("The eyebrows, but not the upper lids, are raised.", {(1, 2): True, (5,): False}),
        ("Were she smiling, the cheeks would be raised; here they are not.", {(6,): False}),
        ("One would look in vain for a smile.", {(12,): False}),
    ],
)
def test_a_sentence_claims_what_it_says(sentence, said):
    assert {claim.aus: claim.present for claim in read_claims(sentence)} == said


@pytest.mark.parametrize(
    ("sentence", "degree", "side"),
    [
        ("The brows are raised ever so slightly.", "slight", ""),
        ("The lips are pressed firmly together.", "strong", ""),
        ("The brows show little movement.", "little", ""),
        ("The brows are raised a little.", "slight", ""),
        ("Both corners of the mouth rise.", "", "both"),
        ("The left side of the mouth is raised.", "", "left"),
        ("On the left, the lip corner is pulled down.", "", "left"),
        ("A smirk can be seen on the right side of the mouth.", "", "right"),
        ("The mouth corners do rise, if only slightly.", "slight", ""),
        ("AU12: present (slight)", "slight", ""),
    ],
)
def test_degrees_and_sides_stand_in_many_places(sentence, degree, side):
    (claim,) = read_claims(sentence)
    assert (claim.degree, claim.side) == (degree, side)


def test_degree_and_side_are_read():
    (one,) = read_claims("The left eyebrow is slightly raised.")
    assert one == Claim("movement", True, (1, 2), "brows", "up", "", "slight", "left", None, one.start, one.end)
    (both,) = read_claims("The eyebrows are raised.")
    assert (both.degree, both.side, both.slight, both.one_side) == ("", "", False, False)


@pytest.mark.trust
@pytest.mark.parametrize(
    "piece", ["the corners of the mouth ", "not ", "AU1, ", "brows are both ", "eyes and the ", "brows are raised, "]
)
def test_long_texts_are_read_in_time(piece):
    """100 kB of the worst words: patterns with bounded gaps take a second or two, others would take for ever."""
    read_claims(piece * (100_000 // len(piece)))
