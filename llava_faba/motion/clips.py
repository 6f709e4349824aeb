"""Clip -> one face over time: landmarks with exact times, and masks that say where they can be believed.

Where the followed face is not seen, landmarks are nan; nothing is filled in. A region (brows, eyes, mouth) is valid
where its landmarks agree under jittered boxes: a hand before the mouth makes them scatter (quality.py).
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from llava_faba.face.crop import alignment, default_detector, warp
from llava_faba.face.detectors import DETECTION_SIDE
from llava_faba.face.landmarks import N_LANDMARKS, REGIONS
from llava_faba.face.quality import LIMITS
from llava_faba.motion.frames import BadClip, read_frames
from llava_faba.motion.tracking import SeenFrame, link, look
from llava_faba.processes import available_cores, can_fork, worker_pool

CROP_SIDE = 256  # px: PFED5's face crops
SEARCH_SIDES = (DETECTION_SIDE, 2 * DETECTION_SIDE, 4 * DETECTION_SIDE)  # px of the frame's longer side
QUEUED = 4  # frames a worker finds waiting for it
SETTLING = 0.2  # s over which a region's scatter is judged
GOOD_SHARE = 0.9  # of the frames with a face, below which the others are searched for a smaller one
EMPTY = SeenFrame([], None)  # of a frame that was not looked at
STEADY = 1.5  # the longest step between frames over the median one, above which a frame rate is called variable


@dataclass(frozen=True)
class Clip:
    """One face through a clip of F frames; landmarks in the clip's own pixels, upright and square, x right, y down.

    Example: `clip = read_clip("smile.mp4")`, then `clip.landmarks_px[clip.valid]` and `clip.region_valid["mouth"]`.
    """

    path: Path
    times: np.ndarray  # (F,) s from the first frame
    landmarks_px: np.ndarray  # (F, 68, 2), nan where the face is not seen
    valid: np.ndarray  # (F,) bool: the followed face is seen
    region_valid: dict[str, np.ndarray]  # brows, eyes, mouth -> (F,) bool
    spread: dict[str, np.ndarray]  # the same -> (F,) scatter in inter-ocular distances, nan where not seen
    warnings: list[str] = field(default_factory=list)  # whole sentences, with times
    fps_given: float | None = None

    @property
    def frames(self) -> int:
        return len(self.times)

    @property
    def fps(self) -> float:
        """Mean frames a second."""
        return float((self.frames - 1) / (self.times[-1] - self.times[0]))

    @property
    def valid_share(self) -> float:
        return float(self.valid.mean())

    @property
    def region_valid_share(self) -> dict[str, float]:
        return {region: float(valid.mean()) for region, valid in self.region_valid.items()}


def read_clip(
    path: Path | str, *, fps: float | None = None, workers: int | None = None, progress: bool = False
) -> Clip:
    """Follow the largest face of a clip from its first frame to its last.

    `workers` are processes (default: two, or one where threads already run); the result does not depend on them.
    Raises BadClip for a file without video, a truncated one, one of a single frame and one without a face.
    """
    steps = follow_clip(Path(path), fps, workers, progress)
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value


def follow_clip(
    path: Path, fps: float | None = None, workers: int | None = None, progress: bool = False
) -> Generator[float, None, Clip]:
    """Do `read_clip` in steps: yield each frame's time in s, from 0 again for a further search; return the clip."""
    times: list[float] = []
    scales: list[float] = []
    seen: list[SeenFrame] = []
    broken: list[int] = []
    for side in SEARCH_SIDES:  # the next only where too few frames show a face, and in the others only
        done = {index for index, frame in enumerate(seen) if frame.faces}
        known, times, scales, seen, broken = seen, [], [], [], []
        for frame_time, scale, frame, lost in _look_at(path, fps, workers, progress, side, done):
            if lost:
                broken.append(len(seen))
            times.append(frame_time)
            scales.append(scale)
            seen.append(known[len(seen)] if len(seen) in done else frame)
            yield frame_time
        if sum(bool(frame.faces) for frame in seen) >= GOOD_SHARE * len(seen):
            break
    if len(times) < 2:
        raise BadClip(
            f"The clip {path} has one frame only.",
            "A movement needs two or more.",
            "Give a clip; for one picture there is `llava-faba describe --image`.",
        )
    tracks, cuts = link(seen, times)
    if not tracks:
        raise BadClip(
            f"No face is found in any of the {len(times)} frames of {path}.",
            "A face must look roughly at the camera and be as high as a sixteenth of the frame's longer side.",
            "Check that the clip shows a face, upright and lit.",
        )
    landmarks = np.full((len(times), N_LANDMARKS, 2), np.nan)
    spread = {region: np.full(len(times), np.nan) for region in REGIONS}
    for index, number in tracks[0].places:
        face = seen[index].faces[number]
        landmarks[index] = (face.landmarks + 0.5) * scales[index] - 0.5
        for region in REGIONS:
            spread[region][index] = face.spread[region]
    clock = np.array(times)
    valid = np.isfinite(landmarks[:, 0, 0])
    region_valid = {region: valid & (_settled(spread[region], clock) <= LIMITS[region]) for region in REGIONS}
    others = {index for track in tracks[1:] for index, _ in track.places}
    warnings = _warnings(clock, valid, region_valid, cuts, others, broken)
    return Clip(path, clock, landmarks, valid, region_valid, spread, warnings, fps)


def crop_frames(clip: Clip, indices: Sequence[int], side: int = CROP_SIDE, margin: float = 0.25) -> np.ndarray:
    """Cut the upright face out of the chosen frames, in their order: RGB uint8 (n, side, side, 3).

    The clip is decoded again, so that no long clip has to lie in memory. A frame without the face gives a black crop.
    """
    crops = np.zeros((len(indices), side, side, 3), dtype=np.uint8)
    wanted: dict[int, list[int]] = {}
    for row, index in enumerate(indices):
        wanted.setdefault(int(index), []).append(row)
    for frame in read_frames(clip.path, clip.fps_given):
        for row in wanted.pop(frame.index, ()) if clip.valid[frame.index] else ():
            landmarks = (clip.landmarks_px[frame.index] + 0.5) / frame.scale - 0.5
            crops[row] = warp(frame.pixels, alignment(landmarks, side, margin), side)
        if not any(clip.valid[index] for index in wanted):
            break
    return crops


def spans(mask: np.ndarray, times: np.ndarray) -> list[tuple[float, float]]:
    """Return the stretches of time (start, end) in which `mask` is True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(int), [0]))))
    return [(float(times[a]), float(times[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _settled(spread: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The running median, so that chance agreement in one frame does not count, and its worst value nearby.

    The second keeps the frames out in which a hand comes and goes.
    """
    reach = max(1, round(SETTLING / 2 / float(np.median(np.diff(times)))))
    middle = np.ma.median(_windows(spread, reach), axis=1).filled(np.nan)
    return np.ma.max(_windows(middle, reach), axis=1).filled(np.inf)


def _windows(values: np.ndarray, reach: int) -> np.ma.MaskedArray:
    """Each frame with its neighbours (F, 2 * reach + 1); frames without the face do not count."""
    padded = np.pad(values, reach, constant_values=np.nan)
    return np.ma.masked_invalid(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1))


def _warnings(
    times: np.ndarray,
    valid: np.ndarray,
    regions: dict[str, np.ndarray],
    cuts: list[int],
    others: set[int],
    broken: list[int],
) -> list[str]:
    said = []
    if not valid.all():
        said.append(f"The face is not seen at {_listed(spans(~valid, times))}; nothing is measured there.")
    for region, seen in regions.items():
        hidden = valid & ~seen
        if hidden.any():
            said.append(
                f"The {region} cannot be trusted at {_listed(spans(hidden, times))} (covered, turned, blurred)."
            )
    if cuts:
        at = ", ".join(f"{times[index]:.2f} s" for index in cuts[:5])
        said.append(f"The film is cut at {at}; the face of one shot only is followed.")
    if others:
        mask = np.isin(np.arange(len(times)), list(others))
        said.append(
            f"Other faces are seen at {_listed(spans(mask, times))}; the one that fills most of it is followed."
        )
    if broken:
        at = ", ".join(f"{times[index]:.2f} s" for index in broken[:5])
        said.append(f"{len(broken)} of {len(times)} frames cannot be decoded ({at}); they are gaps.")
    steps = np.diff(times)
    if steps.max() > STEADY * np.median(steps):
        said.append(
            f"The frame rate varies: frames are {1e3 * steps.min():.0f} to {1e3 * steps.max():.0f} ms apart; "
            "their exact times are used."
        )
    return said


def _listed(stretches: list[tuple[float, float]], most: int = 6) -> str:
    texts = [f"{start:.2f}-{end:.2f} s" for start, end in stretches[:most]]
    return ", ".join(texts) + (f" and {len(stretches) - most} more stretches" if len(stretches) > most else "")


def _look_at(
    path: Path, fps: float | None, workers: int | None, progress: bool, side: int, done: set[int]
) -> Iterator[tuple[float, float, SeenFrame, bool]]:
    """Yield time, scale, what was seen and whether it is broken of every frame, in order; those `done` are left out."""
    fork = can_fork()
    workers = (workers or min(2, available_cores())) if fork else 1
    bar = tqdm(unit="frame", disable=not progress, desc=path.name)
    detector = default_detector()
    _ = detector.model_file  # a missing extra shows here, once
    with bar:
        if workers == 1:
            for frame in read_frames(path, fps):
                skip = frame.broken or frame.index in done
                yield frame.time, frame.scale, EMPTY if skip else look(frame.pixels, detector, side), frame.broken
                bar.update()
            return
        pool = worker_pool(workers, _open_detector, fork=fork)
        try:
            list(pool.map(_warm, range(workers)))  # forked before the decoder starts its threads
            waiting: deque = deque()
            for frame in read_frames(path, fps):
                skip = frame.broken or frame.index in done
                future = None if skip else pool.submit(_look, frame.pixels, side)
                waiting.append((frame.time, frame.scale, future, frame.broken))
                if len(waiting) >= QUEUED * workers:
                    yield _first(waiting)
                    bar.update()
            while waiting:
                yield _first(waiting)
                bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _first(waiting: deque) -> tuple[float, float, SeenFrame, bool]:
    frame_time, scale, future, broken = waiting.popleft()
    return frame_time, scale, EMPTY if future is None else future.result(), broken


def _look(pixels: np.ndarray, side: int) -> SeenFrame:
    return look(pixels, default_detector(), side)


def _warm(_: int) -> None:
    look(np.zeros((64, 64, 3), np.uint8), default_detector())


def _open_detector() -> None:
    _ = default_detector().model_file
