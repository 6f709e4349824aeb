"""Samples -> columns of counts -> metrics: sums over samples are all that the metrics need.

So a test set, its two thousand resamples, a group of faces and a fold are scored by the same few lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llava_faba.eval import metrics
from llava_faba.eval.datasets import Dataset
from llava_faba.eval.lexicon import EMOTIONS
from llava_faba.eval.sample import Sample

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

    def values(self, sums: Array, support: Array | None = None) -> dict[str, Any]:
        """All metrics from summed columns (..., K), shares 0..1.

        `support` says which classes are rare; resamples take that of the whole test set.
        """
        tp, fp, fn, tn = self.counts(sums)
        released = self.task == "au" and self.rules == "emola"
        f1 = metrics.released_f1(tp, fp, fn, tn) if released else metrics.f1(tp, fp, fn)
        macro = metrics.mean_defined(f1)
        correct = metrics.ratio(sums[..., 1], sums[..., 0])
        right_per_class = metrics.mean_defined(metrics.ratio(tp + tn, sums[..., :1]))
        values = {
            "f1": f1,
            "precision": metrics.ratio(tp, tp + fp),
            "recall": metrics.ratio(tp, tp + fn),
            "support": tp + fn,
            "s_re": correct if self.task == "emotion" else macro,
            "accuracy": correct if self.task == "emotion" else right_per_class,
            "macro_f1": macro,
            "micro_f1": metrics.micro_f1(tp, fp, fn),
            "macro_f1_without_rare": metrics.mean_defined(
                np.where((tp + fn if support is None else support) >= RARE, f1, np.nan)
            ),
        }
        for k, name in enumerate(ROUGES, start=2):
            values[name] = metrics.ratio(sums[..., k], sums[..., k + len(ROUGES)])
        return values | {"rege": values["s_re"] + values["s_ge"]}


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
