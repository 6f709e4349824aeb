"""Residuals of a validation set -> the interval around a severity, and what it promises. Without torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from llava_faba.vocabulary import MAX_SEVERITY


@dataclass(frozen=True)
class ConformalInterval:
    """An interval that holds the rated severity with a promised chance, whatever the model is like.

    The promise is for a clip of a new patient, and it holds where new patients are exchangeable with those of the
    validation set: the same kind of patients, tasks, cameras and raters.

    >>> interval = ConformalInterval(residuals=(0.2, 0.4, 0.3, 0.1), patients=("a", "a", "b", "b"), level=0.6)
    >>> interval.half_width
    0.3
    """

    residuals: tuple[float, ...]  # `residual_of` each rated clip of the validation set
    level: float = 0.9
    patients: tuple[str, ...] | None = None  # of each residual; None: every clip is a patient of its own

    @cached_property
    def half_width(self) -> float:
        """How far from the prediction the interval reaches; infinite where there are too few patients.

        One clip is drawn from each of the m patients, so that the residuals are exchangeable with that of a new
        patient's clip, and the smallest residual of rank level * (m + 1) or more among them covers that one with
        chance `level` (split conformal prediction: Papadopoulos et al. 2002; Lei et al. 2018; one clip a patient: Dunn,
        Wasserman and Ramdas 2022, arXiv 1809.07441). What is returned is the mean of that over all possible draws, a
        rank between two interpolated (Beran and Hall 1993), and then the next larger residual that was seen, because
        ratings are whole numbers and residuals repeat. All clips of a patient count together as one.

        Pooling the clips with a reserve for the new patient (Lee, Barber and Willett 2023, arXiv 2306.06342) promises
        as much and covers up to level * (m + 1) / m: 99 % with ten patients, where 90 % are promised.
        """
        names = self.patients or tuple(map(str, range(len(self.residuals))))
        values = np.sort(np.asarray(self.residuals, dtype=float))
        count = len(set(names))
        rank = self.level * (count + 1)
        if rank > count + 1e-9:
            return math.inf
        below = int(rank + 1e-9)
        part = max(0.0, rank - below)
        reached = _chance_of_rank(values, self.residuals, names, (below, min(below + 1, count)))
        mean = sum(
            share * float(np.sum(np.diff(chance, prepend=0.0) * values))
            for share, chance in zip((1 - part, part), reached, strict=True)
        )
        return float(values[min(np.searchsorted(values, mean - 1e-9), len(values) - 1)])

    @property
    def method(self) -> str:
        clips = f"{len(self.residuals)} validation clips"
        if self.patients is None:
            return f"split conformal, absolute residuals of {clips}; holds for clips that are exchangeable with them"
        count = len(set(self.patients))
        text = f"split conformal by patient, absolute residuals of {clips} of {count} patients; {CONDITION}"
        if math.isinf(self.half_width):
            text += f"; {patients_needed(self.level)} patients or more are needed for less than the whole scale"
        return text

    def around(self, severity: float) -> dict[str, float | str]:
        """Return the interval, within 0..4, around a predicted severity, which may lie beyond the scale."""
        half, top = self.half_width, float(MAX_SEVERITY)
        return {
            "low": min(max(0.0, severity - half), top),
            "high": max(min(top, severity + half), 0.0),
            "level": self.level,
            "method": self.method,
        }


def _chance_of_rank(
    values: np.ndarray, residuals: Sequence[float], names: Sequence[str], ranks: tuple[int, int]
) -> list[np.ndarray]:
    """Return for each rank the chance that so many patients' drawn residuals lie at or below each value, (n,) each."""
    known = np.asarray(residuals, dtype=float)
    owners = np.asarray(names)
    counts = np.zeros((len(set(names)) + 1, len(values)))  # chance that so many of the patients so far lie below
    counts[0] = 1.0
    for name in dict.fromkeys(names):
        own = np.sort(known[owners == name])
        share = np.searchsorted(own, values, side="right") / len(own)
        counts[1:] = counts[1:] * (1 - share) + counts[:-1] * share
        counts[0] *= 1 - share
    return [counts[rank:].sum(axis=0) for rank in ranks]


CONDITION = "holds for a clip of a new patient who is exchangeable with them (the same kind of patients and raters)"


def residual_of(predicted: float, rated: float) -> float:
    """Return how far a rating lies from a prediction, 0 where the scale ends between them.

    The prediction is taken before it is held within 0..4: held there, many predictions are 0 or 4, and many residuals
    exactly 1, so that an interval would hold either too few or far too many ratings.

    >>> residual_of(4.5, 4.0), residual_of(4.5, 3.0)
    (0.0, 1.5)
    """
    away = predicted - rated
    beyond = (away > 0 and rated >= MAX_SEVERITY) or (away < 0 and rated <= 0)
    return 0.0 if beyond else abs(away)


def patients_needed(level: float = 0.9) -> int:
    """Return how many validation patients an interval of that level needs to be narrower than the whole scale.

    >>> patients_needed(0.9)
    9
    """
    return math.ceil(level / (1 - level) - 1e-9)


def interval_around(
    severity: float, residuals: Sequence[float] | None, patients: Sequence[str] | None = None, level: float = 0.9
) -> dict | None:
    """Return the interval around a severity, None for a model that was never validated."""
    if not residuals:
        return None
    return _interval(tuple(residuals), level, tuple(patients) if patients else None).around(severity)


@lru_cache(maxsize=4)
def _interval(residuals: tuple[float, ...], level: float, patients: tuple[str, ...] | None) -> ConformalInterval:
    """Build a model's interval once: with many patients its width takes a while."""
    return ConformalInterval(residuals, level, patients)
