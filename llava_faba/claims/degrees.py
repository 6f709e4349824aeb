"""Words of a sentence and a phrase among them -> how strong its movement is said to be, and on which side."""

from llava_faba.claims.face_words import CARRIERS, LITTLE, MOVEMENT_WORDS, SLIGHT, STRONG

_EVER = frozenset(("ever", "so", "just", "only", "quite", "rather", "very", "a", "if", ",", "tiny", "albeit", "though"))
_PARTICLES = frozenset(("together", "up", "down", "upward", "downward", "upwards", "downwards", "back", "shut"))
_VALUES = frozenset((":", "\u2013", "(", "=", "|", "yes", "present"))
_BEFORE_PLACE = frozenset("only just mainly mostly can be is are seen visible evident appears more primarily".split())
_SIDE_NOUNS = frozenset("side sides half eye eyebrow brow corner cheek of and than only".split())
_SMALL = frozenset("the his her their upper lower inner outer , side".split())
_SIDES = frozenset(("left", "right", "one", "both"))


def degree_of(words: list[str], first: int, at: int, last: int, alone: bool) -> str:
    """The degree word that belongs to a phrase: within it, right before it, or right behind the movement."""
    near = [*range(max(0, at - 3), at), *range(at + 1, min(len(words), at + 3))]
    near += range(first, min(len(words), last + 3))
    given = last + 1
    while given < len(words) and words[given] in _VALUES:
        given += 1
    near += [given] if {":", "\u2013", "(", "=", "|"}.intersection(words[last + 1 : given]) else []
    behind = at + 3
    while behind < len(words) and behind < at + 6 and words[behind - 1] in _EVER:
        near.append(behind)
        behind += 1
    near.sort(key=lambda step: abs(step - at))
    for step in near:
        word = words[step] if step < len(words) else ""
        if word == "tight" and words[step - 1] in ("shut", "closed"):
            return "strong"
        if (word not in SLIGHT and word not in STRONG) or (
            word == "very" and words[step + 1 : step + 2][0:1] and words[step + 1] in SLIGHT
        ):
            continue
        low, high = sorted((step, at))
        between = words[low + 1 : high]
        if low == at and between[:1] == [","] and between[1:2] and between[1] in ("if", "albeit", "though"):
            between = between[1:]
        if any(w in (",", "and", "but", ";", "while", "with") for w in between):
            continue
        if any(w in MOVEMENT_WORDS and w not in CARRIERS and w not in _PARTICLES for w in between) and not (
            alone and low == step
        ):
            continue
        following = words[step + 1] if step >= last and step + 1 < len(words) else ""
        if step > at and following in MOVEMENT_WORDS and following not in _PARTICLES:
            continue
        if word in LITTLE and words[step - 1 : step] != ["a"]:
            return "little"
        return "slight" if word in SLIGHT else "strong"
    return ""


def side_of(words: list[str], first: int, last: int) -> str:
    """Return the side that a phrase names: "left", "right", "one", "both" or ""."""
    start = first
    while start > 0 and words[start - 1] in _SMALL:
        start -= 1
    start = max(0, start - 3) if words[start - 1 : start] == ["of"] else min(start, first - 2)
    if (head := words[max(0, start - 3) : start])[:2] == ["on", "the"] and start < 5:
        start -= len(head)  # "on the left, the lip corner"
    for word in words[max(0, start) : last + 1]:
        if word in _SIDES:
            return word
    start = last + 1
    while start < len(words) and words[start] in _BEFORE_PLACE:
        start += 1  # "can be seen on the left side", "only on the left"
    behind = words[start : start + 4]
    if behind[:1] in (["on"], ["at"], ["with"], ["in"]):
        at = next((at for at, word in enumerate(behind) if word in _SIDES), 0)
        if at and (behind[0] in ("on", "at") or behind[at + 1 : at + 2] in (["eye"], ["corner"], ["cheek"])):
            ends = behind[at + 1 : at + 2]
            if not ends or ends[0] in _SIDE_NOUNS or not ends[0].isalpha():
                return behind[at]
    return ""
