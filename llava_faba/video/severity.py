"""Fused feature -> severity 0..4 (MDS-UPDRS), the losses it is trained with, and an interval around it."""

import math
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


def severity_loss(loss: str, outputs: Float[Tensor, "B outputs"], target: Float[Tensor, "B"]) -> Tensor:
    """Compare a head's outputs with the rated severity by the loss of that name."""
    check_loss(loss)
    if loss == "ordinal":
        return ordinal_loss(outputs, target)
    return balanced_mse(outputs[:, 0], target) if loss == "balanced_mse" else functional.mse_loss(outputs[:, 0], target)


def balanced_mse(predicted: Float[Tensor, "B"], target: Float[Tensor, "B"], sigma: float = 1.0) -> Tensor:
    """Balanced MSE, batch-based Monte Carlo (Ren et al., CVPR 2022, equation 3.8): rare grades count as much.

    -log softmax_j(-(predicted_i - target_j)^2 / (2 sigma^2)) at j = i, times 2 sigma^2: every prediction chooses among
    the batch's targets. TraMP-Former's code hands the two over in the other order, so that targets choose among
    predictions. A batch of one gives 0.
    """
    logits = -((predicted[:, None] - target[None, :]) ** 2) / (2 * sigma**2)  # (B predictions, B targets)
    own = torch.arange(len(predicted), device=predicted.device)
    return functional.cross_entropy(logits, own) * 2 * sigma**2


def ordinal_loss(logits: Float[Tensor, "B thresholds"], target: Float[Tensor, "B"]) -> Tensor:
    """Binary cross-entropy of "above grade k" for every threshold (Cao et al. 2020); between grades a share of it."""
    thresholds = torch.arange(MAX_SEVERITY, device=logits.device, dtype=logits.dtype)
    above = (target[:, None].to(logits.dtype) - thresholds).clamp(0, 1)
    return functional.binary_cross_entropy_with_logits(logits, above)


@dataclass(frozen=True)
class ConformalInterval:
    """An interval that holds the rated severity with a promised chance, whatever the model is like."""

    residuals: tuple[float, ...]  # |rated - predicted| on the validation set
    level: float = 0.9

    @property
    def half_width(self) -> float:
        """The ceil((n + 1) level)-th smallest residual; infinite where the validation set is too small for the level.

        Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018).
        """
        rank = math.ceil((len(self.residuals) + 1) * self.level)
        return sorted(self.residuals)[rank - 1] if rank <= len(self.residuals) else math.inf

    @property
    def method(self) -> str:
        return f"split conformal, absolute residuals of {len(self.residuals)} validation clips"

    def around(self, severity: float) -> dict[str, float | str]:
        """Return the interval around a predicted severity, within 0..4."""
        half = self.half_width
        return {
            "low": max(0.0, severity - half),
            "high": min(float(MAX_SEVERITY), severity + half),
            "level": self.level,
            "method": self.method,
        }


def interval_around(severity: float, residuals: Sequence[float] | None, level: float = 0.9) -> dict | None:
    """Return the interval around a severity, None for a model that was never validated."""
    return ConformalInterval(tuple(residuals), level).around(severity) if residuals else None


def check_loss(loss: str) -> None:
    """Refuse an unknown loss."""
    if loss not in LOSSES:
        raise InputError(f"regression_loss is {loss!r}.", f"It is {', '.join(LOSSES)}.", "Choose one of these.")
