"""Probabilities beside the answers -> average precision, calibration, and what abstaining would bring.

A line of answers.jsonl may carry an eighth key, `probabilities`: for the task emotion `{"Happiness": 0.7, ...}` over
all seven, which sum to 1; for the task au `{"AU1": 0.2, ...}`, the probability that each scored AU is present. They do
not depend on the rules, and S_re does not depend on them: it stays what the text says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llava_faba.errors import InputError
from llava_faba.eval import metrics
from llava_faba.eval.bench import Score, percent
from llava_faba.eval.labels import au_label, emotion_label
from llava_faba.eval.samples import Sample, Tally
from llava_faba.vocabulary import EMOTIONS

BINS = 10  # of equal width, as in Guo et al. 2017, arXiv 1706.04599, section 2
_SUM_TOLERANCE = 0.01


def average_precision(present: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """Precision at each threshold weighted by the rise of recall: sum of (R_k - R_(k-1)) P_k; nan without positives.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    0.8333333333333333
    """
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(present[order])
    last = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))  # equal probabilities are one threshold
    if not len(hits) or not hits[-1]:
        return float("nan")
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def reliability(right: NDArray[np.bool_], probability: NDArray[np.float64]) -> list[dict[str, float]]:
    """Bins of equal width: how many, their mean probability, the share that was right; empty bins are left out."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return [
        {
            "low": k / BINS,
            "high": (k + 1) / BINS,
            "n": int(inside.sum()),
            "probability": float(probability[inside].mean()),
            "right": float(right[inside].mean()),
        }
        for k in range(BINS)
        if (inside := bins == k).any()
    ]


def calibration_error(bins: Sequence[Mapping[str, float]]) -> float:
    """Expected calibration error: |mean probability - share right| of the bins, weighted by their counts."""
    total = sum(one["n"] for one in bins)
    return sum(one["n"] * abs(one["probability"] - one["right"]) for one in bins) / total if total else float("nan")


def add_probabilities(scores: Sequence[Score], threshold: float | None = None) -> None:
    """Put `probabilities` into what each score reports, where answers carry them.

    `threshold` is the probability below which a decision is withheld. Raises InputError for unusable probabilities, and
    for a threshold outside 0..1 or without any probabilities.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(
            f"--abstain-below was given {threshold:g}.",
            "It is a probability, from 0 to 1.",
            "Give for instance --abstain-below 0.7.",
        )
    by_task: dict[str, dict[str, Any] | None] = {}
    for score in scores:
        carrying = [sample for sample in score.samples if sample.answer.probabilities is not None]
        if score.task not in by_task:
            by_task[score.task] = _summary(score.tally, carrying, len(score.samples), threshold) if carrying else None
        if found := by_task[score.task]:
            score.extra["probabilities"] = {**found, "agreement": percent(agreement(score.tally, carrying))}
    if threshold is not None and not any(by_task.values()):
        raise InputError(
            "--abstain-below was given, but no line carries `probabilities`.",
            "Abstention needs the probability of each class beside each answer.",
            "Run `llava-faba describe --probabilities`, or leave --abstain-below out.",
        )


def agreement(tally: Tally, samples: Sequence[Sample]) -> float:
    """Share of the decisions in which the most probable is what was recognised: of samples, or of samples and AUs."""
    decided = [sample for sample in samples if sample.recognised is not None]
    if not decided:
        return float("nan")
    probability = np.array([_read(sample, tally) for sample in decided])
    if tally.task == "emotion":
        found = np.array([EMOTIONS.index(str(sample.recognised)) for sample in decided])
        return float((probability.argmax(axis=1) == found).mean())
    named = np.array([[au in (sample.recognised or ()) for au in tally.dataset.scored_aus] for sample in decided])
    return float(((probability >= 0.5) == named).mean())


def _summary(tally: Tally, samples: Sequence[Sample], total: int, threshold: float | None) -> dict[str, Any]:
    probability, present = read_probabilities(tally, samples)
    precision = [average_precision(present[:, k], probability[:, k]) for k in range(len(tally.classes))]
    confidence, right = _most_probable(tally, probability, present)
    bins = reliability(right.ravel(), confidence.ravel())
    result: dict[str, Any] = {
        "n": len(samples),
        "without": total - len(samples),
        "average_precision": {name: percent(value) for name, value in zip(tally.classes, precision, strict=True)},
        "mean_average_precision": percent(float(metrics.mean_defined(precision))),
        "calibration_error": percent(calibration_error(bins)),
        "brier": _brier(tally, probability, present),
        "s_re_of_most_probable": percent(_s_re(tally, probability, present)),
        "reliability": bins,
    }
    if threshold is not None:
        kept = confidence >= threshold
        result["abstention"] = {
            "threshold": threshold,
            "answered": percent(float(kept.mean())),
            "s_re": percent(_s_re(tally, probability, present, kept)),
        }
    return result


def read_probabilities(tally: Tally, samples: Sequence[Sample]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return what the samples carry and what their labels say, both (n, classes)."""
    return (
        np.array([_read(sample, tally) for sample in samples]),
        np.array([_present(sample, tally) for sample in samples]),
    )


def _brier(tally: Tally, probability: Any, present: Any) -> float:
    """Mean squared error: of an emotion's seven probabilities together (0..2), of one AU's (0..1)."""
    errors = (probability - present) ** 2
    return float(errors.sum(axis=1).mean() if tally.task == "emotion" else errors.mean())


def confidence_error(tally: Tally, probability: Any, present: Any) -> float:
    """Expected calibration error of the most probable decisions."""
    confidence, right = _most_probable(tally, probability, present)
    return calibration_error(reliability(right.ravel(), confidence.ravel()))


def _most_probable(tally: Tally, probability: Any, present: Any) -> tuple[Any, Any]:
    """Confidence in what is most probable and whether that is right: a pair a sample, or a sample and AU."""
    if tally.task == "emotion":
        best = probability.argmax(axis=1)
        return probability.max(axis=1), present[np.arange(len(best)), best]
    return np.maximum(probability, 1 - probability), (probability >= 0.5) == present


def _s_re(tally: Tally, probability: Any, present: Any, kept: Any = None) -> float:
    """S_re when the most probable is recognised; `kept` says which decisions count."""
    confidence, right = _most_probable(tally, probability, present)
    kept = np.ones_like(confidence, dtype=bool) if kept is None else kept
    if tally.task == "emotion":
        return float(metrics.ratio((right & kept).sum(), kept.sum()))
    found = probability >= 0.5
    tp, fp, fn = ((one & kept).sum(axis=0) for one in (found & present, found & ~present, ~found & present))
    return float(metrics.mean_defined(metrics.f1(tp, fp, fn)))


def _present(sample: Sample, tally: Tally) -> list[bool]:
    answer = sample.answer
    if tally.task == "emotion":
        return [emotion == emotion_label(answer.label, tally.dataset, answer.place) for emotion in EMOTIONS]
    label = au_label(answer.label, answer.place)
    return [au in label for au in tally.dataset.scored_aus]


def _read(sample: Sample, tally: Tally) -> list[float]:
    given, place = sample.answer.probabilities, sample.answer.place
    if not isinstance(given, dict):
        raise _unusable(place, f"holds {type(given).__name__}", tally)
    if missing := [name for name in tally.classes if name not in given]:
        raise _unusable(place, f"lacks {', '.join(missing)}", tally)
    values = [given[name] for name in tally.classes]
    for name, value in zip(tally.classes, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise _unusable(place, f"gives {name} {value!r}", tally)
    if tally.task == "emotion" and abs(sum(values) - 1) > _SUM_TOLERANCE:
        raise _unusable(place, f"sums to {sum(values):.3f}", tally)
    return [float(value) for value in values]


def _unusable(place: str, found: str, tally: Tally) -> InputError:
    ones = "seven emotions, which sum to 1" if tally.task == "emotion" else f"AUs that {tally.dataset.name} scores"
    return InputError(
        f"{place}: `probabilities` {found}.",
        f"It is an object with a number from 0 to 1 for each of the {ones}: {', '.join(tally.classes)}.",
        "Correct the line, or take the key away.",
    )
