"""Measures of a photo: what is put into a real face's landmarks comes out; what is hidden or turned is not measured."""

import numpy as np
import pytest
import skimage.data

from llava_faba.face.crop import find_faces
from llava_faba.face.landmarks import interocular
from llava_faba.face.measures import REGION, SIDED, measure_landmarks, measure_photo

SEEN = {"brows": True, "eyes": True, "mouth": True}


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """Landmarks of NASA's portrait of Eileen Collins, which scikit-image ships, her inter-ocular distance 1."""
    landmarks = find_faces(skimage.data.astronaut(), "largest", quality=False)[0].landmarks_px
    return landmarks / interocular(landmarks)


def turned(landmarks, degrees):
    angle = np.radians(degrees)
    return landmarks @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def test_place_size_and_roll_do_not_matter(face):
    first = measure_landmarks(face, SEEN)
    second = measure_landmarks(100 * turned(face, 20) + (30, 700), SEEN)
    assert set(first.values) == {*REGION, *(f"{name}_{side}" for name in SIDED for side in ("left", "right"))}
    for name, value in first.values.items():
        assert second.values[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize(
    ("points", "shift", "changes"),
    [
        ([48], (-0.1, -0.1), {"mouth_corner_reach_left": 0.2, "mouth_corner_reach_right": 0, "mouth_width": 0.1}),
        ([48, 54], (0, 0.1), {"mouth_corner_height": -0.1, "mouth_corner_reach": -0.1, "mouth_width": 0}),
        ([57, 58, 56, 65, 66, 67], (0, 0.1), {"lip_opening": 0.1, "brow_furrow": 0, "lid_aperture": 0}),
        (range(17, 27), (0, -0.1), {"brow_inner_height": 0.1, "brow_outer_height": 0.1, "brow_furrow": -0.1}),
        ([22, 23], (0, -0.1), {"brow_inner_height_left": 0, "brow_inner_height_right": 0.1}),
        ([8], (0, 0.1), {"jaw_drop": 0.1, "lip_opening": 0}),
    ],
)  # fmt: skip
def test_a_movement_changes_its_measure_by_as_much(face, points, shift, changes):
    level = turned(face, -np.degrees(np.arctan2(*(face[42:48].mean(0) - face[36:42].mean(0))[::-1])))
    moved = level.copy()
    moved[list(points)] += shift
    before, after = (measure_landmarks(landmarks, SEEN).values for landmarks in (level, moved))
    for name, change in changes.items():
        assert after[name] - before[name] == pytest.approx(change, abs=5e-3), name


def test_what_was_covered_is_not_measured(face):
    measured = measure_landmarks(face, SEEN | {"mouth": False})
    assert measured.values["mouth_width"] is None and "mouth" in measured.reasons["mouth_width"]
    assert measured.values["brow_inner_height"] is not None
    assert measured.record()["mouth_width"] == {"value": None, "unit": "inter-ocular distances"}


def test_a_turned_head_is_not_measured(face):
    aside = face.copy()
    aside[[30, 8]] += (0.5, 0)
    measured = measure_landmarks(aside, SEEN)
    assert set(measured.values.values()) == {None} and "turned" in measured.reasons["lid_aperture"]


def test_a_photo_without_a_face_has_no_measures(face):
    assert measure_photo(np.zeros((80, 80, 3), np.uint8)) is None
    assert measure_landmarks(np.zeros((68, 2)), SEEN) is None
