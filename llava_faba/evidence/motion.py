"""Report and measured motion -> which sentences the measurement supports, contradicts, or cannot judge.

A sentence is judged where it names a part of the face that is measured, or an action unit that moves one, and says
what it does: each direction by its own measure, a named side by that side, "asymmetric" by both. "Move" alone is
judged by the whole amplitude. Sentences about anything else are not measurable, and do not count in the rate.
"""

import re
from typing import Any, NamedTuple

from llava_faba.evidence.drafts import draft_report
from llava_faba.evidence.movements import MEASURES, UNEVEN, Measured, limits_of, sizes_of
from llava_faba.evidence.verdict import CONTRADICTED, NOT_MEASURABLE, SUPPORTED, Verdict, check_sentences
from llava_faba.evidence.words import CORNERS, FEW, STILL, named_aus, said_uneven, split_clauses

__all__ = ["CONTRADICTED", "NOT_MEASURABLE", "SUPPORTED", "check_report", "draft_report", "judge_movement"]

BLINKS = r"\bblink\w*"
NUMBERS = {"no": 0, "once": 1, "one": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5}


class Movement(NamedTuple):
    """One movement that a sentence speaks of."""

    part: str  # as in MEASURES
    movement: str  # "up", ..., or "move": it is only said to move
    present: bool = True  # False: it is said not to be there
    small: str = ""  # "slight": there, but small; "few": no more than small
    side: str = ""  # "left", "right", "both" or not said
    symmetric: bool | None = None  # whether left and right are said to be alike


def check_report(report: str, motion: Measured) -> dict[str, Any]:
    """Judge each sentence of a report by a clip's measured motion; returns what `check_sentences` does."""
    return check_sentences(report, lambda sentence: read_verdicts(sentence, motion))


def read_verdicts(sentence: str, motion: Measured) -> list[Verdict]:
    """Judge each claim of a sentence about a clip."""
    clauses = [clause.lower() for clause in split_clauses(sentence)]
    found = []
    for lower in clauses:
        found += [judge_movement(claim, motion) for claim in read_movements(lower)]
        found += _blink_claims(lower, motion)
    return found


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
    size = min(sizes.values()) if claim.side == "both" else largest
    doing = "moved" if way == "move" else f"went {way}" if way in ("up", "down", "out", "in") else f"{way}:"
    told = f"{part} {doing} by {size:.2f} inter-ocular distances"
    told += f" on the {claim.side}" if claim.side in ("left", "right") else ""
    if not claim.present:
        return (SUPPORTED if size <= moves else CONTRADICTED), told
    if claim.small == "few":
        return (SUPPORTED if size <= rests else CONTRADICTED), told
    if claim.small == "slight":
        return (SUPPORTED if moves / 2 <= size <= rests else CONTRADICTED), told
    return (SUPPORTED if size >= moves else CONTRADICTED), told


# Words of a clause -> movements. Parts are looked for in this order, and what was read is taken out.
_PARTS = (
    (
        "mouth corners",
        rf"\b(?:(?:left|right|both|one) )?(?:{CORNERS}|corners?|smil\w+|lip corner (?:puller|depressor))\b",
    ),
    ("upper lip", r"\bupper lip\b"),
    ("lower lip", r"\blower lip\b"),
    ("inner brows", r"\binner (?:\w+ )?(?:eye)?brows?\b"),
    ("outer brows", r"\bouter (?:\w+ )?(?:eye)?brows?\b"),
    ("brows", r"\b(?:(?:eye)?brows?|forehead|frown\w*)\b"),
    ("lids", r"\b(?:(?:upper |lower )?(?:eye)?lids?|eyes?)\b"),
    ("jaw", r"\b(?:jaw|chin)\b"),
    ("mouth", r"\b(?:mouth|lips|pout\w*)\b"),
)
_WAYS = (  # movement, words, parts of which the words say it ("" for any)
    ("up", r"\b(?:ris\w+|rais\w+|lift\w*|elevat\w+|up|upwards?|upturned|smil\w+|arch\w*|puller)\b", ""),
    ("down", r"\b(?:lower(?:s|ed|ing)|down|downwards?|downturned|depress\w*)\b", ""),
    ("down", r"\b(?:drop\w*|droop\w*|sag\w*|fall\w*|frown\w*)\b", ""),
    ("together", r"\b(?:together|furrow\w*|knit\w*|contract\w*)\b", ""),
    ("out", r"\b(?:outwards?|apart|stretch\w*|back|widen\w*|wider)\b", ""),
    ("in", r"\b(?:inwards?|pucker\w*|purs\w+|pout\w*|narrow\w*|protrud\w*)\b", ""),
    ("open", r"\b(?:open\w*|part(?:s|ed|ing)?|agape|ajar)\b", ""),
    ("open", r"\b(?:widen\w*|wider)\b", "lids"),
    ("close", r"\b(?:clos\w+|shut\w*|squeez\w+|press\w*|tighten\w*)\b", ""),
    ("close", r"\b(?:squint\w*|narrow\w*)\b", "lids"),
)
_MOVE = re.compile(r"\b(?:mov\w+|pull\w*|draw\w*|activ\w+|present|visible|motion\w*|amplitude)\b")
_SLIGHT = re.compile(r"\b(?:slight\w*|small|a (?:bit|little)|mild\w*|subtl\w*|weak\w*)\b")
_FEWER = re.compile(r"\b(?:little|reduced|minimal\w*|limited|diminish\w*)\b")
_SIDE = re.compile(r"\b(left|right|both)\b")
_AUS = {
    **{1: ("inner brows", "up"), 2: ("outer brows", "up"), 4: ("brows", "down"), 5: ("lids", "open")},
    **{7: ("lids", "close"), 10: ("upper lip", "up"), 12: ("mouth corners", "up"), 15: ("mouth corners", "down")},
    **{16: ("lower lip", "down"), 18: ("mouth", "in"), 20: ("mouth corners", "out"), 25: ("mouth", "open")},
    **{26: ("jaw", "down"), 27: ("mouth", "open"), 43: ("lids", "close"), 45: ("lids", "close")},
}


def read_movements(lower: str) -> list[Movement]:
    """Read the movements that a lower-cased clause speaks of, in the terms of MEASURES."""
    said = said_uneven(lower)
    absent = bool(STILL.search(lower)) and said is None
    small = "few" if _FEWER.search(lower) else "slight" if _SLIGHT.search(lower) else "few" if FEW.search(lower) else ""
    side = _SIDE.search(lower)
    where = side[1] if side and said is None else ""
    found, rest = [], lower
    for au in named_aus(lower):
        if au in _AUS:
            found.append(Movement(*_AUS[au], not absent, small, where))
    if found:
        return found
    for part, words in _PARTS:
        named = re.search(words, rest)
        if not named:
            continue
        rest = re.sub(words, " ", rest)
        if said is not None:
            found.append(Movement(part, "move", symmetric=not said))
            continue
        of_part, own = _ways_in(rest, part), _ways_in(named[0], part)
        ways = of_part or own
        if (small or absent) and not of_part:
            ways = ["move"]
        if not ways and _MOVE.search(rest):
            ways = ["move"]
        found += [Movement(part, way, not absent, small, where) for way in ways]
    return found


def _ways_in(words: str, part: str) -> list[str]:
    """The movements of a part that words name, each once."""
    fitting = [(way, pattern) for way, pattern, only in _WAYS if (part, way) in MEASURES and only in ("", part)]
    return list(dict.fromkeys(way for way, pattern in fitting if re.search(pattern, words)))


def _blink_claims(lower: str, motion: Measured) -> list[Verdict]:
    if not re.search(BLINKS, lower):
        return []
    counted = motion.get("blink_count", {}).get("value")
    if counted is None:
        return [(NOT_MEASURABLE, "blinks were not measured")]
    said = [int(number) for number in re.findall(r"\b(\d+)\s+(?:times|blinks?)", lower)]
    said += [NUMBERS[word] for word in re.findall(r"\w+", lower) if word in NUMBERS]
    if STILL.search(lower):
        said = [0]
    fits = counted == said[0] if said else counted >= 1
    return [(SUPPORTED if fits else CONTRADICTED, f"{counted:.0f} blinks were counted")]
