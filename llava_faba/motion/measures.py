"""One face over time -> measured motion: amplitudes, speeds, onsets, asymmetries, blinks and tremor, with units.

Landmarks are moved into one frame of the face first, by the similarity that lays the corners of the eyes over their
mean shape, so that place, size and roll of the head are gone and the unit is the person's inter-ocular distance. The
nose is left out of it: it stands before the face, tips over when the head turns, and takes the mouth along (in the clip
of one woman by 0.23 inter-ocular distances, of which 0.09 remain without it). Frames in which
the head is turned far from its usual direction are left out: there a projection moves landmarks that no muscle moved.
Only valid frames count, region by region; what cannot be measured is None, with its reason. Left and right are as
seen in the picture.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.signal import savgol_filter, welch

from llava_faba.face.landmarks import head_pose
from llava_faba.motion.clips import Clip
from llava_faba.motion.trajectory import DLIB_68, steady_shapes

IOD = "inter-ocular distances"
FRAME = replace(DLIB_68, stable=[36, 39, 42, 45])
APPROACH = 2  # frames beside a covered stretch that count as covered: a hand on its way moves the landmarks already
MAX_TURN = 25.0  # degrees from the clip's median pitch or yaw
SMOOTHING = 5  # frames of the quadratic (Savitzky-Golay) that speeds are taken from
STILL = 0.003  # inter-ocular distances: an amplitude below it is the fit's own unrest
EXTREMES = (2, 98)  # percentiles between which an amplitude lies: single wrong frames do not make it

BLINK_DEPTH = 0.65  # a blink closes the lids to less than this share of their usual opening,
BLINK_SECONDS = (0.04, 0.6)  # for so long
BLINK_FPS = 15.0  # below it blinks fall between frames
TREMOR_BAND = (4.0, 6.0)  # Hz: rest tremor of Parkinson's disease
TREMOR_SECONDS = 2.0  # the shortest stretch whose spectrum resolves the band

SIGNALS = {  # signal -> the region whose landmarks it needs
    "mouth_corner_left": "mouth",
    "mouth_corner_right": "mouth",
    "mouth_opening": "mouth",
    "jaw": "mouth",
    "brow_left": "brows",
    "brow_right": "brows",
    "lid_left": "eyes",
    "lid_right": "eyes",
}


@dataclass(frozen=True)
class Motion:
    """What was measured in a clip, and the signals (F,) it was measured on, nan where they are not valid."""

    values: dict[str, dict[str, Any]]  # name -> {"value": float or None, "unit": text}
    signals: dict[str, np.ndarray]  # in inter-ocular distances
    pose: np.ndarray  # (F, 3) pitch, yaw, roll in degrees
    shapes: np.ndarray  # (F, 68, 2) landmarks in the frame of the face, nan where the face is not seen
    reasons: dict[str, str] = field(default_factory=dict)  # name -> why its value is None


def measure_motion(clip: Clip) -> Motion:
    """Measure the motion of a clip's face."""
    shapes = steady_shapes(clip.landmarks_px, FRAME)
    pose = np.full((clip.frames, 3), np.nan)
    for index in np.flatnonzero(clip.valid):
        pose[index] = head_pose(clip.landmarks_px[index])
    usual = np.nanmedian(pose[:, :2], axis=0)
    facing = (np.abs(np.nan_to_num(pose[:, :2], nan=np.inf) - usual) <= MAX_TURN).all(axis=1)
    valid = {region: _clear(seen & facing) for region, seen in clip.region_valid.items()}
    signals = {name: np.where(valid[SIGNALS[name]], signal, np.nan) for name, signal in _signals(shapes, valid).items()}
    values: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}

    def keep(name: str, value: float | str, unit: str) -> None:
        """Keep a number, or the reason why there is none."""
        is_number = not isinstance(value, str)
        values[name] = {"value": float(f"{value:.5g}") if is_number else None, "unit": unit}
        if not is_number:
            reasons[name] = value

    unseen = "the region is not seen in two frames, or only while the head is turned away"
    for name, signal in signals.items():
        if name != "jaw":
            keep(f"{name}_amplitude", amplitude(signal) if _enough(signal) else unseen, IOD)
    for pair in ("mouth_corner", "brow", "lid"):
        left, right = signals[f"{pair}_left"], signals[f"{pair}_right"]
        both = (left + right) / 2
        keep(f"{pair}_peak_speed", peak_speed(both, clip.times), f"{IOD} per second")
        keep(f"{pair}_onset_time", onset_time(both, clip.times), "s")
        keep(f"{pair}_asymmetry", asymmetry(left, right), "(left - right) / (left + right)")
    lids = (signals["lid_left"] + signals["lid_right"]) / 2
    keep("blink_count", count_blinks(lids, clip.times), "blinks")
    keep("jaw_tremor_power", band_power(signals["jaw"], clip.times), f"squared {IOD}, 4 to 6 Hz")
    return Motion(values, signals, pose, shapes, reasons)


def _clear(seen: np.ndarray) -> np.ndarray:
    """Return the valid frames (F,) but those within APPROACH of one that is not."""
    window = np.ones(2 * APPROACH + 1)
    return np.convolve(~seen, window)[APPROACH : APPROACH + len(seen)] == 0


def _signals(shapes: np.ndarray, valid: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one signal (F,) each, larger where a corner goes out and up, a brow up, lids or lips apart, a jaw down."""
    corners = shapes[:, [36, 39], 1].mean(axis=1), shapes[:, [42, 45], 1].mean(axis=1)  # of the eyes: lids would blink
    gap = lambda upper, lower: np.linalg.norm(shapes[:, upper] - shapes[:, lower], axis=-1).mean(axis=1)  # noqa: E731
    return {
        "mouth_corner_left": _along_main_axis(shapes[:, 48], valid["mouth"], np.array([-1.0, -1.0])),
        "mouth_corner_right": _along_main_axis(shapes[:, 54], valid["mouth"], np.array([1.0, -1.0])),
        "mouth_opening": gap([61, 62, 63], [67, 66, 65]),
        "jaw": shapes[:, 8, 1],
        "brow_left": corners[0] - shapes[:, 17:22, 1].mean(axis=1),
        "brow_right": corners[1] - shapes[:, 22:27, 1].mean(axis=1),
        "lid_left": gap([37, 38], [41, 40]),
        "lid_right": gap([43, 44], [47, 46]),
    }


def _along_main_axis(points: np.ndarray, valid: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """Project points (F, 2) on the line along which the valid ones move most, `outward` being its positive side."""
    if valid.sum() < 2:
        return np.full(len(points), np.nan)
    centre = np.median(points[valid], axis=0)
    axis = np.linalg.svd(points[valid] - centre, full_matrices=False)[2][0]
    return (points - centre) @ (axis if axis @ outward >= 0 else -axis)


def _enough(signal: np.ndarray) -> bool:
    return int(np.isfinite(signal).sum()) >= 2


def amplitude(signal: np.ndarray) -> float:
    """Return the distance between the signal's 2nd and 98th percentile."""
    low, high = np.nanpercentile(signal, EXTREMES)
    return float(high - low)


def stretches(signal: np.ndarray, shortest: int) -> list[slice]:
    """Return the runs of at least `shortest` frames in which the signal is valid."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.isfinite(signal).astype(int), [0]))))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= shortest]


def smoothed(signal: np.ndarray) -> np.ndarray:
    """Smooth each valid stretch by a moving quadratic; shorter stretches than its window are left out (nan)."""
    result = np.full(len(signal), np.nan)
    for run in stretches(signal, SMOOTHING):
        result[run] = savgol_filter(signal[run], SMOOTHING, 2)
    return result


def peak_speed(signal: np.ndarray, times: np.ndarray) -> float | str:
    """Return the largest speed of the smoothed signal, a second."""
    smooth = smoothed(signal)
    runs = stretches(smooth, SMOOTHING)
    if not runs:
        return f"it needs {SMOOTHING} valid frames in a row"
    return float(max(np.abs(np.gradient(smooth[run], times[run])).max() for run in runs))


def onset_time(signal: np.ndarray, times: np.ndarray) -> float | str:
    """Return how long the rise to the highest value takes, in s: from a tenth to nine tenths of it.

    The foot of the rise is the lowest value before the peak in the same valid stretch.
    """
    smooth = smoothed(signal)
    runs = stretches(smooth, SMOOTHING)
    if not runs:
        return f"it needs {SMOOTHING} valid frames in a row"
    run = max(runs, key=lambda run: np.max(smooth[run]))
    values, clock = smooth[run], times[run]
    peak = int(np.argmax(values))
    foot = int(np.argmin(values[: peak + 1]))
    rise = values[peak] - values[foot]
    if amplitude(signal) < STILL:
        return "nothing moves"
    if rise < 0.5 * amplitude(signal):
        return "the rise to the peak is not seen: the movement begins before the valid frames"
    part = (values[foot : peak + 1] - values[foot]) / rise
    begins = np.flatnonzero(part <= 0.1)[-1]
    arrives = begins + np.flatnonzero(part[begins:] >= 0.9)[0]
    ends = [np.interp(0.1, part[begins : begins + 2], clock[foot + begins : foot + begins + 2])]
    ends.append(np.interp(0.9, part[arrives - 1 : arrives + 1], clock[foot + arrives - 1 : foot + arrives + 1]))
    return float(ends[1] - ends[0])


def asymmetry(left: np.ndarray, right: np.ndarray) -> float | str:
    """Return the difference of the two amplitudes over their sum, -1..1, on the frames in which both sides are seen."""
    both = np.isfinite(left) & np.isfinite(right)
    if both.sum() < 2:
        return "both sides are never seen together"
    sizes = amplitude(left[both]), amplitude(right[both])
    return (sizes[0] - sizes[1]) / sum(sizes) if max(sizes) >= STILL else "nothing moves"


def count_blinks(lids: np.ndarray, times: np.ndarray) -> int | str:
    """Count how often the lids close for a moment and open again, within one valid stretch.

    The idea is that of Soukupová and Čech 2016 (eye aspect ratio); their fixed limit is a share of the person's own
    opening here, because dlib draws closed lids at different heights.
    """
    if not _enough(lids):
        return "the eyes are not seen"
    if (len(times) - 1) / (times[-1] - times[0]) < BLINK_FPS:
        return f"blinks fall between the frames below {BLINK_FPS:.0f} a second"
    closed = lids < BLINK_DEPTH * np.nanpercentile(lids, 75)
    blinks = 0
    for run in stretches(lids, 3):
        edges = np.flatnonzero(np.diff(closed[run].astype(int)))
        downs = [edge for edge in edges if not closed[run][edge]]
        for down in downs:
            ups = [edge for edge in edges if edge > down]
            if ups:
                lasted = times[run][ups[0] + 1] - times[run][down + 1]
                blinks += BLINK_SECONDS[0] <= lasted + 1e-9 and lasted <= BLINK_SECONDS[1]
    return blinks


def band_power(signal: np.ndarray, times: np.ndarray, band: tuple[float, float] = TREMOR_BAND) -> float | str:
    """Return the power of the signal's oscillation in a band of frequencies (Welch), over its long valid stretches."""
    rate = 1 / float(np.median(np.diff(times)))
    if rate < 2.5 * band[1]:
        return f"it needs at least {2.5 * band[1]:.0f} frames a second"
    powers, weights = [], []
    for run in stretches(signal, int(TREMOR_SECONDS * rate)):
        clock = np.arange(times[run][0], times[run][-1], 1 / rate)  # equal steps, also of a variable frame rate
        steady = np.interp(clock, times[run], signal[run])
        n = min(len(steady), int(2 * TREMOR_SECONDS * rate))
        frequencies, density = welch(steady, rate, nperseg=n, detrend="linear")
        inside = (frequencies >= band[0]) & (frequencies <= band[1])
        powers.append(density[inside].sum() * (frequencies[1] - frequencies[0]))
        weights.append(len(steady))
    if not powers:
        return f"it needs {TREMOR_SECONDS:.0f} s in which the mouth is seen throughout"
    return float(np.average(powers, weights=weights))
