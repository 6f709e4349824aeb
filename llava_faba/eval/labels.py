"""Annotated labels -> what an answer is held against: an emotion's name, or AU numbers."""

import re

from llava_faba.errors import InputError
from llava_faba.eval.datasets import Dataset
from llava_faba.eval.lexicon import EMOTIONS, FACS_CODES

_BY_NAME = {emotion.lower(): emotion for emotion in EMOTIONS}
_NO_AU = ("", "none", "neutral")


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
    text = label.strip()
    if text.lower() in _NO_AU:
        return ()
    parts = [re.fullmatch(r"(?:AU\s*)?(\d{1,3})", part.strip(), re.IGNORECASE) for part in text.split(",")]
    numbers = {int(part.group(1)) for part in parts if part}
    if not all(parts) or not numbers <= FACS_CODES:
        raise InputError(
            f"{place} has the AU label {label!r}.",
            'AU labels are numbers of the Facial Action Coding System with commas between: "1, 4, 12".',
            "Correct the label.",
        )
    return tuple(sorted(numbers))


def released_au_label(label: str, dataset: Dataset) -> tuple[int, ...]:
    """Return the AUs that the released code reads: it splits at ", ", so that "1,4,12" holds none.

    https://github.com/JackYFL/EmoLA/blob/ac647aa/emollava/eval/eval_FABA.py#L148-L157
    """
    parts = set(label.split(", "))
    return tuple(au for au in dataset.read_aus if str(au) in parts)
