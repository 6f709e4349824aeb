"""Clip -> what a model sees of it: a trajectory, with colours where it wants them, and pictures of the face."""

from dataclasses import replace
from typing import Any

import numpy as np

from llava_faba.errors import InputError
from llava_faba.face.detectors import FaceBox
from llava_faba.motion.clips import Clip, crop_frames
from llava_faba.motion.frames import read_frames
from llava_faba.motion.trajectory import (
    DLIB_68,
    PointLayout,
    layout_of,
    picture_indices,
    point_validity,
    random_window,
    reversed_in_time,
    sample_indices,
    trajectory_of,
)
from llava_faba.video.tracks import Track

AT_REST = "sit_at_rest"
CUT = 224 / 256  # TraMP-Former (af2a4a0) trains on random squares of 224 of its crops' 256 pixels


def read_views(
    clip: Clip | Track, config: Any, expression: str | None = None, rng: np.random.Generator | None = None
) -> dict[str, np.ndarray]:
    """Make what a model of this configuration sees of a clip: motion (F, V, C), times (F,), pictures (Fv, 256, 256, 3).

    Pictures are taken where the face is seen, nearest to the wanted moments. With `rng`, in training, they are
    augmented as TraMP-Former's: half of the trajectories run backwards, pictures come from a random window, cut and
    half of them mirrored. As there, a mirrored picture does not mirror the landmarks.
    """
    track = clip if isinstance(clip, Track) else Track(clip)
    clip, layout = track.clip, layout_of(config.motion_points)
    frames = config.motion_frames
    if expression == AT_REST and config.motion_frames_at_rest:
        frames = config.motion_frames_at_rest
    chosen = sample_indices(clip.times, frames, config.motion_sampling)
    landmarks, colours = _points(track, chosen, config, layout)
    trajectory = trajectory_of(
        landmarks,
        point_validity(clip.region_valid, clip.valid & np.isfinite(landmarks[:, 0, 0]), layout),
        clip.times,
        frames,
        config.motion_normalisation,
        config.motion_sampling,
        colours=colours,
        length=config.motion_frames,
    )
    if rng is None:
        wanted = picture_indices(clip.times, config.picture_frames, config.motion_sampling)
    else:
        wanted = random_window(clip.frames, config.picture_frames, rng)
        trajectory = reversed_in_time(trajectory) if rng.random() < 0.5 else trajectory
    seen = np.flatnonzero(clip.valid)
    nearest = seen[np.abs(seen[None, :] - wanted[:, None]).argmin(axis=1)]
    pictures = crop_frames(_with_five_points(clip), nearest)
    if rng is not None:
        pictures = _cut(pictures, rng)
    return {"motion": trajectory.motion, "times": trajectory.times, "pictures": pictures}


def _points(track: Track, chosen: np.ndarray, config: Any, layout: PointLayout) -> tuple[np.ndarray, np.ndarray | None]:
    """Return landmarks (F, V, 2) of the model's layout and, where it wants them, their colours (F, V, 3).

    The clip is decoded again only for landmarks that it was not followed with, and for colours that no file gives.
    Both are then there in the chosen frames, and nan in the others.
    """
    clip = track.clip
    followed = clip.landmarks_px.shape[1]
    if followed != layout.points and followed != DLIB_68.points:
        raise InputError(
            f"The trajectory of {clip.path} has {followed} landmarks, and motion_points is {layout.points}.",
            "PFED5's released trajectories have 73.",
            f"Give --motion_points {followed}, or leave --trajectory_folder out.",
        )
    if followed == layout.points and (not config.motion_colour or track.colours is not None):
        return clip.landmarks_px, track.colours if config.motion_colour else None
    landmarks = clip.landmarks_px
    network = None
    if followed != layout.points:
        from llava_faba.prior.insightface import Insightface2d106

        network, landmarks = Insightface2d106(config.motion_model), np.full((clip.frames, layout.points, 2), np.nan)
    colours = np.full((clip.frames, layout.points, 3), np.nan)
    wanted = set(chosen[clip.valid[chosen]].tolist())
    for frame in read_frames(clip.path, clip.fps_given):
        if frame.index not in wanted:
            continue
        here = (clip.landmarks_px[frame.index] + 0.5) / frame.scale - 0.5
        if network is not None:
            here = network.measure(frame.pixels, _box(here))[1][-layout.points :, :2]
            landmarks[frame.index] = (here + 0.5) * frame.scale - 0.5
        colours[frame.index] = _colours_at(frame.pixels, here)
    return landmarks, colours if config.motion_colour else None


def _box(landmarks: np.ndarray) -> FaceBox:
    """The box around 68 landmarks; a detector's reaches about as far."""
    (left, top), (right, bottom) = landmarks.min(axis=0), landmarks.max(axis=0)
    return FaceBox(float(left), float(top), float(right), float(bottom), 1.0)


def _colours_at(pixels: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The pixel (R, G, B), 0..1, under each landmark; one outside of the frame has the colour of its edge."""
    height, width = pixels.shape[:2]
    x = np.clip(np.round(points[:, 0]), 0, width - 1).astype(int)
    y = np.clip(np.round(points[:, 1]), 0, height - 1).astype(int)
    return pixels[y, x] / 255


def _with_five_points(clip: Clip) -> Clip:
    """A clip that was not followed by 68 landmarks, with the five by which a face is cut out upright."""
    followed = clip.landmarks_px.shape[1]
    if followed == DLIB_68.points:
        return clip
    layout = layout_of(followed)
    eyes = [clip.landmarks_px[:, eye].mean(axis=1) for eye in layout.eyes]
    others = [clip.landmarks_px[:, index] for index in (layout.nose_tip, *layout.mouth_corners)]
    return replace(clip, landmarks_px=np.stack([*eyes, *others], axis=1))


def _cut(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut the same random square out of all pictures of a clip, and mirror half of the clips."""
    side = round(CUT * pictures.shape[1])
    top, left = rng.integers(0, pictures.shape[1] - side + 1, size=2)
    cut = pictures[:, top : top + side, left : left + side]
    return np.ascontiguousarray(cut[:, :, ::-1] if rng.random() < 0.5 else cut)
