"""Sentence -> what it claims of the movements of a face, and of left and right, each said to be there or not.

The one reader of movements for the rules `strict` and for the evidence of photos and clips.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from llava_faba.claims.action_units import Named, named_by_facs, named_by_number
from llava_faba.claims.claim import AU_MOVEMENTS, Claim
from llava_faba.claims.clauses import Clause, split_clauses
from llava_faba.claims.degrees import degree_of
from llava_faba.claims.face_words import Meaning
from llava_faba.claims.phrases import Phrase, phrases_of
from llava_faba.claims.polarity import Mention, Status, may_deny, statuses
from llava_faba.claims.reader import deny_described, mention_of, referred_in, reply_in, sentences_of
from llava_faba.claims.symmetry import speaks_of_sides, symmetry_of
from llava_faba.claims.text import Sentence, normalise


def read_claims(text: str) -> list[Claim]:
    """Return what a text claims of the face's movements, and of left and right; what it leaves open is left out."""
    return list(_claims(text))


@lru_cache(maxsize=4096)  # one text is judged by several faces
def _claims(text: str) -> tuple[Claim, ...]:
    sentences = sentences_of(normalise(text))
    found: list[Claim] = []
    for one, following in zip(sentences, [*sentences[1:], None], strict=True):
        asked = one.text.rstrip().endswith("?")
        claims = read_movements(one, reply_in(following) if following and asked else None)
        alone = not any(claim.present is not None for claim in claims[:-1])
        if following and claims and alone and referred_in(following) is False:
            claims[-1] = replace(claims[-1], present=False)  # "the cheeks would be raised; here they are not"
        found += claims
    return tuple(claim for claim in found if claim.present is not None)


def read_movements(sentence: Sentence, reply: bool | None = None) -> list[Claim]:
    """Read the movements that a sentence claims, by AUs and by phrases, and what it says of left and right.

    A question claims nothing but by its `reply`.
    """
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
    mentions = [mention_of(sentence, one.start, one.end) for one in named]
    mentions += [Mention(one.first, one.at, one.last, False) for one in phrases]
    uneven = symmetry_of(words, clauses, phrases)
    mentions += [Mention(one.at, one.at, one.at) for one in uneven]
    read: list[Status] = [True] * len(mentions)
    if may_deny(sentence.text):
        read = statuses(words, clauses, mentions)
        _deny_named(sentence, clauses, named, mentions, phrases, read)
    if sentence.text.rstrip().endswith("?"):
        if reply is None:
            return []
        read = [reply] * len(mentions)
    claims = _named_claims(sentence, named, read, mentions)
    claims += _phrase_claims(sentence, phrases, read[len(named) :], claims, {one.subject for one in uneven})
    for one, status in zip(uneven, read[len(named) + len(phrases) :], strict=True):
        if status is not None:
            start, end = sentence.places[one.at]
            symmetric = one.symmetric == status
            claims.append(Claim("symmetry", True, part=one.part, symmetric=symmetric, start=start, end=end))
    return claims


def _deny_named(
    sentence: Sentence,
    clauses: Sequence[Clause],
    named: Sequence[Named],
    mentions: Sequence[Mention],
    phrases: Sequence[Phrase],
    read: list[Status],
) -> None:
    """Deny the AUs whose own movement is denied behind a colon or in brackets."""
    described = {at for clause in clauses for at in (clause.words if clause.marked else clause.bracketed)}
    own = [phrase for phrase in phrases if phrase.at in described]
    if named and own:
        places = tuple((one.start - sentence.start, one.end - sentence.start) for one in named)
        of_named = read[: len(named)]
        deny_described(sentence, clauses, places, mentions[: len(named)], own, of_named)
        read[: len(named)] = of_named


def _named_claims(
    sentence: Sentence, named: Sequence[Named], read: Sequence[Status], mentions: Sequence[Mention]
) -> list[Claim]:
    claims = []
    seen: set[int] = set()
    for one, status, mention in zip(named, read, mentions, strict=False):
        degree = degree_of(sentence.words, mention.first, mention.first, mention.last, alone=True)
        for au in one.aus:
            if au not in seen:
                seen.add(au)
                present = False if sentence.denied and status else status
                part, movement = AU_MOVEMENTS.get(au, ("", ""))
                claims.append(Claim("au", present, (au,), part, movement, "", degree, start=one.start, end=one.end))
    return claims


def _phrase_claims(
    sentence: Sentence, phrases: Sequence[Phrase], read: Sequence[Status], named: Sequence[Claim], subjects: set[int]
) -> list[Claim]:
    """Claims of phrases; not those that explain a named AU, nor "the smile" whose evenness alone is spoken of."""
    known = {au for claim in named if claim.present is not None for au in claim.aus}
    claims: list[Claim] = []
    ways: list[str] = []
    for phrase, status in zip(phrases, read, strict=False):
        for meaning in phrase.meanings if phrase.at not in subjects else ():
            claim = _claim(sentence, phrase, meaning, status)
            same = next((k for k, one in enumerate(claims) if one.aus == claim.aus and one.side == claim.side), None)
            before = None if same is None else claims[same]
            if known.intersection(meaning.aus):
                continue
            if before is None or (before.present and claim.present and before.movement != claim.movement):
                claims.append(claim)
                ways.append(phrase.tag)
            elif (
                before.present
                and claim.present is False
                and phrase.tag not in ("", "rest", "smooth", ways[same])
                and ways[same]
            ):
                continue  # "drawn inward but not down"
            elif before.present and claim.present and before.degree and not claim.degree:
                continue  # "slightly open, showing the teeth"
            elif claim.present is not None and " than " not in sentence.text[: claim.start - sentence.start]:
                claims[same], ways[same] = claim, phrase.tag  # the conclusion: "a would-be smile, so she isn't smiling"
    whole = [
        one.movement == "move" and (one.present or way in ("rest", "smooth"))
        for one, way in zip(claims, ways, strict=True)
    ]
    return [one for one, general in zip(claims, whole, strict=True) if not (general and _is_specified(one, claims))]


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
