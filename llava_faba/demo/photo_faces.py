"""Uploaded photo -> the faces the page works on, and what it draws and says about each.

A face is kept as its crop and its landmarks there; the photo itself is not kept.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from llava_faba.face.crop import CROP_SIDE, FaceCrop, find_faces
from llava_faba.face.landmarks import draw_landmarks, interocular
from llava_faba.faces import Turn
from llava_faba.vocabulary import AU_NAMES

MAX_FACES = 24  # of one photo, the largest
SHARP = 0.12  # quality.sharpness below it looks blurred
SMALL_PX = 30  # inter-ocular distance below it leaves too few pixels for small movements
TURNED_DEGREES = 30  # beyond it one half of the face hides
REGION_MARK = "#ff7a00"

# Where each AU moves the face: groups of the 68 landmarks, after the FACS names in eval/lexicon.py. Left and right of
# the face are groups of their own.
_INNER_BROWS, _OUTER_BROWS, _BROWS = ((20, 21), (22, 23)), ((17, 18, 19), (24, 25, 26)), ((17, 21), (22, 26))
_LIDS, _CHEEKS = (tuple(range(36, 42)), tuple(range(42, 48))), ((1, 31, 41), (15, 35, 46))
_CORNERS, _MOUTH = ((48,), (54,)), (tuple(range(48, 68)),)
AU_REGIONS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: _INNER_BROWS,
    2: _OUTER_BROWS,
    4: (*_BROWS, (21, 22, 27)),
    5: _LIDS,
    6: _CHEEKS,
    7: _LIDS,
    9: (tuple(range(27, 36)),),
    10: (tuple(range(48, 55)),),
    12: _CORNERS,
    14: _CORNERS,
    15: _CORNERS,
    16: ((48, *range(54, 60)),),
    17: ((7, 8, 9, 57),),
    18: _MOUTH,
    20: _MOUTH,
    23: _MOUTH,
    24: _MOUTH,
    25: _MOUTH,
    26: ((*range(48, 68), 7, 8, 9),),
    27: ((*range(48, 68), 7, 8, 9),),
    43: _LIDS,
}


@dataclass(frozen=True)
class SeenFace:
    """One face of a photo as the model gets it."""

    crop: Image.Image  # RGB, square when a face was found
    landmarks_px: np.ndarray | None  # (68, 2) in the crop; None: the whole picture, in which no face was found
    record: dict[str, Any] = field(default_factory=dict)  # box, score, affine, landmarks_px, quality, as JSON

    @cached_property
    def key(self) -> str:
        """What tells this face from every other: a hash of the pixels that the model sees."""
        return hashlib.sha256(repr(self.crop.size).encode() + self.crop.tobytes()).hexdigest()


def see_faces(photo: Image.Image) -> list[SeenFace]:
    """Find the faces of a photo, largest first; the whole picture where none is found."""
    found = find_faces(np.asarray(photo))[:MAX_FACES]
    if found:
        return [_seen(face) for face in found]
    whole = photo.copy()
    whole.thumbnail((2 * CROP_SIDE, 2 * CROP_SIDE))
    return [SeenFace(whole, None)]


def _seen(face: FaceCrop) -> SeenFace:
    return SeenFace(Image.fromarray(face.pixels), face.landmarks_in_crop, face.record())


def draw_face(face: SeenFace, landmarks: bool = True, aus: list[int] | None = None) -> Image.Image:
    """Draw what is known about a face onto its crop: the landmarks, and the region of each AU."""
    picture = face.crop.convert("RGB")
    if face.landmarks_px is None:
        return picture
    if aus:
        picture = _draw_regions(picture, face.landmarks_px, aus)
    return draw_landmarks(picture, face.landmarks_px) if landmarks else picture


def _draw_regions(picture: Image.Image, landmarks_px: np.ndarray, aus: list[int]) -> Image.Image:
    """Ring the region of each AU and write the AUs of a region beside it."""
    unit = max(interocular(landmarks_px), 1.0)
    named: dict[tuple[int, ...], list[int]] = {}
    for au in aus:
        for group in AU_REGIONS.get(au, ()):
            named.setdefault(group, []).append(au)
    draw = ImageDraw.Draw(picture)
    for group, numbers in named.items():
        points = landmarks_px[list(group)]
        (left, top), (right, bottom) = points.min(axis=0) - 0.12 * unit, points.max(axis=0) + 0.12 * unit
        draw.ellipse((left, top, right, bottom), outline=REGION_MARK, width=max(2, round(unit / 50)))
        label = " ".join(f"AU{number}" for number in numbers)
        at = (max(2.0, min(right, picture.width - 30.0 * len(numbers))), max(2.0, top - 12))
        draw.text(at, label, fill="white", stroke_fill="black", stroke_width=2)
    return picture


def warnings_of(face: SeenFace) -> list[str]:
    """Say what makes a face hard to read, each in a sentence."""
    quality = face.record.get("quality")
    if face.landmarks_px is None:
        return ["No face was found. The whole picture is used as it is, and the answers may be about anything in it."]
    if not quality:
        return []
    said = []
    if quality["interocular_px"] < SMALL_PX:
        said.append(
            f"The face is small ({quality['interocular_px']:.0f} pixels between the eyes): details cannot be seen."
        )
    if quality["sharpness"] < SHARP:
        said.append("The face is blurred: small movements cannot be seen.")
    if max(abs(quality["yaw"]), abs(quality["pitch"])) > TURNED_DEGREES:
        said.append("The head is turned far: one side of the face is hidden or foreshortened.")
    if unseen := [region for region, valid in quality["valid"].items() if not valid]:
        are = "seem" if len(unseen) > 1 or unseen[0] != "mouth" else "seems"
        said.append(f"The {' and '.join(unseen)} {are} covered or unclear: what is said about them may be invented.")
    return said


SURE = 0.5  # probability of the likeliest emotion, below which the page says that it is not sure
SHOWN = 8  # of the AUs' probabilities, the highest; recognised ones always


def labels_of(turns: list[Turn]) -> dict[str, Any]:
    """What is recognised in a conversation: the last emotion and the last AUs that an answer names."""
    from llava_faba.inference.photos import (
        recognised,  # here, because it brings torch, and the page is to be up before it
    )

    found: dict[str, Any] = {"emotion": None, "aus": []}
    for turn in turns:
        found["emotion"] = recognised("emotion", turn.answer) or found["emotion"]
        found["aus"] = recognised("au", turn.answer) or found["aus"]
    return found


def au_name(number: int) -> str:
    """The AU with its FACS name: "AU12 lip corner puller"."""
    return f"AU{number} {AU_NAMES.get(number, '')}".strip()


def labels_html(found: Mapping[str, Any], chances: Mapping[str, Mapping[str, float]]) -> str:
    """The labels as a list that reads well on paper, on a phone and aloud."""
    emotion = found.get("emotion")
    aus = found.get("aus") or []
    parts = ["<h3>Emotion</h3>"]
    unsure = max(chances.get("emotion", {}).values(), default=1.0) < SURE
    named = [f"not sure: {emotion}?"] if emotion and unsure else [emotion] if emotion else []
    parts.append(_chips(named, "None is named in the answers so far."))
    parts.append(_meters([(name, value, name == emotion) for name, value in chances.get("emotion", {}).items()]))
    parts += ["<h3>Action units</h3>", _chips(map(au_name, aus), "None is named in the answers so far.")]
    likely = sorted(((int(key[2:]), value) for key, value in chances.get("au", {}).items()), key=lambda pair: -pair[1])
    rows = [(number, value) for place, (number, value) in enumerate(likely) if place < SHOWN or number in aus]
    parts.append(_meters([(au_name(number), value, number in aus) for number, value in rows]))
    if chances:
        parts.append("<p class='faba-note'>Bars: how sure the answer is of it, in per cent.</p>")
    return f"<section class='faba-labels' aria-live='polite'>{''.join(parts)}</section>"


def _chips(names: Any, empty: str) -> str:
    chips = "".join(f"<li>{escape(name)}</li>" for name in names)
    return f"<ul class='faba-chips'>{chips}</ul>" if chips else f"<p class='faba-note'>{empty}</p>"


def _meters(rows: list[tuple[str, float, bool]]) -> str:
    if not rows:
        return ""
    items = "".join(
        f"<li{' class=faba-named' if named else ''}><span>{escape(name)}</span>"
        f"<meter min='0' max='1' value='{value:.4f}' aria-label='{escape(name)}: {value:.0%}'></meter>"
        f"<b>{value:.0%}</b></li>"
        for name, value, named in rows
    )
    return f"<ul class='faba-meters'>{items}</ul>"
