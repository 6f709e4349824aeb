"""One share of a large job: `--shard I/N`, or what a cluster's scheduler has put into the environment.

Torchrun's RANK and WORLD_SIZE, a Slurm array's task and a Kubernetes indexed job are understood. Shards are consecutive
parts, so that their outputs, one after the other, are those of a single run.
"""

import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from llava_faba.errors import InputError

Item = TypeVar("Item")
SCHEDULERS = (  # (index, count, first index, step) as environment variables
    ("RANK", "WORLD_SIZE", "", ""),
    ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP"),
    ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", "", ""),  # the second is set by hand: Kubernetes gives the index only
)


@dataclass(frozen=True)
class Shard:
    """Part `index`, from 0, of `count` equal parts."""

    index: int = 0
    count: int = 1

    def part(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this shard's consecutive part of `items`."""
        return items[len(items) * self.index // self.count : len(items) * (self.index + 1) // self.count]

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str | None = None, environment: Mapping[str, str] = os.environ) -> Shard:
    """Read "I/N", I from 0 to N - 1; without a text, what a scheduler says; without one, everything."""
    if text is not None:
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found and int(found[1]) < int(found[2]):
            return Shard(int(found[1]), int(found[2]))
        raise InputError(
            f"--shard is {text!r}.",
            "It is I/N: part I of N parts, I counted from 0 to N - 1.",
            "For four parts give 0/4, 1/4, 2/4 and 3/4.",
        )
    for index, count, first, step in SCHEDULERS:
        numbers = [
            environment.get(key, default) for key, default in ((index, ""), (count, ""), (first, "0"), (step, "1"))
        ]
        if all(number.isdecimal() for number in numbers):
            position, total, start, stride = map(int, numbers)
            place = (position - start) // max(1, stride)
            if 0 <= place < total:
                return Shard(place, total)
    return Shard()


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def first_rank() -> bool:
    """Whether this process is the one of several ranks that speaks."""
    return os.environ.get("RANK", "0") == "0"


def say(message: str) -> None:
    """Print a line on standard error, on the first rank only."""
    if first_rank():
        print(message, file=sys.stderr, flush=True)


def one_ahead(make_batch: Callable[[], Item]) -> Iterator[Item]:
    """Yield what `make_batch` makes until it is nothing; a batch is made while the caller works on the one before."""
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make_batch)
        while batch := ahead.result():
            ahead = pool.submit(make_batch)
            yield batch


def can_fork(*unsafe: str) -> bool:
    """Tell whether forking this process is safe: no other thread runs, and no module of `unsafe` is loaded.

    tqdm's monitor does not count: it sleeps, and a progress bar leaves it behind for the rest of the process.
    """
    busy = [thread for thread in threading.enumerate() if type(thread).__name__ != "TMonitor"]
    return sys.platform == "linux" and len(busy) == 1 and not set(unsafe) & set(sys.modules)


def worker_pool(workers: int, prepare: Callable[..., None], *arguments: object, fork: bool) -> ProcessPoolExecutor:
    """Start a pool of worker processes, each of which runs `prepare(*arguments)` first.

    A worker leaves Ctrl-C to its parent, and ends by itself when its parent was killed.
    """
    context = multiprocessing.get_context("fork" if fork else "spawn")
    return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(os.getpid(), prepare, arguments))


def _start_worker(parent: int, prepare: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """Nothing here may fail: an error in a first task reaches the parent, one in here only breaks the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare(*arguments)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when its parent was killed: it would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
