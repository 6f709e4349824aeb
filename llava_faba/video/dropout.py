"""Dropout with a stream of random numbers of its own.

A shared stream couples what stop-gradients decouple: the language model's dropout draws from it, and the severity path
would see other numbers in a joint run than in one of regression only.
"""

import torch
from torch import Tensor, nn


class OwnDropout(nn.Module):
    """Dropout whose masks depend on the seed and on how often it was called, and on nothing else.

    The counter is kept in every checkpoint, so that a resumed run goes on with the next mask.
    """

    def __init__(self, share: float, seed: int = 0):
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"OwnDropout needs a share of at least 0 and under 1; got {share}.")
        self.share, self.seed = share, seed
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.calls))
        self.calls += 1
        kept = torch.rand(x.shape, generator=generator) >= self.share
        return x * kept.to(x.device, x.dtype) / (1 - self.share)
