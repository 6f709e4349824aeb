"""Motion and vision -> one feature: cross-attention both ways between the tokens of the parts and of the frames.

The figure of TraMP-LLaMA draws (t_m, t_v) -> t_f between pooled tokens. Attention to a single key is a constant (its
softmax is 1 and queries and keys get no gradient, as in TraMP-Former's released fusion); here each side keeps several
tokens, which is our choice.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.model.projector import PriorLinear
from llava_faba.video.dropout import OwnDropout


class CrossFusion(nn.Module):
    """Fuse motion tokens (B, K, width) and visual tokens (B, F, D) into one feature (B, width)."""

    def __init__(self, width: int, visual_width: int, heads: int = 4, dropout: float = 0.0):
        super().__init__()
        self.visual = nn.Sequential(nn.LayerNorm(visual_width), PriorLinear(visual_width, width))
        self.to_motion, self.to_visual = CrossAttention(width, heads), CrossAttention(width, heads)
        self.norm = nn.LayerNorm(2 * width)
        self.join = nn.Sequential(PriorLinear(2 * width, width), nn.GELU(), PriorLinear(width, width))
        self.dropout = OwnDropout(dropout)

    def forward(self, motion: Float[Tensor, "B K width"], visual: Float[Tensor, "B F D"]) -> Float[Tensor, "B width"]:
        visual = self.visual(visual)
        moving = motion + self.to_visual(motion, visual)  # the parts ask the pictures
        seen = visual + self.to_motion(visual, motion)  # the pictures ask the parts
        return self.dropout(self.join(self.norm(torch.cat((moving.mean(dim=1), seen.mean(dim=1)), dim=-1))))


class CrossAttention(nn.Module):
    """Let queries (B, n, width) attend to keys (B, m, width)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before_queries, self.before_keys = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.kv, self.out = (PriorLinear(width, size) for size in (width, 2 * width, width))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        keys = self.before_keys(keys)
        split = lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # noqa: E731 - (B, heads, n, size)
        k, v = self.kv(keys).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(split(self.q(self.before_queries(queries))), split(k), split(v))
        return self.out(mixed.transpose(1, 2).flatten(2))
