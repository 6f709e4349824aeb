"""A word of a sentence in its place -> what it says that a part of the face does, or that it says nothing."""

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.face_words import MOVEMENT_WORDS, NOUNS, PART_WORDS

AUXILIARIES = frozenset("is are was were do does did has have".split())
_NOT_TEETH = frozenset("clenched clenches gritted grits clench grit clenching".split())
_THIN = frozenset(("thin", "tight", "firm", "hard"))


def tag_of(words: list[str], at: int) -> str | None:
    """What a word says that a part does."""
    word, before = words[at], words[at - 1] if at else ""
    if word in ("higher", "lower") and words[at + 1 : at + 3] in (["than", "normal"], ["than", "usual"]):
        return "up" if word == "higher" else "down"
    if word == "line":
        return "press" if before in _THIN else "wrinkle" if "between" in words[at + 1 : at + 3] else None
    if word in ("stay", "stays", "remain", "remains"):
        return "rest" if words[at + 1 : at + 2] in (["put"], ["where"], ["still"]) else None
    if word in ("keep", "keeps"):
        return "rest" if words[at + 1 : at + 3] in (["their", "position"], ["its", "position"]) else None
    if word == "doing":
        return "move" if {"anything", "nothing", "something"} & {*words[at + 1 : at + 3]} else None
    if word == "narrow" and words[at + 1 : at + 2] and words[at + 1] in NOUNS:
        return None  # "a narrow opening"
    if word == "o":
        return "open" if before in ('"', "an", "an ") else None
    if word == "apart" and before == "teeth":
        return None
    if word == "open" and before in ("fly", "flies", "flew", "snap", "pop"):
        return "wide"
    if word == "out":
        return "pucker" if before.startswith("push") else None
    if word == "lower" and before in PART_WORDS and words[at + 1 : at + 2] != ["than"]:
        return None if words[at + 1 : at + 2] and words[at + 1] in PART_WORDS else "down"  # "the brows lower"
    near = words[max(0, at - 4) : at]
    if (
        word == "together"
        and (before in VERBS or before in PART_WORDS or before == "not")
        and MOVEMENT_WORDS.keys().isdisjoint(near)
    ):
        return "touch"
    return MOVEMENT_WORDS.get(word) or (MOVEMENT_WORDS.get(word[2:]) if word.startswith("un") else None)


def is_no_movement(words: list[str], at: int) -> bool:
    """Whether teeth are clenched or apart, which does not show them, or only the eyes are said to smile."""
    if words[at] == "teeth":
        return not _NOT_TEETH.isdisjoint(words[max(0, at - 2) : at]) or (
            words[at + 1 : at + 2] == ["apart"]
            or (words[at + 1 : at + 2] in (["are"], ["look"]) and not _NOT_TEETH.isdisjoint(words[at + 2 : at + 4]))
        )
    if words[at] == "smile" and words[at + 1 : at + 2] in (["lines"], ["wrinkles"]):
        return True
    before = [word for word in words[max(0, at - 3) : at] if word not in AUXILIARIES]
    return words[at] in ("smile", "smiling") and before[-1:] == ["eyes"] and words[at - 1] != "eyes"


def is_comparison(words: list[str], at: int) -> bool:
    """Whether it is said how one side differs from the other: "more closed than the right"."""
    ahead = words[at : at + 7]
    more = "more" in words[max(0, at - 1) : at] or words[at] in ("wider", "narrower")
    return more and "than" in ahead and bool({"left", "right", "other"} & set(ahead))


def is_name(words: list[str], at: int) -> bool:
    """Whether a word is no movement here: the "lower lip", "in part", "together with", "close up", "up to"."""
    word, ahead, before = words[at], words[at + 1 : at + 2], words[at - 1 : at] if at else []
    if word in (
        "together",
        "up",
        "down",
        "close",
        "part",
        "parts",
        "still",
        "neutral",
        "natural",
        "tight",
        "touch",
        "arch",
        "arches",
    ):
        return (
            (word == "together" and ahead == ["with"])
            or (word == "up" and ahead == ["to"])
            or (word == "close" and ahead in (["up"], ["to"]))
            or (
                (word == "part" and before in (["in"], ["a"], ["be"], ["the"], ["inner"], ["outer"])) or ahead == ["of"]
            )
            or (word == "still" and ahead not in ([], [","], ["."], ["and"]))
            or (word == "tight" and before in (["shut"], ["closed"], ["pressed"], ["together"]))
            or (word == "touch" and before == ["a"])
            or (word in ("arch", "arches") and before == ["natural"])
            or (word == "natural" and ahead not in (["position"], ["state"], ["place"]))
            or (word == "neutral" and ahead[:1] in (["expression"], ["face"], ["emotion"]))
        )
    return False


def is_wide(words: list[str], at: int) -> bool:
    near = words[max(0, at - 2) : at + 4]
    return "not" not in words[at + 1 : at + 4] and any(MOVEMENT_WORDS.get(word) in ("wide", "wider") for word in near)
