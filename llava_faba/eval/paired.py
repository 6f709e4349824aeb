"""Two answer files on the same samples -> their difference with its interval, from draws that both share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.statistics import interval, resampled_sums
from llava_faba.eval.tally import SUMMARY


def add_paired(ours: Sequence[Score], others: Sequence[Score], name: str) -> None:
    """Put `paired` into what each of our scores reports: ours minus the other's, on the samples that both have.

    Raises InputError if a task is missing in the other, no sample is shared, or a shared one has another label.
    """
    by_kind = {(other.rules, other.task): other for other in others}
    for score in ours:
        other = by_kind.get((score.rules, score.task))
        if other is None:
            raise InputError(
                f"{name} holds no answers of the task {score.task}.",
                "A paired comparison needs the same samples answered in both.",
                "Give the other model's answers to the same questions with --paired.",
            )
        score.extra["paired"] = _difference(score, other, name)


def _difference(score: Score, other: Score, name: str) -> dict[str, Any]:
    first = {sample.id: sample for sample in score.samples}
    second = {sample.id: sample for sample in other.samples}
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise InputError(
            f"{name} shares no sample of the task {score.task} with the answers that are scored.",
            "A paired comparison needs the same ids in both.",
            "Describe the same data with both models.",
        )
    for identity in shared:
        if first[identity].label != second[identity].label:
            one, two = first[identity].answer, second[identity].answer
            raise InputError(
                f"Sample {identity!r} has the label {one.label!r} in {one.place} but {two.label!r} in {two.place}.",
                "A paired comparison needs the same data in both.",
                "Score both models on the same annotation file.",
            )
    columns = [score.tally.columns([samples[identity] for identity in shared]) for samples in (first, second)]
    totals = [score.tally.values(own.sum(axis=0)) for own in columns]
    drawn = [
        score.tally.values(draws, total["support"])
        for draws, total in zip(np.split(resampled_sums(np.hstack(columns)), 2, axis=1), totals, strict=True)
    ]
    result: dict[str, Any] = {
        "other": name,
        "n": len(shared),
        "not_shared": len(first) + len(second) - 2 * len(shared),
        "difference": {},
        "ci95": {},
        "p": {},
    }
    for metric in SUMMARY:
        differences = np.round(drawn[0][metric] - drawn[1][metric], 12)  # equal ones are 0 whatever the order of sums
        result["difference"][metric] = percent(totals[0][metric] - totals[1][metric])
        result["ci95"][metric] = percents(interval(differences))
        result["p"][metric] = _two_sided(differences)
    return result


def _two_sided(differences: np.ndarray) -> float | None:
    """Twice the share of draws on the rarer side of 0: the level at which the percentile interval just holds 0.

    The test set itself counts as one draw more, so that no p is 0 (Phipson and Smyth 2010, doi 10.2202/1544-6115.1585).
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return None
    rarer = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(defined) + 1)))
