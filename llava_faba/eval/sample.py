"""One answer under one set of rules: what was recognised, whether that is right, how like its reference it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llava_faba.errors import InputError
from llava_faba.eval.answers import Answer
from llava_faba.eval.datasets import Dataset
from llava_faba.eval.google_rouge import google_rouge_l
from llava_faba.eval.labels import au_label, emotion_label, released_au_label
from llava_faba.eval.parse import parse_aus, parse_emotion
from llava_faba.eval.rouge import rouge_l


@dataclass(frozen=True)
class Likeness:
    """How like its reference an answer is, whatever the rules; 0..1, nan where undefined."""

    rouge_l: float  # the `rouge` package's, nan where it finds no words in one of the texts
    rouge_score_l: float  # google's, nan where there is no reference
    rouge_score_l_stemmed: float
    overflow: bool = False  # the `rouge` package overflows Python's stack and gives no value; ours stands in


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
            "rouge_overflow": self.likeness.overflow,
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
    return Likeness(math.nan if ours.f is None else ours.f, *google, ours.overflow)


def _plain(value: str | tuple[int, ...] | None) -> str | list[int] | None:
    return list(value) if isinstance(value, tuple) else value


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
