"""Rated clips -> a trained severity path: an optimiser of its own, in float32, over all ratings of a step.

The path is no part of what LLaVA, DeepSpeed or DDP train: not of their bfloat16 or float16 copies, their gradient norm,
their loss scaler or their partitioned weights. So the language loss cannot reach it, whatever the recipe, and balanced
MSE sees the ratings of all micro-batches and all ranks of a step: a batch of 1 accumulated 8 times is a batch of 8.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.distributed
from torch import Tensor, nn

from llava_faba.video.network import OwnDropout, SeverityPath
from llava_faba.video.severity import MIN_RATINGS, severity_loss

INPUTS = ("motion", "motion_times", "visual", "expressions")


@dataclass(frozen=True)
class Recipe:
    """How a path is trained."""

    loss: str = "balanced_mse"
    weight: float = 1.0  # of the loss
    learning_rate: float = 2e-4
    schedule: Callable[[int], float] = field(default=lambda step: 1.0)  # step -> factor of the learning rate
    weight_decay: float = 0.0  # of matrices, not of biases and norms
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    max_norm: float = 1.0  # of the path's own gradient; 0: not clipped


class SeverityLearner:
    """Train a severity path: `take` every micro-batch, `step` once for all of them.

    >>> learner = SeverityLearner(path, Recipe(loss="balanced_mse"))
    >>> for clips, severity in micro_batches:
    ...     learner.take(clips, severity)
    >>> learner.step(0)
    """

    def __init__(self, path: SeverityPath, recipe: Recipe):
        self.path, self.recipe = path, recipe
        self.steps = torch.zeros((), dtype=torch.long)
        self.last_loss: float | None = None
        self._taken: list[tuple[dict[str, Tensor], Tensor]] = []
        path.requires_grad_(True)
        weights = list(path.parameters())
        for weight in weights:  # DDP, which would do it, does not know the path
            if _world() > 1:
                torch.distributed.broadcast(weight.data, src=0)
        groups = [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon)
        for weight in weights:  # there from the start, so that a resumed run has where to load it
            state = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
            self.optimiser.state[weight] = state

    def take(self, clips: dict[str, Tensor], severity: Tensor) -> None:
        """Keep a micro-batch for the next step: its INPUTS by name, and the ratings (B,), nan where there is none."""
        device = next(self.path.parameters()).device
        rated = severity.isfinite()
        if rated.any():
            kept = {name: clips[name].detach().to(device)[rated.to(device)] for name in INPUTS}
            kept = {name: value if name == "expressions" else value.float() for name, value in kept.items()}
            self._taken.append((kept, severity.detach().to(device, torch.float32)[rated.to(device)]))

    def step(self, number: int) -> bool:
        """Train on everything that was taken since the last step; `number` is the optimiser step, from 0.

        Every rank must call it. With fewer ratings than the loss needs nothing is trained, they are kept for the next
        step, and the result is False.
        """
        recipe, path = self.recipe, self.path
        ratings = _of_all_ranks([rating for _, severity in self._taken for rating in severity.tolist()])
        if len(ratings) < MIN_RATINGS[recipe.loss]:
            return False
        # 1. Gradients: each rank those of its own clips, among the ratings of all.
        path.train()
        self.optimiser.zero_grad(set_to_none=False)
        device = next(path.parameters()).device
        among = torch.tensor(ratings, device=device)
        total = 0.0
        with torch.autocast(device.type, enabled=False), torch.enable_grad():
            for clips, severity in self._taken:
                outputs = path(*(clips[name] for name in INPUTS)).outputs
                share = len(severity) / len(ratings)
                loss = recipe.weight * share * severity_loss(recipe.loss, outputs, severity, among)
                loss.backward()
                total += float(loss.detach())
        self._taken.clear()
        # 2. One gradient for all ranks, clipped by its own norm.
        weights = list(path.parameters())
        _sum_over_ranks(weights)
        if recipe.max_norm > 0:
            nn.utils.clip_grad_norm_(weights, recipe.max_norm)
        # 3. The step.
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.learning_rate * recipe.schedule(number)
        self.optimiser.step()
        path.eval()
        self.steps += 1
        self.last_loss = sum(_of_all_ranks([total]))
        return True

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that a resumed run needs, by name; loading copies into them."""
        kept: dict[str, Tensor] = {"severity_steps": self.steps}
        for name, weight in self.path.named_parameters():
            kept[name] = weight
            kept |= {f"{name}.{key}": value for key, value in self.optimiser.state[weight].items()}
        dropouts = ((name, module) for name, module in self.path.named_modules() if isinstance(module, OwnDropout))
        return kept | {f"{name}.calls": module.calls for name, module in dropouts}


def _world() -> int:
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _of_all_ranks(values: list[float]) -> list[float]:
    """The values of every rank, in the order of the ranks."""
    if _world() == 1:
        return values
    parts: list[list[float]] = [[]] * _world()
    torch.distributed.all_gather_object(parts, values)
    return [value for part in parts for value in part]


def _sum_over_ranks(weights: list[nn.Parameter]) -> None:
    if _world() == 1:
        return
    gradients = [weight.grad if weight.grad is not None else torch.zeros_like(weight) for weight in weights]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    for weight, part in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
        weight.grad = part.view_as(weight).clone()
