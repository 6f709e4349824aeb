"""Porter's stemmer as google's `rouge-score` uses it: NLTK's variant, without the second that importing NLTK takes.

M. F. Porter 1980, "An algorithm for suffix stripping"; what the variant changes: https://www.nltk.org/api/nltk.stem.porter.html
(`NLTK_EXTENSIONS`). Input is lower case.
"""

from collections.abc import Callable
from functools import cache

_IRREGULAR = {
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "innings": "inning",
    "outings": "outing",
} | {
    "cannings": "canning",
    **{word: word for word in "sky news inning outing canning howe proceed exceed succeed".split()},
}

Condition = Callable[[str], bool]
Rule = tuple[str, str]  # suffix, replacement


@cache
def stem(word: str) -> str:
    """Return the stem of a lower-case word."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 2:
        return word
    for step in (_plural, _past, _final_y, _second, _third, _fourth, _final_e, _double_l):
        word = step(word)
    return word


def _consonants(word: str) -> str:
    """Mark each letter as consonant or vowel: "toy" -> "cvc"; y is a vowel behind a consonant."""
    kinds = ""
    for place, letter in enumerate(word):
        vowel = letter in "aeiou" or (letter == "y" and place > 0 and kinds[-1] == "c")
        kinds += "v" if vowel else "c"
    return kinds


def _measure(stem: str) -> int:
    """How often a consonant follows a vowel: Porter's m."""
    return _consonants(stem).count("vc")


def _has_vowel(stem: str) -> bool:
    return "v" in _consonants(stem)


def _long(stem: str) -> bool:
    return _measure(stem) > 0


def _longer(stem: str) -> bool:
    return _measure(stem) > 1


def _doubled(word: str) -> bool:
    return len(word) >= 2 and word[-1] == word[-2] and _consonants(word)[-1] == "c"


def _short_end(word: str) -> bool:
    """Ends as "hop": consonant, vowel, consonant but w, x, y; or is as "at"."""
    kinds = _consonants(word)
    return (kinds.endswith("cvc") and word[-1] not in "wxy") or (len(word) == 2 and kinds == "vc")


def _replaced(word: str, rules: tuple[Rule, ...], condition: Condition) -> str:
    """Apply the first rule whose suffix fits; if its condition fails, none."""
    for suffix, replacement in rules:
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            return stem + replacement if condition(stem) else word
    return word


def _plural(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:
        return word[:-1]
    return _replaced(word, (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")), lambda stem: True)


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]
    if word.endswith("eed"):
        return word[:-1] if _long(word[:-3]) else word
    suffix = next((suffix for suffix in ("ed", "ing") if word.endswith(suffix)), "")
    stem = word.removesuffix(suffix)
    if not suffix or not _has_vowel(stem):
        return word
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if _doubled(stem):
        return stem if stem[-1] in "lsz" else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _short_end(stem) else stem


def _final_y(word: str) -> str:
    stem = word[:-1]
    return stem + "i" if word.endswith("y") and len(stem) > 1 and _consonants(stem)[-1] == "c" else word


_SECOND = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
)
_THIRD = (("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", ""))
_FOURTH = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split()


def _second(word: str) -> str:
    if word.endswith("alli") and _long(word[:-4]):
        return _second(word[:-2])
    if word.endswith("logi"):
        return word[:-1] if _long(word[:-3]) else word
    return _replaced(word, _SECOND, _long)


def _third(word: str) -> str:
    return _replaced(word, _THIRD, _long)


def _fourth(word: str) -> str:
    for suffix in _FOURTH:
        if word.endswith(suffix):
            stem = word.removesuffix(suffix)
            return stem if _longer(stem) and (suffix != "ion" or stem[-1:] in ("s", "t")) else word
    return word


def _final_e(word: str) -> str:
    if word.endswith("e"):
        stem = word[:-1]
        if _longer(stem) or (_measure(stem) == 1 and not _short_end(stem)):
            return stem
    return word


def _double_l(word: str) -> str:
    return word[:-1] if word.endswith("ll") and _longer(word[:-1]) else word
