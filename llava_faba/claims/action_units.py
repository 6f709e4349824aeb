"""Normalised text -> where it names action units: by number in any writing, or by their FACS names."""

import re
from collections.abc import Container
from typing import NamedTuple

from llava_faba.vocabulary import FACS_CODES

_NUMBER = r"0*[1-9]\d?(?![\d.]*\d)(?:[a-e](?!\w))?"
_JOINT = r"\s{0,3}(?:,\s{0,3}(?:and|or)?|/|\+|&|and|or|as well as)\s{0,3}"
_AFTER = (
    r"(?=\s{0,3}(?:$|[^\w\s%°]|(?:and|or|as|are|is|were|was|do|does|with|but|in|on|can|could|may|seems?|appears?|"
    r"present|active|visible|absent|not)\b))"
)
_ASIDE = r"(?:\s?\((?!no|abs|inact|off|miss|undet)[a-z /]{1,30}\))?"  # "12 (strong), 6 (weak)"
_LIST = rf"{_NUMBER}(?:{_ASIDE}{_JOINT}{_NUMBER}{_AFTER})*"
_QUOTED = rf"\"{_NUMBER}\"(?:\s?,\s?\"{_NUMBER}\"){{0,30}}"
# "AU4", "AU 4", "AU04", "AU12C", "Action Unit 4", "AUs 1, 2 and 4", "AU1+2", "action units (AUs) 6 and 12".
# The first letter before what must not stand in front of it: a literal is looked for much faster.
_HEAD = r"a(?<![a-z0-9]a)(?:us?|\.u\.s?|ction\s{1,3}units?(?:\s{0,3}\(aus?\))?)"
_UNITS = re.compile(rf"\bunits?[ ]{{1,2}}(?P<numbers>{_LIST})")
_AUS = re.compile(rf"{_HEAD}[ \"]{{0,3}}[:\-]?[ ]{{0,3}}\(?#?{_LIST}")
# "Action units present: 1, 4, 12", "the AUs that are visible: 7 and 12", '"aus": [6, 12]'.
_FILLER = (
    r"(?:present|active|activated|visible|detected|observed|absent|inactive|not|that|can|be|seen|are|is|were|was|"
    r"the|following|shown|found|recognised|recognized|identified|in|this|image|picture|photo|face|here|include|list|"
    r"discerned|coded|scored|named|made|out|facial|which|i|we|see|would|code|most|likely|clearly)"
)
_HEADED = re.compile(  # on one line: what follows "action units:" on the next may be the number of an item
    rf"{_HEAD}(?:[ ]{{1,3}}{_FILLER}){{0,6}}"
    rf"[\"']?[ ]{{0,3}}(?::|=|\bare\b|\bis\b|\binclude\b)[ ]{{0,3}}[\[({{]?[ ]{{0,3}}"
    rf"(?P<numbers>{_QUOTED}|{_LIST})(?!\s?/)"
    r"(?=\s*(?:$|[\]\),;}\n]|\.(?!\d)))"
)
_STATES = re.compile(  # "Active: 1, 2, 5", '"absent": [4]'
    r"(?:^|[{,\".;])\W{0,4}(?:not )?(?:in)?(?:active|activated|present|absent|detected|visible|coded|scored|seen|"
    r"observed|facs(?: codes?)?)\"?"
    rf"[ ]{{0,3}}[:=][ ]{{0,3}}\[?(?P<numbers>{_QUOTED}|{_LIST})(?=\]?\W{{0,4}}(?:$|not |in|absent)|\])",
    re.MULTILINE,
)
_KEYED = re.compile(  # '{"1": 0, "4": 1}', "1: present, 4: absent"
    rf"(?:[\[{{\s,\"]{{0,4}}{_NUMBER}\"?\s*[:=]\s*\"?(?:present|absent|active|inactive|yes|no|true|false|[01](?:\.\d+)?)\"?(?!\w)"
    r")+[\]}\s,.]{0,4}"
)
_SPELLED_OUT = {
    **{"one": 1, "two": 2, "four": 4, "five": 5, "six": 6, "seven": 7, "nine": 9, "ten": 10, "twelve": 12},
    **{"fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "twenty": 20},
    **{"twenty three": 23, "twenty four": 24, "twenty five": 25, "twenty six": 26, "twenty seven": 27},
}
_SPELLED = re.compile(rf"{_HEAD} (?P<word>{'|'.join(sorted(_SPELLED_OUT, key=len, reverse=True))})(?!\w)")
_SUM = re.compile(r"(?<![\w.+])\d{1,2}(?:\s?\+\s?\d{1,2}[a-e]?)+(?![\w+])")  # "coded as 6+12+25"
_IDS = re.compile(rf"\"id\"\s*:\s*\"?(?P<numbers>{_NUMBER})(?=\"?\s*[,}}])")
_STATED = ("active", "present", "detected", "facs", "coded", "scored", "seen", "observed")
_SHORT = 1000  # characters of an answer that is only a list
_KEY = re.compile(rf"(?P<numbers>{_NUMBER})\"?\s*[:=]")
_BARE = re.compile(rf"\s*[\[(]?\s*(?P<numbers>{_NUMBER}(?:\s*,\s*{_NUMBER})*)\s*[\])]?\s*\.?\s*")
_DIGITS = re.compile(r"(?<!\d)0*([1-9]\d?)")

_BROW, _LID = r"(?:eye ?)?brows?", r"(?:eye ?)?lids?"
_RAISE, _TIGHT = r"rais(?:ers?|ing|e)\b", r"tighten(?:er|ing)\b"
_NAMES = {
    1: rf"inner {_BROW} {_RAISE}",
    2: rf"outer {_BROW} {_RAISE}",
    4: rf"{_BROW} (?:lower(?:er|ing)|furrower)\b",
    5: rf"upper {_LID} {_RAISE}",
    6: rf"cheeks? {_RAISE}",
    7: rf"{_LID} {_TIGHT}",
    9: r"nose wrinkl(?:er|ing)\b",
    10: rf"upper lip {_RAISE}",
    12: r"lip corners? pull(?:er|ing)?\b",
    14: r"dimpler\b",
    15: r"lip corners? depress(?:or|er|ion|ing)\b",
    16: r"lower lip depress(?:or|er|ion|ing)\b",
    17: rf"chin {_RAISE}",
    18: r"lip pucker(?:er|ing)?\b",
    20: r"lip stretch(?:er|ing)?\b",
    23: rf"lip {_TIGHT}",
    24: r"lip press(?:or|er|ing)\b",
    25: r"lips? part\b",
    26: r"jaw drop(?:per|ping)?\b",
    27: r"mouth stretch(?:er|ing)?\b",
    43: r"eye closure\b",
}
_BOTH = re.compile(rf"\binner (?:and|&) outer {_BROW} {_RAISE}")
_PATTERNS = {au: re.compile(rf"\b{name}") for au, name in _NAMES.items()}
# What stands in a text that holds the name: much faster to look for than the name.
_BROWS = ("brow", "brows", "eyebrow", "eyebrows", "eye brow", "eye brows")
_HINTS = {
    **{au: tuple(f"{side} {brow} rais" for brow in _BROWS) for au, side in ((1, "inner"), (2, "outer"))},
    **{4: ("brow lower", "brows lower", "brow furrower"), 5: ("lid rais", "lids rais")},
    **{
        6: ("cheek rais", "cheeks rais"),
        7: ("lid tight", "lids tight"),
        9: ("nose wrinkl",),
        10: ("lip rais",),
        12: ("corner pull", "corners pull"),
    },
    **{
        14: ("dimpler",),
        15: ("corner depress", "corners depress"),
        16: ("lip depress",),
        17: ("chin rais",),
        18: ("lip pucker",),
    },
    **{20: ("lip stretch",), 23: ("lip tight",), 24: ("lip press",), 25: ("lips part", "lip part"), 26: ("jaw drop",)},
    **{27: ("mouth stretch",), 43: ("eye closure",)},
}
# "AUs 9 and 10 are absent, but 12 is present"
_GOES_ON = re.compile(
    r"(?:[,;]|\b(?:but|and|while|whereas|though|although|yet|only))\s+"
    r"(?P<numbers>\d{1,2}(?:(?:, | and |, and |, or | or )\d{1,2})*) (?:is|are|was|were|seems?|appears?)\b"
)
_IN_TABLE = re.compile(r"\|?\s*(\d{1,2})\s*\|")
_AU_COLUMN = re.compile(r"\|?\s*(?:aus?|action units?)\s*\|")


class Named(NamedTuple):
    """A place in a text that names AUs."""

    start: int
    end: int
    aus: tuple[int, ...]


def named_by_number(text: str) -> list[Named]:
    """Return the AUs that a normalised text names by number, lists of them as one place."""
    found = [Named(m.start(), m.end(), _numbers(m.group())) for m in _AUS.finditer(text)]
    if not found:
        if "unit " in text or "au " in text:
            found = [Named(m.start(), m.end(), (_SPELLED_OUT[m["word"]],)) for m in _SPELLED.finditer(text)]
        if "+" in text and len(text) < _SHORT and any(word in text for word in ("cod", "facs", "scor", "combin")):
            found += [Named(m.start(), m.end(), _numbers(m.group())) for m in _SUM.finditer(text)]
        if found:
            return found
        if match := _BARE.fullmatch(text):
            return [Named(*match.span("numbers"), _numbers(match["numbers"]))]
        if len(text) < _SHORT and _KEYED.fullmatch(text):
            return [Named(*m.span("numbers"), _numbers(m["numbers"])) for m in _KEY.finditer(text)]
        if _AU_COLUMN.match(text):
            return _first_column(text)
        if len(text) < _SHORT and any(word in text for word in _STATED):
            found = [Named(*m.span("numbers"), _numbers(m["numbers"])) for m in _STATES.finditer(text)]
    if '"id"' in text and ("unit" in text or "aus" in text):
        found += [Named(*m.span("numbers"), _numbers(m["numbers"])) for m in _IDS.finditer(text)]
    if any(text.startswith("aus ", place.start) for place in found):
        more = [Named(*m.span("numbers"), _numbers(m["numbers"])) for m in _GOES_ON.finditer(text, found[0].start)]
        found += [one for one in more if one.aus and not any(own.start <= one.start < own.end for own in found)]
        found.sort()
    if "unit" in text or "aus" in text:
        taken = {place.start for place in found}
        for match in (*_HEADED.finditer(text), *_UNITS.finditer(text)):
            if not any(match.start() <= start < match.end() for start in taken):
                found.append(Named(*match.span("numbers"), _numbers(match["numbers"])))
        found.sort()
    return found


def named_by_facs(text: str, known: Container[int] = ()) -> list[Named]:
    """Return the AUs that a normalised text names by a FACS name: "lip corner puller", "inner and outer brow raiser".

    Those of `known` AUs are left out: "AU4 (brow lowerer)" names one.
    """
    found = []
    if "inner and outer" in text or "inner & outer" in text:
        found = [Named(m.start(), m.end(), (1, 2)) for m in _BOTH.finditer(text)]
    for au, hints in _HINTS.items():
        if au in known:
            continue
        for hint in hints:
            if hint in text:
                found += [Named(m.start(), m.end(), (au,)) for m in _PATTERNS[au].finditer(text)]
                break
    if found and found[0].aus == (1, 2):
        both = {one.end for one in found if one.aus == (1, 2)}
        found = [one for one in found if one.aus == (1, 2) or one.end not in both]
    return sorted(found)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(au for au in map(int, _DIGITS.findall(text)) if au in FACS_CODES)


def _first_column(text: str) -> list[Named]:
    """The numbers in the first column of a table that is headed "AU"."""
    found, start = [], 0
    for line in text.split("\n"):
        if match := _IN_TABLE.match(line):
            found.append(Named(start + match.start(1), start + match.end(1), _numbers(match[1])))
        start += len(line) + 1
    return found
