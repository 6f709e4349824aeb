"""Pictures -> aligned faces that can be asked about: each cut out, measured and recorded once, also over a stop.

WORK/faces.jsonl has a line a picture: its crop's SHA-256, quality and measures, or the rule by which it was left out.
A crop keeps the name of its picture, so that an annotation file serves the crops' folder and the pictures' alike.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.errors import InputError, MissingFileError
from llava_faba.face.crop import find_faces
from llava_faba.face.images import SUFFIXES, read_pixels
from llava_faba.face.measures import MeasuredFace, measure_crop
from llava_faba.files import JsonLines, file_hash, write_atomically

FACES, CROPS = "faces.jsonl", "crops"
LEAST_PX = 16.0  # inter-ocular distance in the photo: below, lids and lips are a pixel or two wide
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "PNG"}


@dataclass(frozen=True)
class Face:
    """A face that can be asked about."""

    image: str  # relative to the folder of pictures, and to that of crops
    file: Path  # what is sent
    sha256: str  # of what is sent
    measured: MeasuredFace | None  # None where landmarks could not be fitted
    quality: dict[str, Any] | None


def list_pictures(source: Path) -> tuple[Path, list[str]]:
    """Return the folder of the pictures and their names in it, sorted; `source` is a folder, a picture or a text file.

    A text file (.txt) lists pictures relative to its own folder, one a line. Raises InputError where there are none.
    """
    if source.is_dir():
        names = [p.relative_to(source).as_posix() for p in source.rglob("*") if p.suffix.lower() in SUFFIXES]
        root = source
    elif source.is_file() and source.suffix.lower() == ".txt":
        root, names = source.parent, source.read_text().split("\n")
        names = [name.strip() for name in names if name.strip()]
    elif source.is_file():
        root, names = source.parent, [source.name]
    else:
        raise MissingFileError(
            f"{source} does not exist.", "IMAGES is a folder, a picture or a .txt list.", "Check the path."
        )
    missing = [name for name in names if not (root / name).is_file() or Path(name).is_absolute() or ".." in name]
    if not names or missing:
        raise InputError(
            f"{source} "
            + (f"lists {missing[0]!r}, which is no file inside {root}." if missing else "has no pictures."),
            f"Pictures end in {', '.join(SUFFIXES)} and lie inside the folder.",
            "Give the folder that holds them.",
        )
    return root, sorted(set(names))


def prepare_faces(root: Path, names: list[str], work: Path, aligned: bool) -> Iterator[tuple[Face | None, str]]:
    """Yield each picture's face, in order, or None with the rule and the reason by which it was left out.

    `aligned` pictures are sent as they are; otherwise the largest face is cut out and turned upright. What is recorded
    in WORK is not done again, unless the picture has changed.
    """
    with JsonLines(work / FACES) as lines:
        known = {line["image"]: line for line in lines}
        for name in names:
            line = known.get(name)
            if line is None or line["picture_sha256"] != file_hash(root / name):
                line = {"image": name, "picture_sha256": file_hash(root / name), **_cut(root, name, work, aligned)}
                lines.append(line)
            yield (None, line["left_out"]) if "left_out" in line else (face_of(line, root, work), "")


def read_faces(work: Path, root: Path) -> dict[str, Face]:
    """Return the faces that are recorded in WORK, by image."""
    from llava_faba.files import read_json_lines

    lines = {line["image"]: line for line in read_json_lines(work / FACES)}
    return {name: face_of(line, root, work) for name, line in lines.items() if "left_out" not in line}


def face_of(line: dict[str, Any], root: Path, work: Path) -> Face:
    """Return the face that a line of faces.jsonl records."""
    folder = root if line["aligned"] else work / CROPS
    measured = line["measured"] and MeasuredFace(**line["measured"])
    return Face(line["image"], folder / line["image"], line["sha256"], measured, line["quality"])


def _cut(root: Path, name: str, work: Path, aligned: bool) -> dict[str, Any]:
    try:
        pixels = read_pixels(root / name)
        found = find_faces(pixels, "largest")
    except InputError as error:
        if isinstance(error, ImportError):  # what is missing for one picture is missing for all
            raise
        return {"left_out": f"unreadable-picture: {error}"}
    if not found and not aligned:
        return {"left_out": "no-face-found: no face was found in the picture"}
    if not aligned and found[0].quality.interocular_px < LEAST_PX:
        size = found[0].quality.interocular_px
        return {"left_out": f"too-small: the eyes are {size:.0f} px apart, {LEAST_PX:.0f} are needed"}
    if not aligned:
        write_atomically(work / CROPS / name, _encode(found[0].pixels, FORMATS[Path(name).suffix.lower()]))
    face = measure_crop(found[0]) if found else None
    return {
        "aligned": aligned,
        "sha256": file_hash((root if aligned else work / CROPS) / name),
        "measured": face and {"values": face.values, "nose_tip": face.nose_tip, "reasons": face.reasons},
        "quality": found[0].quality.record() if found else None,
    }


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=95)
    return buffer.getvalue()
