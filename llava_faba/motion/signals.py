"""Landmarks over time -> signals of each part of the face along fixed mirrored axes, in one frame of the eyes.

Landmarks are moved by the similarity that lays the corners of the eyes over their mean shape, so that place, size and
roll of the head are gone and the unit is the person's inter-ocular distance. The nose is left out of it: it stands
before the face, tips over when the head turns, and would take the mouth along. Frames in which the head is turned far
from its usual direction are left out: there a projection moves landmarks that no muscle moved. During a blink dlib's
brows jump with the lids, so brows are not measured there. `up` and `down` are along the face, `out` and `in` away from
its middle and towards it, on either side; left and right are as seen in the picture.
"""

from dataclasses import dataclass, replace

import numpy as np

from llava_faba.face.landmarks import head_pose
from llava_faba.motion.blinks import BLINK_MARGIN, SHALLOW, find_blinks, undo_lid_jumps
from llava_faba.motion.clips import Clip
from llava_faba.motion.smoothing import noise_of, smoothed, stretches
from llava_faba.motion.trajectory import DLIB_68, steady_shapes

FRAME = replace(DLIB_68, stable=[36, 39, 42, 45])
APPROACH = 0.08  # s beside a covered stretch that count as covered: a hand on its way moves the landmarks already
MAX_TURN = 25.0  # degrees from the clip's median pitch or yaw
QUIET = 3e-4  # noise of roll (radians) and of size (share), below which they are left as they are
REST_SECONDS = 0.4  # the calm moment from which displacements are counted
UNREST_SECONDS = 0.3  # over which the scatter of fits in jittered boxes is looked at
UNDONE = 0.4  # share of a jump of the eyes in a blink that may be left, or too much, after it was taken out
USUAL = 1.3  # times its median that this scatter may be
SIDES = ("left", "right")

GROUPS = {  # group of landmarks -> the region whose validity it needs, its points (left, right) or (middle,)
    "mouth_corner": ("mouth", ([48], [54])),
    "brow": ("brows", (range(17, 22), range(22, 27))),
    "brow_inner": ("brows", ([20, 21], [22, 23])),
    "brow_outer": ("brows", ([17, 18], [25, 26])),
    "upper_lip": ("mouth", ([51, 62],)),
    "lower_lip": ("mouth", ([57, 66],)),
    "jaw": ("mouth", ([8],)),
}
GAPS = {  # distance between parts of the face -> its region, its pairs of points
    "mouth_opening": ("mouth", ([61, 62, 63], [67, 66, 65])),
    "mouth_width": ("mouth", ([48], [54])),
    "lid_left": ("eyes", ([37, 38], [41, 40])),
    "lid_right": ("eyes", ([43, 44], [47, 46])),
}


@dataclass(frozen=True)
class Signals:
    """What moves in a clip of F frames."""

    shapes: np.ndarray  # (F, 68, 2) in the frame of the eyes, y down, nan where the face is not seen
    pose: np.ndarray  # (F, 3) pitch, yaw, roll in degrees
    valid: dict[str, np.ndarray]  # brows, eyes, mouth -> (F,) bool: may be measured
    paths: dict[str, np.ndarray]  # mouth_corner_left, ..., jaw -> (F, 2) up and out, from the rest; nan where not valid
    gaps: dict[str, np.ndarray]  # the names of GAPS -> (F,) distance; nan where not valid
    blinks: list[tuple[float, float]]  # when each begins and ends, s
    unrest: dict[str, np.ndarray]  # brows, eyes, mouth -> (F,) what their fits disagree beyond the clip's usual


def read_signals(clip: Clip) -> Signals:
    """Bring a clip's landmarks into the frame of the eyes and read off how each part moves."""
    shapes = face_shapes(clip.landmarks_px, clip.times)
    pose = np.full((clip.frames, 3), np.nan)
    for index in np.flatnonzero(clip.valid):
        pose[index] = head_pose(clip.landmarks_px[index])
    usual = np.nanmedian(pose[:, :2], axis=0)
    facing = (np.abs(np.nan_to_num(pose[:, :2], nan=np.inf) - usual) <= MAX_TURN).all(axis=1)
    valid = {region: _clear(seen & facing, clip.times) for region, seen in clip.region_valid.items()}
    gaps = {
        name: np.where(valid[region], np.linalg.norm(shapes[:, one] - shapes[:, other], axis=-1).mean(axis=1), np.nan)
        for name, (region, (one, other)) in GAPS.items()
    }
    lids = (gaps["lid_left"] + gaps["lid_right"]) / 2
    half_blinks = find_blinks(lids, clip.times, SHALLOW)
    shapes, moved = undo_lid_jumps(shapes, clip.times, half_blinks)
    for index in np.flatnonzero(moved):
        pose[index, :2] = head_pose(shapes[index])[:2]
    for start, end in half_blinks:
        valid["brows"] &= (clip.times < start - BLINK_MARGIN) | (clip.times > end + BLINK_MARGIN)
    rest = {region: rest_frames(shapes, seen, clip.times, region) for region, seen in valid.items()}
    paths = {}
    for name, (region, groups) in GROUPS.items():
        sides = SIDES if len(groups) == 2 else ("",)
        for side, points in zip(sides, groups, strict=True):
            path = shapes[:, list(points)].mean(axis=1) * (-1 if side == "left" else 1, -1)  # (F, 2) out and up
            origin = path[rest[region]].mean(axis=0) if len(rest[region]) else 0.0
            path = np.where(valid[region][:, None], path - origin, np.nan)[:, ::-1]  # up and out
            paths[f"{name}_{side}" if side else name] = path
    unrest = {region: _unrest(clip.spread.get(region), clip.times) for region in valid}
    for region in ("brows", "mouth"):
        unrest[region] = np.hypot(unrest[region], UNDONE * moved)
    return Signals(shapes, pose, valid, paths, gaps, find_blinks(lids, clip.times), unrest)


def face_shapes(landmarks_px: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Move landmarks (F, 68, 2) into the frame of the eyes (F, 68, 2); nan stays nan.

    The head turns and comes nearer slowly against the noise of a frame, so size and roll are smoothed over time: at
    the chin, far from the eyes, their noise would be twice that of the landmarks themselves.
    """
    shapes = steady_shapes(landmarks_px, FRAME)
    plane, raw = shapes @ (1, 1j), landmarks_px @ (1, 1j)
    seen = np.isfinite(raw[:, 0])
    for run in stretches(np.where(seen, 0.0, np.nan)):
        spread = (raw[run] - raw[run].mean(axis=1, keepdims=True), plane[run] - plane[run].mean(axis=1, keepdims=True))
        factor = (spread[0].conj() * spread[1]).sum(1) / (np.abs(spread[0]) ** 2).sum(1)  # (n,) undone size and roll
        logarithm = np.log(np.abs(factor)) + 1j * np.unwrap(np.angle(factor))
        parts = [_quieted(part, times[run]) for part in (logarithm.real, logarithm.imag)]
        smooth = parts[0] + 1j * parts[1]
        middle = plane[run][:, FRAME.stable].mean(axis=1, keepdims=True)
        plane[run] = middle + (plane[run] - middle) * np.exp(smooth - logarithm)[:, None]
    return np.stack([plane.real, plane.imag], axis=-1)


def _quieted(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Smooth how a head turns or comes nearer (n,), where there is noise to take out."""
    noise = noise_of(values)
    return smoothed(values, times, noise, always=0.0) if noise > QUIET else values


def rest_frames(shapes: np.ndarray, valid: np.ndarray, times: np.ndarray, region: str) -> np.ndarray:
    """Return the frames of a calm moment of REST_SECONDS: the first in which the region moves hardly more than ever."""
    points = sorted(
        {point for where, groups in GROUPS.values() if where == region for part in groups for point in part}
    )
    seen = np.flatnonzero(valid)
    if not points or not len(seen):
        return seen
    course = shapes[seen][:, points].reshape(len(seen), -1)  # (n, 2 * points)
    ends = np.searchsorted(times[seen], times[seen] + REST_SECONDS)
    whole = np.flatnonzero(
        (times[seen][ends - 1] - times[seen] > 0.6 * REST_SECONDS) & (ends - np.arange(len(seen)) > 2)
    )
    if not len(whole):
        return seen
    middles = np.array([(begin + ends[begin]) // 2 for begin in whole])
    unrest = np.array(
        [
            np.abs(course[m : ends[b]].mean(axis=0) - course[b:m].mean(axis=0)).max()
            for b, m in zip(whole, middles, strict=True)
        ]
    )
    calm = whole[np.argmax(unrest <= max(2 * np.percentile(unrest, 10), 0.006))]
    return seen[calm : ends[calm]]


def main_axis(path: np.ndarray, times: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the line (2,) along which a path (F, 2) moves most, the path's course along it and that smoothed, (F,).

    Positive is where the farthest point from the rest lies.
    """
    smooth = np.stack([smoothed(path[:, axis], times, noise) for axis in (0, 1)], axis=1)
    seen = np.isfinite(smooth[:, 0])
    centred = smooth[seen] - smooth[seen].mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    course = smooth @ axis
    if np.nanmax(-course) > np.nanmax(course):
        axis, course = -axis, -course
    return axis, path @ axis, course


def path_noise(path: np.ndarray) -> float:
    """Return the frame-to-frame noise of one coordinate of a path (F, 2)."""
    return float(np.hypot(noise_of(path[:, 0]), noise_of(path[:, 1])) / np.sqrt(2))


def _unrest(spread: np.ndarray | None, times: np.ndarray) -> np.ndarray:
    """Return how far fits in jittered boxes (F,) scatter beyond what they usually do in this clip, as a deviation (F,).

    That much a hand beside the eyes, say, moves what is measured from frame to frame, and all frames of a while alike.
    """
    if spread is None or not np.isfinite(spread).any():
        return np.zeros(len(times))
    reach = max(1, round(UNREST_SECONDS / 2 / float(np.median(np.diff(times)))))
    known = np.interp(times, times[np.isfinite(spread)], spread[np.isfinite(spread)])
    around = lambda values: np.lib.stride_tricks.sliding_window_view(  # noqa: E731
        np.pad(values, reach, mode="edge"), 2 * reach + 1
    )
    settled = np.median(around(known), axis=1)
    usual = USUAL * np.nanmedian(spread)
    return np.sqrt(np.maximum(around(settled).max(axis=1) ** 2 - usual**2, 0.0))


def _clear(seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the valid frames (F,) but those within APPROACH seconds of one that is not."""
    hidden = times[~seen]
    if not len(hidden):
        return seen
    after = np.searchsorted(hidden, times)
    nearest = np.minimum(
        np.abs(times - hidden[np.maximum(after - 1, 0)]), np.abs(times - hidden[np.minimum(after, len(hidden) - 1)])
    )
    return nearest > APPROACH + np.median(np.diff(times)) / 2  # it began to be hidden between two frames
