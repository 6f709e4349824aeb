"""The values that travel along the journey: an annotated face, a batch of pixels with their priors, a turn of talk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FaceSample:
    """One annotated face of a FABA-Instruct file.

    A training sample has `conversations`; an evaluation sample has `label` (as written: "1, 4, 12", "Happiness", "3")
    and `reference` (the text its answer is compared with).
    """

    id: str  # the sample's id, else its image
    image: str | None  # as written in the file, relative to the image root; None: a training sample of text alone
    image_path: Path | None  # absolute, inside the image root
    prior_path: Path | None = None  # the sample's `landmark` file, absolute
    conversations: list[dict[str, str]] = field(default_factory=list)
    label: str | None = None
    reference: str | None = None
    source: Path | None = None  # the annotation file
    subject: str | None = None  # who is seen, where the file says


@dataclass(frozen=True)
class Turn:
    """A question about a face and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True)
class FaceBatch:
    """Pixels with their priors, shaped like LLaVA's `images` so that they travel through LLaVA together.

    LLaVA looks at `images` only for `is None`, `type(...) is list`, `.ndim == 5` and `encode_images(images)`, so an
    object whose `ndim` is 4 reaches our `encode_images` untouched.
    """

    pixels: Tensor  # (B, 3, height, width), as CLIP's processor makes them
    priors: Tensor | None  # (B, P) float32; None: the tower reads them from the pixels
    valid: Tensor | None = None  # (B,) bool: False where no face was read and the learned empty prior stands in

    @property
    def ndim(self) -> int:
        return self.pixels.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape)


def sample_id(entry: dict[str, Any]) -> str | None:
    """A sample's `id`, else its `image`; None when it has neither."""
    for key in ("id", "image"):
        if isinstance(entry.get(key), str | int) and str(entry[key]):
            return str(entry[key])
    return None
