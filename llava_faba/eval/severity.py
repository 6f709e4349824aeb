"""Rated and predicted severities -> agreement: correlations, errors, kappa, ICC, interval coverage, report metrics.

A row a clip: {"id", "expression", "patient", "rated", "severity", "interval", "report", "reference", "evidence_rate"},
severities 0..4, `interval` {"low", "high"} or None. Undefined is nan, as the correlation of a constant.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from llava_faba.errors import missing_extra
from llava_faba.eval.rouge import rouge_l
from llava_faba.vocabulary import MAX_SEVERITY

GRADES = MAX_SEVERITY + 1  # MDS-UPDRS 0..4

Row = dict[str, Any]


def spearman(predicted: ArrayLike, rated: ArrayLike) -> float:
    """Spearman's rank correlation, ties at their mean rank; nan for fewer than three clips or a constant.

    >>> round(spearman([1.2, 0.3, 2.2, 3.9], [1, 0, 3, 2]), 2)
    0.8
    """
    from scipy.stats import spearmanr

    a, b = np.asarray(predicted, dtype=float), np.asarray(rated, dtype=float)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(spearmanr(a, b).statistic)


def fisher_mean(correlations: ArrayLike) -> float:
    """Mean correlation by Fisher's z: tanh(mean(artanh(r))), of those that are defined.

    >>> round(100 * fisher_mean([0.7330, 0.7225, 0.7901, 0.6757, 0.6717]), 2)
    72.16
    """
    defined = np.asarray(correlations, dtype=float)
    defined = defined[np.isfinite(defined)]
    return float(np.tanh(np.arctanh(np.clip(defined, -0.999999, 0.999999)).mean())) if len(defined) else math.nan


def weighted_kappa(predicted: ArrayLike, rated: ArrayLike) -> float:
    """Cohen's kappa with quadratic weights, of severities rounded to grades 0..4.

    1 - sum(w observed) / sum(w expected), w_ij = (i - j)^2.

    >>> weighted_kappa([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    1.0
    """
    a, b = (
        np.clip(np.floor(np.asarray(values, dtype=float) + 0.5), 0, GRADES - 1).astype(int)
        for values in (predicted, rated)
    )
    observed = np.zeros((GRADES, GRADES))
    np.add.at(observed, (a, b), 1)
    expected = np.outer(observed.sum(1), observed.sum(0)) / max(len(a), 1)
    weights = (np.arange(GRADES)[:, None] - np.arange(GRADES)) ** 2
    chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / chance if chance else math.nan


def icc(ratings: ArrayLike) -> float:
    """ICC(2,1) of ratings (n clips, k raters): absolute agreement of single raters (Shrout and Fleiss 1979).

    (BMS - EMS) / (BMS + (k - 1) EMS + k (JMS - EMS) / n), from the mean squares between clips, raters and the rest.
    """
    ratings = np.asarray(ratings, dtype=float)
    n, k = ratings.shape
    if n < 2:
        return math.nan
    grand = ratings.mean()
    clips, raters = ratings.mean(axis=1), ratings.mean(axis=0)
    between = k * ((clips - grand) ** 2).sum() / (n - 1)
    judges = n * ((raters - grand) ** 2).sum() / (k - 1)
    rest = ((ratings - clips[:, None] - raters + grand) ** 2).sum() / ((n - 1) * (k - 1))
    whole = between + (k - 1) * rest + k * (judges - rest) / n
    return float((between - rest) / whole) if whole else math.nan


def measure_agreement(predicted: ArrayLike, rated: ArrayLike) -> dict[str, float]:
    """Every number of agreement for one group of clips."""
    a, b = np.asarray(predicted, dtype=float), np.asarray(rated, dtype=float)
    return {
        "n": len(a),
        "spearman": spearman(a, b),
        "mae": float(np.abs(a - b).mean()),
        "within_one": float((np.abs(a - b) <= 1).mean()),
        "weighted_kappa": weighted_kappa(a, b),
        "icc": icc(np.stack([a, b], axis=1)),
    }


def score_clips(rows: Sequence[Row]) -> dict[str, Any]:
    """Score predictions: per expression, their means, per patient, interval coverage, and the reports.

    `interval_coverage` is the share of ratings within their intervals, `interval_coverage_by_patient` the mean of the
    patients' own shares, which is what an interval by patient promises `interval_level` of. Means of Spearman's
    correlation are over the expressions: `spearman_mean` is the plain one, as TraMP-Former reports,
    `spearman_fisher_mean` the one by Fisher's z.
    """
    rated = [row for row in rows if row.get("rated") is not None and row.get("severity") is not None]
    by_expression = {name: _agreement(group) for name, group in _groups(rated, "expression").items()}
    correlations = [group["spearman"] for group in by_expression.values()]
    defined = [value for value in correlations if not math.isnan(value)]
    per_patient = {name: _agreement(group) for name, group in _groups(rated, "patient").items()}
    shares = [group["interval_coverage"] for group in per_patient.values()]
    shares = [share for share in shares if not math.isnan(share)]
    levels = {row["interval"].get("level", math.nan) for row in rated if row.get("interval")}
    rates = [row["evidence_rate"] for row in rows if row.get("evidence_rate") is not None]
    return {
        "n": len(rows),
        "rated": len(rated),
        "all": _agreement(rated) if rated else None,
        "per_expression": by_expression,
        "spearman_mean": float(np.mean(defined)) if defined else math.nan,
        "spearman_fisher_mean": fisher_mean(correlations),
        "per_patient": per_patient,
        "interval_coverage": coverage(rated),
        "interval_coverage_by_patient": float(np.mean(shares)) if shares else math.nan,
        "interval_level": levels.pop() if len(levels) == 1 else math.nan,
        "evidence_rate": float(np.mean(rates)) if rates else math.nan,
        **score_reports(
            [(row["report"], row["reference"]) for row in rows if row.get("report") and row.get("reference")]
        ),
    }


def score_reports(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """ROUGE-L (EmoLA's, a mean over the reports, 0..1) and corpus BLEU (sacrebleu, 0..100, with its signature)."""
    values = [value for answer, reference in pairs if (value := rouge_l(answer, reference)) is not None]
    scored: dict[str, Any] = {"reports": len(pairs), "rouge_l": float(np.mean(values)) if values else math.nan}
    if not pairs:
        return {**scored, "bleu": math.nan, "bleu_signature": None}
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise missing_extra("sacrebleu", "video", "Scoring reports by BLEU") from error
    metric = BLEU()
    bleu = metric.corpus_score([answer for answer, _ in pairs], [[reference for _, reference in pairs]])
    return {**scored, "bleu": bleu.score, "bleu_signature": str(metric.get_signature())}


def coverage(rows: Sequence[Row]) -> float:
    """Return the share of ratings that lie within their intervals, 0..1; nan where no row has an interval."""
    held = [row["interval"]["low"] <= row["rated"] <= row["interval"]["high"] for row in rows if row.get("interval")]
    return float(np.mean(held)) if held else math.nan


def _agreement(rows: Sequence[Row]) -> dict[str, float]:
    agreement = measure_agreement([row["severity"] for row in rows], [row["rated"] for row in rows])
    return agreement | {"interval_coverage": coverage(rows)}


def _groups(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get(key) is not None:
            groups.setdefault(str(row[key]), []).append(row)
    return dict(sorted(groups.items()))
