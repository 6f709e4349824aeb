"""Measured motion -> a draft of a report, sentence by sentence, for an expert to correct.

PFED5+'s own report texts are not public. A draft says what was measured and nothing else; it is no ground truth until
an expert has been over it, and is marked so.
"""

from typing import Any

from llava_faba.video.evidence import LID_MOVES, LID_RESTS, MOVES, RESTS, UNEVEN

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
