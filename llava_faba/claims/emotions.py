"""Words of a sentence -> the emotions that it names, and how much each clause makes of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llava_faba.claims.clauses import Clause, split_clauses
from llava_faba.claims.face_words import PART_WORDS
from llava_faba.claims.lexicon import EMOTION_WORDS, GENERIC, NAME, Word
from llava_faba.claims.polarity import Mention, Status, may_deny, statuses
from llava_faba.claims.text import Sentence
from llava_faba.vocabulary import EMOTIONS

_SURROUNDINGS = frozenset(
    "lighting light background room scene weather setting colours colors colour color surroundings atmosphere clothing "
    "shirt music sky".split()
)
_PICTURES = frozenset("image picture photo photograph portrait".split())
_FEATURES = frozenset(PART_WORDS) - {"smile", "smiles"} | {"gaze", "position", "posture", "tone", "stance", "pose"}
_ADJECTIVE = frozenset(
    "is are was were be looks look looking seems seem appears appear feels feel feeling and or very quite so "
    "more how".split()
)
_BESIDE = re.compile(r"^(?:smile|expression|look|face|mood|person|man|woman|child)$")
_DOMINANT = frozenset(
    "primary primarily main mainly dominant dominates predominant predominantly mostly overall best clearly definitely "
    "most likeliest really actually".split()
)
_MINOR = frozenset(
    "secondary alternative alternatives hint touch trace slight slightly little bit some somewhat tinge undertone "
    "tries trying hints element possible".split()
)
_HEDGES = frozenset("may might could can perhaps possibly maybe".split())
_AT_FIRST = re.compile(r"\b(?:at first|first glance|initially|seemingly)\b")
_NUMBER = re.compile(r"[\"'\s]*(?:[:=|(\u2013,]|\bat\b|\bis\b)[\"'\s|(]*(\d+(?:\.\d+)?)\s?(%)?")
_ROLES = {"main": 1.0, "answer": 1.0, "aside": 0.6, "cause": 0.5, "conceded": 0.3}
_LETTERS = re.compile(r"[a-z]+")
_ALL_WORDS = EMOTION_WORDS.keys() | GENERIC
LISTED = 5  # different emotions in one breath are a list of what there is to choose from


@dataclass
class Feeling:
    """An emotion word in its place."""

    at: int  # number of the word
    place: int  # in the whole text
    emotions: tuple[str, ...]
    weight: float
    status: Status = True


def names_emotion(text: str) -> bool:
    """Whether a normalised text holds any word for an emotion."""
    return not _ALL_WORDS.isdisjoint(_LETTERS.findall(text))


def feelings_of(sentence: Sentence) -> list[Feeling]:
    """Read the emotions of a sentence, those affirmed, denied and left open, with their weights."""
    words = sentence.words
    found = [
        Feeling(at, sentence.places[at][0], word.emotions, word.weight)
        for at, one in enumerate(words)
        if (word := EMOTION_WORDS.get(one)) and _is_emotion(words, at, word)
    ]
    generic = [at for at, one in enumerate(words) if one in GENERIC]
    if not found and not generic:
        return []
    clauses = split_clauses(words)
    mentions = [Mention(f.at, f.at, f.at) for f in found] + [Mention(at, at, at) for at in generic]
    read: list[Status] = [True] * len(mentions)
    if may_deny(sentence.text):
        read = statuses(words, clauses, mentions)
    for feeling, status in zip(found, read, strict=False):
        feeling.status = False if sentence.denied and status else status
    _weigh(words, clauses, found)
    _options(words, found)
    for at, status in zip(generic, read[len(found) :], strict=True):
        if status is False and not _of_choice(words, at):
            found.append(Feeling(at, sentence.places[at][0], ("Neutral",), NAME))
    return found


def _is_emotion(words: Sequence[str], at: int, word: Word) -> bool:
    """Whether a word is used for an emotion of the person, not of the light, of a brow or of the content of a "
    "picture."""
    one, before, following = words[at], words[:at], words[at + 1 : at + 2]
    clause = _own_words(words, at)
    if _SURROUNDINGS & set(clause[-6:]) or (following and following[0] in _SURROUNDINGS):
        return False
    if (
        word.weight != NAME
        and any(p in clause for p in _PICTURES)
        and clause[-2:-1] != []
        and clause[-1] in ("is", "and")
    ):
        return False
    if one in ("neutral", "relaxed", "tense", "tension", "blank", "calm", "focused", "focus"):
        if following and following[0] in _FEATURES:
            return False
        place = next((k for k, w in enumerate(reversed(clause)) if w in _FEATURES), None)
        if place is not None and place < 6 and not {"expression", "face", "emotion", "person"} & set(clause[-place:]):
            return False
        if one in ("tension", "focus") and following[:1] in (["in"], ["of"], ["on"], ["around"]):
            return False
    if one == "content":
        return following != ["of"] and (
            (before and before[-1] in _ADJECTIVE) or bool(following and _BESIDE.match(following[0]))
        )
    if one == "down":
        return before[-1:] and before[-1] in ("seems", "seem", "feels", "feel", "feeling", "felt")
    if one == "mad" or one == "hurt":
        return following != ["at", "all"]
    if one in ("tear", "tears") and following == ["of"] and words[at + 2 : at + 3] != []:
        return words[at + 2] not in EMOTION_WORDS  # "tears of joy"
    return True


def _own_words(words: Sequence[str], at: int) -> list[str]:
    """The words before a place, back to the last comma or conjunction of statements."""
    own: list[str] = []
    for word in reversed(words[max(0, at - 12) : at]):
        if word in (",", ";", "but", ":", "while", "although", "."):
            break
        own.append(word)
    return own[::-1]


def _of_choice(words: Sequence[str], at: int) -> bool:
    """Whether "emotion" is named beside others: "no other emotion", "no emotion other than", "emotion scores"."""
    around = words[max(0, at - 2) : at + 3]
    if "not" in words[at + 1 : at + 4] and {"clear", "certain", "obvious", "known", "evident"} & set(
        words[at + 1 : at + 6]
    ):
        return True
    return "other" in around or "negative" in around or "positive" in around or "specific" in around


def _weigh(words: Sequence[str], clauses: Sequence[Clause], found: Sequence[Feeling]) -> None:
    role = {at: clause for clause in clauses for at in clause.words}
    first: dict[int, int] = {}
    for before, clause in zip([None, *clauses], clauses, strict=False):
        head = before if clause.marked and before else clause  # "primary emotion: sadness"
        first.update(dict.fromkeys(clause.words, head.words[0]))
    for feeling in found:
        at = feeling.at
        clause = role.get(at)
        if clause is None:
            continue
        start = first[at]
        said = words[start:at]
        feeling.weight *= _ROLES[clause.role]
        if _MINOR & set(said[-5:]) and not {"not", "no"} & set(said[-5:]):
            feeling.weight *= 0.3
        elif _DOMINANT & set(said) or _DOMINANT & set(words[at + 1 : at + 3]):
            feeling.weight *= 1.6
        if "with" in said[-3:] and "mixed" in said[-5:]:
            feeling.weight *= 0.5
        if _HEDGES & set(said):
            feeling.weight *= 0.9
        if _AT_FIRST.search(" ".join(words[start : at + 6])):
            feeling.weight *= 0.4


def _options(words: Sequence[str], found: Sequence[Feeling]) -> None:
    """Leave open what is only listed to choose from: "of happiness, sadness, surprise, anger and fear, ..."."""
    affirmed = [feeling for feeling in found if feeling.status]
    if len({emotion for feeling in affirmed for emotion in feeling.emotions}) < LISTED:
        return
    run: list[Feeling] = []
    for feeling in affirmed:
        if run and feeling.at - run[-1].at > 3:
            _leave_open(run)
            run = []
        run.append(feeling)
    _leave_open(run)


def _leave_open(run: Sequence[Feeling]) -> None:
    if len({emotion for feeling in run for emotion in feeling.emotions}) >= LISTED:
        for feeling in run:
            feeling.status = None


def scores_in(text: str) -> dict[str, float]:
    """Return the numbers that a normalised text gives to two or more emotions: {"happiness": 0.8, "sadness": 0.1}."""
    if not any(char.isdigit() for char in text):
        return {}
    found: dict[str, float] = {}
    for match in re.finditer(r"[a-z]+", text):
        word = EMOTION_WORDS.get(match.group())
        if word and word.weight == NAME and (number := _NUMBER.match(text, match.end())):
            found[word.emotions[0]] = max(float(number[1]), found.get(word.emotions[0], 0.0))
    return found if len(found) > 1 else {}


def heaviest(weights: dict[str, float]) -> tuple[str, ...]:
    """Return the emotions of the largest weight, in the order of EMOTIONS; several where they tie."""
    most = max(weights.values(), default=0.0)
    return tuple(emotion for emotion in EMOTIONS if most > 0 and weights.get(emotion, 0.0) > most - 1e-6)
