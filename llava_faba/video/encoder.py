"""Trajectory -> motion tokens: attention between the landmarks of a part and between parts, over windows of time.

The partitions are SkateFormer's (ECCV 2024, arXiv 2403.09508, section 3.2), with the face's parts for its limbs: a
quarter of the heads each attends within a part or across parts, over neighbouring frames or over frames spread through
the whole clip. Sizes are ours.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from llava_faba.model.projector import PriorLinear
from llava_faba.video.dropout import OwnDropout
from llava_faba.video.parts import layout_of

N_PARTITIONS = 4
MOTION_GAIN = 10.0  # a face's movements are tenths of an inter-ocular distance
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
        self.stem = nn.Sequential(PriorLinear(self.patch * 2 * channels, width), nn.GELU(), PriorLinear(width, width))
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
        x = torch.cat((x, MOTION_GAIN * (x - mean) * shown), dim=-1)
        x = x.unflatten(1, (-1, self.patch)).movedim(2, 4).flatten(4)  # (B, F / patch, K, L, patch * 2 C)
        x = self.stem(x) + self.place
        x = x + self.time(waves(times.unflatten(1, (-1, self.patch)).mean(dim=2)))[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        tokens = x.mean(dim=3)  # (B, F, K, width)
        return self.out(self.norm(torch.cat((tokens.mean(dim=1), tokens.amax(dim=1)), dim=-1)))


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
