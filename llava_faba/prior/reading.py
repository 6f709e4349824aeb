"""Picture files -> priors, many at a time: decoding and measuring in worker processes, results as they come.

A worker decodes one picture at a time and writes its vector itself, so that memory does not grow with the number of
pictures. Processes, not threads: dlib keeps Python's lock while it searches.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from llava_faba.cluster.actors import RayEngine
from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.images import SUFFIXES, BadImage, read_pixels
from llava_faba.faces import sample_id
from llava_faba.files import path_inside, resolve_inside
from llava_faba.prior.base import FacialPrior
from llava_faba.processes import can_fork, worker_pool

NO_FACE = "no face found"
BLANK = np.zeros((64, 64, 3), np.uint8)
KEPT_BYTES = 31 << 20  # just under the most that glibc learns to keep (mallopt(3), M_MMAP_THRESHOLD: 32 MB)
QUEUED = 3  # batches a worker finds waiting for it


class HasPath(Protocol):
    """Anything that knows its picture file."""

    path: str


Source = TypeVar("Source", bound=HasPath)
Keep = Callable[[Source, np.ndarray], None]  # what becomes of a vector, in the process that read it


def extract_files(
    prior: FacialPrior, sources: Sequence[Source], keep: Keep[Source], workers: int = 1, batch: int = 16
) -> Iterator[list[tuple[Source, str]]]:
    """Measure each source's picture and hand the vector to `keep`; yield batches of sources, in no particular order.

    Beside a source stands "" when it was read, else the reason why not. `batch` is how many pictures a worker is handed
    at a time; `keep` is sent to the workers. Raises InputError where the prior itself cannot be used or a worker dies.
    """
    if not sources:
        return
    batches = [sources[start : start + batch] for start in range(0, len(sources), batch)]
    workers = min(workers, len(batches))
    if workers <= 1:
        for one in batches:
            yield [(source, extract_file(prior, source, keep)) for source in one]
        return
    fork = can_fork("cv2", "onnxruntime", "torch")  # shares the opened model, but not these libraries' threads
    if prior.shared_by_forking and fork:
        prior.extract([BLANK])
    pool = worker_pool(workers, _prepare_worker, prior, keep, fork=fork)
    try:
        waiting = iter(batches)
        running: dict[Future[list[str]], Sequence[Source]] = {}
        while True:
            while len(running) < QUEUED * workers and (following := next(waiting, None)) is not None:
                running[pool.submit(_extract_batch, following)] = following
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield list(zip(running.pop(future), future.result(), strict=True))
    except BrokenProcessPool as error:
        raise InputError(
            "A worker process died; most often the machine had no memory left.",
            f"{workers} workers were at work, each with its own copy of {prior.name}.",
            "Run the same command again with fewer --workers; it goes on where it stopped.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def extract_on(
    engine: RayEngine, prior: FacialPrior, sources: Sequence[Source], keep: Keep[Source], batch: int = 16
) -> Iterator[list[tuple[Source, str]]]:
    """Do what `extract_files` does by the actors of a cluster: they measure, and `keep` is called in this process."""
    batches = [sources[start : start + batch] for start in range(0, len(sources), batch)]
    witness = next((source.path for source in sources if os.path.exists(source.path)), None)
    for one, found in zip(batches, engine.map(partial(_open_extraction, prior), batches, witness), strict=True):
        for source, (_, vector) in zip(one, found, strict=True):
            if vector is not None:
                keep(source, vector)
        yield [(source, reason) for source, (reason, _) in zip(one, found, strict=True)]


def extract_file(prior: FacialPrior, source: Source, keep: Keep[Source]) -> str:
    """Measure one picture file and keep its vector; return "", or why there is none: damage, or no face."""
    try:
        priors, valid = prior.extract([read_pixels(source.path)])
    except (BadImage, MissingFileError) as error:
        if isinstance(error, MissingFileError) and os.path.exists(source.path):
            raise  # it is not the picture that is missing
        return str(error)
    if not valid[0]:
        return NO_FACE
    keep(source, priors[0])
    return ""


_worker: tuple[FacialPrior, Keep[Any]] | None = None  # in a worker process: what it measures with and where to


def _prepare_worker(prior: FacialPrior, keep: Keep[Any]) -> None:
    """Open what a worker needs, once."""
    global _worker
    _worker = prior, keep
    # Freeing it teaches malloc to keep memory of that size: giving it back after each picture and faulting it in again
    # took half of the time of photos of 1024 px.
    np.empty(KEPT_BYTES, np.uint8)
    prior.extract([BLANK])  # opens the model, and OpenCV with it
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)  # the processes share the cores already


def _extract_batch(sources: Sequence[HasPath]) -> list[str]:
    assert _worker is not None
    prior, keep = _worker
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)  # the processes share the cores already
    return [extract_file(prior, source, keep) for source in sources]


def _open_extraction(prior: FacialPrior) -> Callable[[Sequence[HasPath]], list[tuple[str, np.ndarray | None]]]:
    """What an actor does with a batch: a reason and a vector a source, one of which says nothing."""
    vectors: list[np.ndarray] = []
    _prepare_worker(prior, lambda _, vector: vectors.append(vector))

    def extract(sources: Sequence[HasPath]) -> list[tuple[str, np.ndarray | None]]:
        vectors.clear()
        reasons = _extract_batch(sources)
        read = iter(vectors)
        return [(reason, None if reason else next(read)) for reason in reasons]

    return extract


LONGEST_NAME = 240  # bytes: what file systems take, less the endings


@dataclass
class Picture:
    """One picture of the data set, and the ids of the samples that show it."""

    path: str  # absolute, inside the image root
    ids: list[str] = field(default_factory=list)


def prior_name(identity: str) -> str:
    """Return the name of a sample's prior file, relative to its store: the id without a picture's ending."""
    stem, ending = os.path.splitext(os.path.normpath(identity))
    return f"{stem if ending.lower() in SUFFIXES else stem + ending}.npy"


def annotated_pictures(entries: Any, data: Path, image_root: Path, out: Path) -> list[Picture]:
    """Return the pictures of the annotations in their order, each with its samples; InputError names a bad sample."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries) or not entries:
        raise InputError(
            f"The annotation file {data} is not a list of samples.",
            'It must be a FABA-Instruct file: [{"id", "image", ...}, ...].',
            "Give the annotation file of a data set.",
        )
    pictures: dict[str, Picture] = {}
    files: dict[str, tuple[str, str]] = {}
    for number, entry in enumerate(entries, start=1):
        image, identity = entry.get("image"), sample_id(entry) or ""
        if image is None:
            continue
        if (
            not isinstance(image, str)
            or not image
            or len(os.path.basename(identity).encode("utf-8", "surrogatepass")) > LONGEST_NAME
        ):
            raise InputError(
                f"Sample {identity!r} (entry {number}) of {data} has the image {image!r}.",
                f"`image` is a path relative to the image root, an id has at most {LONGEST_NAME} bytes.",
                "Correct the sample.",
            )
        path = str(path_inside(image_root, image, identity))
        if ".." in identity or identity.startswith("/") or "\0" in identity:
            resolve_inside(out, prior_name(identity), identity)
        other, place = files.setdefault(prior_name(identity), (identity, path))
        if place != path:
            raise InputError(
                f"Two pictures of {data} would have the prior file {prior_name(identity)}: the samples {other!r} "
                f"({os.path.basename(place)}) and {identity!r} ({os.path.basename(path)}).",
                "A prior file is named by the sample's `id`, else its `image`, without its ending.",
                "Give them ids of their own.",
            )
        picture = pictures.setdefault(path, Picture(path))
        if identity not in picture.ids:
            picture.ids.append(identity)
    return list(pictures.values())
