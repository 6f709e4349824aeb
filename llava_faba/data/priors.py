"""Samples -> their priors: read what `llava-faba priors` stored, extract the rest from the pictures."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from llava_faba.errors import InputError
from llava_faba.faces import FaceSample

if TYPE_CHECKING:
    from llava_faba.prior import FacialPrior

EXTRACTED_AT_ONCE = 32  # pictures in memory


def gather_priors(samples: Sequence[FaceSample], prior: "FacialPrior") -> tuple[np.ndarray, np.ndarray]:
    """Return every sample's prior (n, P) float32, and where a face was read (n,) bool; a picture is read once.

    `landmark` files win over the pictures. Raises InputError naming the sample of an unusable file or picture.
    """
    priors, valid = np.zeros((len(samples), prior.dim), np.float32), np.zeros(len(samples), bool)
    rows: dict[Path, list[int]] = {}  # picture -> its samples; tasks share pictures
    stores: set[Path] = set()
    for row, sample in enumerate(samples):
        if sample.image_path is None:
            continue
        if sample.prior_path is not None:
            from llava_faba.prior import check_manifest, read_prior_file

            store = store_of(sample)
            if store is not None and store not in stores:
                check_manifest(store, prior)
                stores.add(store)
            priors[row], valid[row] = read_prior_file(sample.prior_path, prior.dim, sample.id), True
        elif not _is_store(sample.source.parent):  # `llava-faba priors` leaves `landmark` out where it read no face
            rows.setdefault(sample.image_path, []).append(row)
    pictures = list(rows)
    if pictures:
        say(
            f"{prior.name}: {len(pictures)} pictures have no stored prior and are read now; "
            "`llava-faba priors` would keep what is read."
        )
    with tqdm(
        total=len(pictures), desc=f"reading {prior.name}", unit="face", disable=not pictures or not first_rank()
    ) as bar:
        for start in range(0, len(pictures), EXTRACTED_AT_ONCE):
            batch = pictures[start : start + EXTRACTED_AT_ONCE]
            found, ok = prior.extract([np.asarray(open_picture(samples[rows[path][0]])) for path in batch])
            for path, vector, face in zip(batch, found, ok, strict=True):
                priors[rows[path]], valid[rows[path]] = (vector if face else 0), face
            bar.update(len(batch))
    return priors, valid


def store_of(sample: FaceSample) -> Path | None:
    """Return the folder, at or above a sample's prior file, in which `llava-faba priors` left its manifest."""
    root, folder = sample.source.parent.resolve(), sample.prior_path.parent
    while not _is_store(folder):
        if folder == root or not folder.is_relative_to(root):
            return None
        folder = folder.parent
    return folder


def open_picture(sample: FaceSample) -> Image.Image:
    """Open a sample's picture as RGB; an error names the sample."""
    try:
        with Image.open(sample.image_path) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise InputError(
            f"The image {sample.image_path} of sample {sample.id!r} cannot be read: {error}.",
            "It must be a whole picture that Pillow can open.",
            "Replace it or remove the sample; `llava-faba doctor` lists every such image.",
        ) from error


def first_rank() -> bool:
    """Whether this process is the one of several ranks that speaks."""
    return os.environ.get("RANK", "0") == "0"


def say(message: str) -> None:
    """Print a line on standard error, on the first rank only."""
    if first_rank():
        print(message, file=sys.stderr, flush=True)


def _is_store(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()
