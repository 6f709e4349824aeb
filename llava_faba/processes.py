"""One share of a large job: `--shard I/N`, or what a launcher has put into the environment.

Slurm arrays and Kubernetes indexed jobs start jobs; torchrun, srun and MPI start the processes of one job. Both are
understood, also one within the other. Shards are consecutive parts, so that their outputs, one after the other, are
those of a single run. A launcher whose share cannot be told is refused: no task ever does all of the work by mistake.
"""

import ctypes
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

# Launchers of the processes of one job, the innermost first: (name, index, count) as environment variables.
# https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables
# https://slurm.schedmd.com/srun.html#SECTION_OUTPUT-ENVIRONMENT-VARIABLES (SLURM_NTASKS is seen by a plain batch script
# too, SLURM_STEP_NUM_TASKS only by tasks of srun)
# https://docs.open-mpi.org/en/main/tuning-apps/environment-var.html; PMI: MPICH and Intel MPI
LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE"),
    ("OpenMPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("MPI", "PMI_RANK", "PMI_SIZE"),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # mallopt(3)
BY_HAND = "Say which part this task does: --shard I/N, I counted from 0; --shard 0/1 is all of the work."


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
    """Read "I/N", I from 0 to N - 1; without a text, the launcher's share; without a launcher, everything.

    Raises InputError for another text, and for a launcher's task whose share is not known.
    """
    if text is not None:
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found and int(found[1]) < int(found[2]):
            return Shard(int(found[1]), int(found[2]))
        raise InputError(
            f"--shard is {text!r}.",
            "It is I/N: part I of N parts, I counted from 0 to N - 1.",
            "For four parts give 0/4, 1/4, 2/4 and 3/4.",
        )
    jobs, processes = _job_share(environment), _process_share(environment)
    return Shard(jobs.index * processes.count + processes.index, jobs.count * processes.count)


def _process_share(environment: Mapping[str, str]) -> Shard:
    """This process among those of its job."""
    for name, index, count in LAUNCHERS:
        if count not in environment and (index not in environment or name == "srun"):
            continue  # SLURM_PROCID alone is a plain batch script's
        return _share(name, {index: environment.get(index), count: environment.get(count)})
    return Shard()


def _job_share(environment: Mapping[str, str]) -> Shard:
    """This job among those of its array."""
    if "JOB_COMPLETION_INDEX" in environment:
        keys = ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS")
        found = {key: environment.get(key) for key in keys}
        return _share("a Kubernetes indexed job", found, "Kubernetes gives the index only: set JOB_COMPLETIONS, or ")
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return Shard()
    keys = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
    found = {key: environment.get(key) for key in keys}
    first, last, step = (
        environment.get(f"SLURM_ARRAY_TASK_{name}", default)
        for name, default in (("MIN", "0"), ("MAX", ""), ("STEP", "1"))
    )
    if not all((value or "").isdecimal() for value in (*found.values(), first, step)):
        raise _unknown("a Slurm array", found)
    task, count, begin, stride = *map(int, found.values()), int(first), max(1, int(step))
    regular = not last.isdecimal() or (int(last) - begin) // stride + 1 == count
    place, rest = divmod(task - begin, stride)
    if not regular or rest or not 0 <= place < count:
        raise _unknown(
            "a Slurm array with gaps", {**found, "SLURM_ARRAY_TASK_MIN": first, "SLURM_ARRAY_TASK_MAX": last}
        )
    return Shard(place, count)


def _share(name: str, found: Mapping[str, str | None], more: str = "") -> Shard:
    """The share that an index and a count say, in this order; raises InputError where they say none."""
    if all((value or "").isdecimal() for value in found.values()):
        index, count = (int(value or "") for value in found.values())
        if index < count:
            return Shard(index, count)
    raise _unknown(name, found, more)


def _unknown(name: str, found: Mapping[str, str | None], more: str = "") -> InputError:
    listed = ", ".join(f"{key}={value}" if value else f"no {key}" for key, value in found.items())
    return InputError(
        f"This is a task of {name}, but the environment does not tell its share of the work: {listed}.",
        "Each task does its own part, and only a task that is alone does everything.",
        (more + BY_HAND[0].lower() + BY_HAND[1:]) if more else BY_HAND,
    )


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


def keep_memory() -> None:
    """Let this process keep the memory that it frees, where the C library is glibc.

    By default it gives back what is large and asks for it again, page by page: with batches of faces on a CPU that took
    a sixth of the time. The process never grows beyond its peak.
    """
    _mallopt(M_MMAP_THRESHOLD, 2**31 - 1)
    _mallopt(M_TRIM_THRESHOLD, -1)


def share_memory() -> None:
    """Let all threads share two heaps, where the C library is glibc.

    By default each of a page's 40 threads has its own, and every one keeps what a face detector once needed: 350 MB
    instead of 160 MB with 8 threads, and more with each further one.
    """
    _mallopt(M_ARENA_MAX, 2)


def _mallopt(parameter: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(parameter, value)


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
