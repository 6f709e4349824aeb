"""Report and measured motion -> which sentences the measurement supports, contradicts, or cannot judge.

A sentence is judged where it names a part of the face that is measured (mouth corners, mouth, brows, lids, jaw, blinks)
or an action unit that moves one, and says that it moves, moves little, or moves differently left and right. The limits
are amplitudes over a clip, in inter-ocular distances: ours, above what dlib's fits scatter at rest and not from any
population. Sentences about anything else are not measurable, and do not count in the rate.
"""

import re
from typing import Any

SUPPORTED, CONTRADICTED, NOT_MEASURABLE = "supported", "contradicted", "not measurable"

MOVES, RESTS = 0.04, 0.08  # amplitude above which a part moves, below which "hardly moves" may be said
LID_MOVES, LID_RESTS = 0.03, 0.06  # lids travel less
UNEVEN = 0.15  # |left - right| / (left + right) above which a movement is uneven

PARTS = {  # part -> (words that name it, its amplitudes)
    "mouth corners": (
        r"(?:mouth|lip) corners?|corners? of (?:the|his|her|their) (?:mouth|lips)|smil\w+|"
        r"lip corner (?:puller|depressor)",
        ("mouth_corner_left_amplitude", "mouth_corner_right_amplitude"),
    ),
    "mouth": (r"mouth|lips|jaw drop\w*", ("mouth_opening_amplitude",)),
    "brows": (r"(?:eye)?brows?|forehead|frown\w*", ("brow_left_amplitude", "brow_right_amplitude")),
    "lids": (
        r"(?:eye)?lids?|eyes? (?:open|clos|squeez|squint|narrow)\w*",
        ("lid_left_amplitude", "lid_right_amplitude"),
    ),
}
AU_PARTS = {1: "brows", 2: "brows", 4: "brows", 5: "lids", 7: "lids", 12: "mouth corners", 15: "mouth corners"}
AU_PARTS |= {20: "mouth corners", 25: "mouth", 26: "mouth", 27: "mouth", 43: "lids", 45: "lids"}
STILL_WORDS = (
    r"\b(?:hardly|barely|scarcely|no|not|without|absent|lack\w*|still|motionless|immobile|neither|nor|never)\b"
)
FEW_WORDS = r"\b(?:little|slight\w*|small|reduced|minimal\w*|limited|weak\w*)\b"
EVEN_WORDS = r"\b(?:symmetr\w*|evenly|equally|both sides alike)\b"
UNEVEN_WORDS = (
    r"\b(?:asymmetr\w*|uneven\w*|more on the (?:left|right)|one side|(?:left|right) side (?:moves|rises) less)\b"
)
MOVE_WORDS = (
    r"\b(?:mov\w+|ris\w+|rais\w+|lower\w*|lift\w*|open\w*|clos\w+|pull\w*|widen\w*|stretch\w*|drop\w*|part\w*|smil\w+|"
    r"frown\w*|squeez\w+|contract\w*|tighten\w*|activ\w+|present|visible|depress\w*|furrow\w*)\b"
)
BLINKS = r"\bblink\w*"
NUMBERS = {"no": 0, "once": 1, "one": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5}


def check_report(report: str, motion: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Judge each sentence of a report by a clip's measured motion.

    Returns `sentences` ({"sentence", "verdict", "reason"}) and `rate`, the share of supported ones among those that
    can be judged, None where none can.
    """
    sentences = [judge(sentence, motion) for sentence in split_sentences(report)]
    judged = [sentence for sentence in sentences if sentence["verdict"] != NOT_MEASURABLE]
    supported = sum(sentence["verdict"] == SUPPORTED for sentence in judged)
    return {"sentences": sentences, "rate": round(supported / len(judged), 4) if judged else None}


def split_sentences(text: str) -> list[str]:
    """Split at full stops, semicolons and line ends, but not within numbers."""
    return [part.strip() for part in re.split(r"(?<=[.;!?])\s+|\n+", text) if re.search(r"\w", part)]


def judge(sentence: str, motion: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Judge one sentence; it is supported where every claim in it is."""
    claims = [*_part_claims(sentence, motion), *_blink_claims(sentence, motion)]
    verdicts = {verdict for verdict, _ in claims}
    for verdict in (CONTRADICTED, SUPPORTED):
        if verdict in verdicts:
            reasons = "; ".join(reason for found, reason in claims if found == verdict)
            return {"sentence": sentence, "verdict": verdict, "reason": reasons}
    reason = "; ".join(reason for _, reason in claims) or "it names no movement that is measured"
    return {"sentence": sentence, "verdict": NOT_MEASURABLE, "reason": reason}


def _part_claims(sentence: str, motion: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    lower = sentence.lower()
    claims = []
    for part in _named_parts(lower):
        sizes = [motion.get(name, {}).get("value") for name in PARTS[part][1]]
        if None in sizes:
            claims.append((NOT_MEASURABLE, f"the {part} were not measured"))
            continue
        size = max(sizes)
        moves, rests = (LID_MOVES, LID_RESTS) if part == "lids" else (MOVES, RESTS)
        told = f"{part} moved by {size:.2f} inter-ocular distances"
        if len(sizes) == 2 and (uneven := _unevenness(lower)) is not None:
            difference = abs(sizes[0] - sizes[1]) / max(sum(sizes), 1e-9)
            verdict = SUPPORTED if (difference > UNEVEN) == uneven else CONTRADICTED
            claims.append((verdict, f"{part}: left {sizes[0]:.2f}, right {sizes[1]:.2f}"))
        elif re.search(STILL_WORDS, lower):
            claims.append((SUPPORTED if size <= moves else CONTRADICTED, told))
        elif re.search(FEW_WORDS, lower):
            claims.append((SUPPORTED if size <= rests else CONTRADICTED, told))
        elif re.search(MOVE_WORDS, lower) or _aus(lower):
            claims.append((SUPPORTED if size >= moves else CONTRADICTED, told))
    return claims


def _named_parts(lower: str) -> list[str]:
    """The parts that a sentence names; "the corners of the mouth" names no mouth besides."""
    named, rest = [], lower
    for part, (words, _) in PARTS.items():
        if re.search(rf"\b(?:{words})", rest):
            named.append(part)
            rest = re.sub(rf"\b(?:{words})", " ", rest)
    named += [AU_PARTS[au] for au in _aus(lower) if au in AU_PARTS]
    return list(dict.fromkeys(named))


def _aus(lower: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b(?:aus?|action units?)\s?(\d+)", lower)]


def _unevenness(lower: str) -> bool | None:
    if re.search(UNEVEN_WORDS, lower):
        return not re.search(STILL_WORDS, lower)  # "no asymmetry"
    return False if re.search(EVEN_WORDS, lower) else None


def _blink_claims(sentence: str, motion: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    lower = sentence.lower()
    if not re.search(BLINKS, lower):
        return []
    counted = motion.get("blink_count", {}).get("value")
    if counted is None:
        return [(NOT_MEASURABLE, "blinks were not measured")]
    said = [int(number) for number in re.findall(r"\b(\d+)\s+(?:times|blinks?)", lower)]
    said += [NUMBERS[word] for word in re.findall(r"\w+", lower) if word in NUMBERS]
    if re.search(STILL_WORDS, lower):
        said = [0]
    fits = counted == said[0] if said else counted >= 1
    return [(SUPPORTED if fits else CONTRADICTED, f"{counted:.0f} blinks were counted")]
