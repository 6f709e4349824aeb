"""Answers and what their photos show -> the evidence rate: how many of the sentences that can be judged are supported.

The judge comes from outside (evidence/photo.py), so that no picture is opened here. A rate alone says little: a text
that suits every face is often supported. So each answer is also held against the faces of other samples, and the gain
over those is what the model saw in its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llava_faba.eval import metrics
from llava_faba.eval.answers import Answer
from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.metrics import interval, resampled_sums

OTHERS = 5  # faces of other samples that an answer is held against

Judge = Callable[
    [str, str], dict[str, Any]
]  # text, image -> {"sentences": [{"sentence", "verdict", "reason"}], "rate"}


def add_evidence_rates(scores: Sequence[Score], judge: Judge, source: str) -> None:
    """Put `evidence_rate` (percent) and `evidence` into what each score reports; `source` names the norms."""
    by_task: dict[str, dict[str, Any]] = {}
    for score in scores:
        if score.task not in by_task:
            answers = sorted((sample.answer for sample in score.samples), key=lambda answer: answer.id)
            by_task[score.task] = {**measure_evidence(answers, judge), "norms": source}
        score.extra["evidence"] = by_task[score.task]
        score.extra["evidence_rate"] = by_task[score.task]["rate"]


def measure_evidence(answers: Sequence[Answer], judge: Judge) -> dict[str, Any]:
    """Judge answers by their own faces and by those of the samples that follow; percent, None where undefined."""
    own = [judge(answer.answer, answer.image)["sentences"] for answer in answers]
    columns = np.hstack([_counts(own), np.sum([_others(answers, judge, k) for k in range(1, OTHERS + 1)], axis=0)])
    sums, drawn = columns.sum(axis=0), resampled_sums(columns)
    rate, others = _rates(sums)
    drawn_rate, drawn_others = _rates(drawn)
    return {
        "rate": percent(rate),
        "ci95": percents(interval(drawn_rate)),
        "rate_of_other_faces": percent(others),
        "gain": percent(rate - others),
        "gain_ci95": percents(interval(drawn_rate - drawn_others)),
        "sentences": sum(map(len, own)),
        "judged": int(sums[1]),
        "supported": int(sums[0]),
        "contradicted": [
            {"id": answer.id, "sentence": one["sentence"], "reason": one["reason"]}
            for answer, sentences in zip(answers, own, strict=True)
            for one in sentences
            if one["verdict"] == "contradicted"
        ],
    }


def _counts(judged: Sequence[Sequence[dict[str, str]]]) -> np.ndarray:
    """Supported sentences and judged ones of each answer (n, 2)."""
    verdicts = [[one["verdict"] for one in sentences] for sentences in judged]
    return np.array([[v.count("supported"), v.count("supported") + v.count("contradicted")] for v in verdicts], float)


def _others(answers: Sequence[Answer], judge: Judge, step: int) -> np.ndarray:
    """The same counts with the face of the answer `step` places on; none where that is the same picture."""
    judged = []
    for place, answer in enumerate(answers):
        image = answers[(place + step) % len(answers)].image
        judged.append(judge(answer.answer, image)["sentences"] if image != answer.image else [])
    return _counts(judged)


def _rates(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return metrics.ratio(sums[..., 0], sums[..., 1]), metrics.ratio(sums[..., 2], sums[..., 3])
