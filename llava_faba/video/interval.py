"""Residuals of a validation set -> the interval around a severity, and what it promises. Without torch."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from llava_faba.vocabulary import MAX_SEVERITY


@dataclass(frozen=True)
class ConformalInterval:
    """An interval that holds the rated severity with a promised chance, whatever the model is like.

    The promise is for a clip of a new patient, and it holds where new patients are exchangeable with those of the
    validation set: the same kind of patients, tasks, cameras and raters.

    >>> interval = ConformalInterval(residuals=(0.2, 0.4, 0.3, 0.1), patients=("a", "a", "b", "b"), level=0.6)
    >>> interval.half_width
    0.4
    """

    residuals: tuple[float, ...]  # |rated - predicted| on the validation set
    level: float = 0.9
    patients: tuple[str, ...] | None = None  # of each residual; None: every clip is a patient of its own

    @property
    def half_width(self) -> float:
        """The smallest residual r with weight(residuals <= r) >= level; infinite where there are too few patients.

        Each of the m patients weighs 1 / (m + 1), shared out evenly over their clips; the rest of the weight is the new
        patient's. With one clip a patient it is split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018),
        with several its hierarchical form (Lee, Barber and Willett 2023, arXiv 2306.06342): clips of one patient are
        alike, so that many of them promise no more than one.
        """
        names = self.patients or tuple(map(str, range(len(self.residuals))))
        counts = Counter(names)
        reached = 0.0
        for residual, name in sorted(zip(self.residuals, names, strict=True)):
            reached += 1 / (counts[name] * (len(counts) + 1))
            if reached >= self.level - 1e-9:
                return residual
        return math.inf

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
        """Return the interval around a predicted severity, within 0..4."""
        half = self.half_width
        return {
            "low": max(0.0, severity - half),
            "high": min(float(MAX_SEVERITY), severity + half),
            "level": self.level,
            "method": self.method,
        }


CONDITION = "holds for a clip of a new patient who is exchangeable with them (the same kind of patients and raters)"


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
    return ConformalInterval(tuple(residuals), level, tuple(patients) if patients else None).around(severity)
