"""Answers -> scores: FABA-Bench's S_re, S_ge and REGE with their intervals, for each set of rules and each task."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llava_faba import __version__
from llava_faba.errors import InputError
from llava_faba.eval.answers import TASKS, Answer
from llava_faba.eval.labels import Dataset
from llava_faba.eval.metrics import interval, mean_defined, resampled_sums
from llava_faba.eval.samples import SUMMARY, Array, Sample, Tally, read_samples

ROUGE_PACKAGES = {  # metric -> the package whose F measure it is
    "s_ge": "rouge==1.0.1,L,f",
    "rouge_score_l": "rouge-score==0.1.2,L,f",
    "rouge_score_l_stemmed": "rouge-score==0.1.2,L,f,stemmed",
}


@dataclass
class Score:
    """All numbers of one task under one set of rules; shares 0..1 inside, percent in `as_json`."""

    tally: Tally
    samples: list[Sample]  # in the order of the answers
    values: dict[str, Any] = field(default_factory=dict)  # metric -> value, or array over classes
    ci95: dict[str, Any] = field(default_factory=dict)  # metric -> (low, high), or a list of them over classes
    folds: list["Score"] = field(default_factory=list)  # of which this is the mean
    extra: dict[str, Any] = field(default_factory=dict)  # what was asked for besides: groups, paired, probabilities
    title: str = ""  # of the data: "FABA-Bench", "own data", "bp4d"

    @property
    def task(self) -> str:
        return self.tally.task

    @property
    def rules(self) -> str:
        return self.tally.rules

    @property
    def classes(self) -> tuple[str, ...]:
        return self.tally.classes

    def ordered(self) -> list[Sample]:
        """The samples by id, so that neither sums nor draws depend on the order of the lines."""
        return sorted(self.samples, key=lambda sample: sample.id)

    def columns(self) -> Array:
        """Counts of each sample, by id."""
        return self.tally.columns(self.ordered())

    @property
    def subjects(self) -> int | None:
        """How many subjects there are; None where the answers do not name them."""
        names = subjects_of(self.samples)
        return None if names is None else len(set(names)) - max(0, len(self.folds) - 1)  # each fold is drawn apart

    def drawn_units(self) -> int:
        """How many samples, or subjects, a draw for the intervals holds."""
        names = subjects_of(self.samples)
        return len(self.samples) if names is None else len(set(names))

    def count(self, status: str) -> int:
        return sum(sample.status == status for sample in self.samples)

    def listed(self) -> dict[str, list[tuple[str, str]]]:
        """Samples that need a look: kind -> (id, reason)."""
        return {
            "failed": [(s.id, s.reason) for s in self.samples if s.status == "failed"],
            "undecided": [(s.id, s.reason) for s in self.samples if s.status == "undecided"],
            "not_in_s_ge": [
                (s.id, "one of the texts has no words") for s in self.samples if np.isnan(s.likeness.rouge_l)
            ],
            "label_lost": [
                (s.id, f"the released code reads AUs only with ', ' between: {s.answer.label!r}")
                for s in self.samples
                if s.label_lost
            ],
        }

    def signature(self, metric: str = "rege") -> str:
        """What a reader must know to make the number again, and the number in percent."""
        parts = [metric.upper(), f"task:{self.task}", f"rules:{self.rules}"]
        parts += [f"rouge:{ROUGE_PACKAGES.get(metric, ROUGE_PACKAGES['s_ge'])}"]
        parts += [f"n:{len(self.samples)}", f"failed:{self.count('failed')}"]
        parts += [f"dataset:{self.tally.dataset.name}"] * (self.tally.dataset.name != "faba")
        parts += [f"folds:{len(self.folds)}"] * bool(self.folds) + [f"v:{__version__}"]
        return f"{'|'.join(parts)} = {100 * self.values[metric]:.2f}"

    def as_json(self) -> dict[str, Any]:
        """The element of `score --json`; percent, null where undefined."""
        listed = self.listed()
        result = {
            "task": self.task,
            "dataset": self.tally.dataset.name,
            "data": self.title or self.tally.dataset.name,
            "rules": self.rules,
            "n": len(self.samples),
            "failed": len(listed["failed"]),
            "undecided": len(listed["undecided"]),
            **{name: percent(self.values[name]) for name in SUMMARY},
            "ci95": {name: percents(self.ci95[name]) for name in SUMMARY},
            "per_class": {
                name: {
                    **{key: percent(self.values[key][k]) for key in ("f1", "precision", "recall")},
                    "support": int(self.values["support"][k]),
                    "ci95": percents(self.ci95["f1"][k]),
                }
                for k, name in enumerate(self.classes)
            },
            "drawn": {"unit": "sample" if self.subjects is None else "subject", "n": self.drawn_units()},
            "estimand": estimand(self),
            "signature": self.signature(),
            "signatures": {name: self.signature(name) for name in ROUGE_PACKAGES},
            "listed": {kind: [{"id": i, "reason": r} for i, r in found] for kind, found in listed.items() if found},
            **self.extra,
        }
        if self.folds:
            result["folds"] = [fold.as_json() for fold in self.folds]
        return result


def score(answers: Sequence[Answer], dataset: Dataset, rules: Sequence[str]) -> list[Score]:
    """Score answers under each set of rules and for each task that occurs: in the order of `rules`, emotion first.

    The order of the answers does not matter. Raises InputError for a task that the data set lacks, an unusable label.
    """
    scores = []
    for task in TASKS:
        of_task = [answer for answer in answers if answer.task == task]
        if of_task:
            _refuse_partial_subjects(of_task)
            read = read_samples(of_task, dataset, rules)
            scores += _summed([Score(Tally(task, name, dataset), samples) for name, samples in read.items()])
    return sorted(scores, key=lambda result: rules.index(result.rules))


def mean_of_folds(folds: Sequence[Sequence[Score]]) -> list[Score]:
    """Average the scores of folds, each with equal weight; intervals are of the mean, each fold drawn on its own.

    Raises InputError if the folds differ in their tasks.
    """
    tasks = [" and ".join(dict.fromkeys(result.task for result in fold)) for fold in folds]
    if len(set(tasks)) > 1:
        raise InputError(
            f"The folds hold different tasks: {', '.join(tasks)}.",
            "Each file given with --folds is one fold of the same tasks.",
            "Give the files of one task, or score without --folds.",
        )
    return [_mean(list(of_folds)) for of_folds in zip(*folds, strict=True)]


def percent(share: float) -> float | None:
    """A share in percent; None where it is undefined."""
    return None if np.isnan(share) else 100 * float(share)


def percents(shares: Sequence[float]) -> list[float | None]:
    """Shares in percent."""
    return [percent(share) for share in shares]


def estimand(score: Score) -> str:
    """Say which quantity S_re and its interval are about, in one sentence."""
    names = subjects_of(score.samples)
    drawn = "samples" if names is None else "subjects"
    what = "accuracy over seven emotions"
    if score.task == "au":
        counted = [
            name for name, f1 in zip(score.classes, np.atleast_1d(score.values["f1"]), strict=True) if not np.isnan(f1)
        ]
        what = f"mean F1 over {len(counted)} AUs of this test set ({', '.join(counted) or 'none has positives'})"
    folds = f", mean over {len(score.folds)} folds" if score.folds else ""
    return f"{what}{folds}, for new {drawn} like these {score.drawn_units()}"


def subjects_of(samples: Sequence[Sample]) -> list[str] | None:
    """Return the subject of each sample; None where the answers do not name them."""
    names = [sample.answer.subject for sample in samples]
    return [name for name in names if name is not None] if names and None not in names else None


def draw(tally: Tally, samples: Sequence[Sample], whole: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    """Draw samples, or whole subjects where the answers name them; return each metric of every draw (R, ...).

    `samples` are in a fixed order and `whole` are their own values.
    """
    sums = resampled_sums(tally.columns(samples), seed=seed, clusters=subjects_of(samples), smooth=True)
    return tally.values(sums, whole, seed)


def _refuse_partial_subjects(answers: Sequence[Answer]) -> None:
    without = next((answer for answer in answers if answer.subject is None), None)
    named = next((answer for answer in answers if answer.subject is not None), None)
    if without and named:
        raise InputError(
            f"{named.place} names its subject, {without.place} does not.",
            "Intervals draw whole subjects, so either all answers of a task name theirs or none does.",
            "Add the missing subjects, or remove them all.",
        )


def _summed(scores: list[Score]) -> list[Score]:
    """Fill in values and intervals of one task's scores, all from the same draws."""
    ordered = [result.ordered() for result in scores]
    columns = [result.tally.columns(own) for result, own in zip(scores, ordered, strict=True)]
    sums = resampled_sums(np.hstack(columns), clusters=subjects_of(ordered[0]), smooth=True)
    drawn = np.split(sums, len(scores), axis=1)
    for result, own, draws in zip(scores, columns, drawn, strict=True):
        result.values = result.tally.values(own.sum(axis=0))
        _set_intervals(result, result.tally.values(draws, result.values))
    return scores


def _set_intervals(result: Score, drawn: dict[str, Any]) -> None:
    subjects = result.subjects

    def bounds(draws: Array, value: float) -> tuple[float, float]:
        return interval(draws, subjects=subjects, around=float(value))

    result.ci95 = {name: bounds(drawn[name], result.values[name]) for name in SUMMARY}
    f1 = result.values["f1"]
    result.ci95["f1"] = [bounds(drawn["f1"][:, k], f1[k]) for k in range(len(result.classes))]


def _mean(folds: list[Score]) -> Score:
    result = Score(folds[0].tally, [sample for fold in folds for sample in fold.samples], folds=folds)
    draws = [draw(fold.tally, fold.ordered(), fold.values, seed) for seed, fold in enumerate(folds)]
    result.values = mean_over_folds([fold.values for fold in folds])
    result.values["support"] = sum(fold.values["support"] for fold in folds)
    _set_intervals(result, mean_over_folds(draws))
    return result


def mean_over_folds(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average each metric over the folds in which it is defined."""
    return {
        name: mean_defined(np.stack(np.broadcast_arrays(*(own[name] for own in values)), axis=-1)) for name in values[0]
    }
