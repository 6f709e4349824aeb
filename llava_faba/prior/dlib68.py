"""`dlib_68`: where 68 landmarks lie around the eyes. Works offline, from wheels alone.

The vector is x0, y0, x1, y1, ... in the frame of the eyes (`landmarks.to_eye_frame`), which takes place, size and roll
out of it, so that what remains is the shape of the face and of its expression.
"""

from functools import cached_property

import numpy as np

from llava_faba.face.detectors import DlibDetector
from llava_faba.face.landmarks import N_LANDMARKS, to_eye_frame
from llava_faba.files import file_hash
from llava_faba.prior.base import FacialPrior

PRIOR_DIM = 2 * N_LANDMARKS  # 68 (x, y) pairs = 136 numbers
PREPROCESSING = "hog320cnn320-eyes1"  # raise it when detection or the frame of the eyes changes


class Dlib68(FacialPrior):
    """68 landmarks by dlib, relative to the eyes; unread where its detectors find no face."""

    name = "dlib_68"
    dim = PRIOR_DIM
    shared_by_forking = True

    def __init__(self) -> None:
        self._detector = DlibDetector()

    @cached_property
    def version(self) -> str:
        return f"{file_hash(self._detector.model_file)[:16]}-{PREPROCESSING}"

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        landmarks_px = self.landmarks_px(crop)
        landmarks_unit = None if landmarks_px is None else to_eye_frame(landmarks_px)
        return None if landmarks_unit is None else landmarks_unit.ravel().astype(np.float32)

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        box = self._detector.find_one(crop)
        return None if box is None else self._detector.fit(crop, box)
