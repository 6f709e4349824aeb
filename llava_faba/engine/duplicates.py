"""Pictures -> which are the same: byte for byte, pixel for pixel, or nearly (perceptual hashes of ImageHash)."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llava_faba.errors import missing_extra
from llava_faba.face.images import read_image
from llava_faba.files import file_hash

HASH_SIDE = 16  # 16 x 16 bits a hash: aligned faces share their coarse layout, which 64 bits do not tell apart
# Of 256 bits. Copies of 60 faces (JPEG quality 50, twice the size, brighter by a fifth, a pixel cut off on each side)
# differ in 34 at most; of 400 different faces the closest two differ in 74.
NEAR = 40
_BLOCK = 512


@dataclass(frozen=True)
class Pair:
    """Two pictures that are the same or nearly."""

    one: int
    other: int
    kind: str  # "same-file", "same-pixels", "near"
    distance: int  # of 256 bits


def fingerprints(files: Sequence[Path]) -> tuple[list[str], list[str], np.ndarray]:
    """Return of each picture the SHA-256 of its file and of its pixels, and its perceptual hash (n, 256) of bool.

    Raises MissingDependencyError without ImageHash; InputError for a picture that cannot be read.
    """
    try:
        import imagehash
    except ImportError as error:
        raise missing_extra("ImageHash", "annotate", "Finding near-duplicates") from error
    of_files, of_pixels, bits = [], [], []
    for file in files:
        image = read_image(file)
        of_files.append(file_hash(file))
        of_pixels.append(hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest())
        bits.append(imagehash.phash(image, hash_size=HASH_SIDE).hash.ravel())
    return of_files, of_pixels, np.array(bits, dtype=bool).reshape(len(files), HASH_SIDE**2)


def duplicate_pairs(files: Sequence[Path], near: int = NEAR) -> list[Pair]:
    """Return every pair of pictures that are the same or differ in at most `near` of 256 bits."""
    of_files, of_pixels, bits = fingerprints(files)
    pairs = []
    for one, other, distance in _near(bits, near):
        kind = "same-file" if of_files[one] == of_files[other] else "near"
        kind = "same-pixels" if kind == "near" and of_pixels[one] == of_pixels[other] else kind
        pairs.append(Pair(one, other, kind, distance))
    return pairs


def _near(bits: np.ndarray, near: int) -> Iterator[tuple[int, int, int]]:
    """Pairs of rows that differ in few bits, a block of rows against all at a time."""
    signs = np.where(bits, 1.0, -1.0).astype(np.float32)  # products count equal bits minus different ones
    for start in range(0, len(signs), _BLOCK):
        distances = (bits.shape[1] - signs[start : start + _BLOCK] @ signs.T) / 2
        for row, column in np.argwhere(distances <= near + 0.25):
            if start + row < column:
                yield int(start + row), int(column), round(float(distances[row, column]))


def joined(n: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of n samples the number of its group; linked ones are in one group.

    >>> joined(4, [(0, 2), (2, 3)])
    [0, 1, 0, 0]
    """
    parent = list(range(n))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for one, other in links:
        parent[max(root(one), root(other))] = min(root(one), root(other))
    return [root(place) for place in range(n)]
