"""Sentence -> the movements of the face that it claims, each said to be there or not: for clips and photos alike.

The claims are read by the benchmark's own reader (llava_faba/claims): one reading for scores and for evidence.
"""

import re
from functools import lru_cache

from llava_faba.claims.action_units import named_by_number
from llava_faba.claims.claim import Claim
from llava_faba.claims.reader import read_movements, sentences_of
from llava_faba.claims.text import normalise

CORNERS = r"(?:mouth|lip) corners?|corners? of (?:the|his|her|their) (?:mouth|lips)"
STILL = re.compile(
    r"\b(?:hardly|barely|scarcely|no|not|without|absent|lack\w*|still|motionless|immobile|neither|nor|never)\b|n't\b"
)
FEW = re.compile(r"\b(?:little|slight\w*|small|reduced|minimal\w*|limited|weak\w*)\b")
EVEN = re.compile(r"\b(?:symmetr\w*|evenly|equally|both sides alike)\b")
UNEVEN = re.compile(
    r"\b(?:asymmetr\w*|uneven\w*|more on the (?:left|right)|one side|(?:left|right) side (?:moves|rises) less)\b"
)
_CLAUSE = re.compile(r";|,?\s+\b(?:but|while|whereas|although|though|however|yet)\b")


def split_sentences(text: str) -> list[str]:
    """Split at full stops, semicolons and line ends, but not within numbers."""
    return [part.strip() for part in re.split(r"(?<=[.!;?])\s+|\n+", text) if re.search(r"\w", part)]


def split_clauses(sentence: str) -> list[str]:
    """Split where one statement is set against another: "the mouth opens, but the brows do not move"."""
    return [part for part in _CLAUSE.split(sentence) if re.search(r"\w", part)]


def read_claims(sentence: str) -> list[Claim]:
    """Return what a sentence claims of the face's movements, and of left and right; what it leaves open is left out."""
    return list(_claims(sentence))


@lru_cache(maxsize=4096)  # one text is judged by several faces
def _claims(text: str) -> tuple[Claim, ...]:
    found = [claim for one in sentences_of(normalise(text)) for claim in read_movements(one)]
    return tuple(claim for claim in found if claim.present is not None)


def named_aus(lower: str) -> list[int]:
    """The numbers of the AUs that a lower-cased text names."""
    return [au for place in named_by_number(lower) for au in place.aus]


def said_uneven(lower: str) -> bool | None:
    """Whether a clause says that left and right differ (True) or are alike (False); None where it does not say."""
    if UNEVEN.search(lower):
        return not STILL.search(lower)  # "no asymmetry"
    return False if EVEN.search(lower) else None
