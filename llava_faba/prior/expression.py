"""`expression`: seven expression scores by small convolutional networks that were trained on labelled faces.

Each network sees a grey crop of 64 px in which the eyes are level, and dlib's 68 landmarks. The scores are the mean of
all networks over the crop and its mirror image: logarithms of shares, centred, so that only differences count. The
shipped networks were trained by scripts/make_starter.sh; `facial_prior_model` names a file of others. They are small
enough for numpy: 20 ms a face on one core.
"""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from llava_faba.errors import InputError
from llava_faba.face.crop import alignment, warp
from llava_faba.face.detectors import DlibDetector
from llava_faba.face.landmarks import MIRRORED, to_eye_frame
from llava_faba.files import existing_file, file_hash
from llava_faba.prior.base import FacialPrior
from llava_faba.vocabulary import EMOTIONS

SHIPPED = Path(__file__).parents[1] / "starter" / "expression.safetensors"
PREPROCESSING = "grey64-1"  # raise it when the crop or its normalisation changes
SIDE, MARGIN = 64, 0.08  # px; of the face's side, on each of the four sides
DTYPES = {"F16": np.float16, "F32": np.float32}
CONVOLUTIONS = (("0", 2, False), ("1", 1, True), ("2", 1, False), ("3", 1, True), ("4", 1, False), ("5", 1, False))


class Expression(FacialPrior):
    """Scores of the seven expressions, in the order of EMOTIONS; unread where no face is found.

    >>> Expression().read(pixels)  # doctest: +SKIP
    array([ 2.1, -1.3, ...], dtype=float32)
    """

    name = "expression"
    dim = len(EMOTIONS)
    shared_by_forking = True

    def __init__(self, model_file: Path | str | None = None) -> None:
        self._named = model_file
        self._detector = DlibDetector()

    @cached_property
    def model_file(self) -> Path:
        """The file of the networks."""
        remedy = "bash scripts/make_starter.sh FACES.csv OUT makes such a file."
        return existing_file(self._named or SHIPPED, "expression networks", remedy)

    @cached_property
    def version(self) -> str:
        landmarks = file_hash(self._detector.model_file)[:8]
        return f"{file_hash(self.model_file)[:16]}-{landmarks}-{PREPROCESSING}-{self._detector.version}"

    def read(self, crop: np.ndarray) -> np.ndarray | None:
        landmarks_px = self.landmarks_px(crop)
        seen = None if landmarks_px is None else face_inputs(crop, landmarks_px)
        return None if seen is None else self.scores(*seen)

    def landmarks_px(self, crop: np.ndarray) -> np.ndarray | None:
        box = self._detector.find_one(crop)
        return None if box is None else self._detector.fit(crop, box)

    def scores(self, grey: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Return the scores (7,) of a grey crop (64, 64) and landmarks (68, 2), both as `face_inputs` gives them."""
        crops = np.stack([standardised(grey), standardised(grey[:, ::-1])])[:, None]  # (2, 1, 64, 64)
        shapes = np.stack([shape, mirrored(shape)]).reshape(2, -1)  # (2, 136)
        found = np.stack([network_scores(weights, crops, shapes) for weights in self._networks])  # (nets, 2, 7)
        mean = found.mean(axis=(0, 1))
        return (mean - mean.mean()).astype(np.float32)

    @cached_property
    def _networks(self) -> list[dict[str, np.ndarray]]:
        tensors = read_tensors(self.model_file)
        numbers = sorted({name.split(".")[0] for name in tensors})
        return [
            {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith(f"{number}.")}
            for number in numbers
        ]


def face_inputs(pixels: np.ndarray, landmarks_px: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a face's upright grey crop, uint8 (64, 64), and its landmarks (68, 2) in the frame of the eyes."""
    shape = to_eye_frame(landmarks_px)
    if shape is None:
        return None
    crop = warp(pixels, alignment(landmarks_px, SIDE, MARGIN), SIDE)
    return np.asarray(Image.fromarray(crop).convert("L")), shape


def standardised(grey: np.ndarray) -> np.ndarray:
    """Return a grey crop with mean 0 and about spread 1, float32: light and contrast say nothing."""
    unit = grey.astype(np.float32) / 255
    return (unit - unit.mean()) / (unit.std() + 0.05)


def mirrored(shape: np.ndarray) -> np.ndarray:
    """Return landmarks (68, 2) in the frame of the eyes as the mirror image of the face has them."""
    return shape[list(MIRRORED)] * [-1, 1]


def network_scores(weights: dict[str, np.ndarray], crops: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Run one network on crops (B, 1, 64, 64) and landmarks (B, 136); return logarithms of shares (B, 7)."""
    x = crops
    for name, stride, halved in CONVOLUTIONS:
        x = np.maximum(_convolve(x, weights[f"conv{name}.weight"], weights[f"conv{name}.bias"], stride), 0)
        if halved:
            x = x.reshape(*x.shape[:2], x.shape[2] // 2, 2, x.shape[3] // 2, 2).max(axis=(3, 5))
    quarters = x.reshape(*x.shape[:2], 2, x.shape[2] // 2, 2, x.shape[3] // 2).mean(axis=(3, 5)).reshape(len(x), -1)
    shape = (shapes - weights["shape.mean"]) / weights["shape.std"]
    hidden = np.maximum(shape @ weights["shape.weight"].T + weights["shape.bias"], 0)
    joined = np.concatenate([quarters, hidden], axis=1)  # (B, 448 at 24 channels)
    logits = joined @ weights["head.weight"].T + weights["head.bias"]
    largest = logits.max(axis=1, keepdims=True)
    return logits - largest - np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))


def _convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """Convolve (B, C, height, width) with (out, C, k, k), borders filled with zeros."""
    border = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]  # (B, C, height, width, k, k)
    return np.tensordot(windows, weight, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2) + bias[:, None, None]


def read_tensors(file: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file as float32 arrays; the format is a length, a JSON header and raw numbers.

    https://github.com/huggingface/safetensors/blob/main/README.md#format
    """
    data = Path(file).read_bytes()
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: _tensor(data[8 + length :], entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The file {file} holds no expression networks: {error}.",
            "It is a safetensors file that scripts/make_starter.sh wrote.",
            "Check the path.",
        ) from error


def _tensor(data: bytes, entry: dict) -> np.ndarray:
    start, end = entry["data_offsets"]
    numbers = np.frombuffer(data[start:end], DTYPES[entry["dtype"]])
    return numbers.reshape(entry["shape"]).astype(np.float32)
