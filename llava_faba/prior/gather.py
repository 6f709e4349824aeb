"""Samples -> their priors: read what `llava-faba priors` stored, extract the rest from the pictures."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from llava_faba.errors import InputError
from llava_faba.face.images import read_image
from llava_faba.faces import FaceSample
from llava_faba.prior import FacialPrior, check_manifest, prior_file_dim, read_prior_file
from llava_faba.prior.table import read_rows, split_row
from llava_faba.processes import first_rank, say
from llava_faba.vocabulary import UNREAD_RECORD

EXTRACTED_AT_ONCE = 32  # pictures in memory

Extract = Callable[[Mapping[Path, FaceSample], FacialPrior], Iterable[tuple[Path, np.ndarray | None]]]


def extract_pictures(
    pictures: Mapping[Path, FaceSample], prior: FacialPrior
) -> Iterator[tuple[Path, np.ndarray | None]]:
    """Read the face in each picture; yield the picture and its prior (P,), None where no face was read.

    The sample beside a picture names it in errors.
    """
    paths = list(pictures)
    with tqdm(
        total=len(paths), desc=f"reading {prior.name}", unit="face", disable=None if first_rank() else True
    ) as bar:
        for start in range(0, len(paths), EXTRACTED_AT_ONCE):
            batch = paths[start : start + EXTRACTED_AT_ONCE]
            priors, valid = prior.extract([np.asarray(open_picture(pictures[path])) for path in batch])
            for path, vector, face in zip(batch, priors, valid, strict=True):
                yield path, vector if face else None
            bar.update(len(batch))


def gather_priors(
    samples: Sequence[FaceSample], prior: FacialPrior, extract: Extract = extract_pictures
) -> tuple[np.ndarray, np.ndarray]:
    """Return every sample's prior (n, P) float32, and where a face was read (n,) bool; a picture is read once.

    `extract` reads the pictures that have no stored prior; training shares them between its ranks. `landmark` files
    win over the pictures. Where `llava-faba priors` has read no face, none is looked for again, and
    `precomputed` looks for none at all. Raises InputError naming the sample of an unusable file or picture.
    """
    stored = [sample for sample in samples if sample.prior_path is not None]
    dim = prior.dim or (prior_file_dim(stored[0].prior_path, stored[0].id) if stored else 0)
    priors, valid = np.zeros((len(samples), dim), np.float32), np.zeros(len(samples), bool)
    unread = _unread(samples)
    for folder in {sample.prior_path.parent for sample in stored} | {folder for folder, ids in unread.items() if ids}:
        check_manifest(folder, prior)
    _fill_from_tables(samples, priors, valid)
    rows: dict[Path, list[int]] = {}  # picture -> its samples; tasks share pictures
    for row, sample in enumerate(samples):
        if valid[row]:
            continue
        if sample.prior_path is not None:
            priors[row], valid[row] = read_prior_file(sample.prior_path, dim, sample.id), True
        elif sample.image_path is not None and prior.name != "precomputed":
            if sample.source is None or sample.id not in unread[sample.source.parent]:
                rows.setdefault(sample.image_path, []).append(row)
    if rows:
        say(
            f"{prior.name}: the {len(rows)} pictures without a stored prior are read now, at every start; "
            "`llava-faba priors` reads them once."
        )
        for path, vector in extract({path: samples[of[0]] for path, of in rows.items()}, prior):
            if vector is not None:
                priors[rows[path]], valid[rows[path]] = vector, True
    return priors, valid


def _fill_from_tables(samples: Sequence[FaceSample], priors: np.ndarray, valid: np.ndarray) -> None:
    """Read the rows of each table at once; those that cannot be used are left for the error that names the sample."""
    wanted: dict[Path, list[tuple[int, int]]] = {}
    for row, sample in enumerate(samples):
        if sample.prior_path is not None:
            file, place = split_row(sample.prior_path)
            if place is not None:
                wanted.setdefault(file, []).append((row, place))
    for file, pairs in wanted.items():
        into, places = np.array(pairs).T
        vectors = read_rows(file, places, priors.shape[1])
        if vectors is not None:
            priors[into], valid[into] = vectors, True


def open_picture(sample: FaceSample) -> Image.Image:
    """Open a sample's picture as upright RGB; an error names the sample."""
    try:
        return read_image(sample.image_path)
    except InputError as error:
        raise InputError(
            f"Sample {sample.id!r}: {error.got[0].lower()}{error.got[1:]}",
            error.allowed,
            f"{error.remedy} `llava-faba doctor` lists every such sample.",
        ) from error


def _unread(samples: Sequence[FaceSample]) -> dict[Path, set[str]]:
    """The ids in which `llava-faba priors` read no face, for each folder that an annotation file lies in."""
    folders = {sample.source.parent for sample in samples if sample.source is not None}
    return {
        folder: {json.loads(line)["id"] for line in file.read_text().splitlines()} if file.is_file() else set()
        for folder, file in ((folder, folder / UNREAD_RECORD) for folder in folders)
    }
