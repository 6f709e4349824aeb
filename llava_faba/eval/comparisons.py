"""Two answer files on the same samples -> their difference with its interval, from draws that both share.

Draws are of subjects where the answers name them. With folds the difference is that of the folds' means: each fold is
compared on its own, drawn on its own, and the differences are averaged, as `bench.mean_of_folds` does with scores.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.eval.bench import Score, mean_over_folds, percent, percents, subjects_of
from llava_faba.eval.metrics import interval, resampled_sums, two_sided_p
from llava_faba.eval.samples import SUMMARY, Sample


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
    folds = [{sample.id for sample in fold.samples} for fold in score.folds] or [set(shared)]
    parts = [part for part in ([i for i in shared if i in fold] for fold in folds) if part]
    totals, drawn = zip(*(_drawn_pair(score, first, second, part, n) for n, part in enumerate(parts)), strict=True)
    total, draws = mean_over_folds(totals), mean_over_folds(drawn)
    subjects = subjects_of([first[identity] for identity in shared])
    units = None if subjects is None else len(set(subjects)) - (len(parts) - 1)
    result: dict[str, Any] = {
        "other": name,
        "n": len(shared),
        "not_shared": len(first) + len(second) - 2 * len(shared),
        "difference": {metric: percent(total[metric]) for metric in SUMMARY},
        "ci95": {},
        "p": {},
    }
    for metric in SUMMARY:
        differences = np.round(draws[metric], 12)  # equal ones are 0 whatever the order of sums
        result["ci95"][metric] = percents(interval(differences, subjects=units, around=float(total[metric])))
        result["p"][metric] = two_sided_p(differences, units)
    return result


def _drawn_pair(
    score: Score, first: dict[str, Sample], second: dict[str, Sample], shared: Sequence[str], seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours minus the other's on these samples: of the samples themselves, and of draws that both share."""
    pair = [[samples[identity] for identity in shared] for samples in (first, second)]
    columns = [score.tally.columns(own) for own in pair]
    totals = [score.tally.values(own.sum(axis=0)) for own in columns]
    sums = resampled_sums(np.hstack(columns), seed=seed, clusters=subjects_of(pair[0]))
    draws = [score.tally.values(own, total, seed) for own, total in zip(np.split(sums, 2, axis=1), totals, strict=True)]
    return tuple({metric: one[metric] - other[metric] for metric in SUMMARY} for one, other in (totals, draws))  # type: ignore[return-value]
