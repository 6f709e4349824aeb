"""Fused feature -> severity 0..4 (MDS-UPDRS), the losses it is trained with, and an interval around it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.errors import InputError
from llava_faba.model.prior_modules import PriorLinear
from llava_faba.vocabulary import MAX_SEVERITY

LOSSES = ("balanced_mse", "mse", "ordinal")
MIN_RATINGS = {"balanced_mse": 2, "mse": 1, "ordinal": 1}  # rated clips that an optimiser step needs


class SeverityHead(nn.Module):
    """Read the severity from a feature (B, width); `ordinal` has one output a threshold between two grades."""

    def __init__(self, width: int, loss: str = "balanced_mse"):
        super().__init__()
        check_loss(loss)
        self.loss = loss
        outputs = MAX_SEVERITY if loss == "ordinal" else 1
        self.layers = nn.Sequential(
            nn.LayerNorm(width), PriorLinear(width, width), nn.GELU(), PriorLinear(width, outputs)
        )

    def forward(self, feature: Float[Tensor, "B width"]) -> Float[Tensor, "B outputs"]:
        """Return what the loss is computed on: the severity itself, or the logits of the thresholds."""
        raw = self.layers(feature)
        return raw if self.loss == "ordinal" else raw + MAX_SEVERITY / 2

    def severity(self, outputs: Float[Tensor, "B outputs"]) -> Float[Tensor, "B"]:
        """Return the severity, within 0..4."""
        if self.loss == "ordinal":
            return outputs.sigmoid().sum(dim=-1)
        return outputs[:, 0].clamp(0, MAX_SEVERITY)


def severity_loss(
    loss: str,
    outputs: Float[Tensor, "B outputs"],
    target: Float[Tensor, "B"],
    among: Float[Tensor, "N"] | None = None,
) -> Tensor:
    """Compare a head's outputs with the rated severity by the loss of that name, as a mean over the B clips.

    `among` are the ratings that `balanced_mse` chooses from: those of a whole optimiser step, of which these B clips
    are a part.
    """
    check_loss(loss)
    if loss == "ordinal":
        return ordinal_loss(outputs, target)
    predicted = outputs[:, 0]
    return functional.mse_loss(predicted, target) if loss == "mse" else balanced_mse(predicted, target, among)


def balanced_mse(
    predicted: Float[Tensor, "B"],
    target: Float[Tensor, "B"],
    among: Float[Tensor, "N"] | None = None,
    sigma: float = 1.0,
) -> Tensor:
    """Balanced MSE, batch-based Monte Carlo (Ren et al., CVPR 2022, equation 3.8): rare grades count as much.

    2 sigma^2 (log sum_j exp(-(predicted_i - among_j)^2 / (2 sigma^2)) + (predicted_i - target_i)^2 / (2 sigma^2)), a
    mean over i: every prediction chooses its own target among the ratings of a batch (default: those of `target`).
    TraMP-Former's code hands the two over in the other order, so that targets choose among predictions. With one
    rating to choose from the loss is 0 and trains nothing; `MIN_RATINGS` is the least for each loss.
    """
    away = lambda ratings: -((predicted[:, None] - ratings) ** 2) / (2 * sigma**2)  # noqa: E731
    others = away((target if among is None else among)[None, :])  # (B, N)
    own = away(target[:, None])[:, 0]  # (B,)
    return 2 * sigma**2 * (others.logsumexp(dim=1) - own).mean()


def ordinal_loss(logits: Float[Tensor, "B thresholds"], target: Float[Tensor, "B"]) -> Tensor:
    """Binary cross-entropy of "above grade k" for every threshold (Cao et al. 2020); between grades a share of it."""
    thresholds = torch.arange(MAX_SEVERITY, device=logits.device, dtype=logits.dtype)
    above = (target[:, None].to(logits.dtype) - thresholds).clamp(0, 1)
    return functional.binary_cross_entropy_with_logits(logits, above)


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


def check_loss(loss: str) -> None:
    """Refuse an unknown loss."""
    if loss not in LOSSES:
        raise InputError(f"regression_loss is {loss!r}.", f"It is {', '.join(LOSSES)}.", "Choose one of these.")
