"""Measured motion: what is put into a face comes out in its own unit, whatever the head does."""

import numpy as np
import pytest

from llava_faba.face.landmarks import interocular, to_eye_frame
from llava_faba.motion import measures as motion
from llava_faba.motion.apex import peaks
from llava_faba.motion.clips import Clip
from llava_faba.motion.movement import SPEED_SECONDS
from llava_faba.motion.record import motion_table, why_no_severity
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


NOISE = 0.005  # inter-ocular distances that each coordinate of each landmark scatters by


def planted(face, fps: float, direction: float, seed: int, size: float = 0.3, seconds: float = 0.8) -> np.ndarray:
    """Four seconds of noisy landmarks in which both corners go out and up: a smooth step at 1.2 s, back at 2.8 s.

    The left one goes `size` far in `direction` (degrees above outwards), the right one half as far.
    """
    times = np.arange(int(4 * fps)) / fps
    step = lambda start: (u := np.clip((times - start) / seconds, 0, 1)) ** 2 * (3 - 2 * u)  # noqa: E731
    path = (step(1.2) - step(2.8))[:, None] * size * np.array([np.cos(direction), -np.sin(direction)])
    shapes = np.repeat(level(face)[None], len(times), axis=0)
    shapes[:, 48] += path * (-1, 1)
    shapes[:, 54] += path / 2
    return shapes + np.random.default_rng(seed).normal(0, NOISE, shapes.shape)


def level(face: np.ndarray) -> np.ndarray:
    """The face with its eyes on one height."""
    along = face[42:48].mean(axis=0) - face[36:42].mean(axis=0)
    plane = face @ (1, 1j) * np.exp(-1j * np.arctan2(along[1], along[0]))
    return np.stack([plane.real, plane.imag], axis=-1)


@pytest.mark.parametrize("fps", [12, 25, 30, 60, 120, 240])
def test_size_speed_and_onset_are_the_same_at_every_frame_rate_and_in_every_direction(face, fps):
    """They were windows of five frames: a speed of 0.75 read 1.83 at 240 a second, and nothing at 45 degrees."""
    errors = []
    directions = (0, 45, 90, 135, 180) if fps == 30 else (45, 135)
    for seed, degrees in enumerate(directions):
        angle = np.radians(degrees)
        measured = motion.measure_motion(a_clip(100 * planted(face, fps, angle, seed), fps))
        assert value(measured, "mouth_corner_left_amplitude") == pytest.approx(0.3, rel=0.1)
        assert value(measured, "mouth_corner_right_amplitude") == pytest.approx(0.15, rel=0.1)
        for side, size in (("left", 0.3), ("right", 0.15)):
            found = {way: value(measured, f"mouth_corner_{side}_{way}") for way in ("up", "down", "out", "in")}
            assert found["up"] - found["down"] == pytest.approx(size * np.sin(angle), abs=0.025)
            assert found["out"] - found["in"] == pytest.approx(size * np.cos(angle), abs=0.025)
            errors.append(value(measured, f"mouth_corner_{side}_peak_speed") / (1.5 * size / 0.8) - 1)
            errors.append(value(measured, f"mouth_corner_{side}_onset_time") / (0.6084 * 0.8) - 1)
        assert 0 < measured.uncertainty["mouth_corner_left_amplitude"] < 0.02
    left = np.abs(errors).reshape(len(directions), 2, 2)[:, 0]
    assert np.median(np.abs(errors)) < 0.1 and left.max() < 0.1


@pytest.mark.parametrize(("fps", "size", "seconds"), [(12, 0.2, 0.4), (12, 0.1, 0.8), (30, 0.1, 0.4), (120, 0.05, 0.8)])
def test_what_noise_does_to_small_and_quick_movements_stands_beside_them(face, fps, size, seconds):
    """Within 10 % of the truth, or within two of the printed errors: no estimator gets nearer in so few frames."""
    within, doubts = [], []
    for seed in range(8):
        shapes = 100 * planted(face, fps, np.radians(45 * seed), seed, size, seconds)
        measured = motion.measure_motion(a_clip(shapes, fps))
        for side, own in (("left", size), ("right", size / 2)):
            half = SPEED_SECONDS / 2 / seconds  # 1.5 - 2 * half ** 2: the mean speed over both halves of a smooth step
            truth = {
                "amplitude": own,
                "peak_speed": (1.5 - 2 * half**2) * own / seconds,
                "onset_time": 0.6084 * seconds,
            }
            for what, true in truth.items():
                doubt = measured.uncertainty[f"mouth_corner_{side}_{what}"]
                within.append(abs(value(measured, f"mouth_corner_{side}_{what}") - true) < max(0.1 * true, 2 * doubt))
                doubts.append(doubt / true)
    assert np.mean(within) >= 0.9 and np.median(doubts) < 0.2


def test_half_of_the_frames_give_the_same_figures(face):
    """A quick smile, a third of a second long."""
    for seed in range(4):
        shapes = 100 * planted(face, 30, np.radians(30), seed, seconds=0.35)
        whole, *halves = (motion.measure_motion(a_clip(part, fps)) for part, fps in _and_halves(shapes, 30))
        for half in halves:
            for side in ("left", "right"):
                for what, most in (("amplitude", 0.1), ("peak_speed", 0.2)):
                    name = f"mouth_corner_{side}_{what}"
                    assert value(half, name) == pytest.approx(value(whole, name), rel=most)


def _and_halves(shapes: np.ndarray, fps: float) -> list[tuple[np.ndarray, float]]:
    return [(shapes, fps), (shapes[::2], fps / 2), (shapes[1::2], fps / 2)]


def test_a_blink_of_one_frame_closes_the_lids_and_is_no_glitch(face):
    shapes = np.repeat(face[None], 45, axis=0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shapes[20, upper] = shapes[20, lower]
    shapes = shapes + np.random.default_rng(0).normal(0, NOISE / 5, shapes.shape)
    measured = motion.measure_motion(a_clip(shapes, fps=15))
    assert value(measured, "blink_count") == 1 and value(measured, "lid_left_amplitude") > 0.05


@pytest.mark.parametrize(("fps", "milliseconds"), [(30, 33), (60, 33), (240, 33), (12, 100), (30, 100), (240, 100)])
def test_short_blinks_are_counted(face, fps, milliseconds):
    times = np.arange(int(4 * fps)) / fps
    shapes = np.repeat(face[None], len(times), axis=0)
    for start in (1.0, 2.5):
        shut = (times >= start - 1e-9) & (times < start + milliseconds / 1000 - 1e-9)
        for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
            shapes[np.ix_(shut, [upper])] = shapes[np.ix_(shut, [lower])]
    shapes = shapes + np.random.default_rng(0).normal(0, NOISE / 2, shapes.shape)
    assert value(motion.measure_motion(a_clip(shapes, fps)), "blink_count") == 2


def test_a_blink_is_no_brow_raise(face):
    """dlib's brows jump with the lids."""
    shapes = np.repeat(face[None], 90, axis=0)
    shapes[40:44, 17:27] += (0, -0.05)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shapes[40:44, upper] = shapes[40:44, lower]
    measured = motion.measure_motion(a_clip(shapes))
    assert value(measured, "blink_count") == 1 and value(measured, "brow_left_up") < 0.005
    assert np.isnan(measured.signals["brow_left"][[38, 42, 45]]).all()


def test_eyes_that_sink_in_a_blink_move_no_mouth_and_no_head(face):
    """dlib draws closed eyes lower, by 0.03 in the shared clips: the mouth rose, the head nodded, with each blink."""
    shapes = np.repeat(face[None], 90, axis=0)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        shapes[40:44, upper] = shapes[40:44, lower]
    shapes[40:44, 36:48] += (0, 0.03)
    shapes = shapes + np.random.default_rng(0).normal(0, NOISE / 5, shapes.shape)
    measured = motion.measure_motion(a_clip(100 * shapes))
    assert value(measured, "blink_count") == 1
    for name in ("mouth_corner_left", "mouth_corner_right", "lower_lip", "jaw"):
        assert value(measured, f"{name}_amplitude") < 0.01
    assert np.ptp(measured.pose[:, 0]) < 1.5


def test_a_smile_is_no_nod(face):
    shapes = a_smile(face, 0.3)
    shapes[:, 8] += np.linspace(0, 0.1, len(shapes))[:, None] * (0, 1)
    assert np.ptp(motion.measure_motion(a_clip(100 * shapes)).pose[:, 0]) < 0.5


def test_the_table_of_frames_is_empty_where_nothing_was_measured(face):
    shapes = a_smile(face, 0.3)
    clip = a_clip(shapes, hidden=slice(70, 80))
    rest, risen = (to_eye_frame(shapes[frame])[48] for frame in (0, 65))
    rows = [line.split(",") for line in motion_table(clip, motion.measure_motion(clip)).splitlines()]
    column = {name: place for place, name in enumerate(rows[0])}
    assert len(rows) == 91 and rows[75][column["mouth"]] == "0" and rows[76][column["mouth_corner_left_up"]] == ""
    assert float(rows[66][column["mouth_corner_left_up"]]) == pytest.approx(rest[1] - risen[1], abs=0.01)


def test_no_severity_of_a_smile_without_a_mouth(face):
    hidden = a_clip(a_smile(face, 0.3), hidden=slice(0, 90))
    assert "the mouth was seen in 0 %" in why_no_severity(hidden, "smile")
    assert why_no_severity(hidden, "frown") is None and why_no_severity(a_clip(a_smile(face, 0.3)), "smile") is None
