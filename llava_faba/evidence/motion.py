"""Report and measured motion -> which sentences the measurement supports, contradicts, or cannot judge.

A sentence is judged where it names a part of the face that is measured (mouth corners, mouth, brows, lids, jaw, blinks)
or an action unit that moves one, and says that it moves, moves little, or moves differently left and right. The limits
are amplitudes over a clip, in inter-ocular distances: ours, above what dlib's fits scatter at rest and not from any
population. Sentences about anything else are not measurable, and do not count in the rate.
"""

import re
from typing import Any

from llava_faba.evidence.verdict import CONTRADICTED, NOT_MEASURABLE, SUPPORTED, Verdict, check_sentences
from llava_faba.evidence.words import FEW, STILL, named_aus, named_parts, said_uneven, split_clauses

MOVES, RESTS = 0.04, 0.08  # amplitude above which a part moves, below which "hardly moves" may be said
LID_MOVES, LID_RESTS = 0.03, 0.06  # lids travel less
UNEVEN = 0.15  # |left - right| / (left + right) above which a movement is uneven

AMPLITUDES = {
    "mouth corners": ("mouth_corner_left_amplitude", "mouth_corner_right_amplitude"),
    "mouth": ("mouth_opening_amplitude",),
    "brows": ("brow_left_amplitude", "brow_right_amplitude"),
    "lids": ("lid_left_amplitude", "lid_right_amplitude"),
}
MOVE_WORDS = (
    r"\b(?:mov\w+|ris\w+|rais\w+|lower\w*|lift\w*|open\w*|clos\w+|pull\w*|widen\w*|stretch\w*|drop\w*|part\w*|smil\w+|"
    r"frown\w*|squeez\w+|contract\w*|tighten\w*|activ\w+|present|visible|depress\w*|furrow\w*)\b"
)
BLINKS = r"\bblink\w*"
NUMBERS = {"no": 0, "once": 1, "one": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5}


def check_report(report: str, motion: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Judge each sentence of a report by a clip's measured motion; returns what `check_sentences` does."""
    return check_sentences(report, lambda sentence: read_verdicts(sentence, motion))


def read_verdicts(sentence: str, motion: dict[str, dict[str, Any]]) -> list[Verdict]:
    """Judge each claim of a sentence about a clip."""
    clauses = [clause.lower() for clause in split_clauses(sentence)]
    return [verdict for lower in clauses for verdict in (*_part_claims(lower, motion), *_blink_claims(lower, motion))]


def _part_claims(lower: str, motion: dict[str, dict[str, Any]]) -> list[Verdict]:
    claims = []
    for part in named_parts(lower):
        sizes = [motion.get(name, {}).get("value") for name in AMPLITUDES[part]]
        if None in sizes:
            claims.append((NOT_MEASURABLE, f"the {part} were not measured"))
            continue
        size = max(sizes)
        moves, rests = (LID_MOVES, LID_RESTS) if part == "lids" else (MOVES, RESTS)
        told = f"{part} moved by {size:.2f} inter-ocular distances"
        if len(sizes) == 2 and (uneven := said_uneven(lower)) is not None:
            difference = abs(sizes[0] - sizes[1]) / max(sum(sizes), 1e-9)
            verdict = SUPPORTED if (difference > UNEVEN) == uneven else CONTRADICTED
            claims.append((verdict, f"{part}: left {sizes[0]:.2f}, right {sizes[1]:.2f}"))
        elif STILL.search(lower):
            claims.append((SUPPORTED if size <= moves else CONTRADICTED, told))
        elif FEW.search(lower):
            claims.append((SUPPORTED if size <= rests else CONTRADICTED, told))
        elif re.search(MOVE_WORDS, lower) or named_aus(lower):
            claims.append((SUPPORTED if size >= moves else CONTRADICTED, told))
    return claims


def _blink_claims(lower: str, motion: dict[str, dict[str, Any]]) -> list[Verdict]:
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


UNIT = "inter-ocular distances"
PAIRED = (  # subject, verb, names of the pair, limits
    ("The corners of the mouth", "move outwards and up", "mouth_corner", (MOVES, RESTS)),
    ("The brows", "move", "brow", (MOVES, RESTS)),
    ("The eyelids", "move", "lid", (LID_MOVES, LID_RESTS)),
)


def draft_report(motion: dict[str, dict[str, Any]]) -> str:
    """Write a draft from a clip's measured motion; parts that were not seen are said to be so."""
    sentences = []
    for subject, verb, name, (moves, rests) in PAIRED:
        sizes = [motion[f"{name}_{side}_amplitude"]["value"] for side in ("left", "right")]
        if None in sizes:
            sentences.append(f"{subject} cannot be judged in this clip.")
            continue
        size = max(sizes)
        told = f"by {size:.2f} {UNIT}"
        if size <= moves:
            sentences.append(f"{subject} hardly move, {told}.")
            continue
        sentences.append(f"{subject} {verb} {'slightly, ' if size <= rests else ''}{told}.")
        difference = (sizes[0] - sizes[1]) / max(sum(sizes), 1e-9)
        if abs(difference) > UNEVEN:
            side = "left" if difference > 0 else "right"
            sentences.append(f"{subject} are asymmetric, with more movement on the {side} of the picture.")
    opening = motion["mouth_opening_amplitude"]["value"]
    if opening is not None:
        still = opening <= MOVES
        sentences.append("The mouth hardly opens." if still else f"The mouth opens by {opening:.2f} {UNIT}.")
    blinks = motion["blink_count"]["value"]
    if blinks is not None:
        counted = {0: "No blinks are seen", 1: "One blink is seen"}.get(int(blinks), f"{int(blinks)} blinks are seen")
        sentences.append(f"{counted}.")
    return " ".join(sentences)
