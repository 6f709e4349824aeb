"""The order of an epoch's samples, drawn so that a resumed run draws it again, and the same on every rank."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler


class RepeatableOrder(Sampler):
    """A sampler that draws its order from torch's global generator, and remembers the state it drew from.

    LLaVA's, and transformers 4.37's, draw another order when a run is resumed after its first epoch: some samples are
    then trained on twice and others never. Ranks draw from the first one's state, without which CPU ranks would share
    out different orders.
    """

    def __init__(self, sampler: Any, device: torch.device):
        self.sampler, self.device = sampler, device  # the device on which ranks talk to each other
        self.drawn_from: Tensor | None = None  # torch's state when the present epoch's order was drawn
        self.draw_from: Tensor | None = None  # the state to draw from instead of the present one, while resuming

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[int]:
        state = torch.get_rng_state() if self.draw_from is None else self.draw_from
        self.drawn_from = _of_first_rank(state, self.device)
        torch.set_rng_state(self.drawn_from)
        return iter(self.sampler)


def _of_first_rank(state: Tensor, device: torch.device) -> Tensor:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return state
    shared = state.to(device)
    distributed.broadcast(shared, src=0)
    return shared.cpu()
