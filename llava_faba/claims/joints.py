"""Words between a movement and a part of the face -> whether the two belong together."""

from llava_faba.claims.face_words import CARRIERS, MOVEMENT_WORDS, NOUNS, PART_WORDS, SLIGHT, STRONG
from llava_faba.claims.parts import Place

JOINING = frozenset(("in", "on", "around", "at", "across", "between", "to", "along", "beside", "near"))
SMALL = frozenset(
    "the his her their its both a an of person's inner outer upper lower left right own two one each just only "
    "like".split()
)
_AREAS = frozenset("side sides bridge root area region part parts portion skin end ends edges".split())  # of a part
_SEEN = frozenset(
    "runs run lies lie shows show is are can be not seen visible appear appears form forms observed "
    "evident present".split()
)
_OPENING = frozenset(
    "rather than being instead of although though while when if far from not even once having been".split()
)
_BEING = frozenset("is are was were be been being appear appears seem seems look looks remain remains".split())
_ADVERBS = frozenset(
    "not no longer to also both in way by means never at all quite even still have has both far from "
    "anything but".split()
)


def is_joined(words: list[str], at: int, part: int) -> bool:
    """Whether only small words and further directions stand between a direction and a part behind it."""
    noun = words[at] in NOUNS or (at + 1 < part and words[at + 1] in NOUNS) or words[at] in ("upward", "downward")
    chained = False
    for step in range(at + 1, part):
        word = words[step]
        if word in SMALL or word in SLIGHT or word in STRONG or word.endswith("ly") or word in PART_WORDS:
            continue
        if noun and (word in _AREAS or (word in _SEEN and JOINING.intersection(words[step + 1 : part]))):
            continue
        if word in MOVEMENT_WORDS or word in CARRIERS or word in NOUNS or word == "unsmiling":
            chained = True
            noun = noun or word in NOUNS
        elif word == "," and words[step + 1].endswith("ing") and words[step + 2] not in PART_WORDS:
            return False  # "the upper lip is drawn up, wrinkling the nose"
        elif word in ("and", ",", "or", "nor", "but", "not", "than", "rather"):
            ahead = [w for w in words[step + 1 : part] if w in MOVEMENT_WORDS or w == "unsmiling"]
            if not ahead:
                return False
        elif not (noun and word in JOINING):
            return False
    return True if not chained or part - at < 9 else False


def is_predicate(words: list[str], part: int, at: int) -> bool:
    """Whether only a form of "be" and adverbs stand between a part and its movement."""
    between = words[part + 1 : at]
    return not _BEING.isdisjoint(between) and all(
        word in _BEING
        or word in _ADVERBS
        or word in MOVEMENT_WORDS
        or word in CARRIERS
        or word in SLIGHT
        or word in STRONG
        or word.endswith("ly")
        for word in between
    )


def is_preposed(words: list[str], at: int, part: int) -> bool:
    """Whether a sentence begins with a movement of the part behind it: "rather than being raised, the brows ..."."""
    opening = all(word in _OPENING or word in SLIGHT or word.endswith("ly") for word in words[:at])
    behind = words[at + 1 : part]
    return opening and behind[:1] in ([","], [":"]) and SMALL.issuperset(behind[1:])


def is_exception(words: list[str], place: Place) -> bool:
    """Whether a part stands behind "but not", ", not" or "(not": "the brows, but not the lids, are raised"."""
    step = place.first - 1
    while step > 0 and words[step] in SMALL:
        step -= 1
    return step > 0 and words[step] == "not" and words[step - 1] in (",", "but", "and", "(")
