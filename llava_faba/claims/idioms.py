"""Words of a sentence -> what set expressions make of the mentions beside them: "in vain for", "mistaken for".

Negations and their scopes are in scope.py; here is what only the whole expression says.
"""

import re
from collections.abc import Sequence

from llava_faba.claims.clauses import VERBS
from llava_faba.claims.reach import Mention, Status

_ACCUSED = r"(?:speak|speaks|spoke|speaking|argue|argues|arguing|evidence|points?|decide|decided|and|but)"
_SEEMING = r"(?:seems?|appears?|looks?|may|might|could|first)"
_ONLY = r"(?:only|just|really|actually|merely|simply|in fact|rather|due|caused|more)"
# The expression, which mention it is about, and what that mention is: denied (False) or left open (None).
_IDIOMS: tuple[tuple[re.Pattern[str], str, Status], ...] = tuple(
    (re.compile(rf"\b{pattern}(?!\w)"), side, status)
    for pattern, side, status in (
        (r"in vain for", "behind", False),
        (r"(?:a stretch|too much|an exaggeration|misleading) to (?:call|speak)", "behind", False),
        (r"(?<!not )in an? (?:genuine|real|true|typical|duchenne|posed)", "behind", None),
        (rf"{_ACCUSED} against", "behind", False),
        (r"not so(?= (?:the|his|her|au))", "behind", False),
        (r"(?:given|gives|give|gave|giving) way(?: to)?", "before", None),
        (r"(?:mistak\w+|mistook)(?: [a-z]+){0,6}? for", "behind", None),
        (r"be (?:taken|misread|misinterpreted|confused|misunderstood)(?: for| as| with)", "behind", None),
        (r"(?:initially|first) (?:thought|suspected|considered|expected|assumed)", "behind", None),
        (rf"what (?:at )?{_SEEMING}[a-z ]{{1,60}}? is {_ONLY}", "inside", False),
    )
)
_KEYS = frozenset(
    "vain stretch much exaggeration misleading genuine real true typical duchenne posed against not way "
    "mistake mistakes mistaken mistook "
    "taken misread misinterpreted confused misunderstood "
    "initially first what".split()
)
_FAR = 8  # words between an expression and its mention
_INVERTED = frozenset(("were", "had", "should"))
_SUBJECTS = frozenset(("she", "he", "it", "they", "the", "this", "there", "her", "his", "au"))


def read_idioms(words: Sequence[str], mentions: Sequence[Mention], found: list[Status]) -> None:
    """Set the status of mentions that a set expression speaks of."""
    if words[0] in _INVERTED and words[1:2] and words[1] in _SUBJECTS and "would" in words:
        found[:] = [None] * len(found)  # "were she smiling, the cheeks would be raised"
    if _KEYS.isdisjoint(words):
        return
    text = " ".join(words)
    for pattern, side, status in _IDIOMS:
        for match in pattern.finditer(text):
            start, end = text.count(" ", 0, match.start()), text.count(" ", 0, match.end())
            for number in _spoken_of(words, mentions, start, end, side):
                found[number] = status


def _spoken_of(words: Sequence[str], mentions: Sequence[Mention], start: int, end: int, side: str) -> list[int]:
    """Numbers of the mentions inside an expression, or of the nearest one before or behind it."""
    if side == "inside":
        return [number for number, one in enumerate(mentions) if start < one.at < end]
    if side == "before":
        near = [(start - one.at, number) for number, one in enumerate(mentions) if 0 < start - one.at <= _FAR]
        return [min(near)[1]] if near else []
    near = [(one.at - end, number) for number, one in enumerate(mentions) if 0 < one.at - end <= _FAR]
    if not near:
        return []
    number = min(near)[1]
    between = words[end + 1 : mentions[number].first]
    return [] if "," in between or not VERBS.isdisjoint(between) else [number]
