"""Frames -> one face through the clip: what is found in each frame, linked to tracks, and the track that is followed.

A face is found anew in every frame, so that a track never outlives its face. Links join boxes that overlap and faces
that look alike: from frame to frame somebody else in the same place is noticed (a cut that keeps the background), and
a face that was hidden for long is taken up again where it was, if it still looks like itself. No link goes over a cut
of the film. Likeness is that of small grey pictures of eyes and nose: enough to tell two people in one clip apart, not
to recognise anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
from PIL import Image

from llava_faba.face.crop import alignment, warp
from llava_faba.face.detectors import DETECTION_SIDE, DlibDetector, FaceBox
from llava_faba.face.landmarks import to_eye_frame
from llava_faba.face.quality import JITTERS, fit_jittered

MAX_FACES = 3  # a frame: the largest
MAX_GAP = 1.0  # s for which a face may be gone (a blurred frame, a hand) and still be the same without a look at it
MIN_OVERLAP = 0.25  # intersection over union of a face's boxes in two linked frames
CUT = 32.0  # grey levels by which the mean pixel differs over a cut; ours, set by eye on two clips
THUMBNAIL = (32, 18)
PORTRAIT = 24  # px: the side of the grey picture of eyes and nose by which faces are compared
# In a clip of one woman portraits of neighbouring frames correlate by 0.70 to 1, and her bones lie within 0.05
# inter-ocular distances; those of two people by less than 0.65 in 99 of 100 pairs, and 0.19 apart in the median.
UNLIKE, APART = 0.65, 0.06  # a face less alike than the first, its bones farther apart than the second, is another's
JUMP = 0.1  # s within which a face does not change so much by itself
ALIKE = 0.6  # likeness to one of its earlier portraits by which a face that was gone is taken up again
PORTRAITS = 24  # of a track that are kept for it
BONES = [0, 2, 4, 12, 14, 16, 27, 28, 29, 30, 33, 36, 39, 42, 45]  # landmarks that expressions move little
FITS = JITTERS[:6]  # of quality.py's eight boxes: a clip has many frames, and the limits hold for six as well
ROOM = 1.5  # sides of the face that are enlarged around it: landmarks are fitted from what lies inside


@dataclass(frozen=True)
class SeenFace:
    """One face in one frame, in the frame's pixels."""

    box: FaceBox  # around the landmarks: dlib's own comes in steps of a fifth of its size
    landmarks: np.ndarray  # (68, 2): the mean of the fits in jittered boxes
    spread: dict[str, float]  # brows, eyes, mouth: how far those fits scatter, in inter-ocular distances
    portrait: np.ndarray  # (PORTRAIT, PORTRAIT) grey, mean 0 and deviation 1
    bones: np.ndarray  # (k, 2) BONES in the frame of the eyes


@dataclass(frozen=True)
class SeenFrame:
    """What was seen in one frame."""

    faces: list[SeenFace]  # largest first
    thumbnail: np.ndarray | None  # grey, for finding cuts; None: the frame could not be decoded


@dataclass
class Track:
    """One face through the frames; `places` are (frame, face in it)."""

    places: list[tuple[int, int]] = field(default_factory=list)
    area: float = 0.0  # sum over its frames, which decides whose clip this is
    face: SeenFace | None = None  # as last seen
    portraits: list[np.ndarray] = field(default_factory=list)

    def add(self, index: int, number: int, face: SeenFace) -> None:
        """Take the face `number` of frame `index` into the track."""
        self.places.append((index, number))
        self.face, self.area = face, self.area + face.box.area
        if len(self.places) & (len(self.places) - 1) == 0:  # 1, 2, 4, 8, ...: from all of a long track
            self.portraits = [*self.portraits, face.portrait][-PORTRAITS:]


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
    landmarks, spread = fit_jittered(pixels, centre, 2 * half, detector, FITS, ROOM)
    around = FaceBox(*(round(float(edge)) for edge in (*(centre - half), *(centre + half))), score=box.score)
    grey = warp(pixels, alignment(landmarks, PORTRAIT, -0.12), PORTRAIT).mean(axis=2)
    portrait = (grey - grey.mean()) / max(float(grey.std()), 1e-6)
    shape = to_eye_frame(landmarks)
    bones = shape[BONES] if shape is not None else np.zeros((len(BONES), 2))
    return SeenFace(around, landmarks, spread, portrait, bones)


def find_cuts(frames: Sequence[SeenFrame]) -> list[int]:
    """Return the frames that begin another shot; frames that could not be decoded are passed over."""
    seen = [(index, frame.thumbnail) for index, frame in enumerate(frames) if frame.thumbnail is not None]
    return [i for (_, a), (i, b) in pairwise(seen) if np.abs(a - b).mean() > CUT]


def link(frames: Sequence[SeenFrame], times: Sequence[float]) -> tuple[list[Track], list[int]]:
    """Join the faces of all frames to tracks; return them, the one with most face in the clip first, and the cuts.

    A cut is a frame that begins another shot, or in which somebody else appears in a face's place.
    """
    cuts = set(find_cuts(frames))
    tracks: list[Track] = []
    shot: list[Track] = []  # of this shot
    for index, frame in enumerate(frames):
        if index in cuts:
            shot = []
        free = list(shot)
        for number, face in enumerate(frame.faces):
            near = [track for track in free if overlap(track.face.box, face.box) >= MIN_OVERLAP]
            near.sort(key=partial(_nearness, face), reverse=True)
            own = next((track for track in near if _same(track, face, times[index] - times[track.places[-1][0]])), None)
            if own is None:
                if any(times[index] - times[track.places[-1][0]] <= JUMP for track in near):
                    cuts.add(index)
                own = Track()
                tracks.append(own)
                shot.append(own)
            else:
                free.remove(own)
            own.add(index, number, face)
    return sorted(tracks, key=lambda track: -track.area), sorted(cuts)


def _nearness(face: SeenFace, track: Track) -> tuple[int, float]:
    """Tracks that were seen last come first, and of these the one whose face overlaps most."""
    return track.places[-1][0], overlap(track.face.box, face.box)


def _same(track: Track, face: SeenFace, gone: float) -> bool:
    """Whether a face in a track's place, seen `gone` s after the track's last one, is taken for the same."""
    if gone <= JUMP:
        apart = float(np.linalg.norm(track.face.bones - face.bones, axis=1).mean())
        return likeness(track.face, face) >= UNLIKE or apart <= APART
    return gone <= MAX_GAP or max(float((old * face.portrait).mean()) for old in track.portraits) >= ALIKE


def likeness(one: SeenFace, other: SeenFace) -> float:
    """Return the correlation of two faces' portraits, -1..1."""
    return float((one.portrait * other.portrait).mean())


def overlap(a: FaceBox, b: FaceBox) -> float:
    """Return the intersection over the union of two boxes."""
    width = max(0, min(a.right, b.right) - max(a.left, b.left))
    height = max(0, min(a.bottom, b.bottom) - max(a.top, b.top))
    common = width * height
    return common / max(a.area + b.area - common, 1e-9)
