"""Verdicts on sentences: how a text is split, and which verdict of several a sentence gets."""

from llava_faba.evidence.verdict import CONTRADICTED, NOT_MEASURABLE, SUPPORTED, judge_sentence
from llava_faba.evidence.words import split_sentences


def test_texts_are_split_at_full_stops_semicolons_and_lines_but_not_within_numbers():
    assert split_sentences("AU12 moves by 0.3. AU4 does not; it rests.\nNo.\n ...") == [
        "AU12 moves by 0.3.",
        "AU4 does not;",
        "it rests.",
        "No.",
    ]


def test_one_contradicted_claim_decides_a_sentence():
    claims = [(SUPPORTED, "a"), (CONTRADICTED, "b"), (NOT_MEASURABLE, "c")]
    assert judge_sentence("x", claims) == {"sentence": "x", "verdict": CONTRADICTED, "reason": "b"}
    assert judge_sentence("x", claims[::2])["verdict"] == SUPPORTED
    assert judge_sentence("x", [])["verdict"] == NOT_MEASURABLE
