"""Sentence -> the movements of the face that it claims, each said to be there or not: for clips and photos alike.

AU numbers and negation are read as the strict rules of the benchmark read them (eval/strict.py). A phrase joins a part
of the face and a direction ("the brows are raised", "parted lips"); the words between them may only be small ones.
"""

import re
from dataclasses import replace

from llava_faba.claims.claim import AU_MOVEMENTS, Claim
from llava_faba.eval.strict import Mention, affirmed, au_mentions, plain
from llava_faba.vocabulary import AU_NAMES

CORNERS = r"(?:mouth|lip) corners?|corners? of (?:the|his|her|their) (?:mouth|lips)"
STILL = re.compile(
    r"\b(?:hardly|barely|scarcely|no|not|without|absent|lack\w*|still|motionless|immobile|neither|nor|never)\b|n't\b"
)
FEW = re.compile(r"\b(?:little|slight\w*|small|reduced|minimal\w*|limited|weak\w*)\b")
EVEN = re.compile(r"\b(?:symmetr\w*|evenly|equally|both sides alike)\b")
UNEVEN = re.compile(
    r"\b(?:asymmetr\w*|uneven\w*|more on the (?:left|right)|one side|(?:left|right) side (?:moves|rises) less)\b"
)
PARTS = {  # part -> words that name it, or a movement of it
    "mouth corners": re.compile(rf"\b(?:{CORNERS}|smil\w+|lip corner (?:puller|depressor))"),
    "mouth": re.compile(r"\b(?:mouth|lips|jaw drop\w*)"),
    "brows": re.compile(r"\b(?:(?:eye)?brows?|forehead|frown\w*)"),
    "lids": re.compile(r"\b(?:(?:eye)?lids?|eyes? (?:open|clos|squeez|squint|narrow)\w*)"),
}
AU_PARTS = {1: "brows", 2: "brows", 4: "brows", 5: "lids", 7: "lids", 12: "mouth corners", 15: "mouth corners"}
AU_PARTS |= {20: "mouth corners", 25: "mouth", 26: "mouth", 27: "mouth", 43: "lids", 45: "lids"}

_BROWS = r"(?:eye)?brows?"
_EYES = r"(?:upper |lower )?(?:eye)?lids?|eyes?"
_MOUTH = r"mouth|lips"
_UP = r"rais\w+|lift\w*|upturned|upwards?|up|ris(?:e|es|en|ing)|elevat\w+|arch\w*"
_DOWN = r"lower\w*|down|downwards?|downturned|depress\w*|droop\w*|dropp\w+|sag\w*"
_TOGETHER = rf"{_DOWN}|furrow\w*|knit\w*|together|contract\w*|creas\w+|drawn in"
_WIDE = r"wide|widen\w*|wide[- ]open|wide[- ]eyed|enlarged"
_NARROW = r"narrow\w*|squint\w*|droop\w*|half[- ]closed|tighten\w*|tense\w*"
_SHUT = r"clos\w+|shut|squeez\w+"
_OPEN = r"open\w*|part(?:ed|ing)?|agape|apart|ajar|gap\w+"
_REST = r"relaxed|neutral|at rest|resting|unmoved"
_BETWEEN = (  # small words between a part and what it does
    r"(?:(?:are|is|be|being|been|was|were|appears?|seems?|looks?|have|has|to|both|also|a|bit|little|very|quite|and|"
    r"turn(?:ed)?|pull(?:ed)?|drawn?|being|not|no|longer|hardly|barely|held|pressed|remains?|stays?|in|position|state|"
    r"the|his|her|their|inner|outer|upper|lower|portions?|parts?|ends?|of|left|right|person's|face|[a-z]+ly|more|"
    r"somewhat|wide|than|usual)\s+){0,7}"
)
_BEFORE = r"(?:(?:of|the|his|her|their|inner|outer|left|right|both|and|up|together)\s+){0,5}"
_PHRASES = [  # words of the part and of what it does, AUs of which one is enough, part, movement, whether it is there
    (_BROWS, _UP, (1, 2), "brows", "up", True),
    (rf"{_BROWS}|forehead", _TOGETHER, (4,), "brows", "down", True),
    (_BROWS, _REST, (1, 2, 4), "brows", "move", False),
    (rf"{CORNERS}|corners", rf"{_UP}|back|outwards?", (12,), "mouth corners", "up", True),
    (rf"{CORNERS}|corners", _DOWN, (15,), "mouth corners", "down", True),
    ("upper lip", _UP, (10,), "upper lip", "up", True),
    ("cheeks?", _UP, (6,), "cheeks", "up", True),
    ("nose|nostrils?", r"wrinkl\w+|flar\w+|scrunch\w+", (9,), "nose", "wrinkle", True),
    (_EYES, rf"{_WIDE}|rais\w+", (5,), "lids", "wide", True),
    (_EYES, _NARROW, (7, 43), "lids", "narrow", True),
    (_EYES, _SHUT, (43,), "lids", "close", True),
    (_EYES, "open", (43,), "lids", "close", False),
    (_MOUTH, _OPEN, (25, 26, 27), "mouth", "open", True),
    (_MOUTH, rf"{_SHUT}|sealed|press\w+", (25, 26, 27), "mouth", "open", False),
    ("jaw", r"dropp\w+|drops?|lower\w*|open\w*", (26, 27), "jaw", "open", True),
]
_WORDS = [
    (r"smil(?:e|es|ed|ing)|grin(?:s|ning)?", (12,), "mouth corners", "up"),
    (r"frown(?:s|ed|ing)?", (4, 15), "brows", "down"),
    (r"teeth|jaw[- ]drop\w*", (25, 26, 27), "mouth", "open"),
]
_ONE_SIDE = re.compile(r"\b(?:left|right|one)\b")
_CLAUSE = re.compile(r";|,?\s+\b(?:but|while|whereas|although|though|however|yet)\b")


_Meaning = tuple[tuple[int, ...], str, str, bool]  # AUs, part, movement, whether the words affirm it


def _patterns() -> list[tuple[re.Pattern[str], _Meaning]]:
    found: list[tuple[re.Pattern[str], _Meaning]] = []
    for words_of_part, direction, aus, part, movement, present in _PHRASES:
        after, before = (
            rf"(?:{words_of_part})\s+{_BETWEEN}(?:{direction})",
            rf"(?:{direction})\s+{_BEFORE}(?:{words_of_part})",
        )
        found.append((re.compile(rf"(?<!\w)(?:{after}|{before})(?!\w)"), (aus, part, movement, present)))
    for words, aus, part, movement in _WORDS:
        found.append((re.compile(rf"(?<!\w)(?:{words})(?!\w)"), (aus, part, movement, True)))
    names = [(re.compile(rf"(?<!\w){name}(?!\w)"), ((au,), *AU_MOVEMENTS[au], True)) for au, name in AU_NAMES.items()]
    return names + found


_PATTERNS = _patterns()


def split_sentences(text: str) -> list[str]:
    """Split at full stops, semicolons and line ends, but not within numbers."""
    return [part.strip() for part in re.split(r"(?<=[.;!?])\s+|\n+", text) if re.search(r"\w", part)]


def split_clauses(sentence: str) -> list[str]:
    """Split where one statement is set against another: "the mouth opens, but the brows do not move"."""
    return [part for part in _CLAUSE.split(sentence) if re.search(r"\w", part)]


def read_claims(sentence: str) -> list[Claim]:
    """Return the movements that a sentence claims to be there, or not to be; each set of AUs once."""
    claims: dict[tuple[int, ...], Claim] = {}
    for clause in split_clauses(" ".join(plain(sentence).split())):
        degree = "slight" if FEW.search(clause) else ""
        side = _ONE_SIDE.search(clause)
        said = _mentions(clause)
        kept = {mention.start for mention in affirmed(clause, [mention for mention, _ in said])}
        for mention, meanings in said:
            denied = mention.start not in kept or bool(STILL.search(clause[mention.start : mention.end]))
            for aus, part, movement, present in meanings:
                claim = Claim("movement", present != denied, aus, part, movement, "", degree, side[0] if side else "")
                claims.setdefault(aus, replace(claim, start=mention.start, end=mention.end))
    return list(claims.values())


def _mentions(clause: str) -> list[tuple[Mention, list[_Meaning]]]:
    """Where a clause names movements, in order: the sets of AUs that are meant, and whether the words affirm them."""
    found: list[tuple[Mention, list[_Meaning]]] = [
        (mention, [((int(au),), *AU_MOVEMENTS.get(int(au), ("", "")), True) for au in mention.values])
        for mention in au_mentions(clause)
    ]
    numbers = {au for mention, _ in found for au in mention.values}
    rest = clause  # without what was read: words of one phrase do not stand in another
    for pattern, meaning in _PATTERNS:
        matches = list(pattern.finditer(rest))
        if not numbers.intersection(meaning[0]):  # "AU12 (lip corner puller)" names one movement
            found += [(Mention(*match.span(), meaning[0]), [meaning]) for match in matches]
        if matches:
            rest = pattern.sub(lambda match: "\0" * len(match.group()), rest)
    return sorted(found, key=lambda one: one[0].start)


def named_parts(lower: str) -> list[str]:
    """The parts that a clause names; "the corners of the mouth" names no mouth besides."""
    named, rest = [], lower
    for part, words in PARTS.items():
        if words.search(rest):
            named.append(part)
            rest = words.sub(" ", rest)
    named += [AU_PARTS[au] for au in named_aus(lower) if au in AU_PARTS]
    return list(dict.fromkeys(named))


def named_aus(lower: str) -> list[int]:
    """The numbers of the AUs that a lower-cased text names."""
    return [int(au) for mention in au_mentions(lower) for au in mention.values]


def said_uneven(lower: str) -> bool | None:
    """Whether a clause says that left and right differ (True) or are alike (False); None where it does not say."""
    if UNEVEN.search(lower):
        return not STILL.search(lower)  # "no asymmetry"
    return False if EVEN.search(lower) else None
