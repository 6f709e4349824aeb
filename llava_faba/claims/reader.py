"""Text -> its claims about the face: the one reader for the rules `strict`, for photos and for clips."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llava_faba.claims.action_units import Named, named_by_facs, named_by_number
from llava_faba.claims.claim import AU_MOVEMENTS, Claim
from llava_faba.claims.clauses import Clause, split_clauses
from llava_faba.claims.emotions import feelings_of
from llava_faba.claims.face_words import Meaning
from llava_faba.claims.phrases import Phrase, phrases_of
from llava_faba.claims.polarity import Mention, Status, may_deny, statuses
from llava_faba.claims.symmetry import speaks_of_sides, symmetry_of
from llava_faba.claims.text import Sentence, normalise, split_sentences

_NO_AU = re.compile(r"\b(?:aus?|action units?|facial actions?|units|muscle (?:activity|movements?))\b")
_HEADING = re.compile(r"[^:|]*:\s*$|\s*#")
_DENYING = re.compile(
    r"\b(?:not|absent|inactive|missing|no|without|lacking|unlikely|undetected|excluded|ruled out)\b|n't\b"
)


@dataclass
class Read:
    """A sentence with the AUs that it names by number or FACS name, and whether each is there."""

    sentence: Sentence
    named: list[tuple[Named, Status]] = field(default_factory=list)
    clauses: list[Clause] = field(default_factory=list)


def sentences_of(text: str) -> list[Sentence]:
    """Split a normalised text into sentences; those below a heading like "Not present:" know that they are denied."""
    sentences = split_sentences(text)
    heading: Sentence | None = None
    for number, sentence in enumerate(sentences):
        if heading is not None:
            gap = text[sentences[number - 1].start : sentence.start]
            if sentence.bullet or heading.start + len(heading.text) + 2 >= sentence.start:
                sentence.denied = bool(sentence.bullet)
            elif "\n" in gap:
                heading = None
        if _HEADING.match(sentence.text) and not sentence.bullet:
            denies = _DENYING.search(sentence.text) and not named_by_number(sentence.text)
            heading = sentence if denies else None
    return sentences


def read_named(text: str) -> list[Read]:
    """Read the AUs that a normalised text names by number or FACS name, sentence by sentence."""
    found = []
    places = named_by_number(text) + [one for one in named_by_facs(text)]
    if not places:
        return []
    places.sort()
    sentences = sentences_of(text)
    index = 0
    for sentence in sentences:
        end = sentence.start + len(sentence.text)
        own = []
        while index < len(places) and places[index].start < end:
            if places[index].start >= sentence.start:
                own.append(places[index])
            index += 1
        if own:
            found.append(_named_of(sentence, _without_repeats(own, text)))
    return found


def _without_repeats(named: list[Named], text: str) -> list[Named]:
    """Drop the FACS names that only explain a number: "AU4 (brow lowerer)", "brow lowerer (AU4)"."""
    numbers = [
        one
        for one in named
        if not text[one.start].isalpha() or text[one.start] == "a" or text[one.start : one.start + 2] == "au"
    ]
    known = {au for one in numbers for au in one.aus}
    return [one for one in named if one in numbers or not known.intersection(one.aus)]


def _named_of(sentence: Sentence, named: list[Named]) -> Read:
    if not may_deny(sentence.text):
        return Read(sentence, [(one, not sentence.denied) for one in named])
    sentence.split()
    if sentence.text.rstrip().endswith("?"):
        return Read(sentence, [(one, None) for one in named])
    clauses = split_clauses(sentence.words)
    mentions = [_mention(sentence, one) for one in named]
    read = statuses(sentence.words, clauses, mentions)
    pairs = [(one, False if sentence.denied and status else status) for one, status in zip(named, read, strict=True)]
    return Read(sentence, pairs, clauses)


def _mention(sentence: Sentence, named: Named) -> Mention:
    first = sentence.word_at(named.start)
    return Mention(first, first, max(first, sentence.word_at(named.end - 1)))


def denies_all_aus(text: str) -> bool:
    """Whether a normalised text says that there is no action unit at all: "No AUs are active", "None."."""
    if re.fullmatch(r"\W*(?:none|no|neutral|nothing|n/a)\W*", text):
        return True
    for sentence in split_sentences(text):
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
    named = named_by_number(sentence.text) + named_by_facs(sentence.text)
    named = _without_repeats(sorted(named), sentence.text)
    named = [Named(n.start + sentence.start, n.end + sentence.start, n.aus) for n in named]
    phrases = phrases_of(words)
    if not named and not phrases and not speaks_of_sides(words):
        return []
    clauses = split_clauses(words)
    mentions = [_mention(sentence, one) for one in named]
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
    for phrase, status in zip(phrases, read, strict=False):
        if phrase.at in subjects:
            continue
        for meaning in phrase.meanings:
            if known.intersection(meaning.aus):
                continue
            claim = _claim(sentence, phrase, meaning, status)
            if all(claim.aus != other.aus or claim.side != other.side for other in claims):
                claims.append(claim)
    return claims


def _claim(sentence: Sentence, phrase: Phrase, meaning: Meaning, status: Status) -> Claim:
    present = None if status is None else status == meaning.present
    start, end = sentence.places[phrase.first][0], sentence.places[phrase.last][1]
    degree, side = phrase.degree, phrase.side
    return Claim("movement", present, meaning.aus, meaning.part, meaning.movement, "", degree, side, None, start, end)


Reader = Callable[[str], list[Claim]]
__all__ = ["Read", "denies_all_aus", "feelings_of", "normalise", "read_movements", "read_named", "sentences_of"]
