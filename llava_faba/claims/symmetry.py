"""Words of a sentence -> what it says of left and right, bound to a part of the face."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from llava_faba.claims.clauses import Clause
from llava_faba.claims.face_words import SYMMETRIC, UNEVEN
from llava_faba.claims.parts import parts_of
from llava_faba.claims.phrases import Phrase

_PARTS = {
    **dict.fromkeys(("mouth", "lips", "mouth corners", "upper lip", "lower lip"), "mouth corners"),
    **dict.fromkeys(("brows", "inner brows", "outer brows", "forehead"), "brows"),
    **dict.fromkeys(("eyes", "lids", "upper lids", "lower lids"), "lids"),
    "cheeks": "cheeks",
    "nose": "nose",
}
_COPULAS = frozenset("look is are was were appears seems looks remains be".split())
_COMPARED = frozenset("higher lower more less stronger weaker further farther wider narrower".split())
_OTHERS = frozenset(("much", "far", "high", "even", "same", "different", "differ", "differs", "sided", "difference"))
_LISTING = frozenset(("and", "or", "of", "in", "the", ",", "his", "her"))
_SHIFTED = frozenset("pulled drawn skewed shifted twisted pulls draws".split())
_TO_A_SIDE = re.compile(r"to (?:one side|the side|(?:the|his|her) (?:left|right))(?= ?(?:[.,]|side|$))")
_SEEN = frozenset("visible pronounced noticeable marked prominent evident obvious".split())
_ENDS = frozenset((".", ",", ";"))
_SURFACE = frozenset("colour color tone lighting light skin texture".split())
_EXTENTS = frozenset(("height", "heights", "size", "sizes", "level", "levels", "extent", "degree"))
_SIDES = frozenset(("left", "right"))


class Likeness(NamedTuple):
    """A word for (a)symmetry: where it stands, what it says, of which part; `subject` is a noun that it speaks of."""

    at: int
    symmetric: bool
    part: str
    subject: int = -1


def speaks_of_sides(words: Sequence[str]) -> bool:
    """Whether any word could be about left and right."""
    return any(
        word in SYMMETRIC or word in UNEVEN or word in _COMPARED or word in _OTHERS or word in _SHIFTED
        for word in words
    )


def symmetry_of(words: list[str], clauses: Sequence[Clause], phrases: Sequence[Phrase]) -> list[Likeness]:
    """Find what a sentence says of left and right; nothing where no part of the face is named."""
    if not speaks_of_sides(words):
        return []
    found: list[Likeness] = []
    for at, word in enumerate(words):
        symmetric = _meaning(words, at, word)
        if symmetric is None:
            continue
        part, phrase = _part(words, at, clauses, phrases)
        for one in _listed(words, at, part):
            if one and not any(other.symmetric == symmetric and other.part == one for other in found):
                found.append(Likeness(at, symmetric, one, _subject(words, at, phrase)))
    return found


def _meaning(words: list[str], at: int, word: str) -> bool | None:
    if word in SYMMETRIC:
        return True
    if word in UNEVEN or (word in ("differ", "differs") and words[at + 1 : at + 2] == ["in"]):
        return False
    if word == "difference":
        return False if _SIDES <= set(words[at + 1 : at + 9]) else None
    if word in ("same", "different") and _EXTENTS.intersection(words[at + 1 : at + 2]):
        return word == "same"
    if word == "same" and ("both" in words[:at] or _SIDES <= set(words[:at])):
        return True
    if (
        word == "even"
        and _SURFACE.isdisjoint(words[:at])
        and (words[at - 1] in _COPULAS or (words[at - 1] == "not" and words[at - 2] in _COPULAS))
        and words[at + 1 : at + 2] in ([], ["."], [","])
    ):
        return True
    if word in ("much", "far", "high") and words[at - 1] == "as" and _SIDES.intersection(words[at + 2 : at + 5]):
        return True if words[at + 1 : at + 2] == ["as"] else None
    if word in ("even", "same"):
        around = words[at + 1 : at + 5]
        return True if ("both" in around and ("sides" in around or word == "same")) else None
    if word == "sided" and words[at - 1 : at] == ["one"]:
        return False
    if word in _SHIFTED:
        return (
            False if words[at + 1 : at + 2] == ["to"] and _TO_A_SIDE.match(" ".join(words[at + 1 : at + 5])) else None
        )
    if word in _COMPARED:
        if words[at - 1] in _COPULAS | {"sits"} and _ENDS.issuperset(words[at + 1 : at + 2]):
            return False if _SIDES & set(words[max(0, at - 7) : at]) else None
        ahead = words[at + 1 : at + 8]
        ahead = ahead[1:] if word in ("more", "less") and ahead[:1] and ahead[0] in _SEEN else ahead
        if ahead[:1] in (["on"], ["to"]) and _SIDES & set(ahead[:4]):
            return False
        if "than" in ahead and (_SIDES | {"other"}) & set(ahead[ahead.index("than") :]):
            return False
    return None


def _part(words: list[str], at: int, clauses: Sequence[Clause], phrases: Sequence[Phrase]) -> tuple[str, Phrase | None]:
    """The part that a word is about: the nearest one of its clause, else of the sentence before it."""
    own = next((set(clause.words) for clause in clauses if at in clause.words), set())
    places: list[tuple[int, str, Phrase | None]] = []
    for phrase in phrases:
        if (part := _PARTS.get(phrase.meanings[0].part)) is not None:
            places.append((phrase.at, part, phrase))
    for place in parts_of(words):
        if place.part == "other" or place.part in _PARTS:
            places.append((place.last, _PARTS.get(place.part, ""), None))
    inside = [one for one in places if one[0] in own] or [one for one in places if one[0] < at]
    if not inside and words[at + 1 : at + 2] == [":"]:
        inside = places[:1]  # "there's asymmetry: the left brow is raised"
    if not inside:
        return "", None
    _, part, phrase = min(inside, key=lambda one: (abs(one[0] - at), one[2] is None))
    return part, phrase


def _listed(words: list[str], at: int, part: str) -> list[str]:
    """A part behind a word, with those listed behind it: "no asymmetry of the brows or of the mouth"."""
    listed, end = [part], -1
    for place in parts_of(words):
        if place.first < at:
            continue
        name = _PARTS.get(place.part, "")
        if name == part and end < 0:
            end = place.last
        elif end >= 0 and name and _LISTING.issuperset(words[end + 1 : place.first]):
            listed.append(name)
            end = place.last
    return listed


def _subject(words: list[str], at: int, phrase: Phrase | None) -> int:
    """The noun whose evenness alone is spoken of: "the smile is not symmetrical", "asymmetry of the smile"."""
    if phrase is None or words[phrase.at] not in ("smile", "frown", "grin", "smirk"):
        return -1
    low, high = sorted((phrase.at, at))
    between = words[low + 1 : high]
    if phrase.at < at and _COPULAS.intersection(between) and not {"and", ","}.intersection(between):
        return phrase.at
    return phrase.at if phrase.at > at and {"of", "in"} & set(between) else -1
