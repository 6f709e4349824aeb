"""Text -> its sentences, the action units that they name by number or FACS name, and whether each is there."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from llava_faba.claims.action_units import Named, named_by_facs, named_by_number
from llava_faba.claims.clauses import Clause, split_clauses
from llava_faba.claims.phrases import Phrase, phrases_of
from llava_faba.claims.polarity import Mention, Status, may_deny, statuses
from llava_faba.claims.tables import values_below
from llava_faba.claims.text import BULLET, Sentence, split_line

_NO_AU = re.compile(r"\b(?:aus?|action units?|facial actions?|units|muscle (?:activity|movements?))\b")
_REPLY = re.compile(
    r"\W*(?:(?P<yes>yes|definitely|certainly|clearly|indeed|present|(?:it|they) (?:is|are|does|do)(?=\W*$))|"
    r"no|none|not|nope|absent|(?:it|they) (?:is|are|does|do)(?: not|n't))(?!\w)"
)
_LIKEWISE = re.compile(r"\W*(?:the same (?:goes|applies|holds|is true|can be said)|likewise|ditto|similarly,)")
_EMPTY_LIST = re.compile(r"\b(?:aus?|units?)\"?\s*[:=]\s*[\[{]\s*[\]}]")  # '{"aus": []}'
_VALUE_LINE = re.compile(  # below a heading that is an AU: "Absent", "- Present: No"
    r"\W*(?:(?:present|active|activated|status|visible|detected|observed|presence)\W+)?"
    r"(?P<said>yes|no|present|absent|not [a-z]+|active|inactive|true|false|none)\W*"
)
_DENIED_VALUES = ("no", "absent", "inactive", "false", "none")
_GONE = ("absent", "missing", "inactive")
_REFERRING = re.compile(
    r"\W*(?:but |however,? |yet |here,? |in this (?:face|image|picture|case),? )*(?:it|they|this|these|those|that) "
    r"(?:is|are|was|were|does|do|did|can|could|seems?|appears?)(?P<not>n't| not)?(?: \w+ly)?(?: to)?(?: be)?"
    r"(?: (?P<is>present|visible|there|active|seen|found|shown|the case|absent|missing|inactive))?"
    r"(?: here| at all| in this (?:face|image|picture|photo))*\W*"
)
_DENYING = re.compile(
    r"\b(?:not|absent|inactive|missing|no|without|lacking|unlikely|undetected|excluded|ruled out)\b|n't\b"
)


class Read(NamedTuple):
    """A sentence with the AUs that it names by number or FACS name, and whether each is there."""

    sentence: Sentence
    named: list[tuple[Named, Status]]


def lines_of(text: str) -> Iterator[tuple[str, int, bool]]:
    """The lines of a normalised text with where they begin, and whether a heading ("Not present:") denies them."""
    start, under = 0, False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if "|" in line:
            yield line, start, False
        elif BULLET.match(line):
            yield line, start, under
        elif line.strip():
            yield line, start, False
            under = _is_denying_heading(line, lines[number + 1 : number + 3])
        start += len(line) + 1


def _is_denying_heading(line: str, following: Sequence[str]) -> bool:
    if len(line) > 120 or not (line.rstrip().endswith(":") or any(BULLET.match(one) for one in following)):
        return False
    return bool(_DENYING.search(line)) and not named_by_number(line)


def sentences_of(text: str) -> list[Sentence]:
    """Split a normalised text into sentences; those below a heading like "Not present:" know that they are denied."""
    found: list[Sentence] = []
    for line, start, denied in lines_of(text):
        own = split_line(line, start)
        if denied:
            for sentence in own:
                sentence.denied = True
        found += own
    return found


def read_named(text: str) -> list[Read]:
    """Read the AUs that a normalised text names by number or FACS name, sentence by sentence."""
    numbered = named_by_number(text)
    places = sorted(numbered + named_by_facs(text, {au for one in numbered for au in one.aus}))
    found: list[Read] = []
    index = 0
    lines = list(lines_of(text)) if places else []
    for number, (line, start, denied) in enumerate(lines):
        own: list[Named] = []
        while index < len(places) and places[index].start < start + len(line):
            own.append(places[index])
            index += 1
        if "|" in line and (values := values_below(lines, number, own)) is not None:
            found.append(Read(Sentence(line, start), list(zip(own, values, strict=True))))
            continue
        if own and number + 1 < len(lines) and _is_heading(line, own):
            below = lines[number + 1][0]
            said = None if len(below) > 40 or below.rstrip().endswith(":") else _VALUE_LINE.fullmatch(below)
            if said:
                value = said["said"] not in _DENIED_VALUES and not said["said"].startswith("not")
                found.append(Read(Sentence(line, start), [(one, value) for one in own]))
                continue
        if own and may_deny(line):
            sentences = split_line(line, start)
            for sentence in sentences:
                sentence.denied = denied
            found += _within(sentences, own)
        elif own:
            found.append(Read(Sentence(line, start), [(one, not denied) for one in own]))
    return found


def _is_heading(line: str, places: Sequence[Named]) -> bool:
    """Whether a line is no more than the name of an AU."""
    if BULLET.match(line):
        return False
    return len(line) < 60 and not re.search(r"[:=|]\W*\w", line) and len(line.split()) <= 6


def _within(sentences: Sequence[Sentence], places: Sequence[Named]) -> list[Read]:
    """Read each of the sentences that hold one of the places."""
    found: list[Read] = []
    index = 0
    for number, sentence in enumerate(sentences):
        end = sentence.start + len(sentence.text)
        own = []
        while index < len(places) and places[index].start < end:
            own.append(places[index])
            index += 1
        if own:
            read = _named_of(sentence, own)
            if found and _LIKEWISE.match(sentence.text):
                read = read._replace(named=[(one, found[-1].named[-1][1]) for one in own])
            if "?" in sentence.text and number + 1 < len(sentences):
                reply = reply_in(sentences[number + 1])
                read = read if reply is None else read._replace(named=[(one, reply) for one in own])
            if number + 1 < len(sentences) and not (
                index < len(places) and places[index].start < _end(sentences[number + 1])
            ):
                said = referred_in(sentences[number + 1])
                if said is False and len(own) == 1:
                    read = read._replace(named=[(one, said) for one in own])
            found.append(read)
    return found


def _end(sentence: Sentence) -> int:
    return sentence.start + len(sentence.text)


def referred_in(sentence: Sentence) -> bool | None:
    """Return what a sentence without mentions says of those before it: "It is not there", "Here they are not."."""
    match = _REFERRING.fullmatch(sentence.text)
    if match is None or not (match["not"] or match["is"]):
        return None
    return not match["not"] and match["is"] not in _GONE


def reply_in(sentence: Sentence) -> bool | None:
    """Return what a sentence answers to the question before it; None where it is no answer."""
    reply = _REPLY.match(sentence.text)
    return None if reply is None else bool(reply["yes"])


def _named_of(sentence: Sentence, named: list[Named]) -> Read:
    if not may_deny(sentence.text):
        return Read(sentence, [(one, not sentence.denied) for one in named])
    read = _judged(sentence.text, tuple((one.start - sentence.start, one.end - sentence.start) for one in named))
    pairs = [(one, False if sentence.denied and status else status) for one, status in zip(named, read, strict=True)]
    return Read(sentence, pairs)


@lru_cache(maxsize=4096)  # models repeat themselves
def _judged(text: str, places: tuple[tuple[int, int], ...]) -> tuple[Status, ...]:
    """Whether each of the AUs that a sentence names at some places is there."""
    if text.rstrip().endswith("?"):
        return (None,) * len(places)
    sentence = Sentence(text, 0)
    sentence.split()
    mentions = [mention_of(sentence, start, end) for start, end in places]
    clauses = split_clauses(sentence.words)
    read = statuses(sentence.words, clauses, mentions)
    described = {at for clause in clauses for at in (clause.words if clause.marked else clause.bracketed)}
    phrases = [one for one in phrases_of(sentence.words) if one.at in described] if described else []
    if phrases:
        deny_described(sentence, clauses, places, mentions, phrases, read)
    return tuple(read)


def deny_described(
    sentence: Sentence,
    clauses: Sequence[Clause],
    places: tuple[tuple[int, int], ...],
    mentions: Sequence[Mention],
    phrases: Sequence[Phrase],
    read: list[Status],
) -> None:
    """Deny the AUs whose own movement is denied behind a colon or in brackets: "AU6: the cheeks are not raised"."""
    said = statuses(sentence.words, clauses, [Mention(p.first, p.at, p.last, False) for p in phrases])
    ends = [mention.first for mention in mentions[1:]] + [len(sentence.words)]
    marked = {at for clause in clauses if clause.marked for at in clause.words}
    for number, (place, mention, end) in enumerate(zip(places, mentions, ends, strict=True)):
        named = {au for one in named_by_number(sentence.text[place[0] : place[1]]) for au in one.aus}
        said_of_it = [
            (phrase.at, status == meaning.present)
            for phrase, status in zip(phrases, said, strict=True)
            for meaning in phrase.meanings
            if mention.last < phrase.at < end and named.intersection(meaning.aus) and status is not None
        ]
        behind = [status for at, status in said_of_it if at in marked]
        own = behind or [status for _, status in said_of_it]  # "(lips part): the lips are closed"
        if own and not any(own):
            read[number] = False


def mention_of(sentence: Sentence, start: int, end: int) -> Mention:
    """Return the words of a sentence between two places of the text."""
    first = sentence.word_at(start)
    return Mention(first, first, max(first, sentence.word_at(end - 1)))


def clause_around(sentence: Sentence, place: int) -> tuple[int, int]:
    """Return where the clause around a place of the whole text begins and ends."""
    if not sentence.words:
        sentence.split()
    if not sentence.words:
        return sentence.start, sentence.start + len(sentence.text)
    at = sentence.word_at(place)
    own = next((clause.words for clause in split_clauses(sentence.words) if at in clause.words), [at])
    last = max(own)
    following = sentence.words[last + 1 : last + 2]
    return sentence.places[min(own)][0], sentence.places[last + (following in ([")"], ["."]))][1]


def denies_all_aus(text: str) -> bool:
    """Whether a normalised text says that there is no action unit at all: "No AUs are active", "None."."""
    if _EMPTY_LIST.search(text):
        return True
    if re.fullmatch(r"\W*(?:none|no|neutral|nothing|n/a)\W*", text):
        return True
    for sentence in sentences_of(text):
        places = [match for match in _NO_AU.finditer(sentence.text)]
        if places and may_deny(sentence.text):
            sentence.split()
            clauses = split_clauses(sentence.words)
            spots = [sentence.word_at(sentence.start + match.start()) for match in places]
            if False in statuses(sentence.words, clauses, [Mention(at, at, at) for at in spots]):
                return True
    return False
