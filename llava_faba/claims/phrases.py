"""Words of a sentence -> movements: a part of the face joined with what it does.

A direction belongs to the part behind it where only small words stand between ("slightly raised and arched eyebrows",
"a downward pull of the brows", "raises her eyebrows"), else to the nearest part before it ("the corners of the mouth,
however, are turned down").
"""

from dataclasses import dataclass

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.face_words import (
    ALONE,
    BROWS,
    CARRIERS,
    MEANINGS,
    MOVEMENT_WORDS,
    NOUNS,
    OTHER_PARTS,
    PART_WORDS,
    SLIGHT,
    STRONG,
    Meaning,
)

_SMALL = frozenset(
    "the his her their its both a an of person's inner outer upper lower left right own two one each just only like".split()
)
_JOINING = frozenset(("in", "on", "around", "at", "across", "between", "to", "along", "beside", "near"))
_PLACING, _LISTING = _JOINING | {"of"}, frozenset(("and", "or", "nor", ","))
_AREAS = frozenset("side sides bridge root area region part parts portion skin end ends edges".split())  # of a part
_SEEN = frozenset("is are can be not seen visible appear appears form forms observed evident present".split())
_SENSES = frozenset("look looks looking looked gaze gazes gazing stare stares staring directed cast directs".split())
_LOOKING = frozenset(("eyes", "lids", "upper lids"))
_AS_VERB = frozenset(("not", "do", "does", "all", "both", "also", "to"))
_NOT_TEETH = frozenset("clenched clenches gritted grits clench grit clenching".split())
_SHOWN = frozenset(("not", "no", "hardly", "visible", "shown", "seen", "exposed", "bared"))
_BEFORE_PART = (["in"], ["a"], ["be"], ["the"], ["inner"], ["outer"])
_THIN = frozenset(("thin", "tight", "firm", "hard"))
_EVER = frozenset(("ever", "so", "just", "only", "quite", "rather", "very", "a"))
_PARTICLES = frozenset(("together", "up", "down", "upward", "downward", "upwards", "downwards", "back", "shut"))
_BEFORE_SIDE = frozenset(("while", "whereas", "but", "and", ",", ":", "though", "although", "whilst"))
_VALUES = frozenset((":", "\u2013", "(", "=", "|", "yes", "present"))
_SIDES = {"left": "left", "right": "right", "one": "one"}


@dataclass
class Place:
    """A part of the face among the words of a sentence."""

    part: str
    first: int
    last: int


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
    return words[at - 1] in PART_WORDS or words[at - 1] in _AS_VERB or not MOVEMENT_WORDS.keys().isdisjoint(words[at + 1 : at + 2])


def _stands_for_a_part(words: list[str], at: int) -> bool:
    """Whether "the left" is one of the parts named before: "while the right does not move"."""
    opened = at == 1 or (at > 1 and words[at - 2] in _BEFORE_SIDE)
    return opened and words[at - 1] == "the" and bool({*words[at + 1 : at + 3]} & VERBS.union(MOVEMENT_WORDS))


def _corners(words: list[str], at: int, before: list[str]) -> tuple[str, int]:
    ahead = words[at + 1 : at + 4]
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
    return "mouth corners", at


def _brows(words: list[str], at: int) -> str:
    before = words[max(0, at - 6) : at]
    if "inner" in before and "outer" not in before:
        return "inner brows"
    if "outer" in before and "inner" not in before:
        return "outer brows"
    return "brows"


def phrases_of(words: list[str]) -> list[Phrase]:
    """Join parts and movements of a sentence, in the order of the movements."""
    parts = parts_of(words)
    found: list[Phrase] = []
    for at, word in enumerate(words):
        if word in ALONE and not _is_clenched(words, at):
            found.append(Phrase(at, at, at, ALONE[word]))
            continue
        tag = _tag(words, at)
        if tag is None or _is_comparison(words, at) or _is_name(words, at):
            continue
        for place in _coordinated(words, parts, _part_of(words, parts, at), at, found):
            meanings = MEANINGS.get((place.part, tag))
            if place.part in ("brows", "forehead") and "horizontal" in words[max(0, at - 2) : at]:
                meanings = MEANINGS["brows", "up"]  # horizontal creases
            if meanings is None or (
                tag == "down" and place.part in _LOOKING and not _SENSES.isdisjoint(words[max(0, at - 3) : at])
            ):
                continue
            if tag == "open" and place.part in ("eyes", "lids") and _wide(words, at):
                continue  # "wide open": the width is what is said
            _merge(found, Phrase(min(place.first, at), at, max(place.last, at), meanings, tag=tag))
    for phrase in found:
        phrase.degree = _degree(words, phrase)
        phrase.side = _side(words, phrase)
    return found


def _is_clenched(words: list[str], at: int) -> bool:
    """Whether teeth are clenched, which does not show them."""
    return words[at] == "teeth" and not _NOT_TEETH.isdisjoint(words[max(0, at - 2) : at])


def _tag(words: list[str], at: int) -> str | None:
    """What a word says that a part does."""
    word, before = words[at], words[at - 1] if at else ""
    if word == "line":
        return "press" if before in _THIN else "wrinkle" if "between" in words[at + 1 : at + 3] else None
    if word == "out":
        return "pucker" if before.startswith("push") else None
    if word == "lower" and before in PART_WORDS and words[at + 1 : at + 2] != ["than"]:
        return None if words[at + 1 : at + 2] and words[at + 1] in PART_WORDS else "down"  # "the brows lower"
    if word == "together" and before in VERBS:
        return "touch"
    return MOVEMENT_WORDS.get(word)


def _merge(found: list[Phrase], phrase: Phrase) -> None:
    """Two words of one movement ("drawn back and up", "furrowed and creased") are one phrase."""
    for one in found:
        if one.meanings == phrase.meanings and (one.first == phrase.first or one.last == phrase.last):
            one.first, one.last = min(one.first, phrase.first), max(one.last, phrase.last)
            return
    found.append(phrase)


def _part_of(words: list[str], parts: list[Place], at: int) -> Place | None:
    behind = next((place for place in parts if place.first > at), None)
    before = next((place for place in reversed(parts) if place.last < at), None)
    if behind is not None and _joined(words, at, behind.first):
        nearer = (
            before is not None and before.part != "other" and at - before.last == 1 and words[at] not in NOUNS
        )  # "mouth closed and raised brows"
        if not (nearer and {"of", "and", ","} & set(words[at : behind.first])):
            return behind
    return before


def _coordinated(
    words: list[str], parts: list[Place], place: Place | None, at: int, found: list[Phrase]
) -> list[Place]:
    """A part and those that share its movement: "the cheeks and the lip corners are raised"."""
    if place is None or place.part == "other":
        return []
    shared = [place]
    if place.last < at:
        for other in reversed([one for one in parts if one.last < place.first]):
            between = words[other.last + 1 : shared[0].first]
            taken = any(phrase.at < other.first and phrase.last >= other.last for phrase in found)
            if taken or other.part == "other" or not all(
                word in _SMALL or word in _LISTING for word in between
            ):
                break  # "raises the brows, and the mouth corners are lowered"
            shared.insert(0, other)
    else:
        for other in [one for one in parts if one.first > place.last]:
            between = {*words[shared[-1].last + 1 : other.first]}
            if not ({"and", "or", "nor"} & between and _PLACING & between and between <= _PLACING | _SMALL | _LISTING):
                break  # "wrinkles between the brows or on the nose"
            shared.append(other)
    return shared


def _joined(words: list[str], at: int, part: int) -> bool:
    """Whether only small words and further directions stand between a direction and a part behind it."""
    noun = words[at] in NOUNS or (at + 1 < part and words[at + 1] in NOUNS) or words[at] in ("upward", "downward")
    chained = False
    for step in range(at + 1, part):
        word = words[step]
        if word in _SMALL or word in SLIGHT or word in STRONG or word.endswith("ly") or word in PART_WORDS:
            continue
        if noun and (word in _AREAS or (word in _SEEN and _JOINING.intersection(words[step + 1 : part]))):
            continue
        if word in MOVEMENT_WORDS or word in CARRIERS or word in NOUNS:
            chained = True
            noun = noun or word in NOUNS
        elif word in ("and", ",", "or", "nor", "but", "not", "than", "rather"):
            ahead = [w for w in words[step + 1 : part] if w in MOVEMENT_WORDS]
            if not ahead:
                return False
        elif not (noun and word in _JOINING):
            return False
    return True if not chained or part - at < 9 else False


def _is_comparison(words: list[str], at: int) -> bool:
    """Whether it is said how one side differs from the other: "more closed than the right"."""
    ahead = words[at : at + 7]
    more = "more" in words[max(0, at - 1) : at] or words[at] in ("wider", "narrower")
    return more and "than" in ahead and bool({"left", "right", "other"} & set(ahead))


def _is_name(words: list[str], at: int) -> bool:
    """Whether a word is no movement here: the "lower lip", "in part", "together with", "close up", "up to"."""
    word, ahead, before = words[at], words[at + 1 : at + 2], words[at - 1 : at] if at else []
    if word in ("together", "up", "down", "close", "part", "parts", "still", "neutral", "natural"):
        return (
            (word == "together" and ahead == ["with"])
            or (word == "up" and ahead == ["to"])
            or (word == "close" and ahead in (["up"], ["to"]))
            or (
                (word == "part" and before in (["in"], ["a"], ["be"], ["the"], ["inner"], ["outer"])) or ahead == ["of"]
            )
            or (word == "still" and ahead not in ([], [","], ["."], ["and"]))
            or (word == "natural" and ahead not in (["position"], ["state"], ["place"]))
            or (word == "neutral" and ahead[:1] in (["expression"], ["face"], ["emotion"]))
        )
    return False


def _wide(words: list[str], at: int) -> bool:
    return any(MOVEMENT_WORDS.get(word) == "wide" for word in words[max(0, at - 2) : at + 4])


def _degree(words: list[str], phrase: Phrase) -> str:
    """The degree word that belongs to a phrase: within it, right before it, or right behind the movement."""
    near = [*range(max(0, phrase.at - 3), phrase.at), *range(phrase.at + 1, min(len(words), phrase.at + 3))]
    near += range(phrase.first, min(len(words), phrase.last + 3))
    given = phrase.last + 1
    while given < len(words) and words[given] in _VALUES:
        given += 1
    near += [given] if {":", "\u2013", "(", "=", "|"}.intersection(words[phrase.last + 1 : given]) else []
    behind = phrase.at + 3
    while behind < len(words) and behind < phrase.at + 6 and words[behind - 1] in _EVER:
        near.append(behind)
        behind += 1
    near.sort(key=lambda step: abs(step - phrase.at))
    for step in near:
        word = words[step] if step < len(words) else ""
        if word not in SLIGHT and word not in STRONG:
            continue
        low, high = sorted((step, phrase.at))
        between = words[low + 1 : high]
        if any(w in (",", "and", "but", ";", "while", "with") for w in between):
            continue
        if any(w in MOVEMENT_WORDS and w not in CARRIERS for w in between) and not (phrase.tag == "" and low == step):
            continue
        following = words[step + 1] if step >= phrase.last and step + 1 < len(words) else ""
        if step > phrase.at and following in MOVEMENT_WORDS and following not in _PARTICLES:
            continue
        return "slight" if word in SLIGHT else "strong"
    return ""


def _side(words: list[str], phrase: Phrase) -> str:
    far = 4 if words[phrase.first - 3 : phrase.first - 1] == ["side", "of"] else 2
    for word in words[max(0, phrase.first - far) : phrase.last + 1]:
        if word in _SIDES:
            return _SIDES[word]
    behind = words[phrase.last + 1 : phrase.last + 5]
    if behind[:1] in (["on"], ["at"]) and ("side" in behind or len(behind) < 4):
        return next((_SIDES[word] for word in behind if word in _SIDES), "")
    return ""
