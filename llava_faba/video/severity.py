"""Fused feature -> severity 0..4 (MDS-UPDRS), and the losses it is trained with."""

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
        return self.unbounded(outputs).clamp(0, MAX_SEVERITY)

    def unbounded(self, outputs: Float[Tensor, "B outputs"]) -> Float[Tensor, "B"]:
        """Return the severity as it comes, also beyond the ends of the scale: what an interval is laid around."""
        return outputs.sigmoid().sum(dim=-1) if self.loss == "ordinal" else outputs[:, 0]


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


def check_loss(loss: str) -> None:
    """Refuse an unknown loss."""
    if loss not in LOSSES:
        raise InputError(f"regression_loss is {loss!r}.", f"It is {', '.join(LOSSES)}.", "Choose one of these.")
