"""Text -> sentences of words with their places: Markdown, lists, tables and JSON included.

Everything downstream reads words in lower case. Places are those of the text as it was given.
"""

import re
from dataclasses import dataclass, field

_SAME = {"*": " ", "`": " ", "_": " ", "\u2019": "'", "\u2018": "'", "\u00a0": " ", "\u2011": "-", "\ufe0f": " "}
_SAME |= dict.fromkeys("\u2713\u2714\u2705\u2611", "\u2713") | dict.fromkeys("\u2717\u2718\u274c\u2716\u2612", "\u2717")
_TABLE = str.maketrans(_SAME | dict.fromkeys("\u2014\u2015\u2192", "\u2013") | dict.fromkeys("\u201c\u201d", '"'))
_HYPHEN = re.compile(r"-(?<=[a-z0-9]-)(?=[a-z0-9])")  # the literal first: twenty times as fast
_DASH = re.compile(r"-(?<=\s-)(?=\s)")
_STAR = re.compile(r"\*(?<=\n\*)(?= )|\A\*(?= )")  # of a list, where others are of bold words
WORD = re.compile(r"n/a\b|[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?%?|[^\sa-z\d]")
_ELLIPTIC = (  # "AU6 has to be ruled out; AU12 doesn't."
    r"(?!\s+(?!it|they|this|that|here|there|these|those|all|both|neither|none|the other|the rest)(?:the |her |his )?"
    r"[a-z0-9]+(?: [a-z]+)? (?:is|are|was|were|does|do|did|has|have|can)(?:n't| not)\W*$)"
)
_SENTENCE_END = re.compile(
    rf";{_ELLIPTIC}\s*|"
    r"[.!?](?:(?<=[!?])|(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bdr\.)(?<!\bmr\.)[)\"']*(?=\s|$))"
    r"(?!\s+(?:so|neither|nor) (?:is|are|do|does|did|was|were) )\s*"  # "The brows are raised. So are the lids."
)
BULLET = re.compile(r"\s*(?:[-\u2013\u2022+]|\d{1,2}[.)]|\([a-z0-9]\)|[a-z]\))\s+(?=\S)")
_LONGEST = 1000  # characters of a sentence; a longer one is cut, so that no text takes more than linear time

_PARENTHESES = {(",", "for", "example", ","), (",", "for", "instance", ","), (",", "of", "course", ",")}
_ENDINGS = ("'s", "'re", "'ve", "'ll", "'d")
_NOT_VERBS = {"can't": "can", "cannot": "can", "won't": "will", "shan't": "shall", "ain't": "is"}


def normalise(text: str) -> str:
    """Lower the case, straighten quotes, blank out Markdown; every character stays in its place."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    if "* " in lower:
        lower = _STAR.sub("\u2022", lower)
    lower = lower.translate(_TABLE)
    return _DASH.sub("\u2013", _HYPHEN.sub(" ", lower)) if "-" in lower else lower


@dataclass
class Sentence:
    """One sentence, list item or table row."""

    text: str  # normalised
    start: int  # in the whole text
    bullet: bool = False  # it is an item of a list
    denied: bool = False  # a heading above says that what follows is not there
    words: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # of the words, in the whole text

    def split(self) -> None:
        """Fill in words and places; "isn't" becomes "is" and "not", and ", for example," is left out."""
        self._take_words()
        if "for" in self.words or "of" in self.words:
            for at in range(len(self.words) - 4, -1, -1):
                if tuple(self.words[at : at + 4]) in _PARENTHESES:
                    del self.words[at : at + 4], self.places[at : at + 4]

    def _take_words(self) -> None:
        if "'" not in self.text and "cannot" not in self.text:
            found, before = list(WORD.finditer(self.text)), self.start
            self.words = [match.group() for match in found]
            self.places = [(before + first, before + last) for first, last in [match.span() for match in found]]
            return
        for match in WORD.finditer(self.text):
            word, place = match.group(), (self.start + match.start(), self.start + match.end())
            if word.endswith("n't") or word == "cannot":
                self.words += [_NOT_VERBS.get(word, word[:-3]), "not"]
                self.places += [place, place]
            else:
                self.words.append(word.partition("'")[0] if word.endswith(_ENDINGS) else word)
                self.places.append(place)

    def word_at(self, place: int) -> int:
        """Return the number of the word at a place in the whole text."""
        low, high = 0, len(self.places) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.places[middle][0] <= place:
                low = middle
            else:
                high = middle - 1
        return low


def split_line(line: str, start: int) -> list[Sentence]:
    """Split one line, which begins at `start` of the whole text, into its sentences."""
    found: list[Sentence] = []
    marker = None if "|" in line else BULLET.match(line)
    place = marker.end() if marker else 0
    for match in _SENTENCE_END.finditer(line, place):
        _add(found, line[place : match.end()], start + place, bool(marker))
        place = match.end()
    _add(found, line[place:], start + place, bool(marker))
    return found


def _add(sentences: list[Sentence], text: str, start: int, bullet: bool) -> None:
    for cut in range(0, len(text), _LONGEST):
        part = text[cut : cut + _LONGEST]
        if part.strip(" .;!|-:\t\r"):
            sentences.append(Sentence(part, start + cut, bullet))
