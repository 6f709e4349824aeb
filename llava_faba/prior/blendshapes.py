"""`mediapipe_blendshapes`: 52 coefficients of facial movement by MediaPipe's FaceLandmarker, close kin of action units.

Each lies in 0..1 and has a name, such as mouthSmileLeft or browInnerUp; the order is MediaPipe's own
(https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker), with _neutral first.
"""

import os
import threading
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError, MissingDependencyError, missing_extra
from llava_faba.face.model_files import find_model, require_model
from llava_faba.files import existing_file, file_hash
from llava_faba.prior.base import FacialPrior

MODEL = "face_landmarker"
PRIOR_DIM = 52  # blendshapes, _neutral included
PREPROCESSING = "image1"
OPENCV_WHEELS = (  # each writes the same folder cv2/: the last one installed wins, and removing one breaks the others
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)


class MediapipeBlendshapes(FacialPrior):
    """52 blendshape coefficients; unread where MediaPipe finds no face."""

    name = "mediapipe_blendshapes"
    dim = PRIOR_DIM

    def __init__(self, model_file: str | Path | None = None):
        """`model_file` is face_landmarker.task or its folder; None: looked for when it is first needed."""
        self._given = model_file
        self._path = find_model(MODEL) if model_file is None else _file_in(Path(model_file))
        self._lock = threading.Lock()
        self._process = os.getpid()

    @property
    def model_file(self) -> Path:
        self._path = self._path or require_model(MODEL, f"The facial prior {self.name}")
        return self._path

    @cached_property
    def version(self) -> str:
        return f"{file_hash(self.model_file)[:16]}-{PREPROCESSING}"

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        return blendshape_vector(self._detect(crop))

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        faces = self._detect(crop).face_landmarks
        if not faces:
            return None
        return np.array([(point.x * crop.shape[1], point.y * crop.shape[0]) for point in faces[0]])

    def _detect(self, crop: np.ndarray) -> Any:
        with self._lock:
            if self._process != os.getpid():  # its threads do not survive a fork
                self.__dict__.pop("_landmarker", None)
                self._process = os.getpid()
            landmarker = self._landmarker
            image = self._mediapipe.Image(
                image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(crop)
            )
            return landmarker.detect(image)

    @cached_property
    def _mediapipe(self) -> Any:
        try:
            import mediapipe
        except Exception as error:  # two OpenCV wheels on top of each other raise more than ImportError
            raise import_problem(error) from error
        return mediapipe

    @cached_property
    def _landmarker(self) -> Any:
        _ = self._mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(self.model_file)), output_face_blendshapes=True, num_faces=1
        )
        try:
            return vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"The model file {self.model_file} of {self.name} cannot be opened: {error}",
                "It must be MediaPipe's face_landmarker.task, whole.",
                "Get it again; `llava-faba models list` says where from.",
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"model_file": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def blendshape_vector(result: Any) -> np.ndarray | None:
    """Return the coefficients (52,) of the first face in a FaceLandmarkerResult, by index; None without a face."""
    if not result.face_blendshapes:
        return None
    vector = np.zeros(PRIOR_DIM, np.float32)
    for category in result.face_blendshapes[0]:
        vector[category.index] = category.score
    return vector


def import_problem(error: Exception) -> MissingDependencyError:
    """Say why mediapipe cannot be imported: it is absent, or several OpenCV wheels have overwritten each other."""
    wheels = [name for name in OPENCV_WHEELS if _is_installed(name)]
    if len(wheels) > 1:
        return MissingDependencyError(
            f"mediapipe cannot be imported ({error}), and {' and '.join(wheels)} are both installed here.",
            "They write the same folder cv2/, so only one of them can be whole; mediapipe needs opencv-contrib-python.",
            "Read this prior in an environment of its own (llava-faba priors), and use its files here as precomputed.",
        )
    if getattr(error, "name", None) in (None, "mediapipe") and _is_installed("mediapipe"):
        return MissingDependencyError(
            f"mediapipe is installed, but cannot be imported: {error}.",
            "Its OpenCV needs the system libraries libGL and libglib.",
            "Install them, on Debian and Ubuntu with: apt-get install libgl1 libglib2.0-0",
        )
    return missing_extra("mediapipe", "mediapipe", "Reading blendshapes")


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _file_in(path: Path) -> Path:
    path = path / "face_landmarker.task" if path.is_dir() else path
    return existing_file(path, f"model file of {MediapipeBlendshapes.name}", "Give the path of face_landmarker.task.")
