"""Annotated labels -> what an answer is held against: an emotion's name, or AU numbers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from llava_faba.errors import InputError
from llava_faba.vocabulary import EMOTIONS, FABA_AUS, FACS_CODES

# Figure 5 of arXiv 2404.05052 as the released code has it; `discomfort`, `displeased`, `curiosity` stand in two lists.
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L37-L45
_RELEASED_SYNONYMS = {
    "Happiness": "happiness happy smiling smile pleasant content contentment relaxed relaxation cheerful joy amusement "
    "amused positivity positive lightheartedness joyful friendly warmth bright",
    "Sadness": "sadness crying distress concern discomfort anguish somber",
    "Surprise": "surprise surprised startled puzzled astonishment disbelief wonder curiosity curious confusion "
    "bewilderment skepticism excitement uncertainty",
    "Anger": "anger mad irate outraged agitation irritated enraged annoyed incensed serious frustration displeased "
    "stern",
    "Neutral": "neutral neutrality calm contemplative concerned thoughtful focused solemn mild",
    "Disgust": "disgust distaste disgusted discomfort displeasure displeased disapproval disdain contempt",
    "Fear": "fear shock anxiety apprehension tension panic alertness focus worry alarm curiosity contemplation",
}


def _emotions_of_words(lists: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Turn the lists round: each word with the emotions it stands for, in the order of EMOTIONS."""
    found: dict[str, tuple[str, ...]] = {}
    for emotion in EMOTIONS:
        for word in lists[emotion].split():
            found[word] = (*found.get(word, ()), emotion)
    return found


RELEASED_WORDS = _emotions_of_words(_RELEASED_SYNONYMS)

# The released code seeks these as substrings of a lower-cased sentence: "no" is also in "nose", "another", "annoyed".
# https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L57-L63
RELEASED_NEGATIONS = ("not", "no", "isn't ", "nothing", "cannot", "won't", "shouldn't", "neither", "nor")


@dataclass(frozen=True)
class Dataset:
    """What one data set asks for; AU numbers in ascending order."""

    name: str
    tasks: tuple[str, ...]  # "emotion", "au"
    read_aus: tuple[int, ...] = ()  # AUs that texts and labels are read for; others are ignored
    scored_aus: tuple[int, ...] = ()  # those whose F1 enters S_re
    protocol: str = ""  # how the published numbers were made
    rules: str = "emola"  # that are taken where none are asked for


# Scored AUs: https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L392-L401;
# protocols: arXiv 2404.05052 section 5 and its supplement D.1.
_DISFA = (1, 2, 4, 6, 9, 12, 25, 26)
_BP4D = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
_EMOTIONET = (1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)
_GFT = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 20, 23, 24, 25, 26)

DATASETS = {
    "faba": Dataset(
        "faba",
        ("emotion", "au"),
        FABA_AUS,
        (1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43),
        "FABA-Bench's test split: 403 emotion and 325 AU samples",
    ),
    "raf-db": Dataset(
        "raf-db",
        ("emotion",),
        protocol="the released test split, seven basic emotions",
        rules="strict",  # its answers are one word, "Happy": no full stop, and not in the released list
    ),
    "bp4d": Dataset("bp4d", ("au",), _BP4D, _BP4D, "three subject-exclusive folds, mean over the folds"),
    "disfa": Dataset(
        "disfa", ("au",), _DISFA, _DISFA, "three subject-exclusive folds, mean over the folds; active at intensity >= 2"
    ),
    "gft": Dataset("gft", ("au",), _GFT, (1, 2, 4, 6, 10, 12, 14, 15, 23, 24), "the released split"),
    "emotionet": Dataset("emotionet", ("au",), _EMOTIONET, _EMOTIONET, "the released split"),
}


def dataset_named(name: str) -> Dataset:
    """Return the data set of that name; raises InputError for any other name."""
    if name not in DATASETS:
        raise InputError(
            f"There is no data set {name!r}.",
            f"Known are {', '.join(DATASETS)}.",
            "Give one of them with --dataset.",
        )
    return DATASETS[name]


_BY_NAME = {emotion.lower(): emotion for emotion in EMOTIONS}
_NO_AU = ("", "none", "neutral")
_AU = re.compile(r"(?:AU\s*)?(\d{1,3})", re.IGNORECASE)


def emotion_label(label: str, dataset: Dataset, place: str) -> str:
    """Return the emotion that a label names, or numbers in FABA-Instruct's order (0 Happiness ... 6 Fear)."""
    text = label.strip()
    if text.lower() in _BY_NAME:
        return _BY_NAME[text.lower()]
    if text.isdecimal() and int(text) < len(EMOTIONS) and dataset.name == "faba":
        return EMOTIONS[int(text)]
    numbers = ", or their numbers 0 to 6 in this order" if dataset.name == "faba" else ", by name: numberings differ"
    raise InputError(
        f"{place} has the emotion label {label!r}.",
        f"Labels of {dataset.name} are {', '.join(EMOTIONS)}{numbers}.",
        "Correct the label.",
    )


def au_label(label: str, place: str) -> tuple[int, ...]:
    """Return the AUs of a label, ascending: "1, 4", "1,4", "AU1, AU4"; none for "", "none" and "neutral"."""
    numbers = _numbers_in(label)
    if numbers is None:
        raise InputError(
            f"{place} has the AU label {label!r}.",
            'AU labels are numbers of the Facial Action Coding System with commas between: "1, 4, 12".',
            "Correct the label.",
        )
    return numbers


@lru_cache(maxsize=65_536)  # every set of rules reads the labels
def _numbers_in(label: str) -> tuple[int, ...] | None:
    text = label.strip()
    if text.lower() in _NO_AU:
        return ()
    parts = [_AU.fullmatch(part.strip()) for part in text.split(",")]
    numbers = {int(part.group(1)) for part in parts if part}
    return tuple(sorted(numbers)) if all(parts) and numbers <= FACS_CODES else None


def released_au_label(label: str, dataset: Dataset) -> tuple[int, ...]:
    """Return the AUs that the released code reads: it splits at ", ", so that "1,4,12" holds none.

    https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L148-L157
    """
    parts = set(label.split(", "))
    return tuple(au for au in dataset.read_aus if str(au) in parts)
