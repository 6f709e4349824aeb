"""Words of a sentence -> the parts of the face that it names, in their order."""

from dataclasses import dataclass

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.face_words import BROWS, MOVEMENT_WORDS, OTHER_PARTS, PART_WORDS

_CORNERED = frozenset(("eyes", "mouth", "lips", "corners"))
_AS_VERB = frozenset(("not", "do", "does", "all", "both", "also", "to"))
_BEFORE_SIDE = frozenset(("while", "whereas", "but", "and", ",", ":", "though", "although", "whilst"))


@dataclass
class Place:
    """A part of the face among the words of a sentence."""

    part: str
    first: int
    last: int


def parts_of(words: list[str]) -> list[Place]:
    """Find the parts that a sentence names, in order; "other" is what is no part of the face's movement."""
    found: list[Place] = []
    skip = -1
    for at, word in enumerate(words):
        if at <= skip:
            continue
        if word in OTHER_PARTS:
            if not _is_verb_or_reference(words, at, found):
                found.append(Place("other", at, at))
        elif word in ("left", "right") and found and _stands_for_a_part(words, at):
            found.append(Place(found[-1].part, at, at))
        elif word == "eye" and words[at - 2 : at] in (["catches", "the"], ["catch", "the"], ["meets", "the"]):
            continue
        elif part := PART_WORDS.get(word):
            last = at
            before = words[max(0, at - 3) : at]
            if part == "corners":
                part, last = _corners(words, at, before)
            elif part in ("mouth", "lips") and words[at + 1 : at + 2] and words[at + 1] in ("corner", "corners"):
                part, last = "mouth corners", at + 1
            elif part == "lips":
                part = "upper lip" if "upper" in before[-2:] else "lower lip" if "lower" in before[-2:] else part
            elif part in ("lids", "eyes") and before[-2:]:
                place = [one for one in ("upper", "lower") if one in before[-2:]]
                part = f"{place[0]} lids" if place else part
            elif part == "brows":
                part = _brows(words, at)
            if part == "smile":
                continue
            skip = last
            found.append(Place(part, at, last))
    return found


def _is_verb_or_reference(words: list[str], at: int, found: list[Place]) -> bool:
    """Whether "look" is a verb ("the lids look heavy"), or "they" speaks of a part named before."""
    if words[at] == "they":
        return bool(found) and found[-1].part != "other"
    if words[at] != "look":
        return False
    return (
        words[at - 1] in PART_WORDS
        or words[at - 1] in _AS_VERB
        or not MOVEMENT_WORDS.keys().isdisjoint(words[at + 1 : at + 2])
    )


def _stands_for_a_part(words: list[str], at: int) -> bool:
    """Whether "the left" is one of the parts named before: "while the right does not move"."""
    opened = at == 1 or (at > 1 and words[at - 2] in _BEFORE_SIDE)
    return opened and words[at - 1] == "the" and bool({*words[at + 1 : at + 3]} & VERBS.union(MOVEMENT_WORDS))


def _corners(words: list[str], at: int, before: list[str]) -> tuple[str, int]:
    ahead = words[at + 1 : at + 5]
    if ahead[:1] == ["of"]:
        for step, word in enumerate(ahead[1:], start=at + 2):
            part = PART_WORDS.get(word)
            if part in ("mouth", "lips"):
                return "mouth corners", step
            if part == "brows":
                return ("inner brows" if "inner" in before else "outer brows" if "outer" in before else "brows"), step
            if part in ("eyes", "lids"):
                return "eye corners", step
    if {"inner", "outer"} & {*before}:
        brows = not BROWS.isdisjoint(words[:at])
        return (f"{'inner' if 'inner' in before else 'outer'} brows" if brows else "eye corners"), at
    named = next((PART_WORDS[word] for word in reversed(words[:at]) if PART_WORDS.get(word) in _CORNERED), "")
    if named == "eyes" and words[at - 2 : at] == ["at", "the"]:
        return "eye corners", at  # "the eyes crinkle at the corners"
    return "mouth corners", at


def _brows(words: list[str], at: int) -> str:
    before = words[max(0, at - 6) : at]
    if "inner" in before and "outer" not in before:
        return "inner brows"
    if "outer" in before and "inner" not in before:
        return "outer brows"
    return "brows"
