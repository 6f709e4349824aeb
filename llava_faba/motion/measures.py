"""One face over time -> measured motion: amplitudes, directions, speeds, onsets, asymmetries, blinks and tremor.

Each figure has a unit, and a standard error that comes from the jitter of the landmarks (`uncertainty`). Only valid
frames count, region by region; what cannot be measured is None, with its reason. Evidence, drafts, plots and the JSON
of `llava-faba assess` read these figures and nothing else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llava_faba.motion.blinks import in_blinks, without_blinks
from llava_faba.motion.clips import Clip
from llava_faba.motion.movement import STILL, Course, Rise, main_rise, peak_speed
from llava_faba.motion.signals import GAPS, GROUPS, MAX_TURN, SIDES, Signals, main_axis, path_noise, read_signals
from llava_faba.motion.smoothing import noise_of, smoothed
from llava_faba.motion.tremor import TREMOR_BAND, band_power

IOD = "inter-ocular distances"
SPEED = f"{IOD} per second"
EXTREMES = (2, 98)  # percentiles between which lids move: a blink does not make their amplitude
BLINK_FPS = 11.0  # frames a second, below which blinks fall between frames
PAIRS = ("mouth_corner", "brow", "lid")
WAYS = {"up": (0, 1), "down": (0, -1), "out": (1, 1), "in": (1, -1)}  # direction -> axis of a path, sign
GAP_WAYS = {"mouth_opening": ("opens", "closes"), "mouth_width": ("widens", "narrows")}
GAP_WAYS |= {f"lid_{side}": ("opens", "closes") for side in SIDES}


@dataclass(frozen=True)
class Motion:
    """What was measured in a clip of F frames, and the signals it was measured on, nan where they are not valid."""

    values: dict[str, dict[str, Any]]  # name -> {"value": float or None, "unit": text}
    signals: dict[str, np.ndarray]  # name -> (F,) in inter-ocular distances; displacements are from the rest
    pose: np.ndarray  # (F, 3) pitch, yaw, roll in degrees
    shapes: np.ndarray  # (F, 68, 2) landmarks in the frame of the eyes, nan where the face is not seen
    reasons: dict[str, str] = field(default_factory=dict)  # name -> why its value is None
    uncertainty: dict[str, float] = field(default_factory=dict)  # name -> standard error, in the value's unit
    blinks: list[tuple[float, float]] = field(default_factory=list)  # when each begins and ends, s


class _Table:
    """Values with their units, errors and reasons, as they are measured."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.reasons: dict[str, str] = {}
        self.errors: dict[str, float] = {}

    def keep(self, name: str, value: float | str, unit: str, error: float | None = None) -> None:
        """Keep a number with its error, or the reason why there is none."""
        is_number = not isinstance(value, str)
        self.values[name] = {"value": float(f"{value:.5g}") if is_number else None, "unit": unit}
        if not is_number:
            self.reasons[name] = value
        elif error is not None and np.isfinite(error):
            self.errors[name] = float(f"{error:.2g}")


def measure_motion(clip: Clip) -> Motion:
    """Measure the motion of a clip's face."""
    read = read_signals(clip)
    table = _Table()
    courses: dict[str, np.ndarray] = {}
    for name, path in read.paths.items():
        courses[name] = _measure_path(table, name, path, read, clip)
    for name, gap in read.gaps.items():
        courses[name] = gap
        _measure_gap(table, name, gap, read, clip)
    for pair in PAIRS:
        _measure_pair(table, pair, read, courses, clip.times)
    jaw = read.shapes[:, 8, 1]
    _measure_blinks(table, read, clip)
    _measure_tremor(table, np.where(read.valid["mouth"], jaw, np.nan), clip.times)
    signals = courses | {"jaw": np.where(read.valid["mouth"], jaw, np.nan)}
    for side in SIDES:  # heights above the eye, for plots and readers
        brow = -read.shapes[:, list(GROUPS["brow"][1][SIDES.index(side)]), 1].mean(axis=1)
        signals[f"brow_{side}"] = np.where(read.valid["brows"], brow, np.nan)
    for name, path in read.paths.items():
        signals |= {f"{name}_up": path[:, 0], f"{name}_out": path[:, 1]}
    return Motion(table.values, signals, read.pose, read.shapes, table.reasons, table.errors, read.blinks)


def _unseen(region: str) -> str:
    verb, blinks = ("is", "") if region == "mouth" else ("are", "in blinks or " if region == "brows" else "")
    turned = f"while the head is turned away by more than {MAX_TURN:.0f} degrees"
    return f"the {region} {verb} not seen in two frames, or only {blinks}{turned}"


def _measure_path(table: _Table, name: str, path: np.ndarray, read: Signals, clip: Clip) -> np.ndarray:
    """Measure one side of a group, path (F, 2) up and out; return its course (F,) along its main axis."""
    region = GROUPS[name.removesuffix("_left").removesuffix("_right")][0]
    ways = ("up", "down") if name in ("upper_lip", "lower_lip", "jaw") else tuple(WAYS)
    if np.isfinite(path[:, 0]).sum() < 2:
        for what in (*ways, "amplitude"):
            table.keep(f"{name}_{what}", _unseen(region), IOD)
        table.keep(f"{name}_peak_speed", _unseen(region), SPEED)
        table.keep(f"{name}_onset_time", _unseen(region), "s")
        table.keep(f"{name}_onset_start", _unseen(region), "s from the first frame")
        return np.full(len(path), np.nan)
    noise = _with_jitter(path_noise(path), clip, region)
    _, raw, smooth = main_axis(path, clip.times, noise)
    course = Course(raw, smooth, clip.times, noise, read.unrest[region])
    extent, error = course.extent()
    rise = main_rise(course)
    fitted = isinstance(rise, Rise) and rise.size >= 0.9 * extent - 4 * error
    if fitted:
        extent, error = rise.size, max(error, rise.size_error)
    table.keep(f"{name}_amplitude", extent, IOD, error)
    for way in ways:
        axis, sign = WAYS[way]
        along = sign * smoothed(path[:, axis], clip.times, noise)
        farthest = int(np.nanargmax(along))
        error = float(np.hypot(course.level_error, course.unrest[farthest]))
        table.keep(f"{name}_{way}", max(0.0, float(along[farthest])), IOD, error)
    _measure_timing(table, name, course, rise)
    return raw


def _measure_gap(table: _Table, name: str, gap: np.ndarray, read: Signals, clip: Clip) -> None:
    """Measure a distance (F,) between two parts: how far it opens and closes from its rest, and how fast."""
    region = GAPS[name][0]
    lid = name.startswith("lid")
    ways = GAP_WAYS[name]
    if np.isfinite(gap).sum() < 2:
        for what in ("amplitude", *ways):
            table.keep(f"{name}_{what}", _unseen(region), IOD)
        table.keep(f"{name}_peak_speed", _unseen(region), SPEED)
        table.keep(f"{name}_onset_time", _unseen(region), "s")
        table.keep(f"{name}_onset_start", _unseen(region), "s from the first frame")
        return
    noise = _with_jitter(noise_of(gap), clip, region)
    steady = without_blinks(gap, read.blinks, clip.times) if lid else gap
    if np.isfinite(steady).sum() < 2:
        steady = gap
    smooth = smoothed(steady, clip.times, noise)
    rest = float(np.nanmedian(smooth[_first_calm(smooth, clip.times)]))
    whole = smoothed(gap, clip.times, noise)
    low, high = np.nanmin(whole), np.nanmax(whole)
    if lid:  # a blink of one frame is no glitch
        whole = np.where(in_blinks(read.blinks, clip.times), gap, whole)
        low, high = np.nanpercentile(whole, EXTREMES, method="hazen")  # the same for half of the frames
    course = Course(steady - rest, smooth - rest, clip.times, noise, read.unrest[region])
    _, error = course.extent()
    table.keep(f"{name}_amplitude", float(high - low), IOD, error)
    table.keep(f"{name}_{ways[0]}", max(0.0, float(np.nanmax(course.smooth))), IOD, error)
    table.keep(f"{name}_{ways[1]}", max(0.0, -float(np.nanmin(course.smooth))), IOD, error)
    _measure_timing(table, name, course)


def _measure_timing(table: _Table, name: str, course: Course, rise: Rise | str | None = None) -> None:
    """Keep the largest speed, the onset and when it starts."""
    speed = peak_speed(course)
    table.keep(f"{name}_peak_speed", *((speed, SPEED) if isinstance(speed, str) else (speed[0], SPEED, speed[1])))
    rise = main_rise(course) if rise is None else rise
    if isinstance(rise, str):
        table.keep(f"{name}_onset_time", rise, "s")
        table.keep(f"{name}_onset_start", rise, "s from the first frame")
        return
    table.keep(f"{name}_onset_time", rise.onset, "s", rise.onset_error)
    table.keep(f"{name}_onset_start", rise.start, "s from the first frame", rise.onset_error)


def _measure_pair(table: _Table, pair: str, read: Signals, courses: dict[str, np.ndarray], times: np.ndarray) -> None:
    """Keep what both sides do on the average, and how they differ."""
    if pair == "lid":
        lids = (read.gaps["lid_left"] + read.gaps["lid_right"]) / 2
        both = without_blinks(lids, read.blinks, times)
        both = both if np.isfinite(both).sum() >= 2 else lids
        course, noise = both - (np.nanmedian(both) if np.isfinite(both).any() else 0.0), noise_of(both)
        smooth = smoothed(course, times, noise)
    else:
        path = (read.paths[f"{pair}_left"] + read.paths[f"{pair}_right"]) / 2
        noise = path_noise(path)
        if np.isfinite(path[:, 0]).sum() >= 2:
            _, course, smooth = main_axis(path, times, noise)
        else:
            course = smooth = np.full(len(path), np.nan)
    unrest = read.unrest["eyes" if pair == "lid" else GROUPS[pair][0]]
    _measure_timing(table, pair, Course(course, smooth, times, noise, unrest))
    sizes = [table.values[f"{pair}_{side}_amplitude"]["value"] for side in SIDES]
    seen = np.isfinite(courses[f"{pair}_left"]) & np.isfinite(courses[f"{pair}_right"])
    unit = "(left - right) / (left + right)"
    if None in sizes or seen.sum() < 2:
        table.keep(f"{pair}_asymmetry", "both sides are never seen together", unit)
    elif max(sizes) < STILL:
        table.keep(f"{pair}_asymmetry", "nothing moves", unit)
    else:
        errors = [table.errors.get(f"{pair}_{side}_amplitude", 0.0) for side in SIDES]
        error = 2 * np.hypot(sizes[0] * errors[1], sizes[1] * errors[0]) / sum(sizes) ** 2
        table.keep(f"{pair}_asymmetry", (sizes[0] - sizes[1]) / sum(sizes), unit, error)


def _measure_blinks(table: _Table, read: Signals, clip: Clip) -> None:
    lids = (read.gaps["lid_left"] + read.gaps["lid_right"]) / 2
    reason = None
    if np.isfinite(lids).sum() < 2:
        reason = "the eyes are not seen"
    elif clip.fps < BLINK_FPS:
        reason = f"blinks fall between the frames below {BLINK_FPS:.0f} a second"
    table.keep("blink_count", reason or len(read.blinks), "blinks")
    seen = np.isfinite(lids).mean() * (clip.times[-1] - clip.times[0])
    table.keep("blink_rate", reason or 60 * len(read.blinks) / max(float(seen), 1e-9), "blinks per minute")


def _first_calm(smooth: np.ndarray, times: np.ndarray) -> np.ndarray:
    seen = np.flatnonzero(np.isfinite(smooth))
    return seen[times[seen] <= times[seen[0]] + 0.4]


def _with_jitter(noise: float, clip: Clip, region: str) -> float:
    """Return the larger of a signal's own noise and what the fits in jittered boxes leave in their mean."""
    spread = clip.spread.get(region)
    seen = spread[np.isfinite(spread)] if spread is not None else np.zeros(0)
    return max(noise, float(np.median(seen)) / 6 if len(seen) else 0.0)


def _measure_tremor(table: _Table, jaw: np.ndarray, times: np.ndarray) -> None:
    power = band_power(jaw, times)
    unit = f"squared {IOD}, 4 to 6 Hz"
    if isinstance(power, str):
        table.keep("jaw_tremor_power", power, unit)
        table.keep("jaw_tremor_amplitude", power, IOD)
        return
    noise = noise_of(jaw)
    rate = 1 / float(np.median(np.diff(times)))
    error = noise**2 * (TREMOR_BAND[1] - TREMOR_BAND[0]) / (rate / 2)
    table.keep("jaw_tremor_power", power, unit, error)
    table.keep("jaw_tremor_amplitude", np.sqrt(2 * power), IOD, error / max(np.sqrt(2 * power), np.sqrt(error)))
