"""Answer and reference -> ROUGE-L, exactly as the PyPI package `rouge` 1.0.1 computes it, some fifty times as fast.

EmoLA's S_ge is that package's `rouge-l` F. It is a summary-level ROUGE-L over *sets* of words: sentences end at every
".", words are what whitespace separates, and what counts are the distinct words in the longest common subsequences of
the reference sentences with the answer sentences. Where several subsequences are equally long, the words depend on
which one the package's back-trace walks along, so the walk is part of the definition:

    at row i (reference), column j (answer), from the last ones to 0:
        equal words:                           take the word, go to (i - 1, j - 1)
        length[i - 1, j] > length[i, j - 1]:   go to (i - 1, j)
        else:                                  go to (i, j - 1)

https://github.com/pltrdy/rouge/blob/1.0.1/rouge/rouge_score.py

Two facts make it fast. A row of the table of lengths grows by 0 or 1 from column to column, so it is one integer whose
bits are the steps, and the next row is four operations on it (Hyyrö 2004); all answer sentences stand side by side in
it. And where words differ, the walk goes up exactly at a step: it follows the highest bit of "step or equal word".
"""

from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

_ROWS_KEPT = 1024  # rows in memory; of longer sentences the earlier ones are computed twice
_MASK_BYTES = 2**26  # that the masks of words may take; further ones are made again each time


def rouge_l(answer: str, reference: str) -> float | None:
    """Compare an answer with its reference: F of |U| / |answer words| and |U| / |reference words|, 0..1.

    U are the distinct words that the walks take, over all pairs of a reference and an answer sentence. None where the
    package raises: there are no words in one of the texts. Sentences so long that the package overflows Python's stack
    have the value that its definition gives.

    >>> round(rouge_l("the brows are raised", "the inner brows are raised high"), 4)
    0.8
    """
    hypothesis, target = _sentences(answer), _sentences(reference)
    if not hypothesis or not target:
        return None
    columns = _Columns(hypothesis)
    taken: set[str] = set()
    for sentence in target:
        _walk(sentence, columns, taken)
    precision = len(taken) / len(columns.places)
    recall = len(taken) / len({word for sentence in target for word in sentence})
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8))


class GoogleRougeL(NamedTuple):
    """rougeL of Google's package `rouge-score`, 0..1, on another scale than S_ge."""

    plain: float
    stemmed: float  # with Porter's stemmer, as Facial-R1 reports it


def google_rouge_l(answer: str, reference: str) -> GoogleRougeL:
    """Compare as `rouge_score.RougeScorer(["rougeL"])` does: its tokens and stems, F of LCS / tokens of either text.

    The length of the longest common subsequence is rapidfuzz's: the package's own takes a hundred times as long.
    """
    from rouge_score.tokenize import tokenize  # not at the top: the stemmer's library takes two seconds to import

    stem = _cached_stemmer().stem
    plain = tokenize(answer, None), tokenize(reference, None)
    stemmed = tuple([stem(token) if len(token) > 3 else token for token in tokens] for tokens in plain)
    scores = []
    for hypothesis, target in (plain, stemmed):
        common = LCSseq.similarity(target, hypothesis)
        precision, recall = (common / max(1, len(tokens)) for tokens in (hypothesis, target))
        scores.append(2 * precision * recall / (precision + recall) if common else 0.0)
    return GoogleRougeL(*scores)


class _CachedStemmer:
    """NLTK's stemmer, which sees each word once: answers use few different words."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem = cache(PorterStemmer().stem)


_cached_stemmer = cache(_CachedStemmer)


def _sentences(text: str) -> list[list[str]]:
    """Split as the package does; a stretch of mere blanks between full stops is a sentence of one empty word."""
    return [sentence.split() or [""] for sentence in text.split(".") if sentence]


class _Lane(NamedTuple):
    """The columns of one answer sentence: bits `low` to `high`; the bit above is a guard that stops carries."""

    low: int
    high: int
    words: frozenset[str]


class _Masks(dict[str, int]):
    """Word -> the columns that hold it, made when first asked for."""

    def __init__(self, places: dict[str, list[int]], columns: int):
        self._places, self._bytes = places, (columns + 7) // 8

    def __missing__(self, word: str) -> int:
        bits = bytearray(self._bytes)
        for bit in self._places.get(word, ()):
            bits[bit >> 3] |= 1 << (bit & 7)
        mask = int.from_bytes(bits, "little")
        if len(self) * self._bytes < _MASK_BYTES:
            self[word] = mask
        return mask


class _Columns:
    """The answer sentences side by side: where each word stands, as bits."""

    def __init__(self, sentences: list[list[str]]):
        self.lanes: list[_Lane] = []
        self.places: dict[str, list[int]] = {}
        self.all = low = 0
        for sentence in sentences:
            for bit, word in enumerate(sentence, start=low):
                self.places.setdefault(word, []).append(bit)
            self.all |= ((1 << len(sentence)) - 1) << low
            self.lanes.append(_Lane(low, low + len(sentence) - 1, frozenset(sentence)))
            low += len(sentence) + 1
        self.masks = _Masks(self.places, low)

    def rows(self, words: list[str], flat: int) -> Iterator[tuple[str, int, int]]:
        """The rows from the first to the last: word, columns of equal words, columns where the row does not grow.

        `flat` are the columns where the row before does not grow.
        """
        masks, everything = self.masks, self.all
        for word in words:
            mask = masks[word]
            if mask:
                grown = flat & mask
                flat = ((flat + grown) | (flat - grown)) & everything
            yield word, mask, flat


def _walk(sentence: list[str], columns: _Columns, taken: set[str]) -> None:
    """Add to `taken` the words that the walks of one reference sentence with each answer sentence take.

    A walk along a lane that holds no word which is still sought adds nothing, and is left out.
    """
    sought = {word for word in sentence if word in columns.places} - taken
    if not sought:
        return
    flats = [columns.all]  # at the start of each block of rows
    for start in range(0, len(sentence) - _ROWS_KEPT, _ROWS_KEPT):
        _, _, flat = deque(columns.rows(sentence[start : start + _ROWS_KEPT], flats[-1]), maxlen=1).pop()
        flats.append(flat)
    ends = [lane.high for lane in columns.lanes]
    for block in reversed(range(len(flats))):
        rows = _stops(columns, sentence[block * _ROWS_KEPT : (block + 1) * _ROWS_KEPT], flats[block])
        for index, lane in enumerate(columns.lanes):
            if not lane.words.isdisjoint(sought):
                ends[index] = _walk_lane(rows, lane.low, ends[index], taken)
                sought -= taken


def _stops(columns: _Columns, words: list[str], flat: int) -> list[tuple[str, int, int]]:
    """The rows from the last to the first: word, columns of equal words, columns where the walk stops going left."""
    rows: list[tuple[str, int, int]] = []
    last = -1
    for word, mask, below in columns.rows(words, flat):
        if mask or last:  # of several rows without equal words the walk goes straight up through all but one
            rows.append((word, mask, mask | (columns.all ^ below)))
        last = mask
    rows.reverse()
    return rows


def _walk_lane(rows: list[tuple[str, int, int]], low: int, end: int, taken: set[str]) -> int:
    """Walk through the rows from column `end`; return the column reached, below `low` when the walk is done."""
    for word, mask, stops in rows:
        if end < low:
            return end
        end = (stops & ((2 << end) - 1)).bit_length() - 1
        if end >= low and mask >> end & 1:
            taken.add(word)
            end -= 1
    return end
