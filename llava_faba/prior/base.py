"""Face crop -> prior: what every facial prior is, whatever measures it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from llava_faba.errors import InputError


class FacialPrior(ABC):
    """A fixed-length measurement of a face, read from a picture that shows that face.

    A prior may be shared between threads and sent to other processes: what it opens, it opens at its first use and in
    the process that uses it.
    """

    name: str  # its key in PRIORS
    dim: int  # P, the length of its vector
    normalisation: str = "fit"  # "fit": standardise by the training set; "none": feed the projector as it is
    identifies: bool = False  # tells people apart, so it is not stored unless that is asked for

    shared_by_forking: bool = False  # once opened, it works in forked processes too, which then share its memory

    @property
    @abstractmethod
    def version(self) -> str:
        """What the numbers depend on: a hash of the model file and the id of the preprocessing."""

    @abstractmethod
    def read(self, crop: np.ndarray) -> np.ndarray | None:
        """Measure the face in one picture, RGB uint8 (height, width, 3); None where no face can be read."""

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        """Return landmarks (k, 2) in the picture's pixels, for drawing; None where there are none."""
        return None

    def extract(self, crops: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Measure the faces in pictures of any sizes, RGB uint8 (height, width, 3).

        Returns priors, float32 (n, P), and valid, bool (n,); where valid is False no face was read and the row is zero.
        A row does not depend on what else is in the batch.
        """
        priors = np.zeros((len(crops), self.dim), dtype=np.float32)
        valid = np.zeros(len(crops), dtype=bool)
        for row, crop in enumerate(crops):
            vector = self.read(checked_crop(crop))
            if vector is not None:
                priors[row], valid[row] = vector, True
        return priors, valid


def checked_crop(crop: np.ndarray) -> np.ndarray:
    """Return `crop` if it is RGB uint8 of shape (height, width, 3), else raise InputError."""
    crop = np.asarray(crop)
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
        raise InputError(
            f"A prior was asked to read an array of {crop.dtype} and shape {crop.shape}.",
            "A face picture is RGB uint8 of shape (height, width, 3).",
            "Read pictures with llava_faba.face.images.read_pixels, which converts them.",
        )
    return crop


class CompositePrior(FacialPrior):
    """Priors joined into one; a face counts as read only where every part has read it."""

    def __init__(self, parts: Sequence[FacialPrior]):
        names = [part.name for part in parts]
        if len(set(names)) < len(names):
            raise InputError(
                f"The facial prior {'+'.join(names)!r} names one prior twice.",
                "Each part of a joined prior is another one.",
                "Leave the repetition out.",
            )
        self.parts = tuple(parts)
        self.name = "+".join(names)
        self.sizes = [part.dim for part in parts]  # the length of each part's vector
        self.dim = sum(self.sizes)
        self.normalisation = "fit" if any(part.normalisation == "fit" for part in parts) else "none"
        self.identifies = any(part.identifies for part in parts)

    @property
    def version(self) -> str:
        return "+".join(part.version for part in self.parts)

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        vectors = [part.read(crop) for part in self.parts]
        if any(vector is None for vector in vectors):
            return None
        return np.concatenate([vector for vector in vectors if vector is not None])

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        return next((found for part in self.parts if (found := part.landmarks_px(crop)) is not None), None)
