"""The rules `strict`: decide what an answer says from its claims (llava_faba/claims), or that it says nothing.

- AUs named by number or by FACS name count where they are affirmed; only an answer that affirms none of these is read
  by its phrases ("the brows are lowered"). An AU that is affirmed as often as denied is left out.
- Each clause that affirms an emotion weighs in: a name more than a smile or a frown, a main clause more than one that
  is conceded ("although she smiles"), "mainly" more and "a hint of" less. The heaviest wins; a tie is undecided.
"""

from collections import Counter
from functools import lru_cache
from typing import NamedTuple, TypedDict

from llava_faba.claims.emotions import Feeling, feelings_of, heaviest, names_emotion, scores_in
from llava_faba.claims.movements import read_movements
from llava_faba.claims.reader import clause_around, denies_all_aus, read_named, sentences_of
from llava_faba.claims.text import Sentence, normalise
from llava_faba.vocabulary import EMOTIONS

_LATER = ("however", "but", "nevertheless", "yet", "overall")
_EARLIER = 0.6  # of its weight keeps what stands before a sentence that begins so
_OPENING = 1.3  # times its weight has the first sentence that names an emotion


class Decision(NamedTuple):
    """What an answer says: AUs or emotions (one, or several that tie); None where it says nothing."""

    value: tuple[int, ...] | tuple[str, ...] | None
    reason: str = ""


def action_units(text: str) -> Decision:
    """Decide which AUs an answer affirms; () where it denies all that it names, None where it names none."""
    text = normalise(text)
    counts: Counter[int] = Counter()
    denied: Counter[int] = Counter()
    for _, pairs in read_named(text):
        for named, status in pairs:
            (counts if status else denied if status is False else Counter()).update(named.aus)
    found = sorted(au for au in counts if counts[au] > denied[au])
    if found:
        return Decision(tuple(found))
    contradicted = any(counts.values())
    phrases = None if contradicted else _by_phrases(text)
    if phrases is not None:
        return Decision(tuple(sorted(phrases - set(denied))))
    if contradicted:
        return Decision(None, "the same AUs are affirmed and denied")
    if denied or denies_all_aus(text):
        return Decision(())
    return Decision(None, "no action unit is named")


def _by_phrases(text: str) -> set[int] | None:
    """The AUs of phrases; None where no phrase says anything."""
    said: set[int] = set()
    silent = True
    for sentence in sentences_of(text):
        for aus, present in _phrases_of(sentence.text):
            silent = False
            if present and not sentence.denied:
                said.update(aus)
    return None if silent else said


@lru_cache(maxsize=4096)  # models repeat themselves
def _phrases_of(text: str) -> tuple[tuple[tuple[int, ...], bool], ...]:
    """The AUs of each phrase of a sentence, and whether it is affirmed; of alternatives the first."""
    found = (claim for claim in read_movements(Sentence(text, 0)) if claim.kind == "movement")
    return tuple(
        (claim.aus if claim.aus == (1, 2) else claim.aus[:1], claim.present)
        for claim in found
        if claim.present is not None
    )


def emotions(text: str) -> Decision:
    """Decide the emotion of an answer: one, several that tie, or None where none is affirmed."""
    text = normalise(text)
    if scores := scores_in(text):
        return Decision(heaviest(scores))
    weights: dict[str, float] = dict.fromkeys(EMOTIONS, 0.0)
    opened = False
    for sentence, feelings in feelings_in(text):
        if sentence.words[:1] and sentence.words[0] in _LATER and any(one.status for one in feelings):
            weights = {emotion: _EARLIER * weight for emotion, weight in weights.items()}
        factor = 1.0 if opened else _OPENING
        for one in feelings:
            if one.status:
                opened = True
                for emotion in one.emotions:
                    weights[emotion] += factor * one.weight
    named = heaviest(weights)
    return Decision(named or None, "" if named else "no emotion is affirmed")


def feelings_in(text: str) -> list[tuple[Sentence, list[Feeling]]]:
    """Return the sentences of a normalised text that name an emotion, with what they name."""
    found = []
    for sentence in sentences_of(text):
        if not names_emotion(sentence.text):
            continue
        sentence.split()
        feelings = feelings_of(sentence)
        if feelings:
            if sentence.text.rstrip().endswith("?"):
                for one in feelings:
                    one.status = None
            found.append((sentence, feelings))
    return found


class Row(TypedDict):
    """One claim of an answer."""

    clause: str  # as it is written
    claim: str
    polarity: str  # "affirmed", "denied", "left open"
    weight: float | None  # of an emotion


def explained(text: str, task: str) -> list[Row]:
    """Return the claims that an answer was decided by, in their order."""
    plain = normalise(text)
    if task == "emotion":
        return [
            _row(text, sentence, " or ".join(one.emotions), one.status, round(one.weight, 2), one.place)
            for sentence, feelings in feelings_in(plain)
            for one in feelings
        ]
    rows = []
    for sentence, pairs in read_named(plain):
        for named, status in pairs:
            rows.append(_row(text, sentence, ", ".join(f"AU{au}" for au in named.aus), status, None, named.start))
    if not any(row["polarity"] == "affirmed" for row in rows):
        for sentence in sentences_of(plain):
            for claim in read_movements(sentence):
                if claim.kind == "movement":
                    name = f"{claim.part} {claim.movement} ({' or '.join(f'AU{au}' for au in claim.aus)})"
                    rows.append(_row(text, sentence, name, claim.present, None, claim.end - 1))
    return rows


def _row(text: str, sentence: Sentence, claim: str, status: bool | None, weight: float | None, place: int) -> Row:
    polarity = {True: "affirmed", False: "denied", None: "left open"}[status]
    start, end = clause_around(sentence, place)
    return Row(clause=text[start:end].strip(" ,;:\n"), claim=claim, polarity=polarity, weight=weight)
