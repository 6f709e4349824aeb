"""`precomputed`: vectors that another tool wrote, and the habits of every folder of prior files.

A prior file is a `.npy` of float numbers, one vector a face, or all in one (table.py); a folder of them may carry a
`manifest.json` that says which prior, and which version of it, they were made with.
"""

import json
from pathlib import Path

import numpy as np

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import existing_file
from llava_faba.prior.base import FacialPrior
from llava_faba.prior.table import read_row, split_row

MANIFEST = "manifest.json"
NPY_MAGIC = b"\x93NUMPY"
MAX_PRIOR_BYTES = 16 * 2**20  # a vector of two million doubles: anything larger is no prior


class Precomputed(FacialPrior):
    """Vectors from files, whatever made them; it cannot read a face itself."""

    name = "precomputed"
    version = "files"

    def __init__(self, model_file: Path | str | None = None, size: int | None = None):
        """`model_file` is a prior file, or a folder with a manifest, that has the length; else `size` is the length.

        Without either `dim` is 0: the length of the first file that is read counts.
        """
        self.dim = size or 0 if model_file is None else _stored_dim(Path(model_file))

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        raise InputError(
            "The prior 'precomputed' was asked to read a face.",
            "It only passes on vectors that are in files, each sample's `landmark`.",
            "Give every sample its `landmark` file, or choose a prior that reads faces.",
        )


def prior_file_dim(path: Path | str, sample: str) -> int:
    """Return the length P of the vector in a prior file; `sample` names it in errors."""
    return len(_vector(path, sample))


def read_prior_file(path: Path | str, dim: int, sample: str) -> np.ndarray:
    """Read one prior file as float32 of shape (dim,); shapes like (1, dim) and (dim / 2, 2) are flattened.

    Raises InputError, naming the sample and the file, for another length, for NaN or infinity and for what is no .npy.
    """
    vector = _vector(path, sample)
    if len(vector) != dim:
        raise InputError(
            f"Sample {sample!r} has a prior of {len(vector)} numbers in {path}.",
            f"The facial prior in use has {dim}.",
            "Use the prior that these files were made with, or make them again with: llava-faba priors",
        )
    return vector


def check_manifest(folder: Path | str, prior: FacialPrior) -> None:
    """Refuse prior files that another prior, or another version of this one, has written.

    The nearest `manifest.json` that names a prior counts, in `folder` or above it, since ids may hold folders; none at
    all is accepted, as EmoLA's files have none. `precomputed` accepts the files of every prior.
    """
    folder = Path(folder).resolve()
    if prior.name == Precomputed.name:
        return
    for place in (folder, *folder.parents):
        manifest = _manifest(place / MANIFEST)
        if manifest is None:
            continue
        version = _version(prior)
        if manifest["prior"] != prior.name or version not in (manifest.get("version"), None):
            raise InputError(
                f"The prior files in {folder} were made with {manifest['prior']!r}, version "
                f"{manifest.get('version')!r}, as {place / MANIFEST} says.",
                f"The facial prior in use is {prior.name!r}, version {version!r}.",
                f"Use that prior, or make the files again with: llava-faba priors --prior {prior.name}",
            )
        return


def stored_version(folder: Path | str) -> str | None:
    """Return the version in the nearest manifest, in `folder` or above it; None where there is none."""
    folder = Path(folder).absolute()
    found = (_manifest(place / MANIFEST) for place in (folder, *folder.parents))
    return next((manifest.get("version") for manifest in found if manifest is not None), None)


def _version(prior: FacialPrior) -> str | None:
    """The version of a prior; None where its model file, which the version names, is not on this machine."""
    try:
        return prior.version
    except MissingFileError:
        return None


def _stored_dim(path: Path) -> int:
    if path.is_dir():
        manifest = _manifest(path / MANIFEST)
        if manifest is None or not isinstance(manifest.get("P"), int) or manifest["P"] < 1:
            raise InputError(
                f"The folder {path} has no {MANIFEST} that says how long its vectors are.",
                "A folder of priors that llava-faba wrote has one.",
                "Name one of its .npy files instead.",
            )
        return manifest["P"]
    return prior_file_dim(path, path.stem)


def _manifest(path: Path) -> dict | None:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):  # absent, or a stranger's file
        return None
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("prior"), str) else None


def _read_one(path: Path) -> np.ndarray:
    if path.stat().st_size > MAX_PRIOR_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes")
    with open(path, "rb") as file:
        if file.read(len(NPY_MAGIC)) != NPY_MAGIC:
            raise ValueError("it does not begin as a .npy file does")
    return np.load(path, allow_pickle=False)


def _vector(path: Path | str, sample: str) -> np.ndarray:
    file, row = split_row(path)
    path = existing_file(file, f"prior file of sample {sample!r},", "Make it with llava-faba priors.")
    try:
        vector = _read_one(path) if row is None else read_row(path, row)
        if vector.dtype.kind not in "fiu" or vector.size == 0:
            raise ValueError(f"{vector.dtype} of shape {vector.shape}")
    except (OSError, ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError) as error:
        raise InputError(
            f"Sample {sample!r} has no readable prior in {path}: {error}.",
            "A prior file is a .npy with one vector of numbers, or with rows of them, saved without pickle.",
            "Make it again, or take `landmark` out of the sample.",
        ) from error
    vector = vector.astype(np.float32).ravel()
    if not np.isfinite(vector).all():
        raise InputError(
            f"Sample {sample!r} has NaN or infinity in its prior file {path}.",
            "A prior is finite numbers only.",
            "Make it again, or take `landmark` out of the sample.",
        )
    return vector
