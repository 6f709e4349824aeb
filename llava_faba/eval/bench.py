"""Answers -> scores: parse by the rules, compare, count, sum up with intervals (FABA-Bench's S_re, S_ge and REGE)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llava_faba import __version__
from llava_faba.errors import InputError
from llava_faba.eval import metrics
from llava_faba.eval.answers import TASKS, Answer
from llava_faba.eval.datasets import Dataset
from llava_faba.eval.google_rouge import google_rouge_l
from llava_faba.eval.labels import au_label, emotion_label, released_au_label
from llava_faba.eval.lexicon import EMOTIONS
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.eval.rouge import rouge_l
from llava_faba.eval.statistics import interval, resampled_sums

RARE = 5  # a class with fewer positives than this is rare: one sample moves its F1 by 20 points or more
ROUGE_PACKAGES = {  # metric -> the package whose F it is, and how
    "s_ge": "rouge==1.0.1,L,f",
    "rouge_score_l": "rouge-score==0.1.2,L,f",
    "rouge_score_l_stemmed": "rouge-score==0.1.2,L,f,stemmed",
}


@dataclass(frozen=True)
class Texts:
    """What the comparison of one answer with its reference gives, whatever the rules; 0..1, nan where undefined."""

    rouge_l: float  # nan: the `rouge` package finds no words in one of them
    overflow: bool  # the `rouge` package overflows Python's stack here
    rouge_score_l: float  # nan: there is no reference
    rouge_score_l_stemmed: float


@dataclass(frozen=True)
class Sample:
    """One answer under one set of rules."""

    answer: Answer
    label: str | tuple[int, ...]
    recognised: str | tuple[int, ...] | None
    status: str  # "decided", "undecided", "failed"
    reason: str
    texts: Texts

    @property
    def correct(self) -> bool:
        return self.recognised == self.label

    def row(self, rules: str) -> dict[str, Any]:
        """The line of --per-sample."""
        return {
            "id": self.answer.id,
            "task": self.answer.task,
            "rules": rules,
            "label": _plain(self.label),
            "recognised": _plain(self.recognised),
            "correct": self.correct,
            "rouge_l": _defined(self.texts.rouge_l),
            "rouge_score_l": _defined(self.texts.rouge_score_l),
            "rouge_score_l_stemmed": _defined(self.texts.rouge_score_l_stemmed),
            "rouge_overflow": self.texts.overflow,
            "status": self.status,
            "reason": self.reason,
        }


@dataclass
class Score:
    """All numbers of one task under one set of rules; shares 0..1 inside, percent in `as_json`."""

    task: str
    dataset: Dataset
    rules: str
    samples: list[Sample]
    values: dict[str, Any] = field(default_factory=dict)  # metric -> value, or array over classes
    ci95: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        return EMOTIONS if self.task == "emotion" else tuple(f"AU{au}" for au in self.dataset.scored_aus)

    def count(self, status: str) -> int:
        return sum(sample.status == status for sample in self.samples)

    @property
    def rouge_failed(self) -> int:
        return sum(math.isnan(sample.texts.rouge_l) for sample in self.samples)

    def signature(self, metric: str = "REGE") -> str:
        """What a reader must know to make the number again, and the number."""
        package = ROUGE_PACKAGES.get(metric.lower(), ROUGE_PACKAGES["s_ge"])
        parts = [metric, f"task:{self.task}", f"rules:{self.rules}", f"rouge:{package}"]
        parts += [f"n:{len(self.samples)}", f"failed:{self.count('failed')}"]
        parts += [f"dataset:{self.dataset.name}"] * (self.dataset.name != "faba") + [f"v:{__version__}"]
        return f"{'|'.join(parts)} = {100 * self.values[metric.lower()]:.2f}"

    def as_json(self) -> dict[str, Any]:
        """The element of `score --json`; percent, null where undefined."""
        return {
            "task": self.task,
            "dataset": self.dataset.name,
            "rules": self.rules,
            "n": len(self.samples),
            "failed": self.count("failed"),
            "undecided": self.count("undecided"),
            "rouge_failed": self.rouge_failed,
            **{name: percent(self.values[name]) for name in SUMMARY},
            "ci95": {name: [percent(bound) for bound in self.ci95[name]] for name in SUMMARY},
            "per_class": {
                name: {
                    **{key: percent(self.values[key][k]) for key in ("f1", "precision", "recall")},
                    "support": int(self.values["support"][k]),
                    "ci95": [percent(bound) for bound in self.ci95["f1"][k]],
                }
                for k, name in enumerate(self.classes)
            },
            "signature": self.signature(),
        }


SUMMARY = (
    *("s_re", "s_ge", "rege", "accuracy", "macro_f1", "micro_f1", "macro_f1_without_rare"),
    *("rouge_score_l", "rouge_score_l_stemmed"),
)


_ROUGES = {"s_ge": "rouge_l", "rouge_score_l": "rouge_score_l", "rouge_score_l_stemmed": "rouge_score_l_stemmed"}


def score(answers: Sequence[Answer], dataset: Dataset, rules: Sequence[str]) -> list[Score]:
    """Score answers under each set of rules and for each task that occurs, in the order of `rules`, emotion first.

    The order of the answers does not matter. Raises InputError for a task that the data set lacks, an unusable label.
    """
    for answer in answers:
        if answer.task not in dataset.tasks:
            raise InputError(
                f"{answer.place} has the task {answer.task}, which the data set {dataset.name} lacks.",
                f"Its tasks are {', '.join(dataset.tasks)}.",
                "Give the data set of these answers with --dataset, or score them apart.",
            )
    texts = {id(answer): _texts(answer) for answer in answers}
    scores = []
    for task in TASKS:
        of_task = [answer for answer in answers if answer.task == task]
        scores += [
            Score(task, dataset, name, [_sample(answer, dataset, name, texts[id(answer)]) for answer in of_task])
            for name in rules
            if of_task
        ]
        _sum_up([result for result in scores if result.task == task])
    return sorted(scores, key=lambda result: rules.index(result.rules))


def percent(value: float) -> float | None:
    """A share in percent; None where it is undefined."""
    return None if np.isnan(value) else 100 * float(value)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _plain(value: str | tuple[int, ...] | None) -> str | list[int] | None:
    return list(value) if isinstance(value, tuple) else value


def _texts(answer: Answer) -> Texts:
    compared = rouge_l(answer.answer, answer.reference)
    google = google_rouge_l(answer.answer, answer.reference) if answer.reference else (math.nan, math.nan)
    return Texts(math.nan if compared.f is None else compared.f, compared.overflow, *google)


def _sample(answer: Answer, dataset: Dataset, rules: str, texts: Texts) -> Sample:
    if answer.task == "emotion":
        label: str | tuple[int, ...] = emotion_label(answer.label, dataset, answer.place)
        read = parse_emotion(answer.answer, rules)
    else:
        label = tuple(au for au in au_label(answer.label, answer.place) if au in dataset.read_aus)
        if rules == "emola":
            label = released_au_label(answer.label, dataset)
        read = parse_aus(answer.answer, dataset, rules)
    return Sample(answer, label, read.value, read.status, read.reason, texts)


def _sum_up(scores: list[Score]) -> None:
    """Fill in values and intervals of one task's scores, all from the same draws."""
    if not scores:
        return
    columns = [_columns(result) for result in scores]
    resampled = np.split(resampled_sums(np.hstack(columns)), len(scores), axis=1)
    for result, own, draws in zip(scores, columns, resampled, strict=True):
        total = own.sum(axis=0)
        tp, _, fn, _ = _class_counts(result, total)
        result.values = _values(result, total, tp + fn)
        drawn = _values(result, draws, tp + fn)
        result.ci95 = {name: interval(drawn[name]) for name in SUMMARY}
        result.ci95["f1"] = [interval(drawn["f1"][:, k]) for k in range(len(result.classes))]


def _columns(result: Score) -> NDArray[np.float64]:
    """Per-sample counts (n, K): one, correct; each ROUGE and whether it is defined; the cells from which F1 follows.

    Rows are by id, so that neither sums nor resamples depend on the order of the lines.
    """
    samples = sorted(result.samples, key=lambda sample: sample.answer.id)
    rouge = np.array([[getattr(sample.texts, name) for name in _ROUGES.values()] for sample in samples])
    head = [np.ones(len(samples)), np.array([sample.correct for sample in samples])]
    cells = _emotion_cells(samples) if result.task == "emotion" else _au_cells(samples, result.dataset)
    return np.hstack([np.stack(head, axis=1), np.nan_to_num(rouge), ~np.isnan(rouge), cells])


def _emotion_cells(samples: list[Sample]) -> NDArray[np.float64]:
    """One-hot cells of the confusion matrix 7 x 8, row-wise; the eighth column is "nothing recognised"."""
    cells = np.zeros((len(samples), len(EMOTIONS) * (len(EMOTIONS) + 1)))
    for row, sample in enumerate(samples):
        column = len(EMOTIONS) if sample.recognised is None else EMOTIONS.index(sample.recognised)
        cells[row, EMOTIONS.index(sample.label) * (len(EMOTIONS) + 1) + column] = 1
    return cells


def _au_cells(samples: list[Sample], dataset: Dataset) -> NDArray[np.float64]:
    """TP, FP, FN of each scored AU; where nothing was recognised no AU is."""
    labels = np.array([[au in s.label for au in dataset.scored_aus] for s in samples])
    found = np.array([[au in (s.recognised or ()) for au in dataset.scored_aus] for s in samples])
    return np.hstack([labels & found, ~labels & found, labels & ~found]).astype(float)


def _class_counts(result: Score, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """TP, FP, FN and TN of each class from summed columns (..., K)."""
    total, cells, k = sums[..., :1], sums[..., 2 + 2 * len(_ROUGES) :], len(result.classes)
    if result.task == "emotion":
        tp, fp, fn = metrics.one_against_rest(cells.reshape(*cells.shape[:-1], k, k + 1))
    else:
        tp, fp, fn = cells[..., :k], cells[..., k : 2 * k], cells[..., 2 * k :]
    return tp, fp, fn, total - tp - fp - fn


def _values(result: Score, sums: NDArray[np.float64], support: NDArray[np.float64]) -> dict[str, Any]:
    """All metrics from summed columns; `support` is that of the whole test set, so that rare classes stay the same."""
    tp, fp, fn, tn = _class_counts(result, sums)
    released = result.task == "au" and result.rules == "emola"
    f1 = metrics.released_f1(tp, fp, fn, tn) if released else metrics.f1(tp, fp, fn)
    values: dict[str, Any] = {
        "f1": f1,
        "precision": metrics.ratio(tp, tp + fp),
        "recall": metrics.ratio(tp, tp + fn),
        "support": support,
        "macro_f1": metrics.mean_defined(f1),
        "micro_f1": metrics.micro_f1(tp, fp, fn),
        "macro_f1_without_rare": metrics.mean_defined(np.where(support >= RARE, f1, np.nan)),
    }
    for k, name in enumerate(_ROUGES):
        values[name] = metrics.ratio(sums[..., 2 + k], sums[..., 2 + len(_ROUGES) + k])
    correct = metrics.ratio(sums[..., 1], sums[..., 0])
    per_class = metrics.mean_defined(metrics.ratio(tp + tn, sums[..., :1]))
    values["accuracy"] = correct if result.task == "emotion" else per_class
    values["s_re"] = correct if result.task == "emotion" else values["macro_f1"]
    values["rege"] = values["s_re"] + values["s_ge"]
    return values
