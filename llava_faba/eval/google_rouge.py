"""Answer and reference -> rougeL of Google's package `rouge-score`, plain and stemmed, each word treated once.

The tokens are those of the package's own tokeniser and the stems those of NLTK's PorterStemmer, which it uses. Answers
use few different words, so both are remembered word by word: no token reaches over white space.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from itertools import chain
from types import ModuleType
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

_MOST_WORDS = 200_000  # that are remembered


class GoogleRougeL(NamedTuple):
    """rougeL of Google's package `rouge-score`, 0..1, on another scale than S_ge."""

    plain: float
    stemmed: float  # with Porter's stemmer, as Facial-R1 reports it


def google_rouge_l(answer: str, reference: str) -> GoogleRougeL:
    """Compare as `rouge_score.RougeScorer(["rougeL"])` does: its tokens and stems, F of LCS / tokens of either text.

    The length of the longest common subsequence is rapidfuzz's: the package's own takes a hundred times as long.
    """
    words = _words()
    if len(words) > _MOST_WORDS:
        words.clear()
    hypotheses, targets = (_joined([words[word] for word in text.split()]) for text in (answer, reference))
    scores = []
    for hypothesis, target in zip(hypotheses, targets, strict=True):
        common = LCSseq.similarity(target, hypothesis)
        precision, recall = (common / max(1, len(tokens)) for tokens in (hypothesis, target))
        scores.append(2 * precision * recall / (precision + recall) if common else 0.0)
    return GoogleRougeL(*scores)


def _joined(words: list[tuple[tuple[str, ...], tuple[str, ...]]]) -> list[list[str]]:
    """The tokens of all words, and their stems."""
    return [list(chain.from_iterable(way)) for way in zip(*words, strict=True)] or [[], []]


class _Words(dict[str, tuple[tuple[str, ...], tuple[str, ...]]]):
    """What stands between white space -> its tokens, and their stems."""

    def __init__(self) -> None:
        from rouge_score.tokenize import tokenize

        self._tokenize, self._stem = tokenize, cache(_porter_stem())

    def __missing__(self, word: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        tokens = tuple(self._tokenize(word, None))
        stems = tuple(self._stem(token) if len(token) > 3 else token for token in tokens)
        self[word] = tokens, stems
        return tokens, stems


_words = cache(_Words)


def _porter_stem() -> Callable[[str], str]:
    """NLTK's own PorterStemmer; the rest of NLTK, whose import takes two seconds, is left out where that works."""
    if "nltk" not in sys.modules and (spec := importlib.util.find_spec("nltk")) is not None:
        bare = {"nltk": ModuleType("nltk"), "nltk.stem": ModuleType("nltk.stem")}
        for name, module in bare.items():
            module.__path__ = [
                f"{folder}{name[4:].replace('.', '/')}" for folder in spec.submodule_search_locations or ()
            ]
        sys.modules.update(bare)
        try:
            return importlib.import_module("nltk.stem.porter").PorterStemmer().stem
        except (ImportError, AttributeError):
            pass  # another layout of NLTK: it is imported whole
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "nltk"]:
                del sys.modules[name]
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer().stem
