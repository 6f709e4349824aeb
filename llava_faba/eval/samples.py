"""One answer under one set of rules: what was recognised, whether that is right, how like its reference it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llava_faba.errors import InputError
from llava_faba.eval import metrics
from llava_faba.eval.answers import Answer
from llava_faba.eval.google_rouge import google_rouge_l
from llava_faba.eval.labels import Dataset, au_label, emotion_label, released_au_label
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.eval.rouge import rouge_l
from llava_faba.vocabulary import EMOTIONS


@dataclass(frozen=True)
class Likeness:
    """How like its reference an answer is, whatever the rules; 0..1, nan where undefined."""

    rouge_l: float  # the `rouge` package's, nan where it finds no words in one of the texts
    rouge_score_l: float  # google's, nan where there is no reference
    rouge_score_l_stemmed: float


@dataclass(frozen=True)
class Sample:
    """One answer under one set of rules."""

    answer: Answer
    label: str | tuple[int, ...]
    recognised: str | tuple[int, ...] | None
    status: str  # "decided", "undecided", "failed"
    reason: str  # why nothing was recognised
    likeness: Likeness
    label_lost: bool = False  # the released code does not read AUs that the label holds ("1,4")

    @property
    def id(self) -> str:
        return self.answer.id

    @property
    def correct(self) -> bool:
        return self.recognised == self.label

    def row(self, rules: str) -> dict[str, Any]:
        """The line of --per-sample."""
        return {
            "id": self.id,
            "task": self.answer.task,
            "rules": rules,
            "label": _plain(self.label),
            "recognised": _plain(self.recognised),
            "correct": self.correct,
            "rouge_l": _defined(self.likeness.rouge_l),
            "rouge_score_l": _defined(self.likeness.rouge_score_l),
            "rouge_score_l_stemmed": _defined(self.likeness.rouge_score_l_stemmed),
            "status": self.status,
            "reason": self.reason,
        }


def read_samples(answers: Sequence[Answer], dataset: Dataset, rules: Sequence[str]) -> dict[str, list[Sample]]:
    """Read answers by each set of rules, in their order; texts are compared once.

    Raises InputError for a task that the data set lacks and for an unusable label.
    """
    for answer in answers:
        if answer.task not in dataset.tasks:
            raise InputError(
                f"{answer.place} has the task {answer.task}, which the data set {dataset.name} lacks.",
                f"Its tasks are {', '.join(dataset.tasks)}.",
                "Give the data set of these answers with --dataset, or score them apart.",
            )
    samples: dict[str, list[Sample]] = {name: [] for name in rules}
    for answer in answers:
        likeness = _likeness(answer)
        for name in rules:
            samples[name].append(_sample(answer, dataset, name, likeness))
    return samples


def _sample(answer: Answer, dataset: Dataset, rules: str, likeness: Likeness) -> Sample:
    if answer.task == "emotion":
        emotion = emotion_label(answer.label, dataset, answer.place)
        read = parse_emotion(answer.answer, rules)
        return Sample(answer, emotion, read.value, read.status, read.reason, likeness)
    label = written = tuple(au for au in au_label(answer.label, answer.place) if au in dataset.read_aus)
    if rules == "emola":
        label = released_au_label(answer.label, dataset)
    read = parse_aus(answer.answer, dataset, rules)
    return Sample(answer, label, read.value, read.status, read.reason, likeness, label != written)


def _likeness(answer: Answer) -> Likeness:
    ours = rouge_l(answer.answer, answer.reference)
    google = google_rouge_l(answer.answer, answer.reference) if answer.reference else (math.nan, math.nan)
    return Likeness(math.nan if ours is None else ours, *google)


def _plain(value: str | tuple[int, ...] | None) -> str | list[int] | None:
    return list(value) if isinstance(value, tuple) else value


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


Array = NDArray[np.float64]

RARE = 5  # a class with fewer positives is rare: one sample then moves its recall by more than 20 points
ROUGES = {"s_ge": "rouge_l", "rouge_score_l": "rouge_score_l", "rouge_score_l_stemmed": "rouge_score_l_stemmed"}
SUMMARY = ("s_re", "s_ge", "rege", "accuracy", "macro_f1", "micro_f1", "macro_f1_without_rare", *list(ROUGES)[1:])


@dataclass(frozen=True)
class Tally:
    """Which counts one task needs under one set of rules, and what follows from them."""

    task: str
    rules: str
    dataset: Dataset

    @property
    def classes(self) -> tuple[str, ...]:
        return EMOTIONS if self.task == "emotion" else tuple(f"AU{au}" for au in self.dataset.scored_aus)

    def columns(self, samples: Sequence[Sample]) -> Array:
        """Counts of each sample (n, K): one; correct; each ROUGE; whether it is defined; cells that F1 follows from."""
        rouge = np.array([[getattr(sample.likeness, name) for name in ROUGES.values()] for sample in samples])
        head = np.array([[1, sample.correct] for sample in samples])
        cells = _confusion_cells(samples) if self.task == "emotion" else _au_cells(samples, self.dataset.scored_aus)
        return np.hstack([head, np.nan_to_num(rouge), ~np.isnan(rouge), cells])

    def counts(self, sums: Array) -> tuple[Array, Array, Array, Array]:
        """TP, FP, FN and TN (..., classes) from summed columns (..., K)."""
        cells, k = sums[..., 2 + 2 * len(ROUGES) :], len(self.classes)
        if self.task == "emotion":
            tp, fp, fn = metrics.one_against_rest(cells.reshape(*cells.shape[:-1], k, k + 1))
        else:
            tp, fp, fn = cells[..., :k], cells[..., k : 2 * k], cells[..., 2 * k :]
        return tp, fp, fn, sums[..., :1] - tp - fp - fn

    def values(self, sums: Array, whole: dict[str, Any] | None = None, seed: int = metrics.SEED) -> dict[str, Any]:
        """All metrics from summed columns (..., K), shares 0..1.

        For draws (R, K), `whole` are the values of the test set itself. It fixes which classes count and which are
        rare, so that every draw estimates the same quantity, also one without a single positive of an AU. There, where
        0 / 0 would stand, Jeffreys' prior decides: half a success and half a failure are added as Gamma(1/2) draws,
        the same for every model that is drawn with this `seed` (Brown, Cai and DasGupta 2001, "Interval Estimation for
        a Binomial Proportion", section 3.1, doi 10.1214/ss/1009213286; TP / (TP + FP + FN), from which F1 follows, is
        such a proportion).
        """
        tp, fp, fn, tn = self.counts(sums)
        hits, misses, right, wrong = tp, fp + fn, sums[..., 1], sums[..., 0] - sums[..., 1]
        if whole is not None:
            prior = np.random.default_rng([seed, len(self.classes)]).gamma(0.5, size=(4, len(sums), len(self.classes)))
            hits, misses, right, wrong = (
                tp + prior[0],
                misses + prior[1],
                right + prior[2, :, 0],
                wrong + prior[3, :, 0],
            )
        f1 = self._f1(tp, fp, fn, tn) if whole is None else self._drawn_f1(hits, misses, whole)
        macro = metrics.mean_defined(f1)
        correct = metrics.ratio(right, right + wrong)
        right_per_class = metrics.mean_defined(metrics.ratio(tp + tn, sums[..., :1]))
        support = tp + fn if whole is None else whole["support"]
        values = {
            "f1": f1,
            "precision": metrics.ratio(tp, tp + fp),
            "recall": metrics.ratio(tp, tp + fn),
            "support": tp + fn,
            "s_re": correct if self.task == "emotion" else macro,
            "accuracy": correct if self.task == "emotion" else right_per_class,
            "macro_f1": macro,
            "micro_f1": metrics.micro_f1(hits, misses, 0 * misses),
            "macro_f1_without_rare": metrics.mean_defined(np.where(support >= RARE, f1, np.nan)),
        }
        for k, name in enumerate(ROUGES, start=2):
            values[name] = metrics.ratio(sums[..., k], sums[..., k + len(ROUGES)])
        return values | {"rege": values["s_re"] + values["s_ge"]}

    def _f1(self, tp: Array, fp: Array, fn: Array, tn: Array) -> Array:
        released = self.task == "au" and self.rules == "emola"
        return metrics.released_f1(tp, fp, fn, tn) if released else metrics.f1(tp, fp, fn)

    def _drawn_f1(self, hits: Array, misses: Array, whole: dict[str, Any]) -> Array:
        """F1 of the classes that the test set has; the released code's 0 of an AU without positives stays 0."""
        drawn = metrics.ratio(2 * hits, 2 * hits + misses)
        return np.where(np.isnan(whole["f1"]), np.nan, np.where(whole["support"] == 0, 0.0, drawn))


def _confusion_cells(samples: Sequence[Sample]) -> Array:
    """One-hot cells of the confusion matrix 7 x 8, row by row; the eighth column is "nothing recognised"."""
    place = {emotion: k for k, emotion in enumerate((*EMOTIONS, None))}
    cells = np.zeros((len(samples), len(EMOTIONS) * len(place)))
    for row, sample in enumerate(samples):
        cells[row, place[sample.label] * len(place) + place[sample.recognised]] = 1
    return cells


def _au_cells(samples: Sequence[Sample], aus: tuple[int, ...]) -> Array:
    """TP, FP and FN of each AU; where nothing was recognised no AU is."""
    labels = np.array([[au in sample.label for au in aus] for sample in samples])
    found = np.array([[au in (sample.recognised or ()) for au in aus] for sample in samples])
    return np.hstack([labels & found, ~labels & found, labels & ~found]).astype(float)
