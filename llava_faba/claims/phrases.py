"""Words of a sentence -> movements: a part of the face joined with what it does.

A direction belongs to the part behind it where only small words stand between ("slightly raised and arched eyebrows",
"a downward pull of the brows", "raises her eyebrows"), else to the nearest part before it ("the corners of the mouth,
however, are turned down").
"""

import re
from dataclasses import dataclass

from llava_faba.claims.degrees import degree_of, side_of
from llava_faba.claims.face_words import (
    ALONE,
    MEANINGS,
    MOVEMENT_WORDS,
    NOUNS,
    SLIGHT,
    STRONG,
    Meaning,
)
from llava_faba.claims.joints import JOINING, SMALL, is_exception, is_joined, is_predicate, is_preposed
from llava_faba.claims.parts import Place, parts_of
from llava_faba.claims.tags import AUXILIARIES, is_comparison, is_name, is_no_movement, is_wide, tag_of

_PLACING, _LISTING = JOINING | {"of"}, frozenset(("and", "or", "nor", ",", "as"))
_SENSES = frozenset("look looks looking looked gaze gazes gazing stare stares staring directed cast directs".split())
_OF_MOVEMENT = MOVEMENT_WORDS.keys() | {
    "line",
    "out",
    "lower",
    "higher",
    "stay",
    "stays",
    "remain",
    "remains",
    "doing",
    "keep",
    "keeps",
    "o",
}
_LOOKING = frozenset(("eyes", "lids", "upper lids"))
_COVERED = frozenset(("hidden", "covered", "concealed"))
_WHITES = re.compile(
    r"\beye white|white (?:[a-z]+ ){0,3}(?:of|above|around|below|under|in) (?:the |her |his )?(?:eye|iris|pupil)"
)
_APART = frozenset((",", "and", "or", "nor", "but", "with", "while", "of", "in", "on", ";", "no", "without", "(", ")"))
_STAYING = frozenset("stay stays stayed staying remain remains remained".split())
_SAID_OF = re.compile(r"\b(?:not so|with them|said of)\b")
_UNLIKE = frozenset(("unlike", "opposed", "contrary", "contrast"))


@dataclass
class Phrase:
    """A movement among the words of a sentence; negation is looked for at `at`, the word of the movement."""

    first: int
    at: int
    last: int
    meanings: tuple[Meaning, ...]
    degree: str = ""
    side: str = ""
    tag: str = ""  # what the part does, as in MOVEMENT_WORDS


def phrases_of(words: list[str]) -> list[Phrase]:
    """Join parts and movements of a sentence, in the order of the movements."""
    parts = parts_of(words)
    found: list[Phrase] = []
    for at, word in enumerate(words):
        if word in ALONE and not is_no_movement(words, at):
            found.append(_alone(words, parts, at))
            continue
        if word == "white" and _WHITES.search(" ".join(words[max(0, at - 1) : at + 8])):
            found.append(Phrase(at, at, at, ALONE["whites"]))
            continue
        tag = tag_of(words, at) if word in _OF_MOVEMENT or word.startswith("un") else None
        if tag is None or is_comparison(words, at) or is_name(words, at):
            continue
        own = _part_of(words, parts, at, found)
        if own and own.last < at and is_exception(words, own) and (meanings := MEANINGS.get((own.part, tag))):
            found.append(
                Phrase(own.first, own.last, own.last, meanings, tag=tag)
            )  # "..., but not the lids, are raised"
        for place in _coordinated(words, parts, own, at, found):
            meanings = MEANINGS.get((place.part, tag))
            if at and words[at - 1] in _STAYING:  # what stays down does not go up
                meanings = MEANINGS.get((place.part, f"stay {tag}"), meanings)
            if place.part in ("brows", "forehead") and "horizontal" in words[max(0, at - 2) : at]:
                meanings = MEANINGS["brows", "up"]  # horizontal creases
            if meanings is None or (
                tag == "down" and place.part in _LOOKING and not _SENSES.isdisjoint(words[max(0, at - 3) : at])
            ):
                continue
            if tag == "open" and place.part in ("eyes", "lids") and is_wide(words, at):
                continue  # "wide open": the width is what is said
            if words[at].startswith("un") and words[at] not in MOVEMENT_WORDS:
                meanings = tuple(one._replace(present=not one.present) for one in meanings)
            _merge(words, found, Phrase(min(place.first, at), at, max(place.last, at), meanings, tag=tag))
    found += _elliptic(words, parts, found)
    for phrase in found:
        phrase.degree = degree_of(words, phrase.first, phrase.at, phrase.last, alone=phrase.tag in ("", "teeth"))
        phrase.side = side_of(words, phrase.first, phrase.last)
    return found


def _elliptic(words: list[str], parts: list[Place], found: list[Phrase]) -> list[Phrase]:
    """Movements that are said of another part by a verb alone: "but the cheeks aren't", "and so are the cheeks"."""
    if not found or not found[0].tag:
        return []
    more = []
    for place in parts:
        if any(one.first <= place.first <= one.last for one in found):
            continue
        said = next((one for one in reversed(found) if one.at < place.first), None)
        tag = said.tag if said else ""
        behind = [word for word in words[place.last + 1 : place.last + 4] if word != "not"]
        before = words[max(0, place.first - 4) : place.first]
        ends = len(behind) < 2 or behind[1] in (",", ".", "and", "but")
        if behind and behind[0] in AUXILIARIES and ends:
            at = place.last + 1
            other = (
                next((one for one in parts if one.last < place.first and one.first > said.at), None) if said else None
            )
            joint = words[other.last + 1 : place.first] if other else []
            meanings = (
                MEANINGS.get((other.part, tag)) if other and joint and _LISTING.union(SMALL).issuperset(joint) else None
            )
            if meanings and meanings != said.meanings:
                more.append(Phrase(other.first, at, at, meanings, tag=tag))  # "but the cheeks and lip corners don't"
        elif behind[:1] in ([], ["."], [","]) and _SAID_OF.search(" ".join(before)):
            at = place.last
        elif AUXILIARIES.intersection(before) and {"so", "neither", "nor", "as"}.intersection(before):
            at = place.last
        elif tag != "open" and is_exception(words, place) and behind[:1] in ([], ["."], [","], [")"]):
            at = place.last  # "the brows are raised, not the upper lids"
        else:
            continue
        meanings = MEANINGS.get((place.part, tag))
        if meanings and meanings != said.meanings:  # of the other side nothing is said: "the right one is not"
            more.append(Phrase(place.first, at, at, meanings, tag=tag))
    return more


def _alone(words: list[str], parts: list[Place], at: int) -> Phrase:
    """The phrase of a word that names a part and its movement in one."""
    meanings, first = ALONE[words[at]], at
    if words[at] == "teeth" and not _COVERED.isdisjoint(words[at + 1 : at + 4]):
        meanings = tuple(one._replace(present=not one.present) for one in meanings)
    if words[at].startswith("wink"):  # "one of the eyes is winking"
        first = next((one.first for one in reversed(parts) if one.part == "eyes" and 0 < at - one.last < 3), at)
    return Phrase(first, at, at, meanings, tag="teeth" if words[at] == "teeth" else "")


def _merge(words: list[str], found: list[Phrase], phrase: Phrase) -> None:
    """Two words of one movement ("drawn back and up", "furrowed and creased") are one phrase."""
    for one in found:
        apart = not {"not", "but", "nor", "neither"}.isdisjoint(words[one.at : phrase.at])
        same = one.meanings == phrase.meanings and not apart
        if same and (one.first == phrase.first or one.last == phrase.last):
            one.first, one.last = min(one.first, phrase.first), max(one.last, phrase.last)
            return
    found.append(phrase)


def _part_of(words: list[str], parts: list[Place], at: int, found: list[Phrase]) -> Place | None:
    behind = next((place for place in parts if place.first > at), None)
    before = next((place for place in reversed(parts) if place.last < at), None)
    if before is not None and words[at] in ("tension", "tightness") and "," in words[before.last : at]:
        before = None  # "the brows are raised, I see tension"
    if before is not None and words[before.last + 1 : before.last + 2] == [","] == words[at + 1 : at + 2]:
        said = words[before.last + 2 : at]
        if before.part != "other" and all(w in SLIGHT or w in STRONG or w.endswith("ly") for w in said):
            return before  # "the brows, slightly raised, and the parted lips"
    if (
        behind is not None
        and before is not None
        and before.part != "other"
        and not {",", "and", "but"}.isdisjoint(words[at : behind.first])
    ):
        free = not any(one.first <= before.first <= one.last for one in found)
        if is_predicate(words, before.last, at) or (free and _APART.isdisjoint(words[before.last : at])):
            return before  # "the brows are raised, a dropped jaw can be seen"
    if behind is not None and is_joined(words, at, behind.first):
        nearer = (
            before is not None and before.part != "other" and at - before.last == 1 and words[at] not in NOUNS
        )  # "mouth closed and raised brows"
        if not (nearer and {"of", "and", ","} & set(words[at : behind.first])):
            return behind
    if before is None and behind is not None and is_preposed(words, at, behind.first):
        return behind
    return before


def _coordinated(
    words: list[str], parts: list[Place], place: Place | None, at: int, found: list[Phrase]
) -> list[Place]:
    """A part and those that share its movement: "the cheeks and the lip corners are raised"."""
    if place is None or place.part == "other":
        return []
    excepted = place.last < at and is_exception(words, place)  # "the brows, but not the lids, are raised"
    if excepted or not _UNLIKE.isdisjoint(
        words[max(0, place.first - 3) : place.first]
    ):  # "the cheeks, unlike the brows, ..."
        place = next((one for one in reversed(parts) if one.last < place.first), place)
    shared = [place]
    if place.last < at:
        for other in reversed([one for one in parts if one.last < place.first]):
            between = words[other.last + 1 : shared[0].first]
            taken = any(phrase.at < other.first and phrase.last >= other.last for phrase in found)
            unlike = not _UNLIKE.isdisjoint(words[max(0, other.first - 3) : other.first])
            if taken or unlike or other.part == "other" or not (_LISTING | SMALL | {"well"}).issuperset(between):
                break  # "raises the brows, and the mouth corners are lowered"
            shared.insert(0, other)
    else:
        for other in [one for one in parts if one.first > place.last]:
            between = {*words[shared[-1].last + 1 : other.first]}
            listed = words[at] in NOUNS and words[other.last + 1 : other.last + 2] in (
                [],
                ["."],
                ["or"],
                ["and"],
                [","],
            )
            placed = {"and", "or", "nor"} & between and _PLACING & between
            if not ((listed or placed) and between <= _PLACING | SMALL | _LISTING):
                break  # "wrinkles between the brows or on the nose"
            shared.append(other)
    return shared
