"""InsightFace's networks as priors, loaded and fed by insightface's own code.

| prior | network | what is fed | vector |
|---|---|---|---|
| `emola_2d106` | 2d106det.onnx | the whole picture squashed to 192 x 192, BGR, 0..1 | raw output, 212 |
| `insightface_2d106` | 2d106det.onnx | the face box times 1.5, RGB, 0..255 | raw output, 212 |

`emola_2d106` is what EmoLA's checkpoints were trained on. It is a deliberate oddity, kept for them: the graph itself
subtracts 127.5 and divides by 128, so that a picture in 0..1 reaches the network with 1/255 of its nominal contrast
(https://github.com/JackYFL/EmoLA/blob/0cd4a12/feature_extraction/landmark/landmark_features.py#L43-L83).

One picture is run at a time, on one thread: on a CPU a batch of eight costs a network of this size a third more time a
picture than eight single runs, and so a vector cannot depend on its neighbours.
"""

import copy
import os
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.detectors import DlibDetector, FaceBox
from llava_faba.errors import InputError, MissingDependencyError, MissingFileError, missing_extra
from llava_faba.files import existing_file
from llava_faba.prior.base import FacialPrior, file_hash

SIDE = 192  # px: what 2d106det.onnx takes in
N_POINTS = 106
PRIOR_DIM = 2 * N_POINTS  # 106 (x, y) pairs = 212 numbers, nominally in -1..1 of the picture that was fed


class InsightfacePrior(FacialPrior):
    """A prior read from one of InsightFace's ONNX files; the file is opened at the first use in each process."""

    preprocessing: str  # raise it when what is fed to the network changes
    outputs: int = PRIOR_DIM  # numbers in the network's output
    side: int = SIDE

    def __init__(self, model_file: str | Path | None = None):
        if model_file is None:
            raise MissingFileError(
                f"The prior {self.name!r} was asked for without its model file.",
                "It needs an ONNX file of InsightFace, which is for non-commercial research and is not shipped here.",
                "Give its path; `llava-faba models list` says which file, where from and under what licence.",
            )
        self.model_file = existing_file(model_file, f"model file of {self.name}", "Give the path of the ONNX file.")
        self._lock = threading.RLock()
        self._process = os.getpid()

    @cached_property
    def version(self) -> str:
        return f"{file_hash(self.model_file)[:16]}-{self.preprocessing}"

    @property
    def network(self) -> Any:
        """insightface's own object for the model file, opened in this process."""
        with self._lock:
            if self._process != os.getpid():  # a session's threads do not survive a fork
                self.__dict__.pop("_network", None)
                self._process = os.getpid()
            return self._network

    @cached_property
    def _network(self) -> Any:
        return self._wrap(open_session(self.model_file, self.name, self.side, self.outputs))

    def _wrap(self, session: Any) -> Any:
        from insightface.model_zoo.landmark import Landmark

        return Landmark(model_file=str(self.model_file), session=session)

    def __getstate__(self) -> dict[str, Any]:
        return {"model_file": self.model_file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


class Emola2d106(InsightfacePrior):
    """The vector that EmoLA's released code saves for a face picture; it never looks for the face."""

    name = "emola_2d106"
    dim = PRIOR_DIM
    normalisation = "none"  # EmoLA feeds it to the projector as it is
    preprocessing = "emola1"

    def read(self, crop: np.ndarray) -> np.ndarray:
        network = self.network
        raw = network.session.run(network.output_names, {network.input_name: emola_blob(crop)})[0]
        return checked_output(raw[0], self)

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray:
        return (self.read(crop).reshape(-1, 2) + 1) / 2 * (crop.shape[1], crop.shape[0])


class Insightface2d106(InsightfacePrior):
    """106 landmarks as insightface's `Landmark` reads them, as numbers of the square that it cuts out."""

    name = "insightface_2d106"
    dim = PRIOR_DIM
    preprocessing = "box1.5-hog320-1"

    def __init__(self, model_file: str | Path | None = None):
        super().__init__(model_file)
        self._detector = DlibDetector()

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        box = self._box(crop)
        return None if box is None else self.measure(crop, box)[0]

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        box = self._box(crop)
        return None if box is None else self.measure(crop, box)[1][:, :2]

    def _box(self, crop: np.ndarray) -> FaceBox | None:
        _ = self.network  # opened first: a wrong model file is an error, face or no face
        return self._detector.find_one(crop)

    def measure(self, pixels: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray]:
        """Run the network on the face in `box` of RGB pixels; return the raw output and the landmarks in pixels."""
        raw, landmarks_px, _ = run_landmark(self.network, pixels, box)
        return checked_output(raw, self), landmarks_px


def emola_blob(crop: np.ndarray) -> np.ndarray:
    """Prepare a face picture as EmoLA does: BGR, squashed to 192 x 192, 0..1; float32 (1, 3, 192, 192).

    Source: EmoLA feature_extraction/landmark/landmark_features.py, lines 43-49 and 71-83, commit 0cd4a12.
    """
    import cv2

    bgr = np.ascontiguousarray(crop[..., ::-1])
    return (cv2.resize(bgr, (SIDE, SIDE)) / 255.0).transpose(2, 0, 1)[None].astype(np.float32)


def run_landmark(network: Any, pixels: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Run insightface's `Landmark.get`; return the raw output that it saw, the landmarks in pixels, and its face."""
    from insightface.app.common import Face

    network = copy.copy(network)  # its session is replaced for this call only; other threads keep theirs
    network.session = recorder = _Recorder(network.session)
    face = Face(bbox=np.array([box.left, box.top, box.right, box.bottom], dtype=np.float64))
    landmarks_px = network.get(np.ascontiguousarray(pixels[..., ::-1]), face)
    return recorder.raw, landmarks_px, face


class _Recorder:
    """A session that keeps a copy of the last output; `Landmark.get` turns the original into pixels in place."""

    def __init__(self, session: Any):
        self._session = session

    def run(self, *arguments: Any) -> list[np.ndarray]:
        outputs = self._session.run(*arguments)
        self.raw = outputs[0][0].copy()
        return outputs


def checked_output(raw: np.ndarray, prior: InsightfacePrior) -> np.ndarray:
    """Return a network's output as float32 if it has the promised length and is finite, else raise InputError."""
    raw = np.asarray(raw, dtype=np.float32).ravel()
    if len(raw) != prior.outputs or not np.isfinite(raw).all():
        found = f"{len(raw)} numbers" if len(raw) != prior.outputs else "NaN or infinity"
        raise InputError(
            f"The model file {prior.model_file} of {prior.name} gave {found}.",
            f"It must give {prior.outputs} finite numbers a face.",
            "Check that it is the right file: llava-faba models list",
        )
    return raw


def open_session(model_file: Path, name: str, side: int, outputs: int) -> Any:
    """Open an ONNX file on one CPU thread; InputError unless it maps (1, 3, side, side) to (1, outputs)."""
    onnxruntime = import_insightface()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this one
        raise InputError(
            f"The model file {model_file} of {name} cannot be opened: {str(error).splitlines()[0]}",
            "It must be a whole ONNX file.",
            "Get it again; `llava-faba models list` says where from.",
        ) from error
    taken, given = [i.shape for i in session.get_inputs()], [o.shape for o in session.get_outputs()]
    if not (_fits(taken, (1, 3, side, side)) and _fits(given, (1, outputs))):
        raise InputError(
            f"The model file {model_file} of {name} maps {taken} to {given}.",
            f"It must map one picture [1, 3, {side}, {side}] to [1, {outputs}].",
            "Check that it is the right file: llava-faba models list",
        )
    return session


def _fits(shapes: list[list[Any]], wanted: tuple[int, ...]) -> bool:
    """Tell whether there is one tensor and its sizes are as wanted, where they are fixed at all."""
    return len(shapes) == 1 and (
        len(shapes[0]) == len(wanted)
        and all(size == want for size, want in zip(shapes[0], wanted, strict=True) if isinstance(size, int))
    )


def import_insightface() -> Any:
    """Import what the extra [insightface] brings and return onnxruntime; an error says what is missing."""
    try:
        import cv2  # noqa: F401
        import insightface  # noqa: F401
        import onnxruntime
    except ImportError as error:
        if error.name is None:  # a package is there, but not the system libraries that OpenCV's wheel links
            raise MissingDependencyError(
                f"insightface cannot be imported: {error}.",
                "OpenCV's wheel needs the system libraries libGL and libglib.",
                "Install them, on Debian and Ubuntu with: apt-get install libgl1 libglib2.0-0",
            ) from error
        raise missing_extra(error.name, "insightface", "Reading an InsightFace network") from error
    return onnxruntime
