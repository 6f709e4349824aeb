"""Trajectory -> motion tokens: attention between the landmarks of a part and between parts, over windows of time.

The partitions are SkateFormer's (ECCV 2024, arXiv 2403.09508, section 3.2), with the face's parts for its limbs: a
quarter of the heads each attends within a part or across parts, over neighbouring frames or over frames spread through
the whole clip. Sizes are ours.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.model.prior_modules import PriorLinear
from llava_faba.motion.trajectory import layout_of
from llava_faba.video.severity import SeverityHead

N_PARTITIONS = 4
# A face's movements span two decades, from a tremor of 0.006 inter-ocular distances to a smile of 0.3: beyond 1 / GAIN
# they count by their logarithm.
MOTION_GAIN = 150.0
TIME_WAVES = 8  # sines and cosines of time, of periods from 1/4 s to 32 s


class MotionEncoder(nn.Module):
    """Encode motion (B, F, V, C) into one token a part of the face, (B, K, width)."""

    def __init__(
        self,
        points: int,
        channels: int,
        frames: int,
        width: int = 64,
        depth: int = 2,
        heads: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__()
        layout = layout_of(points)
        self.patch = patch_of(frames)
        self.window = window_of(frames // self.patch)
        self.table = torch.from_numpy(layout.table)  # (K, L); no buffer: transformers 5 would leave it on "meta"
        parts, length = layout.table.shape
        self.stem = nn.Sequential(PriorLinear(self.patch * 3 * channels, width), nn.GELU(), PriorLinear(width, width))
        self.place = nn.Parameter(torch.zeros(parts, length, width))
        nn.init.normal_(self.place, std=0.02)
        self.time = PriorLinear(2 * TIME_WAVES, width)
        self.blocks = nn.ModuleList(PartBlock(width, heads, self.window, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(2 * width)
        self.out = PriorLinear(2 * width, width)

    def forward(self, motion: Float[Tensor, "B F V C"], times: Float[Tensor, "B F"]) -> Float[Tensor, "B K width"]:
        x = motion[:, :, self.table.to(motion.device)]  # (B, F, K, L, C)
        # A point's way from its own mean place says how it moved, whatever the person's face is like.
        shown = x[..., -1:]
        mean = (x * shown).sum(1, keepdim=True) / shown.sum(1, keepdim=True).clamp(min=1)
        way = (x - mean) * shown
        # How far it moves from frame to frame, either way: a tremor's size, whatever its phase.
        both = shown[:, 1:] * shown[:, :-1]
        steps = torch.zeros_like(way)
        steps[:, 1:] = (way[:, 1:] - way[:, :-1]).abs() * both
        x = torch.cat((x, torch.asinh(MOTION_GAIN * way), torch.asinh(MOTION_GAIN * steps)), dim=-1)
        x = x.unflatten(1, (-1, self.patch)).movedim(2, 4).flatten(4)  # (B, F / patch, K, L, patch * 3 C)
        x = self.stem(x) + self.place
        x = x + self.time(waves(times.unflatten(1, (-1, self.patch)).mean(dim=2)))[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        tokens = x.mean(dim=3)  # (B, F / patch, K, width)
        # A part's stretch of time counts where a point of it was seen: not behind the end, nor under a hand.
        present = shown.unflatten(1, (-1, self.patch)).amax(dim=(2, 4)) > 0  # (B, F / patch, K, 1)
        present = present | ~present.any(dim=1, keepdim=True)
        mean = (tokens * present).sum(dim=1) / present.sum(dim=1)
        most = tokens.masked_fill(~present, -torch.inf).amax(dim=1)
        return self.out(self.norm(torch.cat((mean, most), dim=-1)))


class PartBlock(nn.Module):
    """One layer: partitioned attention, then an MLP, each on the normalised sum."""

    def __init__(self, width: int, heads: int, window: int, dropout: float):
        super().__init__()
        if heads % N_PARTITIONS or width % heads:
            raise ValueError(f"PartBlock needs heads divisible by 4 and width by heads; got {heads} and {width}.")
        self.heads, self.window = heads, window
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.join = PriorLinear(width, 3 * width), PriorLinear(width, width)
        self.mlp = nn.Sequential(PriorLinear(width, 2 * width), nn.GELU(), PriorLinear(2 * width, width))
        self.dropout = OwnDropout(dropout)

    def forward(self, x: Float[Tensor, "B F K L width"]) -> Float[Tensor, "B F K L width"]:
        x = x + self.dropout(self.join(self._attend(self.qkv(self.before_attention(x)))))
        return x + self.dropout(self.mlp(self.before_mlp(x)))

    def _attend(self, qkv: Tensor) -> Tensor:
        """Let each quarter of the heads attend in its own partition of frames, parts and points."""
        batch, frames, parts, length, three = qkv.shape
        spans, window = frames // self.window, self.window
        qkv = qkv.view(batch, spans, window, parts, length, 3, N_PARTITIONS, self.heads // N_PARTITIONS, -1)
        results = []
        for partition, piece in enumerate(qkv.unbind(dim=6)):  # (B, spans, window, K, L, 3, heads, size)
            local, within = partition < 2, partition % 2 == 0
            axes = (1, 2) if local else (2, 1)  # (kept apart, attended): spans and frames in them
            apart, attended = (3, 4) if within else (4, 3)  # parts and their points
            order = (5, 0, axes[0], apart, 6, axes[1], attended, 7)
            moved = piece.permute(order)  # (3, B, spans, K, heads, window, L, size), or its like
            q, k, v = moved.flatten(5, 6).flatten(1, 3).unbind()
            mixed = functional.scaled_dot_product_attention(q, k, v)
            back = mixed.view(moved.shape[1:])
            inverse = [order[1:].index(axis) for axis in (0, 1, 2, 3, 4, 6, 7)]
            results.append(back.permute(inverse))  # (B, spans, window, K, L, heads, size)
        joined = torch.stack(results, dim=5)
        return joined.reshape(batch, frames, parts, length, three // 3)


def patch_of(frames: int) -> int:
    """Return how many frames make one token of a point: four, where they divide the frames."""
    return max(size for size in (1, 2, 4) if frames % size == 0)


def window_of(frames: int) -> int:
    """Return the number of frames in a window of time: the divisor of `frames` nearest below its root."""
    return max(size for size in range(1, int(frames**0.5) + 1) if frames % size == 0)


def waves(times: Float[Tensor, "B F"]) -> Float[Tensor, "B F waves"]:
    """Write times in seconds as sines and cosines, so that the frame rate is part of what is seen."""
    periods = 2.0 ** torch.arange(-2, TIME_WAVES - 2, device=times.device, dtype=times.dtype)
    phase = 2 * torch.pi * times[..., None] / periods
    return torch.cat((phase.sin(), phase.cos()), dim=-1)


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
        self.seed_dropout(0)
        self.float()  # a model that is built in bfloat16 would draw these weights in bfloat16

    def seed_dropout(self, seed: int) -> None:
        """Give every dropout layer a random stream of its own, all of them decided by `seed`."""
        layers = [module for module in self.modules() if isinstance(module, OwnDropout)]
        for number, layer in enumerate(layers):
            layer.seed = seed * len(layers) + number

    def _apply(self, fn: Callable[[Tensor], Tensor], *arguments: Any, **keywords: Any) -> "SeverityPath":
        """Move the weights between devices, and leave them in float32 whatever the rest of the model is cast to.

        bfloat16 keeps 8 bits: a landmark at 0.9 inter-ocular distances would move in steps of 0.004, which is the size
        of a tremor.
        """

        def in_float32(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            if moved.dtype == torch.float32 or not moved.is_floating_point():
                return moved
            return tensor.float().to(moved.device)

        return super()._apply(in_float32, *arguments, **keywords)

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


class OwnDropout(nn.Module):
    """Dropout whose masks depend on the seed and on how often it was called, and on nothing else.

    Each layer of a path has a seed of its own (`SeverityPath.seed_dropout`). The counter is kept in every checkpoint,
    so that a resumed run continues with the next mask.
    """

    def __init__(self, share: float, seed: int = 0):
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"OwnDropout needs a share of at least 0 and under 1; got {share}.")
        self.share, self.seed = share, seed
        self.register_buffer("calls", torch.zeros((), dtype=torch.long), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.calls))
        self.calls += 1
        kept = torch.rand(x.shape, generator=generator) >= self.share
        return x * kept.to(x.device, x.dtype) / (1 - self.share)
