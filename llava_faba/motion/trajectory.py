"""Landmarks over time -> the motion encoder's input: head motion removed, frames sampled, what is not valid masked.

Two normalisations stand side by side. `head_free`, ours, moves every frame by a similarity of its stable points, so
that place, size and roll of the head are gone. `constant_shift` is TraMP-Former's (`car2pol` at af2a4a0: the nose tip
of the first frame is subtracted from all frames), in which the head's own motion stays.
"""

from dataclasses import dataclass

import numpy as np

from llava_faba.errors import InputError
from llava_faba.motion.clips import Clip


@dataclass(frozen=True)
class PointLayout:
    """One numbering of landmarks."""

    points: int
    parts: dict[str, list[int]]  # part -> its points, as many in each
    region: dict[str, str]  # part -> brows, eyes or mouth, whose validity is the part's; absent: valid with the face
    stable: list[int]  # points that no expression moves
    eyes: tuple[list[int], list[int]]  # left and right, whose means are the eye centres
    nose_tip: int
    mouth_corners: tuple[int, int]  # left and right, as seen in the picture

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
    mouth_corners=(48, 54),
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
    mouth_corners=(52, 61),
)

CONTOUR = 33  # insightface's first points, which TraMP-Former leaves out

# PFED5's released trajectories: insightface's points without the contour, in their order.
PFED5_73 = PointLayout(
    points=INSIGHTFACE_106.points - CONTOUR,
    parts={part: [index - CONTOUR for index in points] for part, points in INSIGHTFACE_106.parts.items()},
    region=REGION_OF_PART,
    stable=[index - CONTOUR for index in INSIGHTFACE_106.stable],
    eyes=tuple([index - CONTOUR for index in eye] for eye in INSIGHTFACE_106.eyes),
    nose_tip=INSIGHTFACE_106.nose_tip - CONTOUR,
    mouth_corners=tuple(index - CONTOUR for index in INSIGHTFACE_106.mouth_corners),
)
EYE_CENTRES_73 = (1, 55)  # that TraMP-Former deletes, so that its colours have 71 points

LAYOUTS = {layout.points: layout for layout in (DLIB_68, INSIGHTFACE_106, PFED5_73)}


def layout_of(points: int) -> PointLayout:
    """Return the layout with so many points."""
    if points not in LAYOUTS:
        raise InputError(
            f"A trajectory has {points} landmarks a frame.",
            f"There are part tables for {', '.join(map(str, LAYOUTS))}.",
            "Extract the landmarks with dlib (68) or insightface's 2d106det (106; 73 without the contour, as PFED5).",
        )
    return LAYOUTS[points]


NORMALISATIONS = ("head_free", "constant_shift")
SAMPLINGS = ("aligned", "published")
AUGMENTATIONS = ("none", "published")
CHANNELS = 3  # x and y in inter-ocular distances, and whether the point is valid (then 1)
COLOURS = 3  # R, G and B of the landmark's pixel, 0..1, between y and the validity


def channels_of(colour: bool) -> int:
    """Return the numbers that a point has in each frame."""
    return CHANNELS + COLOURS if colour else CHANNELS


@dataclass(frozen=True)
class Trajectory:
    """What the motion encoder reads of one clip.

    The last channel says where a point is valid; where it is not, its numbers are 0. Frames behind a clip of the face
    at rest, which has fewer of them, are not valid.
    """

    motion: np.ndarray  # (F, V, C) float32; C is `channels_of(colour)`
    times: np.ndarray  # (F,) float32, s from the window's start


def make_trajectory(clip: Clip, frames: int, normalisation: str = "head_free", sampling: str = "aligned") -> Trajectory:
    """Sample and normalise the landmarks of a clip; points of regions that are not valid are 0 and marked so."""
    layout = layout_of(clip.landmarks_px.shape[1])
    valid = point_validity(clip.region_valid, clip.valid, layout)
    return trajectory_of(clip.landmarks_px, valid, clip.times, frames, normalisation, sampling)


def trajectory_of(
    landmarks: np.ndarray,
    valid: np.ndarray,
    times: np.ndarray,
    frames: int,
    normalisation: str = "head_free",
    sampling: str = "aligned",
    *,
    colours: np.ndarray | None = None,
    length: int | None = None,
) -> Trajectory:
    """Do the same for landmarks (F, V, 2), nan where there is no face, the validity of points (F, V) and times (F,).

    `colours` (F, V, 3), 0..1, go between place and validity; nan counts as black. `length` frames are returned
    (default: `frames`); those behind the first `frames` are empty.
    """
    layout = layout_of(landmarks.shape[1])
    shapes = normalise(landmarks, layout, normalisation)
    chosen = sample_indices(times, frames, sampling)
    seen = valid[chosen] & np.isfinite(shapes[chosen, :, 0])
    numbers = [shapes[chosen]] if colours is None else [shapes[chosen], colours[chosen]]
    motion = np.zeros((length or frames, layout.points, channels_of(colours is not None)), dtype=np.float32)
    motion[:frames, :, :-1] = np.where(seen[..., None], np.nan_to_num(np.concatenate(numbers, axis=-1)), 0)
    motion[:frames, :, -1] = seen
    clock = np.full(length or frames, times[chosen[-1]] - times[chosen[0]], dtype=np.float32)
    clock[:frames] = times[chosen] - times[chosen[0]]
    return Trajectory(motion, clock)


def reversed_in_time(trajectory: Trajectory) -> Trajectory:
    """Play a trajectory backwards; its times stay, as TraMP-Former's `index_t` do. Empty frames stay at the end."""
    seen = np.flatnonzero(trajectory.motion[..., -1].any(axis=1))
    end = seen[-1] + 1 if len(seen) else 0
    return Trajectory(np.concatenate([trajectory.motion[:end][::-1], trajectory.motion[end:]]), trajectory.times)


def point_validity(regions: dict[str, np.ndarray], valid: np.ndarray, layout: PointLayout) -> np.ndarray:
    """Spread the validity of regions (F,) to their points (F, V)."""
    points = np.repeat(valid[:, None], layout.points, axis=1)
    for part, indices in layout.parts.items():
        if part in layout.region:
            points[:, indices] &= regions[layout.region[part]][:, None]
    return points


def normalise(landmarks: np.ndarray, layout: PointLayout, how: str = "head_free") -> np.ndarray:
    """Normalise landmarks (F, V, 2) in pixels; the unit is the inter-ocular distance, nan stays nan."""
    if how not in NORMALISATIONS:
        raise InputError(
            f"motion_normalisation is {how!r}.", f"It is {' or '.join(NORMALISATIONS)}.", "Choose one of these."
        )
    seen = np.flatnonzero(np.isfinite(landmarks[:, 0, 0]))
    if not len(seen):
        return np.array(landmarks, dtype=float)
    if how == "head_free":
        return steady_shapes(landmarks, layout)
    first = landmarks[seen[0]]
    left, right = (first[eye].mean(axis=0) for eye in layout.eyes)
    return (landmarks - first[layout.nose_tip]) / max(float(np.hypot(*(right - left))), 1e-9)


def steady_shapes(landmarks: np.ndarray, layout: PointLayout) -> np.ndarray:
    """Remove place, size and roll of the head from landmarks (F, V, 2), by their stable points; nan stays nan.

    Each frame is moved by the least-squares similarity onto the clip's mean shape of the stable points (generalised
    Procrustes analysis, Gower 1975), whose eyes are level, their middle the origin and their distance the unit.
    """
    shapes = np.array(landmarks, dtype=float)
    seen = np.flatnonzero(np.isfinite(shapes[:, 0, 0]))
    reference = shapes[seen[0]]
    for _ in range(3):
        left, right = (reference[eye].mean(axis=0) for eye in layout.eyes)
        distance = max(float(np.hypot(*(right - left))), 1e-9)
        along = (right - left) / distance
        level = np.array([[along[0], along[1]], [-along[1], along[0]]])
        reference = (reference - (left + right) / 2) @ level.T / distance
        faces = _laid_over(shapes[seen], reference, layout.stable)
        reference = faces.mean(axis=0)
    shapes[seen] = faces
    return shapes


def _laid_over(faces: np.ndarray, reference: np.ndarray, stable: list[int]) -> np.ndarray:
    """Move each face by the similarity that brings its stable points nearest to the reference's (Umeyama 1991)."""
    plane = faces @ (1, 1j)  # a similarity of the plane is one complex number and a shift
    target = reference[stable] @ (1, 1j)
    points = plane[:, stable]
    centre = points.mean(axis=1, keepdims=True)
    spread = points - centre
    factor = (spread.conj() * (target - target.mean())).sum(1) / np.maximum((np.abs(spread) ** 2).sum(1), 1e-12)
    moved = (plane - centre) * factor[:, None] + target.mean()
    return np.stack([moved.real, moved.imag], axis=-1)


def sample_indices(times: np.ndarray, frames: int, sampling: str = "aligned") -> np.ndarray:
    """Choose `frames` frames of a trajectory.

    `aligned`: those nearest to equal steps of time over the whole clip, the same span that `picture_indices` covers.
    `published`: the last ones; a shorter clip is repeated from its start.
    """
    _check_sampling(sampling)
    n = len(times)
    if sampling == "published":
        return np.arange(n - frames, n) if n >= frames else np.arange(frames) % n
    return _nearest(times, np.linspace(times[0], times[-1], frames))


def random_window(frames: int, pictures: int, rng: np.random.Generator) -> np.ndarray:
    """Choose so many consecutive frames of a clip at random, as TraMP-Former does in training; a short one repeats."""
    if frames < pictures:
        return np.arange(pictures) % frames
    return rng.integers(0, frames - pictures + 1) + np.arange(pictures)


def picture_indices(times: np.ndarray, pictures: int, sampling: str = "aligned") -> np.ndarray:
    """Choose the frames whose pictures are seen: at equal steps of time, or, as published, of their number.

    A published clip that is too short is repeated from its start.
    """
    _check_sampling(sampling)
    n = len(times)
    if sampling == "published":
        return np.linspace(0, n - 1, pictures).astype(int) if n >= pictures else np.arange(pictures) % n
    return _nearest(times, np.linspace(times[0], times[-1], pictures))


def _nearest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    return np.where(wanted - times[right - 1] <= times[right] - wanted, right - 1, right)


def _check_sampling(sampling: str) -> None:
    if sampling not in SAMPLINGS:
        raise InputError(
            f"motion_sampling is {sampling!r}.", f"It is {' or '.join(SAMPLINGS)}.", "Choose one of these."
        )
