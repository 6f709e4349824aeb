"""Several priors at once, such as `dlib_68+insightface_2d106`: one vector after the other, one token each."""

from collections.abc import Sequence

import numpy as np

from llava_faba.errors import InputError
from llava_faba.prior.base import FacialPrior


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
