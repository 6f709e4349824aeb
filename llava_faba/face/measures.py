"""Landmarks of one face in one photo -> measures of its mouth, brows and lids, in inter-ocular distances.

The face lies in the frame of its eyes (`landmarks.to_eye_frame`), which takes place, size and roll out. Left and right
are as seen in the picture. What was covered, or is seen too much from the side or from above or below, is None, with
its reason.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llava_faba.face.crop import FaceCrop, find_faces
from llava_faba.face.detectors import Detector
from llava_faba.face.landmarks import NOSE_TIP, head_pose, to_eye_frame

UNIT = "inter-ocular distances"
MAX_YAW = 25.0  # degrees: beyond, one half of the face is foreshortened
MAX_PITCH = 30.0  # degrees: beyond, heights shrink; the estimate itself is good to some ten degrees

SIDED = {  # measured left and right; their mean goes by the plain name -> the region whose landmarks it needs
    "mouth_corner_height": "mouth",  # above the centre of the lips
    "mouth_corner_reach": "mouth",  # that, and how far out from there: a smile pulls both ways
    "brow_inner_height": "brows",  # above the line through the corners of the eye beneath
    "brow_outer_height": "brows",
    "lid_aperture": "eyes",
}
SINGLE = {"mouth_width": "mouth", "lip_opening": "mouth"}
SINGLE |= {"jaw_drop": "mouth"}  # from the nose down to the chin
SINGLE |= {"brow_distance": "brows", "brow_furrow": "brows"}  # how low the inner brows are, and half how close
REGION = SIDED | SINGLE
SIDES = ("left", "right")


@dataclass(frozen=True)
class MeasuredFace:
    """What was measured of a face, and why the rest was not."""

    values: dict[str, float | None]  # each measure; those of SIDED also as NAME_left, NAME_right
    nose_tip: float  # below the eyes: larger in a face that looks down, whatever its expression
    reasons: dict[str, str] = field(default_factory=dict)  # of those that are None

    def record(self) -> dict[str, dict[str, Any]]:
        """Return the measures as JSON can hold them."""
        return {
            name: {"value": value if value is None else round(value, 4), "unit": UNIT}
            for name, value in self.values.items()
        }


def measure_photo(pixels: np.ndarray, detector: Detector | None = None) -> MeasuredFace | None:
    """Measure the largest face of a photo, RGB uint8 (height, width, 3); None where no face is found."""
    found = find_faces(pixels, "largest", detector=detector)
    return measure_crop(found[0]) if found else None


def measure_crop(face: FaceCrop) -> MeasuredFace | None:
    """Measure a face that was cut out with its quality; None where its two eyes fall on one point."""
    assert face.quality is not None, "the validity of its regions is part of a face's quality"
    return measure_landmarks(face.landmarks_px, face.quality.valid)


def measure_landmarks(landmarks_px: np.ndarray, valid: dict[str, bool]) -> MeasuredFace | None:
    """Measure a face by 68 landmarks (68, 2) and the validity of brows, eyes and mouth; None as `measure_crop`."""
    shape = to_eye_frame(landmarks_px)
    if shape is None:
        return None
    pitch, yaw, _ = head_pose(landmarks_px)
    turned = ""
    if abs(yaw) > MAX_YAW or abs(pitch) > MAX_PITCH:
        turned = f"the head is turned away (yaw {yaw:.0f}, pitch {pitch:.0f} degrees)"
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for name, value in _measures(shape).items():
        region = REGION[plain_name(name)]
        reason = turned or ("" if valid[region] else f"the {region} were not seen well")
        values[name] = None if reason else value
        if reason:
            reasons[name] = reason
    return MeasuredFace(values, float(shape[NOSE_TIP, 1]), reasons)


def plain_name(name: str) -> str:
    """Return the name of a measure without its side."""
    return name.removesuffix("_left").removesuffix("_right")


def _measures(shape: np.ndarray) -> dict[str, float]:
    """Every measure of landmarks (68, 2) in the frame of the eyes, y down."""
    distance = lambda one, other: float(np.linalg.norm(shape[one] - shape[other]))  # noqa: E731
    lips = shape[[51, 57, 62, 66]].mean(axis=0)  # centre of the outer and inner edges: a falling jaw takes it along
    eye_lines = {"left": shape[[36, 39], 1].mean(), "right": shape[[42, 45], 1].mean()}  # corners: lids would blink
    sided = {
        "mouth_corner_height": {"left": lips[1] - shape[48, 1], "right": lips[1] - shape[54, 1]},
        "mouth_corner_reach": {
            "left": (lips - shape[48]).sum(),
            "right": lips[1] - shape[54, 1] + shape[54, 0] - lips[0],
        },
        "brow_inner_height": {"left": shape[[20, 21], 1], "right": shape[[22, 23], 1]},
        "brow_outer_height": {"left": shape[[17, 18], 1], "right": shape[[25, 26], 1]},
        "lid_aperture": {
            "left": (distance(37, 41) + distance(38, 40)) / 2,
            "right": (distance(43, 47) + distance(44, 46)) / 2,
        },
    }
    for name in ("brow_inner_height", "brow_outer_height"):
        sided[name] = {side: eye_lines[side] - heights.mean() for side, heights in sided[name].items()}
    measures = {name: sum(sides.values()) / 2 for name, sides in sided.items()}
    measures |= {f"{name}_{side}": value for name, sides in sided.items() for side, value in sides.items()}
    measures |= {
        "mouth_width": distance(48, 54),
        "lip_opening": (distance(61, 67) + distance(62, 66) + distance(63, 65)) / 3,
        "jaw_drop": distance(33, 8),
        "brow_distance": distance(21, 22),
        "brow_furrow": -measures["brow_inner_height"] - distance(21, 22) / 2,
    }
    return {name: float(value) for name, value in measures.items()}
