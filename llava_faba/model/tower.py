"""Pixels -> prior: let a model read its own prior from the pixels it was given, so that any LLaVA tool can run it.

The tower undoes CLIP's normalisation and hands the picture to the prior. It has no weights and opens the prior's
model file at the first face, not before: a model whose priors always come from files never needs it.
"""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from llava_faba.prior import build_prior
from llava_faba.prior.base import FacialPrior


class FacialPriorTower:
    """The facial prior of a model: its name, its model file, and the reading of priors from pixels."""

    def __init__(self, name: str, model_file: str | None = None):
        self.name, self.model_file = name, model_file
        self._prior: FacialPrior | None = None
        self._opening = threading.Lock()

    @property
    def prior(self) -> FacialPrior:
        """The prior itself, opened at the first use."""
        with self._opening:
            if self._prior is None:
                self._prior = build_prior(self.name, self.model_file)
        return self._prior

    def read(
        self, pixels: Float[Tensor, "B 3 height width"], image_mean: Sequence[float], image_std: Sequence[float]
    ) -> tuple[Float[Tensor, "B P"], Bool[Tensor, "B"]]:
        """Read the priors from pixels that CLIP's processor normalised; float32 priors and which rows hold a face."""
        priors, valid = self.prior.extract(list(to_crops(pixels, image_mean, image_std)))
        return torch.from_numpy(priors).to(pixels.device), torch.from_numpy(valid).to(pixels.device)

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "model_file": self.model_file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def to_crops(pixels: Tensor, image_mean: Sequence[float], image_std: Sequence[float]) -> np.ndarray:
    """Undo CLIP's normalisation: (B, 3, height, width) floats to (B, height, width, 3) RGB uint8."""
    mean, std = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (image_mean, image_std))
    unit = pixels.detach().float().cpu() * std + mean
    return (unit * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def build_facial_prior_tower(config: Any) -> FacialPriorTower:
    """Build the tower that a configuration names."""
    return FacialPriorTower(config.facial_prior_tower, config.facial_prior_model)
