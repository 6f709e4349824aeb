"""A described face's record -> the same with what was measured, and each answer's evidence: for JSON and the demo."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from llava_faba.errors import InputError
from llava_faba.evidence.photo import check_photo
from llava_faba.face.crop import FaceCrop
from llava_faba.face.images import read_pixels
from llava_faba.face.measures import MeasuredFace, measure_crop, measure_photo
from llava_faba.files import existing_file, resolve_inside

REMEDY = "Image paths are relative to --image-root; give the right folder."


def add_evidence(
    record: dict[str, Any], pixels: np.ndarray, found: FaceCrop | None = None, neutral: MeasuredFace | None = None
) -> None:
    """Put `measured` (name -> value and unit) into a face's record, and `evidence` into each of its `answers`.

    The face is the largest in `pixels` RGB uint8 (height, width, 3), or `found`, cut out with its quality. `measured`
    is None where there is no face, `evidence` (as `check_photo` gives it) where there is no answer. `neutral` is the
    same person's face at rest.
    """
    face = measure_crop(found) if found else measure_photo(pixels)
    record["measured"] = face and face.record()
    for answer in record["answers"]:
        answer["evidence"] = None if answer["answer"] is None else check_photo(answer["answer"], face, neutral)


def read_neutral(photo: Path | str) -> MeasuredFace:
    """Measure the photo of a person at rest; raises InputError where no face is found in it."""
    face = measure_photo(read_pixels(photo))
    if face is None:
        raise InputError(
            f"No face was found in the neutral photo {photo}.",
            "It shows the same person's face at rest, from the front.",
            "Give another photo, or leave it out: population norms are then used.",
        )
    return face


class AnsweredFaces:
    """The faces of a file of answers, each measured once: the judge of `score --evidence`."""

    def __init__(self, image_root: Path | str, images: Iterable[str]):
        """Measure all of `images`, relative to `image_root`; raises InputError for one that is missing or broken."""
        wanted = list(dict.fromkeys(images))
        files = [existing_file(resolve_inside(image_root, image, image), "image", REMEDY) for image in wanted]
        pairs = zip(wanted, tqdm(files, desc="evidence", unit="face", disable=None), strict=True)
        self._faces = {image: measure_photo(read_pixels(file)) for image, file in pairs}

    def judge(self, text: str, image: str) -> dict[str, Any]:
        """Judge a text by the face in one of the images, as `check_photo`."""
        return check_photo(text, self._faces[image])
