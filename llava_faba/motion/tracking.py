"""Frames -> one face through the clip: what is found in each frame, linked to tracks, and the track that is followed.

A face is found anew in every frame, so that a track never outlives its face; links join boxes that overlap, over gaps
of at most MAX_GAP, and never over a cut of the film.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from PIL import Image

from llava_faba.face.crop import alignment
from llava_faba.face.detectors import DETECTION_SIDE, DlibDetector, FaceBox
from llava_faba.face.landmarks import N_LANDMARKS, REGIONS, interocular
from llava_faba.face.quality import FITTING_SIDE, JITTER, JITTERS

MAX_FACES = 3  # a frame: the largest
MAX_GAP = 1.0  # s for which a face may be gone (a blurred frame, a hand) and still be the same
MIN_OVERLAP = 0.25  # intersection over union of a face's boxes in two linked frames
CUT = 32.0  # grey levels by which the mean pixel differs over a cut; ours, set by eye on two clips
THUMBNAIL = (32, 18)
FITS = JITTERS[:6]  # of quality.py's eight boxes: a clip has many frames, and the limits hold for six as well
ROOM = 1.5  # sides of the face that are enlarged around it: landmarks are fitted from what lies inside


@dataclass(frozen=True)
class SeenFace:
    """One face in one frame, in the frame's pixels."""

    box: FaceBox  # around the landmarks: dlib's own comes in steps of a fifth of its size
    landmarks: np.ndarray  # (68, 2): the mean of the fits in jittered boxes
    spread: dict[str, float]  # brows, eyes, mouth: how far those fits scatter, in inter-ocular distances


@dataclass(frozen=True)
class SeenFrame:
    """What was seen in one frame."""

    faces: list[SeenFace]  # largest first
    thumbnail: np.ndarray  # grey, for finding cuts


@dataclass
class Track:
    """One face through the frames; `places` are (frame, face in it)."""

    places: list[tuple[int, int]] = field(default_factory=list)
    area: float = 0.0  # sum over its frames, which decides whose clip this is
    box: FaceBox | None = None


def look(pixels: np.ndarray, detector: DlibDetector, side: int = DETECTION_SIDE) -> SeenFrame:
    """Find the faces of one frame, RGB uint8 (height, width, 3), fit their landmarks and judge their regions.

    Faces are sought with a longer side of `side` px, in which they must be about 80 px high.
    """
    boxes = sorted(detector.find(pixels, side), key=lambda box: -box.area)[:MAX_FACES]
    thumbnail = np.asarray(Image.fromarray(pixels).convert("L").resize(THUMBNAIL, Image.Resampling.BOX), dtype=float)
    return SeenFrame([fit_face(pixels, box, detector) for box in boxes], thumbnail)


def fit_face(pixels: np.ndarray, box: FaceBox, detector: DlibDetector) -> SeenFace:
    """Fit the landmarks of a found face in several jittered boxes; their mean is steadier than any of them.

    The boxes are laid around a first fit.
    """
    first = alignment(detector.fit(pixels, box), 2, 0.0)  # a crop of two pixels: where the face is, and half its side
    centre, half = first[:, :2] @ (0.5, 0.5) + first[:, 2], float(np.hypot(*first[:, 0]))
    scale = 2 * half / FITTING_SIDE  # frame pixels a pixel of the enlarged face
    side = round(ROOM * FITTING_SIDE)
    corner = centre - side / 2 * scale
    numbers = (scale, 0, corner[0], 0, scale, corner[1])
    near = np.asarray(
        Image.fromarray(pixels).transform(
            (side, side), Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR, fillcolor=0
        )
    )
    fits = np.empty((len(FITS), N_LANDMARKS, 2))
    for row, (right, down, larger) in enumerate(FITS):
        middle = side / 2 + JITTER * FITTING_SIDE * np.array([right, down])
        reach = FITTING_SIDE * (1 + JITTER * larger) / 2
        edges = (*(middle - reach).round().astype(int), *(middle + reach).round().astype(int))
        fits[row] = detector.fit(near, FaceBox(*(int(edge) for edge in edges), score=0.0))
    mean = fits.mean(axis=0)
    scatter = np.sqrt(((fits - mean) ** 2).sum(axis=2).mean(axis=0)) / max(interocular(mean), 1e-6)
    spread = {region: float(scatter[where].mean()) for region, where in REGIONS.items()}
    around = FaceBox(*(round(float(edge)) for edge in (*(centre - half), *(centre + half))), score=box.score)
    return SeenFace(around, (mean + 0.5) * scale + corner - 0.5, spread)


def find_cuts(frames: Sequence[SeenFrame]) -> list[int]:
    """Return the frames that begin another shot."""
    pairs = pairwise(frames)
    return [i for i, (a, b) in enumerate(pairs, start=1) if np.abs(a.thumbnail - b.thumbnail).mean() > CUT]


def link(frames: Sequence[SeenFrame], times: Sequence[float]) -> list[Track]:
    """Join the faces of all frames to tracks, the one with the largest face and the longest presence first."""
    cuts = set(find_cuts(frames))
    tracks: list[Track] = []
    open_tracks: list[Track] = []
    for index, frame in enumerate(frames):
        if index in cuts:
            open_tracks = []
        open_tracks = [track for track in open_tracks if times[index] - times[track.places[-1][0]] <= MAX_GAP]
        free = list(open_tracks)
        for number, face in enumerate(frame.faces):
            best = max(free, key=lambda track: overlap(track.box, face.box), default=None)
            if best is None or overlap(best.box, face.box) < MIN_OVERLAP:
                best = Track()
                tracks.append(best)
                open_tracks.append(best)
            else:
                free.remove(best)
            best.places.append((index, number))
            best.box = face.box
            best.area += face.box.area
    return sorted(tracks, key=lambda track: -track.area)


def overlap(a: FaceBox, b: FaceBox) -> float:
    """Return the intersection over the union of two boxes."""
    width = max(0, min(a.right, b.right) - max(a.left, b.left))
    height = max(0, min(a.bottom, b.bottom) - max(a.top, b.top))
    common = width * height
    return common / max(a.area + b.area - common, 1e-9)
