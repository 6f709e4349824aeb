"""Report and measured motion -> which sentences the measurement supports, contradicts, or cannot judge.

A sentence is judged where it names a part of the face that is measured, or an action unit that moves one, and says
what it does: each direction by its own measure, a named side by that side, "asymmetric" by both. "Move" alone is
judged by the whole amplitude. Sentences about anything else are not measurable, and do not count in the rate.
"""

import re
from typing import Any, NamedTuple

from llava_faba.claims.claim import Claim
from llava_faba.claims.movements import read_claims
from llava_faba.evidence.drafts import draft_report
from llava_faba.evidence.movements import UNEVEN, Measured, limits_of, sizes_of
from llava_faba.evidence.verdict import CONTRADICTED, NOT_MEASURABLE, SUPPORTED, Verdict, check_sentences

__all__ = ["CONTRADICTED", "NOT_MEASURABLE", "SUPPORTED", "check_report", "draft_report", "judge_movement"]

BLINK = 45  # the AU
NUMBERS = {"once": 1, "one": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5}
_COUNT = rf"(\d+|{'|'.join(NUMBERS)})"
_BLINKS = re.compile(rf"\b{_COUNT} (?:\w+ )?blink|\bblink\w* (?:\w+ ){{0,2}}?{_COUNT}\b")
_MEASURED = {  # (part, movement) of a claim -> of MEASURES, where they differ
    **{("lids", "wide"): ("lids", "open"), ("lids", "narrow"): ("lids", "close"), ("lips", "open"): ("mouth", "open")},
    **{("jaw", "open"): ("jaw", "down"), ("lips", "stretch"): ("mouth", "out"), ("lips", "pucker"): ("mouth", "in")},
}
# "The lips close" is a movement, "the lips are closed" the absence of one.
_BECOMES = {
    ("mouth", "open"): ("close", re.compile(r"\b(?<!are )(?<!is )(?:clos(?:e|es|ing|ure)|shuts?|shutting)\b")),
    ("lids", "close"): ("open", re.compile(r"(?<!are )(?<!is )(?<!kept )(?<!remain )(?<!stay )\bopen(?:s|ing)?\b")),
}


class Movement(NamedTuple):
    """One movement that a sentence speaks of, in the terms of MEASURES."""

    part: str
    movement: str  # "up", ..., or "move": it is only said to move
    present: bool = True  # False: it is said not to be there
    degree: str = ""  # "slight": there, but small; "little": no more than small
    side: str = ""  # "left", "right", "both" or not said
    symmetric: bool | None = None  # whether left and right are said to be alike


def check_report(report: str, motion: Measured) -> dict[str, Any]:
    """Judge each sentence of a report by a clip's measured motion; returns what `check_sentences` does."""
    return check_sentences(report, lambda sentence: read_verdicts(sentence, motion))


def read_verdicts(sentence: str, motion: Measured) -> list[Verdict]:
    """Judge each claim of a sentence about a clip."""
    claims = read_claims(sentence)
    if any(claim.symmetric is not None for claim in claims):  # "the brow movement is symmetric" is about its evenness
        claims = [claim for claim in claims if claim.movement != "move"]
    return [
        _judge_blinks(sentence, claim, motion)
        if BLINK in claim.aus
        else judge_movement(movement_of(claim, sentence), motion)
        for claim in claims
    ]


def movement_of(claim: Claim, sentence: str) -> Movement:
    """Return what a claim of a sentence says in the terms of what is measured."""
    if claim.symmetric is not None:
        return Movement(claim.part, "move", symmetric=claim.symmetric)
    part, movement, present = claim.part, claim.movement, bool(claim.present)
    way, words = _BECOMES.get((part, movement), ("", None))
    if words and claim.kind == "movement" and words.search(sentence[claim.start : claim.end].lower()):
        movement, present = way, not present
    part, movement = _MEASURED.get((part, movement), (part, movement))
    return Movement(part, movement, present, claim.degree, claim.side)


def judge_movement(claim: Movement, motion: Measured) -> Verdict:
    """Judge one movement by the measures that show it."""
    part, way = claim.part, claim.movement
    sizes = sizes_of(part, way, motion)
    if sizes is None:
        return NOT_MEASURABLE, f"landmarks do not show that the {part} {way}"
    if claim.side in sizes:
        sizes = {claim.side: sizes[claim.side]}
    if None in sizes.values():
        return NOT_MEASURABLE, f"the {part} were not measured"
    largest = max(sizes.values())
    if claim.symmetric is not None and len(sizes) == 2:
        difference = abs(sizes["left"] - sizes["right"]) / max(sum(sizes.values()), 1e-9)
        uneven = difference > UNEVEN and largest >= limits_of(part)[0]
        verdict = SUPPORTED if uneven != claim.symmetric else CONTRADICTED
        return verdict, f"{part}: left {sizes['left']:.2f}, right {sizes['right']:.2f}"
    moves, rests = limits_of(part)
    size = min(sizes.values()) if claim.side == "both" and claim.present else largest
    doing = "moved" if way == "move" else f"went {way}" if way in ("up", "down", "out", "in") else f"{way}:"
    told = f"{part} {doing} by {size:.2f} inter-ocular distances"
    told += f" on the {claim.side}" if claim.side in ("left", "right") else ""
    if not claim.present:
        return (SUPPORTED if size <= moves else CONTRADICTED), told
    if claim.degree == "little":
        return (SUPPORTED if size <= rests else CONTRADICTED), told
    if claim.degree == "slight":
        return (SUPPORTED if moves / 2 <= size <= rests else CONTRADICTED), told
    return (SUPPORTED if size >= moves else CONTRADICTED), told


def _judge_blinks(sentence: str, claim: Claim, motion: Measured) -> Verdict:
    counted = motion.get("blink_count", {}).get("value")
    if counted is None:
        return NOT_MEASURABLE, "blinks were not measured"
    said = _BLINKS.search(sentence.lower())
    number = (said[1] or said[2]) if said else ""
    if not claim.present:
        fits = counted == 0
    else:
        fits = counted == NUMBERS.get(number, int(number) if number.isdigit() else 0) if number else counted >= 1
    return (SUPPORTED if fits else CONTRADICTED), f"{counted:.0f} blinks were counted"
