"""Text -> its claims about the face: the one reader for the rules `strict`, for photos and for clips."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from llava_faba.claims.action_units import Named, named_by_facs, named_by_number
from llava_faba.claims.claim import AU_MOVEMENTS, Claim
from llava_faba.claims.clauses import split_clauses
from llava_faba.claims.face_words import Meaning
from llava_faba.claims.phrases import Phrase, phrases_of
from llava_faba.claims.polarity import Mention, Status, may_deny, statuses
from llava_faba.claims.symmetry import speaks_of_sides, symmetry_of
from llava_faba.claims.text import BULLET, Sentence, split_line

_NO_AU = re.compile(r"\b(?:aus?|action units?|facial actions?|units|muscle (?:activity|movements?))\b")
_REPLY = re.compile(
    r"\W*(?:(?P<yes>yes|definitely|certainly|clearly|indeed|present|(?:it|they) (?:is|are|does|do)(?=\W*$))|no|not|nope|"
    r"absent|(?:it|they) (?:is|are|does|do)(?: not|n't))(?!\w)"
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
    if len(line) > 120 or not _DENYING.search(line) or named_by_number(line):
        return False
    return line.rstrip().endswith(":") or any(BULLET.match(one) for one in following)


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
    for line, start, denied in lines_of(text) if places else ():
        own = []
        while index < len(places) and places[index].start < start + len(line):
            own.append(places[index])
            index += 1
        if own and may_deny(line):
            sentences = split_line(line, start)
            for sentence in sentences:
                sentence.denied = denied
            found += _within(sentences, own)
        elif own:
            found.append(Read(Sentence(line, start), [(one, not denied) for one in own]))
    return found


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
            if "?" in sentence.text and number + 1 < len(sentences):
                reply = _REPLY.match(sentences[number + 1].text)
                read = read._replace(named=[(one, bool(reply["yes"])) for one in own]) if reply else read
            found.append(read)
    return found


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
    mentions = [_mention(sentence, start, end) for start, end in places]
    clauses = split_clauses(sentence.words)
    read = statuses(sentence.words, clauses, mentions)
    described = {at for clause in clauses for at in (clause.words if clause.marked else clause.bracketed)}
    phrases = [one for one in phrases_of(sentence.words) if one.at in described] if described else []
    if phrases:
        _deny_described(sentence, places, mentions, phrases, read)
    return tuple(read)


def _deny_described(
    sentence: Sentence,
    places: tuple[tuple[int, int], ...],
    mentions: Sequence[Mention],
    phrases: Sequence[Phrase],
    read: list[Status],
) -> None:
    """Deny the AUs whose own movement is denied behind a colon or in brackets: "AU6: the cheeks are not raised"."""
    said = statuses(
        sentence.words, split_clauses(sentence.words), [Mention(p.first, p.at, p.last, False) for p in phrases]
    )
    ends = [mention.first for mention in mentions[1:]] + [len(sentence.words)]
    for number, (place, mention, end) in enumerate(zip(places, mentions, ends, strict=True)):
        named = {au for one in named_by_number(sentence.text[place[0] : place[1]]) for au in one.aus}
        own = [
            status == meaning.present
            for phrase, status in zip(phrases, said, strict=True)
            for meaning in phrase.meanings
            if mention.last < phrase.at < end and named.intersection(meaning.aus) and status is not None
        ]
        if own and not any(own):
            read[number] = False


def _mention(sentence: Sentence, start: int, end: int) -> Mention:
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


def read_movements(sentence: Sentence) -> list[Claim]:
    """Read the movements that a sentence claims, by AUs and by phrases, and what it says of left and right."""
    if not sentence.words:
        sentence.split()
    words = sentence.words
    named = named_by_number(sentence.text)
    named = sorted(named + named_by_facs(sentence.text, {au for one in named for au in one.aus}))
    named = [Named(n.start + sentence.start, n.end + sentence.start, n.aus) for n in named]
    phrases = phrases_of(words)
    if not named and not phrases and not speaks_of_sides(words):
        return []
    clauses = split_clauses(words)
    mentions = [_mention(sentence, one.start, one.end) for one in named]
    mentions += [Mention(one.first, one.at, one.last, False) for one in phrases]
    uneven = symmetry_of(words, clauses, phrases)
    mentions += [Mention(one.at, one.at, one.at) for one in uneven]
    read: list[Status] = [True] * len(mentions)
    if may_deny(sentence.text):
        read = statuses(words, clauses, mentions)
    if sentence.text.rstrip().endswith("?"):
        return []
    claims = _named_claims(sentence, named, read)
    claims += _phrase_claims(sentence, phrases, read[len(named) :], claims, {one.subject for one in uneven})
    for one, status in zip(uneven, read[len(named) + len(phrases) :], strict=True):
        if status is not None:
            start, end = sentence.places[one.at]
            symmetric = one.symmetric == status
            claims.append(Claim("symmetry", True, part=one.part, symmetric=symmetric, start=start, end=end))
    return claims


def _named_claims(sentence: Sentence, named: Sequence[Named], read: Sequence[Status]) -> list[Claim]:
    claims = []
    seen: set[int] = set()
    for one, status in zip(named, read, strict=False):
        for au in one.aus:
            if au not in seen:
                seen.add(au)
                present = False if sentence.denied and status else status
                part, movement = AU_MOVEMENTS.get(au, ("", ""))
                claims.append(Claim("au", present, (au,), part, movement, start=one.start, end=one.end))
    return claims


def _phrase_claims(
    sentence: Sentence, phrases: Sequence[Phrase], read: Sequence[Status], named: Sequence[Claim], subjects: set[int]
) -> list[Claim]:
    """Claims of phrases; not those that explain a named AU, nor "the smile" whose evenness alone is spoken of."""
    known = {au for claim in named for au in claim.aus}
    claims: list[Claim] = []
    ways: list[str] = []
    for phrase, status in zip(phrases, read, strict=False):
        if phrase.at in subjects:
            continue
        for meaning in phrase.meanings:
            if known.intersection(meaning.aus):
                continue
            claim = _claim(sentence, phrase, meaning, status)
            same = next((k for k, one in enumerate(claims) if one.aus == claim.aus and one.side == claim.side), None)
            if same is None or (claims[same].present and claim.present and claims[same].movement != claim.movement):
                claims.append(claim)
                ways.append(phrase.tag)
            elif claims[same].present and claim.present is False and ways[same] != phrase.tag and phrase.tag and ways[same]:
                continue  # "drawn inward but not down"
            elif claim.present is not None and " than " not in sentence.text[: claim.start - sentence.start]:
                claims[same] = claim  # "what could be called a smile ..., so she isn't smiling": the conclusion
    general = [one.movement == "move" and (one.present or way == "rest") for one, way in zip(claims, ways, strict=True)]
    return [one for one, is_general in zip(claims, general, strict=True) if not (is_general and _is_specified(one, claims))]


def _is_specified(general: Claim, claims: Sequence[Claim]) -> bool:
    """Whether another claim says how the part moves: "slightly raised and relaxed", "wrinkled by the raised brows"."""
    return any(
        one.present and one.movement != "move" and set(one.aus) <= set(general.aus) and one.side == general.side
        for one in claims
    )


def _claim(sentence: Sentence, phrase: Phrase, meaning: Meaning, status: Status) -> Claim:
    present = None if status is None else status == meaning.present
    start, end = sentence.places[phrase.first][0], sentence.places[phrase.last][1]
    degree, side = phrase.degree, phrase.side
    return Claim("movement", present, meaning.aus, meaning.part, meaning.movement, "", degree, side, None, start, end)
