"""Picture files -> priors, many at a time: decoding and measuring in worker processes, results as they come.

A worker decodes one picture at a time and sends back only its vector, so that memory does not grow with the number of
pictures. Processes, not threads: dlib keeps Python's lock while it searches.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from llava_faba.errors import InputError, MissingFileError
from llava_faba.images import BadImage, read_pixels
from llava_faba.prior.base import FacialPrior

NO_FACE = "no face found"
BLANK = np.zeros((64, 64, 3), np.uint8)
QUEUED = 3  # batches a worker finds waiting for it


@dataclass(frozen=True)
class Extracted:
    """What became of one picture: a vector, or the reason why there is none."""

    vector: np.ndarray | None
    reason: str = ""


class HasPath(Protocol):
    """Anything that knows its picture file."""

    path: Path


Source = TypeVar("Source", bound=HasPath)


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def extract_files(
    prior: FacialPrior, sources: Sequence[Source], workers: int = 1, batch: int = 16
) -> Iterator[tuple[Source, Extracted]]:
    """Yield each source with what was read from its picture, in no particular order.

    `batch` is how many pictures a worker is handed at a time. Raises InputError where the prior itself cannot be used
    or a worker process dies.
    """
    if not sources:
        return
    prior.extract([BLANK])  # a wrong model file shows here, once, not in every worker
    if workers <= 1:
        for source in sources:
            yield source, extract_file(prior, source.path)
        return
    context = multiprocessing.get_context("fork" if _can_fork() else "spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(prior, os.getpid()))
    try:
        batches = iter([sources[start : start + batch] for start in range(0, len(sources), batch)])
        running: dict[Future[list[Extracted]], Sequence[Source]] = {}
        while True:
            while len(running) < QUEUED * workers and (following := next(batches, None)) is not None:
                running[pool.submit(_extract_batch, [source.path for source in following])] = following
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield from zip(running.pop(future), future.result(), strict=True)
    except BrokenProcessPool as error:
        raise InputError(
            "A worker process died; most often the machine had no memory left.",
            f"{workers} workers were at work, each with its own copy of {prior.name}.",
            "Run the same command again with fewer --workers; it goes on where it stopped.",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def extract_file(prior: FacialPrior, path: Path) -> Extracted:
    """Read one picture file; a picture that cannot be opened and one without a face give a reason."""
    try:
        priors, valid = prior.extract([read_pixels(path)])
    except (BadImage, MissingFileError) as error:
        return Extracted(None, str(error))
    return Extracted(priors[0]) if valid[0] else Extracted(None, NO_FACE)


_worker_prior: FacialPrior | None = None  # in a worker process: what it measures with


def _start_worker(prior: FacialPrior, parent: int) -> None:
    global _worker_prior
    _worker_prior = prior
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    prior.extract([BLANK])  # opens the model, and OpenCV with it
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)  # the processes share the cores already
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when its parent was killed: it would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _extract_batch(paths: list[Path]) -> list[Extracted]:
    assert _worker_prior is not None
    return [extract_file(_worker_prior, path) for path in paths]


def _can_fork() -> bool:
    """Tell whether forking is safe: it shares the opened model, but not the threads of OpenCV and other libraries."""
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and not {"cv2", "onnxruntime", "torch"} & set(sys.modules)
    )
