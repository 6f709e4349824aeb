"""The order of an epoch's samples: by length where that is asked for, drawn again when resumed, one for all ranks."""

from collections.abc import Iterator, Sequence
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


class LikeLengths(Sampler):
    """An order in which a step's samples are of like length, so that less of a batch is padding.

    Samples are drawn into windows of `steps` optimiser steps, sorted by length in each, and cut into steps, which are
    shuffled; only the step with the longest sample comes first, so that its memory shows at once. LLaVA's
    --group_by_modality_length sorts within one step only, among the ranks: on one GPU it groups nothing.
    """

    def __init__(self, lengths: Sequence[int], step_size: int, steps: int):
        """`lengths` as LLaVA has them, below 0 for text alone, which no step mixes with images; `step_size` samples."""
        self.lengths, self.step_size, self.steps = lengths, step_size, steps

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        whole: list[list[int]] = []
        rest: list[int] = []  # what fills no step: the last ones, of both kinds
        for images in (True, False):
            kind = [place for place in torch.randperm(len(self)).tolist() if (self.lengths[place] > 0) == images]
            size = self.step_size * self.steps
            for start in range(0, len(kind), size):
                window = sorted(kind[start : start + size], key=lambda place: -abs(self.lengths[place]))
                cut = len(window) - len(window) % self.step_size
                whole += [window[at : at + self.step_size] for at in range(0, cut, self.step_size)]
                rest += window[cut:]
        steps = [whole[place] for place in torch.randperm(len(whole)).tolist()]
        if steps:
            longest = max(range(len(steps)), key=lambda place: max(abs(self.lengths[inner]) for inner in steps[place]))
            steps.insert(0, steps.pop(longest))
        return iter([place for step in steps for place in step] + rest)


def _of_first_rank(state: Tensor, device: torch.device) -> Tensor:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return state
    shared = state.to(device)
    distributed.broadcast(shared, src=0)
    return shared.cpu()
