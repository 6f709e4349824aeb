"""Motion of the two shared clips: what lids and frame rates did to it, they do no longer."""

from dataclasses import replace

import numpy as np
import pytest

from llava_faba.motion.clips import Clip, read_clip
from llava_faba.motion.measures import Motion, measure_motion
from tests.conftest import shared_path

pytestmark = pytest.mark.slow
LEAST = 0.03  # inter-ocular distances: smaller movements are left out
NOT_COMPARED = ("onset", "tremor", "blink", "asymmetry")
OUT_OF_PICTURE = "jaw"  # the woman's chin leaves the picture when she bows


@pytest.fixture(scope="module")
def woman() -> Clip:
    return read_clip(shared_path("video", "woman_expressions.mp4"))


@pytest.fixture(scope="module")
def man() -> Clip:
    """He smiles at 0.55 s and blinks at 0.9 s; from 2.4 s on nobody is seen."""
    return read_clip(shared_path("video", "face_then_no_face.mov"))


def half_of(clip: Clip, first: int) -> Clip:
    """Every other frame of a clip."""
    part = slice(first, None, 2)
    times = clip.times[part] - clip.times[first]
    regions = {name: seen[part] for name, seen in clip.region_valid.items()}
    spread = {name: values[part] for name, values in clip.spread.items()}
    seen = {"landmarks_px": clip.landmarks_px[part], "valid": clip.valid[part]}
    return replace(clip, times=times, region_valid=regions, spread=spread, **seen)


def beyond(whole: Motion, half: Motion) -> list[bool]:
    """For each figure: whether amplitudes differ by more than 10 %, speeds by more than 20 %, and by two errors."""
    differ = []
    for name, measured in whole.values.items():
        one, other = measured["value"], half.values[name]["value"]
        if (
            one is None
            or other is None
            or any(word in name for word in NOT_COMPARED)
            or name.startswith(OUT_OF_PICTURE)
        ):
            continue
        speed = name.endswith("speed")
        if speed or max(one, other) >= LEAST:
            doubt = 2 * np.hypot(whole.uncertainty[name], half.uncertainty[name])
            differ.append(abs(other - one) > max((0.2 if speed else 0.1) * one, doubt))
    return differ


def test_half_of_the_frames_change_nothing_beyond_the_printed_errors(woman, man):
    """Of a hundred figures two may differ by more than two errors; 21 did, speeds by up to 89 %."""
    differ = []
    for clip in (woman, man):
        whole = measure_motion(clip)
        for first in (0, 1):
            differ += beyond(whole, measure_motion(half_of(clip, first)))
    assert len(differ) > 150 and np.mean(differ) < 0.03


def test_mouth_corners_amplitudes_and_speeds_stay_when_half_of_the_frames_are_dropped(woman, man):
    for clip in (woman, man):
        whole = measure_motion(clip).values
        for first in (0, 1):
            half = measure_motion(half_of(clip, first)).values
            for side in ("left", "right"):
                for what, most in (("amplitude", 0.1), ("peak_speed", 0.2)):
                    name = f"mouth_corner_{side}_{what}"
                    assert half[name]["value"] == pytest.approx(whole[name]["value"], rel=most)


def test_a_smile_with_a_blink_in_it_is_no_nod(man):
    """It was 13.5 degrees when the mouth told the pitch, and 4.4 when the eyes sank with the blink."""
    pitch = measure_motion(man).pose[man.valid, 0]
    assert np.ptp(pitch) < 3.5


@pytest.mark.parametrize("side", ["left", "right"])
def test_brows_do_not_follow_the_lids_around_blinks(woman, man, side):
    """All blinks together, 0.3 s on either side, each without its own mean: -0.80 it was once."""
    brows, lids = [], []
    for clip in (woman, man):
        measured = measure_motion(clip)
        both = (measured.signals["lid_left"] + measured.signals["lid_right"]) / 2
        assert measured.blinks
        for start, end in measured.blinks:
            near = (clip.times >= start - 0.3) & (clip.times <= end + 0.3)
            near &= np.isfinite(measured.signals[f"brow_{side}"]) & np.isfinite(both)
            brows += list(measured.signals[f"brow_{side}"][near] - measured.signals[f"brow_{side}"][near].mean())
            lids += list(both[near] - both[near].mean())
    assert len(brows) > 50 and abs(np.corrcoef(brows, lids)[0, 1]) < 0.3
