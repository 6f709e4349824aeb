"""What the ranks of a run say to each other: all wait, all get what each has, all take what the first one says."""

from typing import Any

import torch


def rank_and_ranks() -> tuple[int, int]:
    """Return this process's number among the ranks of the run, from 0, and how many there are."""
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def wait_for_all() -> None:
    """Wait until every rank is here."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def all_parts(mine: Any) -> list[Any]:
    """Return what each rank has, in their order; every rank must call it."""
    _, ranks = rank_and_ranks()
    parts: list[Any] = [mine]
    if ranks > 1:
        parts = [None] * ranks
        torch.distributed.all_gather_object(parts, mine)
    return parts


def of_first_rank(value: Any) -> Any:
    """Return the first rank's value; every rank must call it."""
    _, ranks = rank_and_ranks()
    said = [value]
    if ranks > 1:
        torch.distributed.broadcast_object_list(said, src=0)
    return said[0]
