"""Answer text -> recognised emotion or AUs, by one of the named sets of rules.

- `emola` does what the released code does, quirk for quirk; a text on which it crashes is failed.
- `paper` does what arXiv 2404.05052 section 3.2 says, with the released word and negation lists.
- `strict` reads what a text says is there and leaves out what it says is not; ties and silence are undecided.
"""

import re
from typing import NamedTuple

from llava_faba.errors import InputError
from llava_faba.eval import strict
from llava_faba.eval.labels import RELEASED_NEGATIONS, RELEASED_WORDS, Dataset
from llava_faba.vocabulary import EMOTIONS

RULES = ("emola", "paper", "strict")

# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L61: after "." or "?", never after "!".
_SENTENCE_END = re.compile(r"(?<!\w\.\w.)(?<![A-Z][a-z]\.)(?<=\.|\?)\s")
_FIRST_SENTENCE = re.compile(r"(.*?)[.!?]")
_WORD = re.compile(r"\b\w+\b")
_RELEASED_AU = re.compile(r"AU(\d+)")
_EMPTY = "the answer is empty"


class Recognised(NamedTuple):
    """What the rules read from a text."""

    value: str | tuple[int, ...] | None  # an emotion, AU numbers (ascending), or nothing
    status: str = "decided"  # "decided", "undecided" (nothing named, or a tie), "failed" (the rules cannot treat it)
    reason: str = ""  # why nothing was recognised


def parse_emotion(text: str, rules: str = "emola") -> Recognised:
    """Read the emotion of a description."""
    if rules == "emola":
        return _released_emotion(text)
    return _most_frequent(text) if rules == "paper" else _strict_emotion(text)


def parse_aus(text: str, dataset: Dataset, rules: str = "emola") -> Recognised:
    """Read the action units of a description, as far as the data set knows them."""
    if not text.strip():
        return Recognised(None, "failed" if rules == "emola" else "undecided", _EMPTY)
    if rules == "strict":
        found, reason = strict.action_units(text)
        if found is None:
            return Recognised(None, "undecided", reason)
        return Recognised(tuple(au for au in dataset.read_aus if au in found))
    # Compared as strings: "AU012" is no AU12 in the released code.
    numbers = set(_RELEASED_AU.findall(text))
    return Recognised(tuple(au for au in dataset.read_aus if str(au) in numbers))


def require_rules(names: list[str]) -> list[str]:
    """Return the names without repeats; raises InputError for an unknown one."""
    if unknown := [name for name in names if name not in RULES]:
        raise InputError(
            f"There are no rules {unknown[0]!r}.",
            f"Known are {', '.join(RULES)}.",
            "Give one of them with --rules.",
        )
    return list(dict.fromkeys(names))


def _released_emotion(text: str) -> Recognised:
    """The first sentence's first listed word wins at once; only then words are counted, and none at all is happiness.

    https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L68-L93
    """
    kept = _without_negative_sentences(text) or text
    first = _FIRST_SENTENCE.match(kept)
    if first is None:
        crash = "its first line has no full stop, question or exclamation mark, on which the released code crashes"
        return Recognised(None, "failed", crash if text.strip() else _EMPTY)
    for word in _WORD.findall(first.group(1).lower()):
        if word in RELEASED_WORDS:
            return Recognised(RELEASED_WORDS[word][0])
    counts = _counts(_WORD.findall(kept[first.end() :].lower()))
    return Recognised(max(EMOTIONS, key=counts.__getitem__))


def _most_frequent(text: str) -> Recognised:
    """The emotion with most synonyms outside negative sentences; among equals the one met first.

    https://arxiv.org/abs/2404.05052 section 3.2, "Calculation of S_re".
    """
    words = _WORD.findall(_without_negative_sentences(text).lower())
    counts = _counts(words)
    if not any(counts.values()):
        return Recognised(
            None, "undecided", "no emotion is named outside negative sentences" if text.strip() else _EMPTY
        )
    met = [emotion for word in words for emotion in RELEASED_WORDS.get(word, ())]
    return Recognised(max(met, key=counts.__getitem__))


def _strict_emotion(text: str) -> Recognised:
    if not text.strip():
        return Recognised(None, "undecided", _EMPTY)
    named, reason = strict.emotions(text)
    if named is not None and len(named) == 1:
        return Recognised(named[0])
    return Recognised(None, "undecided", f"{' and '.join(named)} are named equally often" if named else reason)


def _without_negative_sentences(text: str) -> str:
    sentences = _SENTENCE_END.split(text)
    return " ".join(s for s in sentences if not any(negation in s.lower() for negation in RELEASED_NEGATIONS))


def _counts(words: list[str]) -> dict[str, int]:
    """Count the words of each emotion; a word that stands in two lists counts for both."""
    counts = dict.fromkeys(EMOTIONS, 0)
    for word in words:
        for emotion in RELEASED_WORDS.get(word, ()):
            counts[emotion] += 1
    return counts
