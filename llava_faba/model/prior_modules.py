"""Prior -> token: turn what a facial prior measured into tokens the LLM can attend to.

The design is EmoLA's (arXiv 2404.05052, section 4: LLaVA's `mlp2x_gelu`, one token a prior), and so are the names of
its weights: `facial_prior_projector.0.weight` is EmoLA's `landmark_feature_projector.0.weight`.
"""

import math
import re
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.errors import InputError
from llava_faba.prior import build_prior
from llava_faba.prior.base import FacialPrior

FARTHEST = 10.0  # spreads from the mean: a measurement farther off is an error of the tracker


class PriorLinear(nn.Module):
    """A linear layer that is no nn.Linear.

    LLaVA's LoRA and bitsandbytes take every nn.Linear they find in the model; the prior's projector is neither
    adapted nor quantised, also when a base model already carries it.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.bias = nn.Parameter(torch.empty(n_out))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as nn.Linear does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)


class FacialPriorProjector(nn.Module):
    """Map a prior of length P to one token of the LLM's width D, or several priors side by side to one token each."""

    def __init__(
        self, sizes: Sequence[int], llm_dim: int, projector_type: str = "mlp2x_gelu", learn_empty: bool = False
    ):
        super().__init__()
        self.sizes = tuple(sizes)
        branches = [_layers(size, llm_dim, projector_type) for size in self.sizes]
        if len(branches) == 1:
            for index, layer in enumerate(branches[0]):
                self.add_module(str(index), layer)
            self._names = [[str(index) for index in range(len(branches[0]))]]
        else:
            for index, layers in enumerate(branches):
                self.add_module(f"prior{index}", nn.Sequential(*layers))
            self._names = [[f"prior{index}"] for index in range(len(branches))]
        self.empty: nn.Parameter | None = None
        if learn_empty:
            self.learn_empty()

    def learn_empty(self) -> None:
        """Add the empty prior, (P,), which training then learns: zeros, the training set's mean. Once is enough."""
        if self.empty is None:
            like = next(iter(self.parameters()), torch.empty(0))
            self.empty = nn.Parameter(torch.zeros(sum(self.sizes), dtype=like.dtype, device=like.device))

    @property
    def dtype(self) -> torch.dtype:
        return next(iter(self.parameters()), torch.empty(0)).dtype

    def forward(self, priors: Float[Tensor, "B P"], valid: Bool[Tensor, "B"] | None = None) -> Float[Tensor, "B T D"]:
        """Project normalised priors; where `valid` is False the learned empty prior stands in."""
        if self.empty is not None:
            if valid is None:
                valid = torch.ones(len(priors), dtype=torch.bool, device=priors.device)
            # Also with every row valid: a parameter outside the graph stops DDP.
            priors = torch.where(valid[:, None], priors, self.empty.to(priors.dtype))
        priors = priors.to(self.dtype)
        tokens = []
        for piece, names in zip(priors.split(self.sizes, dim=-1), self._names, strict=True):
            for name in names:
                piece = self._modules[name](piece)
            tokens.append(piece)
        return torch.stack(tokens, dim=1)  # (B, T, D)


def _layers(size: int, llm_dim: int, projector_type: str) -> list[nn.Module]:
    if projector_type == "linear":
        return [PriorLinear(size, llm_dim)]
    if projector_type == "identity":
        if size != llm_dim:
            raise InputError(
                f"facial_prior_projector_type is identity, the prior's length {size} and the LLM's width {llm_dim}.",
                "Identity passes the prior on as it is, so both must be equal.",
                "Choose mlp2x_gelu or linear.",
            )
        return [nn.Identity()]
    depth = re.fullmatch(r"mlp([1-9]\d*)x_gelu", projector_type)
    if not depth:
        raise InputError(
            f"facial_prior_projector_type is {projector_type!r}.",
            "It is linear, identity or mlpNx_gelu with a positive N, as LLaVA's mm_projector_type.",
            "Choose mlp2x_gelu unless you have a reason.",
        )
    layers: list[nn.Module] = [PriorLinear(size, llm_dim)]
    for _ in range(1, int(depth.group(1))):
        layers += [nn.GELU(), PriorLinear(llm_dim, llm_dim)]
    return layers


def normalise(priors: Float[Tensor, "B P"], config: Any) -> Float[Tensor, "B P"]:
    """Standardise priors, in float32, by the training set's mean and spread; as they are where none were fitted."""
    priors = priors.float()
    if config.facial_prior_mean is None:
        return priors
    mean, std = (priors.new_tensor(values) for values in (config.facial_prior_mean, config.facial_prior_std))
    return ((priors - mean) / std).clamp(-FARTHEST, FARTHEST)


def build_facial_prior_projector(config: Any) -> FacialPriorProjector:
    """Build the projector that a configuration describes."""
    return FacialPriorProjector(
        config.facial_prior_sizes or [config.facial_prior_hidden_size],
        config.hidden_size,
        config.facial_prior_projector_type,
        learn_empty=config.facial_prior_is_learned_empty,
    )


class FacialPriorTower:
    """The facial prior of a model: its name, its model file, and the reading of priors from pixels."""

    def __init__(self, name: str, model_file: str | None = None, size: int | None = None):
        """`size` is the length of vectors from files; other priors have a length of their own."""
        self.name, self.model_file, self.size = name, model_file, size
        self._prior: FacialPrior | None = None
        self._opening = threading.Lock()

    @property
    def prior(self) -> FacialPrior:
        """The prior itself, opened at the first use."""
        with self._opening:
            if self._prior is None:
                self._prior = build_prior(self.name, self.model_file, self.size)
        return self._prior

    def read(
        self, pixels: Float[Tensor, "B 3 height width"], image_mean: Sequence[float], image_std: Sequence[float]
    ) -> tuple[Float[Tensor, "B P"], Bool[Tensor, "B"]]:
        """Read the priors from pixels that CLIP's processor normalised; float32 priors and which rows hold a face."""
        priors, valid = self.prior.extract(list(to_crops(pixels, image_mean, image_std)))
        return torch.from_numpy(priors).to(pixels.device), torch.from_numpy(valid).to(pixels.device)

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "model_file": self.model_file, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def to_crops(pixels: Tensor, image_mean: Sequence[float], image_std: Sequence[float]) -> np.ndarray:
    """Undo CLIP's normalisation: (B, 3, height, width) floats to (B, height, width, 3) RGB uint8."""
    mean, std = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (image_mean, image_std))
    unit = pixels.detach().float().cpu() * std + mean
    return (unit * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def build_facial_prior_tower(config: Any) -> FacialPriorTower:
    """Build the tower that a configuration names."""
    return FacialPriorTower(config.facial_prior_tower, config.facial_prior_model, config.facial_prior_hidden_size)
