"""Answer and reference -> rougeL exactly as Google's `rouge-score` 0.1.2 computes it, plain and with Porter's stemmer.

EmoLA's S_ge comes from another package (rouge.py) and is on another scale; papers that report this one, such as
Facial-R1 with the stemmer, can be placed beside it.
https://github.com/google-research/google-research/blob/master/rouge/rouge_scorer.py
"""

import re
from typing import NamedTuple

from rapidfuzz.distance import LCSseq

from llava_faba.eval.porter import stem

_TOKEN = re.compile(r"[a-z0-9]+")


class GoogleRougeL(NamedTuple):
    """F measures, 0..1."""

    plain: float
    stemmed: float


def google_rouge_l(answer: str, reference: str) -> GoogleRougeL:
    """Compare an answer with its reference: F of LCS / |answer tokens| and LCS / |reference tokens|."""
    hypothesis, target = _tokens(answer), _tokens(reference)
    return GoogleRougeL(_f(hypothesis, target), _f(_stems(hypothesis), _stems(target)))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _stems(tokens: list[str]) -> list[str]:
    return [stem(token) if len(token) > 3 else token for token in tokens]


def _f(hypothesis: list[str], target: list[str]) -> float:
    common = LCSseq.similarity(target, hypothesis)
    if common == 0:
        return 0.0
    precision, recall = common / len(hypothesis), common / len(target)
    return 2 * precision * recall / (precision + recall)
