"""The severity path: motion encoder, cross-fusion and regression head, which the regression loss alone trains."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llava_faba.video.encoder import MotionEncoder
from llava_faba.video.fusion import CrossFusion
from llava_faba.video.severity import SeverityHead


class Assessed(NamedTuple):
    """What the path makes of B clips; the names are those of TraMP-LLaMA's figure."""

    motion: Float[Tensor, "B K width"]  # t_m, one token a part
    fused: Float[Tensor, "B width"]  # t_f
    outputs: Float[Tensor, "B outputs"]  # of the head: what the loss is computed on


class SeverityPath(nn.Module):
    """Motion (B, F, V, C), its times and visual tokens (B, Fv, D) -> severity; the expression is an input too."""

    def __init__(
        self,
        points: int,
        channels: int,
        frames: int,
        visual_width: int,
        *,
        expressions: int = 1,
        width: int = 64,
        depth: int = 2,
        heads: int = 8,
        loss: str = "balanced_mse",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder = MotionEncoder(points, channels, frames, width, depth, heads, dropout)
        self.expression = nn.Parameter(torch.zeros(expressions, width))
        nn.init.normal_(self.expression, std=0.02)
        self.fusion = CrossFusion(width, visual_width, dropout=dropout)
        self.head = SeverityHead(width, loss)

    def forward(
        self,
        motion: Float[Tensor, "B F V C"],
        times: Float[Tensor, "B F"],
        visual: Float[Tensor, "B Fv D"],
        expressions: Tensor | None = None,
    ) -> Assessed:
        tokens = self.encoder(motion, times)
        asked = self.expression[expressions if expressions is not None else torch.zeros_like(times[:, 0]).long()]
        fused = self.fusion(tokens + asked[:, None], visual)
        return Assessed(tokens, fused, self.head(fused))
