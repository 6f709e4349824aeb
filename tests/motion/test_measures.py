"""Measured motion: what is put into a face comes out in its own unit, whatever the head does."""

import numpy as np
import pytest

from llava_faba.face.landmarks import interocular
from llava_faba.motion import measures as motion
from llava_faba.motion.clips import Clip
from llava_faba.motion.plot import peaks
from tests.motion.clip_files import a_face


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The landmarks (68, 2) of a real face, its inter-ocular distance 1."""
    from llava_faba.face.crop import find_faces

    landmarks = find_faces(a_face(), "largest", quality=False)[0].landmarks_px
    landmarks = landmarks - landmarks.mean(axis=0)
    return landmarks / interocular(landmarks)


def a_clip(shapes: np.ndarray, fps: float = 30.0, hidden: slice | None = None) -> Clip:
    """A clip (F, 68, 2) of landmarks, all valid but the frames in which the mouth is hidden."""
    n = len(shapes)
    valid = {region: np.ones(n, bool) for region in ("brows", "eyes", "mouth")}
    if hidden:
        valid["mouth"][hidden] = False
    return Clip(None, np.arange(n) / fps, shapes, np.ones(n, bool), valid, {})


def a_smile(face: np.ndarray, reach: float, fps: float = 30.0) -> np.ndarray:
    """Three seconds in which the left corner of the mouth rises by `reach` from 1.0 to 2.0 s, the right one by half."""
    times = np.arange(int(3 * fps)) / fps
    path = np.clip(times - 1.0, 0, 1) * reach
    shapes = np.repeat(face[None], len(times), axis=0)
    shapes[:, 48] += path[:, None] * (-0.8, -0.6)
    shapes[:, 54] += path[:, None] * (0.4, -0.3)
    return shapes


def moved(shapes: np.ndarray, seed: int = 0) -> np.ndarray:
    """The same face while the head wanders, tilts by 20 degrees and comes nearer by a fifth."""
    times = np.linspace(0, 2 * np.pi, len(shapes))
    angle, scale = np.radians(20) * np.sin(times), 100 * (1 + 0.2 * np.sin(2 * times))
    plane = shapes @ (1, 1j) * (scale * np.exp(1j * angle))[:, None] + (100 * np.sin(times) + 80j * times)[:, None]
    return np.stack([plane.real, plane.imag], axis=-1)


def value(measured: motion.Motion, name: str) -> float:
    return measured.values[name]["value"]


def test_a_smile_of_known_size_speed_and_asymmetry_is_measured_under_head_motion(face):
    measured = motion.measure_motion(a_clip(moved(a_smile(face, 0.3))))
    assert value(measured, "mouth_corner_left_amplitude") == pytest.approx(0.3, rel=0.02)
    assert value(measured, "mouth_corner_right_amplitude") == pytest.approx(0.15, rel=0.02)
    assert value(measured, "mouth_corner_asymmetry") == pytest.approx(1 / 3, abs=0.02)
    assert value(measured, "mouth_corner_peak_speed") == pytest.approx(0.225, rel=0.05)
    assert value(measured, "mouth_corner_onset_time") == pytest.approx(0.8, abs=0.05)
    assert value(measured, "brow_left_amplitude") < 1e-6 and value(measured, "blink_count") == 0


def test_brows_do_not_move_when_the_lids_close(face):
    shapes = np.repeat(face[None], 60, axis=0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shapes[20:25, upper] = shapes[20:25, lower]
    measured = motion.measure_motion(a_clip(shapes))
    assert value(measured, "blink_count") == 1
    assert value(measured, "brow_left_amplitude") < 1e-6
    assert value(measured, "lid_left_amplitude") > 0.05


def test_closed_eyes_are_no_blink_and_slow_clips_count_none(face):
    shapes = np.repeat(face[None], 90, axis=0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shapes[60:, upper] = shapes[60:, lower]
    assert value(motion.measure_motion(a_clip(shapes)), "blink_count") == 0
    slow = motion.measure_motion(a_clip(shapes, fps=10))
    assert value(slow, "blink_count") is None and "below 11 a second" in slow.reasons["blink_count"]


def test_hidden_frames_change_no_measure(face):
    shapes = a_smile(face, 0.3)
    shapes[70:80, 48:68] += 5.0  # what a fit invents on a hand
    measured = motion.measure_motion(a_clip(shapes, hidden=slice(70, 80)))
    assert value(measured, "mouth_corner_left_amplitude") == pytest.approx(0.3, rel=0.03)
    assert np.isnan(measured.signals["mouth_opening"][70:80]).all()


def test_a_tremor_of_the_jaw_has_the_power_of_its_sine(face):
    times = np.arange(180) / 30
    shapes = np.repeat(face[None], len(times), axis=0)
    shapes[:, 8, 1] += 0.02 * np.sin(2 * np.pi * 5 * times)
    measured = motion.measure_motion(a_clip(shapes))
    assert value(measured, "jaw_tremor_power") == pytest.approx(0.02**2 / 2, rel=0.1)
    still = motion.measure_motion(a_clip(np.repeat(face[None], len(times), axis=0)))
    assert value(still, "jaw_tremor_power") < 1e-12


def test_a_turned_head_is_not_measured(face):
    shapes = np.repeat(face[None], 60, axis=0)
    shapes[40:, [30, 8]] += (0.5, 0)  # nose and chin aside: the head turns
    measured = motion.measure_motion(a_clip(shapes))
    assert np.abs(measured.pose[50, 1] - measured.pose[0, 1]) > motion.MAX_TURN
    assert np.isnan(measured.signals["brow_left"][40:]).all()


def test_a_turning_nose_takes_no_mouth_along(face):
    """The nose stands before the face: a turn of some 20 degrees carries its tip by 0.15, and the mouth hardly."""
    shapes = np.repeat(face[None], 60, axis=0)
    path = np.sin(np.linspace(0, 2 * np.pi, 60))[:, None]
    for depth, point in enumerate((27, 28, 29, 30), start=1):
        shapes[:, point] += path * (0.04 * depth, 0)
    shapes[:, 31:36] += path[:, None] * (0.09, 0)
    measured = motion.measure_motion(a_clip(shapes))
    for side in ("left", "right"):
        assert value(measured, f"mouth_corner_{side}_amplitude") < 0.01
        assert value(measured, f"brow_{side}_amplitude") < 0.01


def test_frames_beside_a_covered_stretch_are_not_measured(face):
    shapes = np.repeat(face[None], 60, axis=0)
    shapes[18, 65:68] += (0, 0.3)  # the hand arrives: the fit jumps before the region counts as covered
    measured = motion.measure_motion(a_clip(shapes, hidden=slice(20, 40)))
    assert value(measured, "mouth_opening_amplitude") < 0.01
    assert np.isnan(measured.signals["mouth_opening"][[18, 41]]).all()
    assert np.isfinite(measured.signals["mouth_opening"][[0, 17, 42, 59]]).all()


def test_a_single_wrong_frame_is_no_peak(face):
    shapes = np.repeat(face[None], 90, axis=0)
    shapes[20, 17:27] += (0, -0.2)  # for one frame
    shapes[50:70, 17:27] += (0, -0.1)
    assert 50 <= dict(peaks(motion.measure_motion(a_clip(shapes))))["brows up"] < 70
