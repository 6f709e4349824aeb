"""Words behind a mention -> the value that a list, a table or JSON gives it: yes or no, 0 or 3, present or absent."""

from collections.abc import Sequence

_NO = frozenset(
    "no none zero false n/a absent inactive 0 0.0 0.00 \u2717 negative null missing nothing nil off undetected "
    "deactivated relaxed neutral resting unlikely improbable n f".split()
)
_YES = frozenset("y t yes on true present active activated visible \u2713 positive detected observed".split())
_SEEN = _YES | frozenset("seen evident noted engaged scored coded shown found apparent noticeable applicable".split())
_FILL = frozenset(
    "not so all n a intensity at with level of - probability confidence score value status and clearly".split()
)
_MARKS = frozenset((":", "=", "\u2013", "|", "(", ")", ",", '"', "{", "[", "'", "/", "-"))
_GIVING = frozenset((":", "=", "\u2013", "|", "("))
_ABSENCES = frozenset("movement activation activity sign signs evidence action indication change".split())
_UNSURE = frozenset("unclear uncertain unknown undecided questionable ambiguous".split())
_EMPTY = ((":", "\u2013"), (":", "-"), ("=", "\u2013"), ("|", "\u2013", "|"), ("|", "-", "|"))  # a dash for "no"
_SCALES = frozenset(("intensity", "level"))
_FARTHEST = 4  # segments behind a mention that are looked at


def value_behind(words: Sequence[str], last: int, ahead: int) -> bool | None:
    """Return the value that is given right behind word `last` and before word `ahead`; None where there is none."""
    if tuple(words[last + 1 : min(ahead, last + 5)]) in _EMPTY or tuple(words[last + 1 : last + 3]) == ("[", "]"):
        return False
    if tuple(words[last + 1 : last + 3]) in _EMPTY and words[last + 3 : last + 4] in ([","], [")"]):
        return False  # "AU6: -, AU25: slight"
    segments: list[tuple[list[str], str]] = []  # the words, and the mark before them
    mark, current = "", []
    for at in range(last + 1, ahead):
        word = words[at]
        if word in ("]", "}"):
            break
        if word in _MARKS or word in (".", ";"):
            if current:
                segments.append((current, mark))
                current, mark = [], ""
            mark = word if mark in ("", ",", '"', ")") or word in (":", "=") else mark
        else:
            current.append(word)
        if len(segments) >= _FARTHEST:
            break
    if current:
        runs_on = ahead < len(words)  # into the next mention: "AU12, no AU6"
        if runs_on and mark == "," and current[-1] == words[ahead - 1]:
            pass  # "AU6, absent AU4"
        elif not runs_on or (current[-1] in _YES | _NO and current[-1] not in ("no", "none", "present")) or mark == "":
            segments.append((current, mark))
    for number, (said, before) in enumerate(segments[:_FARTHEST]):
        if said[0] in _YES and number + 1 < len(segments) and segments[number + 1][1] in (":", "="):
            deeper = _pure(*segments[number + 1])  # {"present": false}
            if deeper is not None:
                return deeper
        value = _pure(said, before) if (rated := _rated(said)) is None else rated
        if value is not None:
            return value
        if number == 0 and before in (":", "\u2013", "=", "|") and (value := _leading(said)) is not None:
            return value
    return None


def is_unsure(words: Sequence[str], last: int) -> bool:
    """Whether it is said right behind word `last` that nothing is known: "AU4: unclear"."""
    ahead = words[last + 1 : last + 4]
    return len(ahead) > 1 and ahead[0] in _GIVING and ahead[1] in _UNSURE and ahead[2:] in ([], ["."], [","], [")"])


def _pure(said: list[str], mark: str) -> bool | None:
    """The value of a segment that holds nothing else; a number needs a mark or brackets before it."""
    if len(said) > 4:
        return None
    if said in (["n"], ["f"]):
        return False
    kept = [word for word in said if word not in _FILL]
    if "not" in said:
        return False if (not kept and said[0] == "not") or (kept and kept[0] in _SEEN) else None
    if len(kept) != 1:
        return None
    word = kept[0]
    if word in _NO:
        return False if mark or len(said) == 1 or _SCALES.intersection(said) else None
    if word in _YES:
        return True if mark in _GIVING or word in ("yes", "true", "\u2713") else None
    return _number(word) if mark or _SCALES.intersection(said) or "." in word or "%" in word else None


def _rated(said: list[str]) -> bool | None:
    """The number of "is marked as 0"."""
    place = next((at for at, word in enumerate(said[:5]) if word == "as"), None)
    number = said[place + 1] if place is not None and place + 1 < len(said) else ""
    return _number(number) if number[:1].isdigit() else None


def _number(word: str) -> bool | None:
    if word.endswith("%"):
        return float(word[:-1]) >= 50
    try:
        number = float(word)
    except ValueError:
        return None
    return number >= 0.5


def _leading(said: list[str]) -> bool | None:
    """The value that a longer segment begins with: "No movement.", "Yes, slightly", "Not visible here"."""
    first, second = said[0], said[1] if len(said) > 1 else ""
    if first in ("no", "without") and second in _ABSENCES:
        return False
    if first in ("absent", "inactive", "\u2717", "none"):
        return False
    if first in ("yes", "present", "active", "\u2713"):
        return True
    return None
