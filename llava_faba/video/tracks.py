"""Annotated clip -> the face in it over time: followed once and kept on disk, or read from PFED5's released files.

Following a face costs seconds a clip, so each clip's track is one .npz in the cache, recognised by the clip's file.
Variants of a model (points, colours, sampling) then share the tracks.
"""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from llava_faba.data.clips import ClipSample
from llava_faba.errors import InputError
from llava_faba.files import existing_file, write_atomically
from llava_faba.motion.clips import BadClip, Clip, read_clip
from llava_faba.motion.frames import FOLDER_FPS
from llava_faba.motion.trajectory import COLOURS, EYE_CENTRES_73, PFED5_73

CACHE_VERSION = 2  # raise it when tracking or what is made of a track changes


@dataclasses.dataclass(frozen=True)
class Track:
    """A face through a clip, with the colours (F, V, 3), 0..1, of its landmarks where a file gives them."""

    clip: Clip
    colours: np.ndarray | None = None


def read_track(sample: ClipSample, cache: Path) -> Track:
    """Follow the face of a clip, or read what a file says of it; BadClip where there is none."""
    if sample.trajectory is not None:
        return _released(sample)
    file = cache / f"{track_key(sample)}.track.npz"
    if file.is_file():
        with np.load(file, allow_pickle=False) as stored:
            return Track(_clip_of(dict(stored)))
    clip = read_clip(sample.path, fps=sample.fps if sample.path.is_dir() else None)
    write_atomically(file, _as_npz(_arrays_of(clip)))
    return Track(clip)


def track_key(sample: ClipSample) -> str:
    """Return what a sample's track is recognised by: its files as they are on disk."""
    content = sorted(sample.path.iterdir()) if sample.path.is_dir() else [sample.path]
    content += [path for path in (sample.trajectory, sample.colours) if path is not None]
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in content if path.exists()]
    text = json.dumps([CACHE_VERSION, str(sample.path), sample.fps, stamps])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def keep_views(file: Path, views: dict[str, np.ndarray]) -> None:
    """Write arrays into the cache, whole or not at all."""
    write_atomically(file, _as_npz(views))


def _released(sample: ClipSample) -> Track:
    """TraMP-Former's files (code af2a4a0): landmarks (F, 73 or 74, 2 or more), of 74 the first left out, in pixels of
    the face crops; colours (F, 71, 3), without the eye centres. Their scale is not documented: above 1 they are taken
    for 0..255.
    """
    points = PFED5_73.points
    landmarks = _load(sample.trajectory, "trajectory", (points, points + 1), 2)[:, -points:, :2]
    frames, region = len(landmarks), np.ones(len(landmarks), dtype=bool)
    if sample.frames not in (None, frames):
        raise BadClip(
            f"The trajectory {sample.trajectory} of sample {sample.id!r} has {frames} frames, annotated are "
            f"{sample.frames}.",
            "A trajectory has one row for every frame of its clip.",
            "Check that trajectories and annotation are of the same release.",
        )
    landmarks = np.where((landmarks == 0).all(axis=-1, keepdims=True), np.nan, landmarks)
    valid = np.isfinite(landmarks[..., 0]).all(axis=1)
    landmarks[~valid] = np.nan
    if frames < 2 or not valid.any():
        raise BadClip(
            f"The trajectory {sample.trajectory} holds {int(valid.sum())} frames with a face, of {frames}.",
            "A movement needs two or more.",
            "Leave the clip out.",
        )
    regions = {name: region & valid for name in set(PFED5_73.region.values())}
    spread = {name: np.zeros(frames) for name in regions}
    times = np.arange(frames) / (sample.fps or FOLDER_FPS)
    clip = Clip(sample.path, times, landmarks, valid, regions, spread, [], sample.fps)
    return Track(clip, None if sample.colours is None else _colours(sample, frames))


def _colours(sample: ClipSample, frames: int) -> np.ndarray:
    points = PFED5_73.points
    stored = _load(sample.colours, "colours", (points - len(EYE_CENTRES_73), points), COLOURS)[..., :COLOURS]
    if len(stored) != frames:
        raise BadClip(
            f"The colours {sample.colours} have {len(stored)} frames and the trajectory {frames}.",
            "Both have one row for every frame.",
            "Check that they are of the same release.",
        )
    if np.nanmax(stored) > 1:
        stored = stored / 255
    if stored.shape[1] == points:
        return stored
    colours = np.full((frames, points, COLOURS), np.nan)
    colours[:, [index for index in range(points) if index not in EYE_CENTRES_73]] = stored
    return colours


def _load(file: Path, what: str, points: tuple[int, int], numbers: int) -> np.ndarray:
    try:
        values = np.load(existing_file(file, f"file of {what}"), allow_pickle=False).astype(float)
    except (ValueError, OSError) as error:
        raise BadClip(
            f"The {what} {file} cannot be read: {error}.", "It is one .npy array.", "Get it again."
        ) from error
    if values.ndim != 3 or values.shape[1] not in points or values.shape[2] < numbers:
        raise InputError(
            f"The {what} {file} have the shape {values.shape}.",
            f"It is (frames, {' or '.join(map(str, points))}, {numbers}), as PFED5's released files.",
            "Give those files, or leave the folder out: landmarks are then read from the pictures.",
        )
    return values


def _arrays_of(clip: Clip) -> dict[str, np.ndarray]:
    """A clip as named arrays; what is neither an array nor a dictionary of arrays goes into `rest` as JSON."""
    arrays: dict[str, np.ndarray] = {}
    rest: dict[str, Any] = {}
    for field in dataclasses.fields(clip):
        value = getattr(clip, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
        elif isinstance(value, dict) and all(isinstance(inner, np.ndarray) for inner in value.values()):
            arrays |= {f"{field.name}/{name}": inner for name, inner in value.items()}
        else:
            rest[field.name] = str(value) if isinstance(value, Path) else value
    return {**arrays, "rest": np.array(json.dumps(rest))}


def _clip_of(arrays: dict[str, np.ndarray]) -> Clip:
    fields: dict[str, Any] = json.loads(str(arrays.pop("rest")))
    fields["path"] = Path(fields["path"])
    for name, value in arrays.items():
        whole, _, inner = name.partition("/")
        if inner:
            fields.setdefault(whole, {})[inner] = value
        else:
            fields[name] = value
    return Clip(**fields)


def _as_npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
