"""The rules `strict`: read what a text says is there, whichever way it is written, and leave out what it says is not.

A mention (an emotion word, a list of AUs) is denied by a whole-word negation beside it: one before it ("no sign of
AU4", "does not look happy"), or one after it that denies presence ("AU12 is not visible", "AU5: Upper Lid Raiser -
absent"). A negation reaches over a list ("neither AU1, AU2 nor AU4"), but not over a comma, a full stop, "but" or
"and". Degrees deny nothing ("AU6 is not strong"), nor do turns of phrase ("not only"). The scopes are those of NegEx
(Chapman et al. 2001, doi 10.1006/jbin.2001.1029), cut to what descriptions of faces need.
"""

import re
from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

from llava_faba.eval.labels import STRICT_WORDS
from llava_faba.vocabulary import EMOTIONS

# All patterns read lower-cased text; runs of blanks are bounded, so that no text takes more than linear time.
_NUMBER = r"0*[1-9]\d?(?!\d)(?:[a-e](?!\w))?"
_JOINT = r"\s{0,3}(?:,\s{0,3}(?:and|or)?|/|\+|&|and|or|as well as)\s{0,3}"
_AFTER = (
    r"(?=\s{0,3}(?:$|[^\w\s%°]|(?:and|or|as|are|is|were|was|do|does|with|but|in|on|present|active|visible|absent)\b))"
)
# "AU4", "AU 4", "AU-4", "AU04", "AU12C", "Action Unit 4", "AUs 1, 2 and 4", "AU1+2", "action units (AUs) 6 and 12".
_AUS = re.compile(
    rf"(?<![a-z0-9])(?:aus?|action\s{{1,3}}units?(?:\s{{0,3}}\(aus?\))?)\s{{0,3}}[:#_-]?\s{{0,3}}{_NUMBER}(?:{_JOINT}{_NUMBER}{_AFTER})*"
)
_DIGITS = re.compile(r"0*([1-9]\d?)")
_WORD = re.compile(r"[a-z]+")

_NEGATION = re.compile(
    r"(?<![a-z])(?:(?P<no>no|without|neither|nor|none of|lacks?|lacking|(?:absence|devoid|free|instead) of|rather than)"
    r"|(?P<not>not|never|cannot|hardly)|absent|inactive|missing|none)(?![a-z])|(?P<short>n't)"
)
_NO_NEGATION = re.compile(
    r"(?:not|n't) (?:only|just|merely|simply|be (?:ruled out|excluded))\b|cannot be (?:ruled out|excluded)\b"
    r"|(?:not|n't) (?:\w+ly )?(?:very|as|so|too|fully|strong|pronounced|intense|prominent|\w+ly)\b"
    r"|no doubt\b|without (?:a |any )?doubt\b"
)
_PRESENT = re.compile(
    r"\W*(?:\w+\W+){0,2}?(?:present|visible|obvious|observed|observable|active|activated|evident|apparent|seen|there|"
    r"detected|engaged|noticeable|shown|displayed|exhibited|involved|identified|discernible|indicated|expressed)\b"
)
_CLOSED = re.compile(r"(?:\s+\w+){0,2}\s*(?:[,;.!?\n)]|$|(?:and|but|or|while|in|on|at|here)\b)")
_MOVEMENT = re.compile(
    r"\s+(?:\w+\s+)?(?:activation|activity|signs?|evidence|movement|indication|contraction|action|presence)\b"
)
_BARRIER = re.compile(r"[,;.!?\n]|\b(?:but|however|although|though|yet|while|whereas|except|and)\b")
_ASIDE = re.compile(r"\([^()]*\)")
_LIST = re.compile(r"[\s,/&+()-]*(?:(?:and|or|nor|of|any|even)\b[\s,/&+()-]*)*")
_REACH = 80  # characters between a negation and what it denies: about a dozen words


class Mention(NamedTuple):
    """A place in a text and what stands there."""

    start: int
    end: int
    values: tuple[int, ...] | tuple[str, ...]


def emotions(text: str) -> tuple[str, ...]:
    """Return the emotions named most often; none where none is named, several where they tie."""
    text = plain(text)
    words = [
        Mention(word.start(), word.end(), STRICT_WORDS[word.group()])
        for word in _WORD.finditer(text)
        if word.group() in STRICT_WORDS
    ]
    counts = Counter(emotion for mention in affirmed(text, words) for emotion in mention.values)
    return tuple(emotion for emotion in EMOTIONS if counts[emotion] and counts[emotion] == max(counts.values()))


def action_units(text: str) -> set[int]:
    """Return the AUs that the text affirms at least once."""
    text = plain(text)
    return {au for mention in affirmed(text, au_mentions(text)) for au in mention.values}


def au_mentions(text: str) -> list[Mention]:
    """Return where a plain text names AUs, lists of them as one mention."""
    return [Mention(m.start(), m.end(), tuple(map(int, _DIGITS.findall(m.group())))) for m in _AUS.finditer(text)]


def plain(text: str) -> str:
    """Lower the case, straighten apostrophes, take Markdown's emphasis away."""
    return text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("*", "").replace("`", "")


def affirmed(text: str, mentions: list[Mention]) -> list[Mention]:
    """Return those of the mentions, in their order in a plain text, that no negation denies."""
    if not mentions:
        return []
    starts = [mention.start for mention in mentions]
    denied: set[int] = set()
    for negation in _NEGATION.finditer(text):
        if _NO_NEGATION.match(text, negation.start()):
            continue
        after = bisect_left(starts, negation.start())
        denied.update(_denied_by(negation, text, mentions, after))
    return [mention for index, mention in enumerate(mentions) if index not in denied]


def _denied_by(negation: re.Match[str], text: str, mentions: list[Mention], after: int) -> list[int]:
    """Return which mentions a negation denies; `after` is the first one behind it."""
    ahead = _reached(text, mentions, negation.end(), after, forward=True)
    behind = _reached(text, mentions, negation.start(), after - 1, forward=False)
    if negation["no"]:
        return ahead or (behind if _MOVEMENT.match(text, negation.end()) else [])
    if negation["not"] or negation["short"]:
        if behind and _PRESENT.match(text, negation.end()):
            return behind
        return ahead or (behind if _CLOSED.match(text, negation.end()) else [])
    return behind or ahead


def _reached(text: str, mentions: list[Mention], place: int, index: int, forward: bool) -> list[int]:
    """Return the mention next to a negation and those listed with it; none if something stands between."""
    found: list[int] = []
    while 0 <= index < len(mentions):
        mention = mentions[index]
        start, end = (place, mention.start) if forward else (mention.end, place)
        if end - start > _REACH:
            break
        between = _ASIDE.sub(" ", text[start:end])
        if not (_LIST.fullmatch(between) if found else not _BARRIER.search(between)):
            break
        found.append(index)
        place = mention.end if forward else mention.start
        index += 1 if forward else -1
    return found
