"""InsightFace's networks as priors, loaded and fed by insightface's own code.

| prior | network | what is fed | vector |
|---|---|---|---|
| `emola_2d106` | 2d106det.onnx | the whole picture squashed to 192 x 192, BGR, 0..1 | raw output, 212 |
| `insightface_2d106` | 2d106det.onnx | the face box times 1.5, RGB, 0..255 | raw output, 212 |
| `insightface_1k3d68` | 1k3d68.onnx | the same | 68 points (x, y, z), raw, and pitch, yaw, roll in degrees, 207 |
| `insightface_arcface` | w600k_r50.onnx | five points aligned to 112 x 112, RGB | embedding of unit length, 512 |

`emola_2d106` is what EmoLA's checkpoints were trained on. It is a deliberate oddity, kept for them: the graph itself
subtracts 127.5 and divides by 128, so that a picture in 0..1 reaches the network with 1/255 of its nominal contrast
(https://github.com/JackYFL/EmoLA/blob/0cd4a12/feature_extraction/landmark/landmark_features.py#L43-L83).

The face is found by dlib, or, where the model file is given as the folder of a pack, by that pack's own detector. One
picture is run at a time: on a CPU a batch of eight costs a network of this size a third more time a picture than eight
single runs, and so a vector cannot depend on its neighbours.
"""

import copy
import os
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.face.detectors import Detector, DlibDetector, FaceBox, ScrfdDetector
from llava_faba.face.landmarks import N_LANDMARKS, five_points
from llava_faba.face.model_files import find_model, model_of, require_model
from llava_faba.face.onnx import open_session
from llava_faba.files import existing_file, file_hash
from llava_faba.prior.base import FacialPrior

SIDE = 192  # px: what the landmark networks take in
ARCFACE_SIDE = 112
N_POINTS = 106
UNIT = (np.arange(256) / 255.0).astype(np.float32)  # what EmoLA's division in float64 makes of each level
DETECTORS = ("det_10g.onnx", "det_2.5g.onnx", "det_500m.onnx", "scrfd_10g_bnkps.onnx")  # of InsightFace's packs


class InsightfacePrior(FacialPrior):
    """A prior read from one of InsightFace's ONNX files, which is opened at the first use in each process."""

    model: str  # its name in MODELS
    preprocessing: str  # raise it when what is fed to the network changes
    outputs: int  # numbers in the network's output
    side: int = SIDE

    def __init__(self, model_file: str | Path | None = None):
        """`model_file` is the ONNX file, or the folder of a pack; None: looked for when it is first needed."""
        self._given = model_file
        self._pack = Path(model_file) if model_file is not None and Path(model_file).is_dir() else None
        if model_file is not None:
            path = self._in_pack() if self._pack else Path(model_file)
            self._path: Path | None = existing_file(path, f"model file of {self.name}", "Give the ONNX file's path.")
        else:
            self._path = find_model(self.model)
        self._lock = threading.RLock()
        self._process = os.getpid()

    @property
    def model_file(self) -> Path:
        """The network's file; MissingFileError where none was given and none is found."""
        self._path = self._path or require_model(self.model, f"The facial prior {self.name}")
        return self._path

    def _in_pack(self) -> Path:
        assert self._pack is not None
        return self._pack / model_of(self.model).file

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
        session = open_session(self.model_file, self.name, self.side, self.outputs)
        return self._wrap(session)

    def _wrap(self, session: Any) -> Any:
        from insightface.model_zoo.landmark import Landmark

        return Landmark(model_file=str(self.model_file), session=session)

    def _checked(self, raw: np.ndarray) -> np.ndarray:
        """Return a network's output as float32 if it has the promised length and is finite, else raise InputError."""
        raw = np.asarray(raw, dtype=np.float32).ravel()
        if len(raw) != self.outputs or not np.isfinite(raw).all():
            found = f"{len(raw)} numbers" if len(raw) != self.outputs else "NaN or infinity"
            raise InputError(
                f"The model file {self.model_file} of {self.name} gave {found}.",
                f"It must give {self.outputs} finite numbers a face.",
                "Check that it is the right file: llava-faba models list",
            )
        return raw

    def __getstate__(self) -> dict[str, Any]:
        return {"model_file": self._given}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


class Emola2d106(InsightfacePrior):
    """The vector that EmoLA's released code saves for a face picture; it never looks for the face."""

    name = "emola_2d106"
    dim = outputs = 2 * N_POINTS  # 106 (x, y) pairs = 212 numbers, nominally in -1..1 of the picture
    normalisation = "none"  # EmoLA feeds it to the projector as it is
    model = "2d106det"
    preprocessing = "emola1"

    def read(self, crop: np.ndarray) -> np.ndarray:
        network = self.network
        return self._checked(network.session.run(network.output_names, {network.input_name: emola_blob(crop)})[0][0])

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray:
        return (self.read(crop).reshape(-1, 2) + 1) / 2 * (crop.shape[1], crop.shape[0])


class BoxedPrior(InsightfacePrior):
    """A prior that looks for the face first."""

    def __init__(self, model_file: str | Path | None = None):
        super().__init__(model_file)
        scrfd = [self._pack / name for name in DETECTORS if (self._pack / name).is_file()] if self._pack else []
        self._detector: Detector = ScrfdDetector(scrfd[0]) if scrfd else DlibDetector()

    @cached_property
    def version(self) -> str:
        scrfd = f":{file_hash(self._detector.model_file)[:8]}" if isinstance(self._detector, ScrfdDetector) else ""
        return f"{file_hash(self.model_file)[:16]}-{self.preprocessing}-{self._detector.version}{scrfd}"

    def find(self, crop: np.ndarray) -> FaceBox | None:
        """Return the face that is measured. The network is opened first: a wrong file is an error, face or no face."""
        _ = self.network
        return self._detector.find_one(crop)


class Insightface2d106(BoxedPrior):
    """106 landmarks as insightface's `Landmark` reads them, as numbers of the square that it cuts out."""

    name = "insightface_2d106"
    dim = outputs = 2 * N_POINTS
    model = "2d106det"
    preprocessing = "box1.5"

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        box = self.find(crop)
        return None if box is None else self.measure(crop, box)[0]

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        box = self.find(crop)
        return None if box is None else self.measure(crop, box)[1][:, :2]

    def measure(self, pixels: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray]:
        """Measure the face in `box` of RGB pixels; return the vector and the landmarks in pixels."""
        raw, landmarks_px, _ = run_landmark(self.network, pixels, box)
        return self._checked(raw), landmarks_px


class Insightface1k3d68(Insightface2d106):
    """68 landmarks in three dimensions and the head's pose."""

    name = "insightface_1k3d68"
    dim = 3 * N_LANDMARKS + 3  # 68 (x, y, z) and pitch, yaw, roll in degrees = 207 numbers
    outputs = 3309  # 1,103 points; insightface takes the last 68
    model = "1k3d68"

    def measure(self, pixels: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray]:
        raw, landmarks_px, face = run_landmark(self.network, pixels, box)
        points = self._checked(raw).reshape(-1, 3)[-N_LANDMARKS:]
        return np.concatenate([points.ravel(), np.asarray(face["pose"], dtype=np.float32)]), landmarks_px


class InsightfaceArcface(BoxedPrior):
    """ArcFace's embedding: it tells people apart, so it is a biometric, used only when it is asked for by name."""

    name = "insightface_arcface"
    dim = outputs = 512
    side = ARCFACE_SIDE
    model = "w600k_r50"
    preprocessing = "arc112"
    identifies = True

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        points = self.landmarks_px(crop)
        if points is None:
            return None
        from insightface.utils.face_align import norm_crop

        aligned = norm_crop(np.ascontiguousarray(crop[..., ::-1]), points, self.side)
        embedding = self._checked(self.network.get_feat(aligned))
        length = np.linalg.norm(embedding)
        return embedding / length if length > 0 else None

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        box = self.find(crop)
        if box is None:
            return None
        return np.array(box.points) if box.points else five_points(self._detector.fit(crop, box))

    def _wrap(self, session: Any) -> Any:
        from insightface.model_zoo.arcface_onnx import ArcFaceONNX

        return ArcFaceONNX(model_file=str(self.model_file), session=session)


def emola_blob(crop: np.ndarray) -> np.ndarray:
    """Prepare a face picture as EmoLA does: BGR, squashed to 192 x 192, 0..1; float32 (1, 3, 192, 192).

    Source: EmoLA feature_extraction/landmark/landmark_features.py, lines 43-49 and 71-83, commit 0cd4a12.
    """
    import cv2

    squashed = cv2.resize(cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2BGR), (SIDE, SIDE))
    return UNIT[np.ascontiguousarray(squashed.transpose(2, 0, 1))][None]


def run_landmark(network: Any, pixels: np.ndarray, box: FaceBox) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Run insightface's `Landmark.get`; return the raw output that it saw, the landmarks in pixels, and its face."""
    import cv2
    from insightface.app.common import Face

    network = copy.copy(network)  # its session is replaced for this call only; other threads keep theirs
    network.session = recorder = _Recorder(network.session)
    face = Face(bbox=np.array([box.left, box.top, box.right, box.bottom], dtype=np.float64))
    landmarks_px = network.get(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR), face)
    return recorder.raw, landmarks_px, face


class _Recorder:
    """A session that keeps a copy of the last output; `Landmark.get` turns the original into pixels in place."""

    def __init__(self, session: Any):
        self._session = session

    def run(self, *arguments: Any) -> list[np.ndarray]:
        outputs = self._session.run(*arguments)
        self.raw = outputs[0][0].copy()
        return outputs
