"""Answers and what their photos show -> the evidence rate: how many of the sentences that can be judged are supported.

The judge comes from outside (evidence/photo.py), so that no picture is opened here. A rate alone says little: a text
that suits every face is often supported. So each answer is also held against the faces of other people, drawn by a
seed, and the gain over those is what the model saw in its own. Where the answers name their subjects, intervals draw
whole subjects, and a partner is always another subject: the next frame of a video is the same face.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llava_faba.eval import metrics
from llava_faba.eval.answers import Answer
from llava_faba.eval.bench import Score, percent, percents
from llava_faba.eval.metrics import SEED, interval, resampled_sums

OTHERS = 5  # faces of other people that an answer is held against

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
    """Judge answers by their own faces and by those of other subjects; percent, None where undefined.

    Answers that name no subject count as one subject each. Their order decides which partners are drawn.
    """
    own = [judge(answer.answer, answer.image)["sentences"] for answer in answers]
    columns = np.hstack([_counts(own), _counts_of_others(answers, judge)])
    subjects = [answer.subject for answer in answers]
    named = None if None in subjects else [str(subject) for subject in subjects]
    sums, drawn = columns.sum(axis=0), resampled_sums(columns, clusters=named)
    many = None if named is None else len(set(named))
    rate, others = _rates(sums)
    drawn_rate, drawn_others = _rates(drawn)
    return {
        "rate": percent(rate),
        "ci95": percents(interval(drawn_rate, subjects=many, around=float(rate))),
        "rate_of_other_faces": percent(others),
        "gain": percent(rate - others),
        "gain_ci95": percents(interval(drawn_rate - drawn_others, subjects=many, around=float(rate - others))),
        "drawn": {"unit": "sample" if many is None else "subject", "n": len(answers) if many is None else many},
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


def draw_partners(answers: Sequence[Answer], seed: int = SEED) -> list[list[int]]:
    """Draw for each answer the numbers of up to OTHERS answers about other subjects (and other pictures).

    All answers are shuffled once; each takes the next ones behind its own place that are of somebody else.
    """
    order = np.random.default_rng(seed).permutation(len(answers))
    partners: list[list[int]] = [[] for _ in answers]
    for place, number in enumerate(order):
        for step in range(1, len(order)):
            other = order[(place + step) % len(order)]
            if _differ(answers[number], answers[other]):
                partners[number].append(int(other))
            if len(partners[number]) == OTHERS:
                break
    return partners


def _differ(one: Answer, other: Answer) -> bool:
    """Whether two answers are about different people, as far as it is known."""
    return one.image != other.image and (one.subject is None or one.subject != other.subject)


def _counts(judged: Sequence[Sequence[dict[str, str]]]) -> np.ndarray:
    """Supported sentences and judged ones of each answer (n, 2)."""
    verdicts = [[one["verdict"] for one in sentences] for sentences in judged]
    return np.array([[v.count("supported"), v.count("supported") + v.count("contradicted")] for v in verdicts], float)


def _counts_of_others(answers: Sequence[Answer], judge: Judge) -> np.ndarray:
    """The same counts with the faces of the partners, summed over them."""
    rows = []
    for answer, partners in zip(answers, draw_partners(answers), strict=True):
        judged = [judge(answer.answer, answers[other].image)["sentences"] for other in partners]
        rows.append(_counts(judged).sum(axis=0) if judged else np.zeros(2))
    return np.array(rows)


def _rates(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return metrics.ratio(sums[..., 0], sums[..., 1]), metrics.ratio(sums[..., 2], sums[..., 3])
