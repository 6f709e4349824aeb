"""Verdicts on single claims -> a verdict on a sentence, and the rate of a whole text."""

from collections.abc import Callable
from typing import Any

from llava_faba.evidence.words import split_sentences

SUPPORTED, CONTRADICTED, NOT_MEASURABLE = "supported", "contradicted", "not measurable"

Verdict = tuple[str, str]  # one of the three, and why


def check_sentences(text: str, claims_of: Callable[[str], list[Verdict]]) -> dict[str, Any]:
    """Judge each sentence of a text by the verdicts on its claims.

    Returns `sentences` ({"sentence", "verdict", "reason"}) and `rate`, the share of supported ones among those that
    can be judged, None where none can.
    """
    sentences = [judge_sentence(sentence, claims_of(sentence)) for sentence in split_sentences(text)]
    judged = [sentence for sentence in sentences if sentence["verdict"] != NOT_MEASURABLE]
    supported = sum(sentence["verdict"] == SUPPORTED for sentence in judged)
    return {"sentences": sentences, "rate": round(supported / len(judged), 4) if judged else None}


def judge_sentence(sentence: str, claims: list[Verdict]) -> dict[str, str]:
    """Judge one sentence: contradicted where one claim in it is, else supported where one is."""
    verdicts = {verdict for verdict, _ in claims}
    for verdict in (CONTRADICTED, SUPPORTED):
        if verdict in verdicts:
            reasons = "; ".join(reason for found, reason in claims if found == verdict)
            return {"sentence": sentence, "verdict": verdict, "reason": reasons}
    reason = "; ".join(reason for _, reason in claims) or "it names no movement that is measured"
    return {"sentence": sentence, "verdict": NOT_MEASURABLE, "reason": reason}
