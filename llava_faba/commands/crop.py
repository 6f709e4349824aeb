"""Cut faces out of photos: level eyes, one square picture a face, and a record of its origin and quality.

IN is a photo or a folder of photos (searched with its subfolders); OUT is a folder. It gets one picture a face, named
as its photo (with --faces all: NAME_0, NAME_1, ..., largest first), `faces.jsonl` (a line a face: crop, photo, box,
score, the affine map from crop pixels to photo pixels, landmarks, quality) and `failed.jsonl` (photo, reason). In
quality, `valid` says for brows, eyes and mouth whether they were seen or are covered.

examples:
  llava-faba crop photo.jpg faces
  llava-faba crop photos faces --faces all --overlay
  llava-faba crop group.jpg faces --faces 2 --size 512 --margin 0.4
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", metavar="IN", help="a photo, or a folder of photos")
    parser.add_argument("output", metavar="OUT", help="the folder for the crops")
    parser.add_argument("--faces", default="largest", help="all, largest, or an index from 0 (default: largest)")
    parser.add_argument(
        "--detector", default="dlib", help="dlib or hog (offline), or insightface with an SCRFD model file"
    )
    parser.add_argument(
        "--detector-model", metavar="FILE", help="the SCRFD file (default: det_10g.onnx where it is found)"
    )
    parser.add_argument("--det-size", type=int, default=640, help="px: what SCRFD is fed with (default: 640)")
    parser.add_argument("--size", type=int, default=336, help="side of a crop in pixels (default: 336)")
    parser.add_argument("--margin", type=float, default=0.25, help="room around the face, of its side (default: 0.25)")
    parser.add_argument("--search-side", type=int, help="px: longer side at which --faces all looks (default: 1600)")
    parser.add_argument("--overlay", action="store_true", help="also draw boxes and landmarks on each photo: overlays/")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="write the faces as JSON; - or nothing: stdout"
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from llava_faba.commands.output import emit_json, say_written
    from llava_faba.face.crop import build_detector, find_faces, parse_faces
    from llava_faba.face.detectors import WHOLE_SIDE
    from llava_faba.face.images import read_pixels
    from llava_faba.face.model_files import require_model
    from llava_faba.files import write_atomically

    if args.detector == "insightface" and args.detector_model is None:
        args.detector_model = require_model("det_10g", "The detector insightface")
    detector = build_detector(args.detector, args.detector_model, args.det_size)
    options = {
        "detector": detector,
        "side": args.size,
        "margin": args.margin,
        "search_side": args.search_side or WHOLE_SIDE,
    }
    check_ranges(args)
    choice, source, output = parse_faces(args.faces), Path(args.input), Path(args.output)
    photos = list(photos_of(source))
    records: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    taken: set[str] = set()
    for photo in tqdm(photos, unit="photo", disable=True if len(photos) < 2 else None):
        name = photo.relative_to(source).as_posix() if source.is_dir() else photo.name
        try:
            pixels = read_pixels(photo)
            faces = find_faces(pixels, choice, **options)
        except InputError as error:
            if isinstance(error, ImportError):  # what is missing for one photo is missing for all
                raise
            failures.append({"photo": name, "reason": str(error)})
            continue
        if not faces:
            missing = f"no face {choice}, largest first" if isinstance(choice, int) else "no face found"
            failures.append({"photo": name, "reason": missing})
        stem = name if (stem := str(Path(name).with_suffix(""))) in taken else stem
        taken.add(stem)
        for index, face in enumerate(faces):
            crop = f"{stem}_{index}.jpg" if choice == "all" else f"{stem}.jpg"
            write_atomically(output / crop, jpeg(face.pixels))
            records.append({"crop": crop, "photo": name, **face.record()})
        if args.overlay and faces:
            write_atomically(output / "overlays" / f"{stem}.jpg", jpeg(overlay(pixels, faces)))
    for file, lines in (("faces.jsonl", records), ("failed.jsonl", failures)):
        write_atomically(output / file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    if args.json:
        emit_json(records, args.json)
    for failure in failures[:5]:
        print(f"{failure['photo']}: {failure['reason']}", file=sys.stderr)
    say_written(
        output,
        f"{len(records)} faces from {len(photos) - len(failures)} of {len(photos)} photos"
        + (f"; {len(failures)} without: {output / 'failed.jsonl'}" if failures else ""),
    )
    return 0 if records else 1


def photos_of(source: Path) -> Iterator[Path]:
    """Yield the photo itself, or the pictures in a folder and its subfolders, by name; none is an InputError."""
    from llava_faba.face.images import SUFFIXES

    if not source.is_dir():
        if not source.is_file():
            raise MissingFileError(
                f"{source} does not exist.", "IN is a photo or a folder of photos.", "Check the path."
            )
        yield source
        return
    photos = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not photos:
        raise InputError(
            f"The folder {source} holds no pictures.",
            f"Pictures end in {', '.join(SUFFIXES)}.",
            "Give the folder that holds them.",
        )
    yield from photos


def check_ranges(args: argparse.Namespace) -> None:
    """Refuse sizes that no crop can have."""
    for flag, value, low, high in (
        ("--size", args.size, 16, 4096),
        ("--margin", args.margin, -0.3, 4.0),
        ("--det-size", args.det_size, 128, 2048),
        ("--search-side", args.search_side or 1600, 80, 8000),
    ):
        if not low <= value <= high:
            raise InputError(f"{flag} is {value}.", f"It lies between {low} and {high}.", "Choose a value in between.")


def overlay(pixels: Any, faces: list[Any]) -> Any:
    """Return the photo with the box and the landmarks of each face drawn on it."""
    import numpy as np
    from PIL import Image

    from llava_faba.face.landmarks import draw_landmarks

    picture = Image.fromarray(pixels)
    for face in faces:
        box = face.box
        picture = draw_landmarks(picture, face.landmarks_px, np.array([box.left, box.top, box.right, box.bottom]))
    return np.asarray(picture)


def jpeg(pixels: Any) -> bytes:
    """Encode pixels as a JPEG without chroma subsampling, which would blur lips and lids."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()
