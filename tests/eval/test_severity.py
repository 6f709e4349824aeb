"""Agreement of severities: against scipy, scikit-learn, Shrout and Fleiss's own example, and sacrebleu."""

import math

import numpy as np
import pytest

from llava_faba.eval.severity import fisher_mean, icc, measure_agreement, score_clips, spearman, weighted_kappa


def test_correlation_and_kappa_are_the_libraries():
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    rated = random.integers(0, 5, 60)
    predicted = np.clip(rated + random.normal(0, 1, 60), 0, 4)
    order = lambda values: np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])  # noqa: E731
    ranks = np.corrcoef(order(predicted), order(rated))[0, 1]  # ties at their mean rank
    assert spearman(predicted, rated) == pytest.approx(ranks)
    grades = np.floor(predicted + 0.5).astype(int)
    assert weighted_kappa(predicted, rated) == pytest.approx(cohen_kappa_score(grades, rated, weights="quadratic"))
    assert math.isnan(spearman([1, 1, 1], [0, 1, 2]))


def test_icc_is_that_of_shrout_and_fleiss():
    """Their table 2: six targets, four judges; ICC(2,1) is 0.29 (Psychological Bulletin 86, 1979)."""
    table = [(9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7)]
    assert icc(table) == pytest.approx(0.29, abs=0.005)


def test_the_published_averages_of_tramp_former_are_plain_means():
    """73.30, 72.25, 79.01, 67.57, 67.17: 71.86 as published; Fisher's z would give 72.16."""
    published = [0.7330, 0.7225, 0.7901, 0.6757, 0.6717]
    assert round(100 * np.mean(published), 2) == 71.86
    assert round(100 * fisher_mean(published), 2) == 72.16


def test_a_set_is_scored_by_expression_patient_interval_and_report():
    rows = []
    for number in range(12):
        rated = number % 4
        rows.append({"id": str(number), "expression": ["smile", "frown"][number % 2], "patient": f"p{number // 6}"})
        rows[-1] |= {
            "rated": rated,
            "severity": rated + 0.25,
            "interval": {"low": rated - 1, "high": rated + (number > 2)},
        }
        rows[-1] |= {"report": "The brows move.", "reference": "The brows move.", "evidence_rate": 0.5}
    rows.append({"id": "x", "expression": "smile", "patient": "p0", "rated": 1, "severity": None, "report": None})
    scores = score_clips(rows)
    assert scores["n"] == 13 and scores["rated"] == 12
    assert scores["spearman_mean"] == pytest.approx(1) and set(scores["per_patient"]) == {"p0", "p1"}
    assert scores["all"]["mae"] == pytest.approx(0.25) and scores["all"]["within_one"] == 1
    assert scores["interval_coverage"] == 1 and scores["evidence_rate"] == 0.5
    assert scores["interval_coverage_by_patient"] == 1 and math.isnan(scores["interval_level"])
    assert scores["rouge_l"] == pytest.approx(1, abs=1e-6) and "version:" in scores["bleu_signature"]
    assert measure_agreement([0, 4], [4, 0])["within_one"] == 0
    assert score_clips([])["all"] is None


def test_coverage_is_told_for_all_clips_and_by_patient():
    """Nine clips of one patient inside of their intervals do not make up for another patient outside."""
    rows = [
        {"id": str(n), "expression": "smile", "patient": "a" if n else "b", "rated": 1 if n else 4, "severity": 1.0}
        for n in range(10)
    ]
    rows = [{**row, "interval": {"low": 0.5, "high": 1.5, "level": 0.9}} for row in rows]
    scores = score_clips(rows)
    assert scores["interval_coverage"] == pytest.approx(0.9)
    assert scores["interval_coverage_by_patient"] == pytest.approx(0.5) and scores["interval_level"] == 0.9
    assert scores["per_patient"]["a"]["interval_coverage"] == 1
    assert scores["per_patient"]["b"]["interval_coverage"] == 0
