"""Text and one face's measures -> what the photo supports, contradicts, or cannot decide, sentence by sentence.

Without a photo of the same person at rest, a movement is seen as a place among neutral faces: an AU that is claimed is
supported where its measure lies beyond three of four of them, contradicted where it lies on the other side of their
middle; between these a face may be moving or just be made so, and nothing is decided. An AU that is said to be absent
is supported up to there, and contradicted beyond nineteen of twenty. AUs of large movements need more (STRONGER). With
the person's own neutral photo the change from it counts instead. The limits are ours.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llava_faba.claims.claim import Claim
from llava_faba.claims.movements import read_claims
from llava_faba.evidence.norms import Norms, load_norms
from llava_faba.evidence.verdict import CONTRADICTED, NOT_MEASURABLE, SUPPORTED, Verdict, check_sentences
from llava_faba.face.measures import SIDED, SIDES, MeasuredFace
from llava_faba.vocabulary import AU_NAMES

MIDDLE, BEYOND, FAR = 0.5, 0.75, 0.95  # shares of neutral faces
STRONGER = {26: 0.9, 27: 0.95, 43: 0.95}  # instead of BEYOND: parted lips are no dropped jaw, narrow eyes not closed
UNDECIDED = 0.25  # below BEYOND, where nothing is decided; a slight movement may lie that much lower
CHANGED, UNCHANGED = 0.03, 0.015  # inter-ocular distances from the person's own neutral: moved, at rest
NO_FACE = "no face was found in the picture"

# AU -> the measure it changes, and which way. AU10 and AU20 are not here: a smile, too, lifts the upper lip and widens
# the mouth, and landmarks do not tell them apart (of happy faces nine in ten would show both).
SIGNS: Mapping[int, tuple[str, int]] = {
    1: ("brow_inner_height", 1),
    2: ("brow_outer_height", 1),
    4: ("brow_furrow", 1),
    5: ("lid_aperture", 1),
    7: ("lid_aperture", -1),
    12: ("mouth_corner_reach", 1),
    15: ("mouth_corner_height", -1),
    18: ("mouth_width", -1),
    25: ("lip_opening", 1),
    26: ("lip_opening", 1),
    27: ("lip_opening", 1),
    43: ("lid_aperture", -1),
}
TEXTS = {
    "brow_inner_height": ("inner brows", "higher", "lower"),
    "brow_outer_height": ("outer brows", "higher", "lower"),
    "brow_furrow": ("brows", "lower and closer together", "higher and farther apart"),
    "lid_aperture": ("eyes", "wider", "narrower"),
    "mouth_corner_height": ("mouth corners", "higher", "lower"),
    "mouth_corner_reach": ("mouth corners", "farther out and up", "less far out and up"),
    "mouth_width": ("mouth", "wider", "narrower"),
    "lip_opening": ("lips", "farther apart", "closer"),
}
UNEVEN_PARTS = {"mouth corners": "mouth_corner_height", "brows": "brow_inner_height", "lids": "lid_aperture"}


def check_photo(
    text: str, face: MeasuredFace | None, neutral: MeasuredFace | None = None, norms: Norms | None = None
) -> dict[str, Any]:
    """Judge each sentence of a text about a photo by its face's measures (None: no face was found).

    `neutral` is the same person's face at rest; without it `norms` say what is usual, by default the shipped ones.
    Returns what `check_sentences` does.
    """
    known = norms or load_norms()

    def verdicts(sentence: str) -> list[Verdict]:
        return [_judge(claim, face, neutral, known) for claim in read_claims(sentence)]

    return check_sentences(text, verdicts)


def _judge(claim: Claim, face: MeasuredFace | None, neutral: MeasuredFace | None, norms: Norms) -> Verdict:
    """Judge a claim by the AUs of which it means one: the best of them where it is affirmed, the worst where denied."""
    if claim.symmetric is not None:
        return _judge_evenness(claim, face, neutral, norms)
    if claim.movement == "press" and claim.present and claim.kind == "movement":  # "pressed lips": none is open
        claim = replace(claim, aus=(25, 26, 27), present=False)
    found = [_judge_au(au, claim, face, neutral, norms) for au in claim.aus]
    order = (SUPPORTED, NOT_MEASURABLE, CONTRADICTED) if claim.present else (CONTRADICTED, NOT_MEASURABLE, SUPPORTED)
    return min(found, key=lambda verdict: order.index(verdict[0]))


def _judge_au(au: int, claim: Claim, face: MeasuredFace | None, neutral: MeasuredFace | None, norms: Norms) -> Verdict:
    name = f"AU{au}" + (f" ({AU_NAMES[au]})" if au in AU_NAMES else "")
    if au not in SIGNS:
        return NOT_MEASURABLE, f"landmarks do not show {name}"
    if face is None:
        return NOT_MEASURABLE, NO_FACE
    measure, sign = SIGNS[au]
    if face.values[measure] is None:
        return NOT_MEASURABLE, f"{name}: {face.reasons[measure]}"
    part, more, less = TEXTS[measure]
    # Whose left is meant, the person's or the picture's, texts do not say: the side that shows more is taken, and for
    # what is denied the side that shows less.
    names = [f"{measure}_{side}" for side in SIDES] if claim.one_side and measure in SIDED else [measure]
    values = {one: norms.levelled(face, one) for one in names}
    taken = max if claim.present else min
    if neutral is not None and neutral.values[measure] is not None:
        change = taken(sign * (value - norms.levelled(neutral, one)) for one, value in values.items())
        moved = more if change * sign > 0 else less
        scale = 0.5 if claim.slight else 1
        told = f"{name}: {part} {abs(change):.3f} inter-ocular distances {moved} than in the neutral photo"
        return _decide(change, claim.present, scale * UNCHANGED, scale * CHANGED, CHANGED), told
    below = [norms.share_below(one, value) for one, value in values.items()]
    share = taken(below if sign > 0 else [1 - value for value in below])
    limit = STRONGER.get(au, BEYOND) - (UNDECIDED if claim.slight else 0)
    told = f"{name}: {part} {more if sign > 0 else less} than in {100 * share:.0f} % of neutral faces"
    return _decide(share, claim.present, limit - UNDECIDED, limit, FAR), told


def _decide(size: float, present: bool, rests: float, moves: float, far: float) -> str:
    if present:
        return SUPPORTED if size >= moves else CONTRADICTED if size < rests else NOT_MEASURABLE
    return SUPPORTED if size <= moves else CONTRADICTED if size > far else NOT_MEASURABLE


def _judge_evenness(claim: Claim, face: MeasuredFace | None, neutral: MeasuredFace | None, norms: Norms) -> Verdict:
    """Judge what a claim says about left and right of its part; with the own neutral photo, about what changed."""
    measure = UNEVEN_PARTS.get(claim.part)
    if measure is None:
        return NOT_MEASURABLE, f"landmarks do not show whether the {claim.part or 'face'} is even"
    if face is None or face.values[measure] is None:
        return NOT_MEASURABLE, NO_FACE if face is None else face.reasons[measure]
    part, uneven = TEXTS[measure][0], not claim.symmetric
    difference = _left_less_right(face, measure)
    if neutral is not None and neutral.values[measure] is not None:
        change = abs(difference - _left_less_right(neutral, measure))
        told = f"{part}: left less right changed by {change:.3f} inter-ocular distances from the neutral photo"
        return _decide(change, uneven, UNCHANGED, CHANGED if uneven else UNCHANGED, CHANGED), told
    share = norms.share_below(f"{measure}_gap", abs(difference))
    told = f"{part}: left and right differ more than in {100 * share:.0f} % of neutral faces"
    return _decide(share, uneven, MIDDLE, FAR if uneven else BEYOND, FAR), told


def _left_less_right(face: MeasuredFace, measure: str) -> float:
    return face.values[f"{measure}_left"] - face.values[f"{measure}_right"]
