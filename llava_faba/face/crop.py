"""Photo -> aligned face crops: find the faces, turn each so that its eyes are level, cut it out, and judge it.

A crop is a square around the face, the eyes level and centred from side to side, as FABA-Instruct's images are
(arXiv 2404.05052, section 3: aligned with dlib). Each knows the way back to its photo.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.errors import InputError
from llava_faba.face.detectors import SCRFD_SIDE, WHOLE_SIDE, Detector, DlibDetector, FaceBox, ScrfdDetector
from llava_faba.face.images import read_pixels
from llava_faba.face.landmarks import face_frame
from llava_faba.face.model_files import require_model
from llava_faba.face.quality import FaceQuality, assess

CROP_SIDE = 336  # px: what LLaVA-1.5's vision tower sees
MARGIN = 0.25  # of the face's side, on each of the four sides


@dataclass(frozen=True)
class FaceCrop:
    """One face, cut out of its photo and turned upright."""

    pixels: np.ndarray  # RGB uint8 (side, side, 3)
    box: FaceBox  # in the photo
    landmarks_px: np.ndarray  # (68, 2) in the photo, x to the right, y down
    affine: np.ndarray  # (2, 3): photo pixel = affine @ (x, y, 1) of a crop pixel
    quality: FaceQuality | None  # None where it was not asked for

    @property
    def score(self) -> float:
        return self.box.score

    @property
    def landmarks_in_crop(self) -> np.ndarray:
        """The landmarks in the crop's own pixels."""
        return (self.landmarks_px - self.affine[:, 2]) @ np.linalg.inv(self.affine[:, :2]).T

    def record(self) -> dict[str, Any]:
        """Return everything but the pixels, as JSON can hold it."""
        return {
            "box": [round(edge, 2) for edge in (self.box.left, self.box.top, self.box.right, self.box.bottom)],
            "score": round(self.score, 4),
            "affine": self.affine.round(6).tolist(),
            "landmarks_px": self.landmarks_px.round(2).tolist(),
            "quality": None if self.quality is None else self.quality.record(),
        }


def find_faces(
    pixels: np.ndarray,
    faces: str | int = "all",
    *,
    detector: Detector | None = None,
    side: int = CROP_SIDE,
    margin: float = MARGIN,
    search_side: int = WHOLE_SIDE,
    quality: bool = True,
) -> list[FaceCrop]:
    """Find the faces of a photo, RGB uint8 (height, width, 3), and cut them out; an empty list where there is none.

    `faces` is "all", largest first, or "largest", or the index of one in that order. "largest" looks in a picture of
    320 px first and enlarges it only while nothing is found; "all" looks at `search_side`, where faces down to a
    twentieth of it are found.
    """
    detector = detector or chosen_detector()
    if faces == "largest":
        box = detector.find_one(pixels)
        boxes = [] if box is None else [box]
    else:
        boxes = sorted(detector.find_all(pixels, search_side), key=lambda box: -box.area)
        if not boxes and (box := detector.find_one(pixels)) is not None:
            boxes = [box]
        if faces != "all":
            boxes = boxes[int(faces) : int(faces) + 1]
    return [cut_face(pixels, box, detector.fit(pixels, box), detector, side, margin, quality) for box in boxes]


def crop_file(path: Path | str, faces: str | int = "largest", **options: Any) -> list[FaceCrop]:
    """Read a photo and find its faces; options as `find_faces`. Raises BadImage where the photo cannot be read."""
    return find_faces(read_pixels(path), faces, **options)


def cut_face(
    pixels: np.ndarray,
    box: FaceBox,
    landmarks_px: np.ndarray,
    detector: Detector | None = None,
    side: int = CROP_SIDE,
    margin: float = MARGIN,
    quality: bool = True,
) -> FaceCrop:
    """Cut one found face out of its photo; where the photo ends the crop is black."""
    affine = alignment(landmarks_px, side, margin)
    crop = warp(pixels, affine, side)
    judged = assess(pixels, box, landmarks_px, crop, detector or default_detector()) if quality else None
    return FaceCrop(crop, box, landmarks_px, affine, judged)


def alignment(landmarks_px: np.ndarray, side: int = CROP_SIDE, margin: float = MARGIN) -> np.ndarray:
    """Return the map (2, 3) from the pixels of an upright crop of `side` px to those of the photo."""
    face = face_frame(landmarks_px)
    scale = face.side * (1 + 2 * margin) / side  # photo pixels a crop pixel
    linear = scale * np.stack([face.along, face.down], axis=1)
    shift = face.centre - linear @ np.full(2, (side - 1) / 2)
    return np.concatenate([linear, shift[:, None]], axis=1)


def warp(pixels: np.ndarray, affine: np.ndarray, side: int) -> np.ndarray:
    """Sample a square of `side` px out of a photo by the map `alignment` returns; a large face is reduced first."""
    image = Image.fromarray(pixels)
    linear, shift = affine[:, :2], affine[:, 2]
    corner = linear @ np.full(2, -0.5) + shift + 0.5  # Pillow counts from the pixels' corners, we from their centres
    factor = int(np.sqrt(abs(np.linalg.det(linear))))
    if factor > 1:  # one sample a crop pixel would skip photo pixels
        image = image.reduce(factor)
        linear, corner = linear / factor, corner / factor
    numbers = (*linear[0], corner[0], *linear[1], corner[1])
    return np.array(
        image.transform((side, side), Image.Transform.AFFINE, numbers, Image.Resampling.BICUBIC, fillcolor=0)
    )


_chosen: list[Detector] = []  # the one that `choose_detector` chose for this process


@lru_cache(maxsize=1)
def default_detector() -> DlibDetector:
    """dlib's detector, opened once a process."""
    return DlibDetector()


def choose_detector(name: str, model_file: Path | str | None = None) -> Detector:
    """Let `find_faces` search with this detector, as `build_detector` names it, for the rest of the process.

    Without `model_file` the one of "insightface" is looked for; MissingFileError where it is not on this machine.
    """
    if name == "insightface" and model_file is None:
        model_file = require_model("det_10g", "The detector insightface")
    _chosen[:] = [build_detector(name, model_file)]
    return _chosen[0]


def chosen_detector() -> Detector:
    """Return the detector that `find_faces` searches with where none is given."""
    return _chosen[0] if _chosen else default_detector()


def build_detector(name: str, model_file: Path | str | None = None, side: int = SCRFD_SIDE) -> Detector:
    """Build the detector of that name; "insightface" needs its model file, `side` is what that one is fed with, in px.

    "dlib" searches with HOG and, where that finds nothing, with dlib's convolutional detector; "hog" with HOG alone.
    """
    if name == "dlib":
        return default_detector()
    if name == "hog":
        return DlibDetector(second_look=False)
    if name == "insightface" and model_file is not None:
        return ScrfdDetector(model_file, side)
    raise InputError(
        f"The face detector is {name!r}" + (", without its model file." if name == "insightface" else "."),
        "There are 'dlib' and 'hog', which work offline, and 'insightface', which needs an SCRFD file (det_10g.onnx).",
        "Choose one; `llava-faba models list` says where the file comes from.",
    )


def parse_faces(text: str) -> str | int:
    """Read a choice of faces, "all", "largest" or an index from 0."""
    if text in ("all", "largest"):
        return text
    if text.isdecimal():
        return int(text)
    raise InputError(
        f"The choice of faces is {text!r}.",
        "It is 'all', 'largest', or the index of one face from 0, largest first.",
        "Choose one of these.",
    )
