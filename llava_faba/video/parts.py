"""The parts of a face that the motion encoder looks at, as tables of landmarks: dlib's 68 and insightface's 106 points.

Every part of a table has the same number of points, so that attention can also run across the parts; a point may stand
in two parts (the corners of the mouth) or twice in one.
"""

from dataclasses import dataclass

import numpy as np

from llava_faba.errors import InputError


@dataclass(frozen=True)
class PointLayout:
    """One numbering of landmarks."""

    points: int
    parts: dict[str, list[int]]  # part -> its points, as many in each
    region: dict[str, str]  # part -> brows, eyes or mouth, whose validity is the part's; absent: valid with the face
    stable: list[int]  # points that no expression moves
    eyes: tuple[list[int], list[int]]  # left and right, whose means are the eye centres
    nose_tip: int

    @property
    def table(self) -> np.ndarray:
        """The parts' points (K, L)."""
        return np.array(list(self.parts.values()))


REGION_OF_PART = {
    "left_brow": "brows",
    "right_brow": "brows",
    "left_eye": "eyes",
    "right_eye": "eyes",
    "upper_lip": "mouth",
    "lower_lip": "mouth",
}

DLIB_68 = PointLayout(
    points=68,
    parts={
        "left_eye": [36, 37, 38, 39, 40, 41],
        "left_brow": [17, 18, 19, 20, 21, 21],
        "right_eye": [42, 43, 44, 45, 46, 47],
        "right_brow": [22, 22, 23, 24, 25, 26],
        "nose": [27, 29, 30, 31, 33, 35],
        "lower_lip": [48, 59, 57, 55, 54, 66],
        "upper_lip": [48, 50, 51, 52, 54, 62],
    },
    region=REGION_OF_PART,
    stable=[36, 39, 42, 45, 27, 28, 29, 30, 33],
    eyes=(list(range(36, 42)), list(range(42, 48))),
    nose_tip=30,
)

# TraMP-Former's seven parts of nine points (arXiv 2504.09530; code af2a4a0: of the 106 points 33 of the contour and
# the two pupils are left out, and the parts are numbered among the remaining 71), here in insightface's own numbers.
INSIGHTFACE_106 = PointLayout(
    points=106,
    parts={
        "left_eye": [33, 35, 36, 37, 38, 39, 40, 41, 42],
        "left_brow": [43, 44, 45, 46, 47, 48, 49, 50, 51],
        "right_eye": [87, 89, 90, 91, 92, 93, 94, 95, 96],
        "right_brow": [97, 98, 99, 100, 101, 102, 103, 104, 105],
        "nose": [72, 74, 75, 76, 78, 80, 84, 82, 81],
        "lower_lip": [52, 54, 60, 57, 61, 58, 59, 56, 55],
        "upper_lip": [52, 63, 67, 61, 69, 70, 62, 66, 65],
    },
    region=REGION_OF_PART,
    stable=[35, 39, 89, 93, 72, 73, 74, 86, 80],
    eyes=([33, 35, 36, 37, 38, 39, 40, 41, 42], [87, 89, 90, 91, 92, 93, 94, 95, 96]),
    nose_tip=86,
)

LAYOUTS = {layout.points: layout for layout in (DLIB_68, INSIGHTFACE_106)}


def layout_of(points: int) -> PointLayout:
    """Return the layout with so many points."""
    if points not in LAYOUTS:
        raise InputError(
            f"A trajectory has {points} landmarks a frame.",
            f"There are part tables for {' and '.join(map(str, LAYOUTS))}.",
            "Extract the landmarks with dlib (68) or insightface's 2d106det (106).",
        )
    return LAYOUTS[points]
