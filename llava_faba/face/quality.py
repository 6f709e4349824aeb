"""How far a found face can be trusted: its size, sharpness and pose, and which of its regions were really seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image

from llava_faba.face.detectors import Detector, FaceBox, box_around
from llava_faba.face.landmarks import N_LANDMARKS, REGIONS, head_pose, interocular

# A covered region's landmarks are guessed from the rest of the face, and another box gives another guess: eight boxes,
# moved and resized by JITTER of their side, are fitted on the face enlarged to FITTING_SIDE, and a region's spread is
# the root mean square distance of its landmarks from their means, in inter-ocular distances.
JITTER = 0.02
JITTERS = [
    (-1, 0, 0),
    (1, 0, 0),
    (0, -1, 0),
    (0, 1, 0),
    (-0.6, -0.6, -1),
    (0.6, 0.6, 1),
    (0.6, -0.6, 1),
    (-0.6, 0.6, -1),
]
FITTING_SIDE = 256  # px of the face's box

# Above these a region counts as not seen. In a clip of one woman the mouth's spread stays under 0.0104 while it is
# free and is above 0.0133 in 95 % of the frames in which a hand covers it; her free brows stay under 0.0169. Patches
# of skin painted over a region of small faces push it over its limit for about 95 % of mouths and 75 % of brows.
LIMITS = {"brows": 0.018, "eyes": 0.016, "mouth": 0.012}

SHARPNESS_SIDE = 112  # px: the size at which sharpness is compared


@dataclass(frozen=True)
class FaceQuality:
    """What a reader of a face should know before believing it."""

    interocular_px: float  # in the photo
    sharpness: float  # spread of the Laplacian over that of the grey values at 112 px: about 0.1 blurred, 0.5 sharp
    pitch: float  # degrees, above 0 looking down
    yaw: float  # degrees, above 0 looking to the picture's right
    roll: float  # degrees, above 0 tilted clockwise
    spread: dict[str, float]  # brows, eyes, mouth: scatter under jittered boxes, in inter-ocular distances
    valid: dict[str, bool]  # brows, eyes, mouth: the region was seen

    def record(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them, rounded."""
        return {
            name: {k: v if isinstance(v, bool) else round(v, 4) for k, v in value.items()}
            if isinstance(value, dict)
            else round(value, 4)
            for name, value in asdict(self).items()
        }


def assess(
    pixels: np.ndarray, box: FaceBox, landmarks_px: np.ndarray, crop: np.ndarray, fitter: Detector
) -> FaceQuality:
    """Judge a face found in a photo's pixels and its aligned crop."""
    spread = region_spread(pixels, box_around(np.array(box.points)) if box.points else box, fitter)
    pitch, yaw, roll = head_pose(landmarks_px)
    return FaceQuality(
        interocular_px=interocular(landmarks_px),
        sharpness=sharpness(crop),
        pitch=pitch,
        yaw=yaw,
        roll=roll,
        spread=spread,
        valid={region: spread[region] <= limit for region, limit in LIMITS.items()},
    )


def region_spread(pixels: np.ndarray, box: FaceBox, fitter: Detector) -> dict[str, float]:
    """Return how far the landmarks of each region scatter under jittered boxes, in inter-ocular distances."""
    side = max(1, box.right - box.left)
    return fit_jittered(pixels, np.array([box.left + side / 2, box.top + side / 2]), side, fitter)[1]


def fit_jittered(
    pixels: np.ndarray,
    centre: np.ndarray,
    side: float,
    fitter: Detector,
    jitters: Sequence[tuple[float, float, float]] = JITTERS,
    room: float = 2.0,
) -> tuple[np.ndarray, dict[str, float]]:
    """Fit a face's landmarks in several jittered boxes around its centre (x, y), `side` px wide.

    `room` is how many sides of the face are enlarged around it, from which landmarks are fitted. Returns the mean
    landmarks (68, 2) in the picture's pixels, steadier than any single fit, and how far the fits of brows, eyes and
    mouth scatter, in inter-ocular distances.
    """
    scale = side / FITTING_SIDE  # pixels of the picture a pixel of the enlarged face
    width = round(room * FITTING_SIDE)
    corner = np.asarray(centre) - width / 2 * scale
    numbers = (scale, 0, corner[0], 0, scale, corner[1])
    near = Image.fromarray(pixels).transform(
        (width, width), Image.Transform.AFFINE, numbers, Image.Resampling.BILINEAR, fillcolor=0
    )
    enlarged = np.asarray(near)
    fits = np.empty((len(jitters), N_LANDMARKS, 2))
    for row, (right, down, larger) in enumerate(jitters):
        middle = width / 2 + JITTER * FITTING_SIDE * np.array([right, down])
        reach = FITTING_SIDE * (1 + JITTER * larger) / 2
        edges = (*(middle - reach).round().astype(int), *(middle + reach).round().astype(int))
        fits[row] = fitter.fit(enlarged, FaceBox(*(int(edge) for edge in edges), score=0.0))
    mean = fits.mean(axis=0)
    scatter = np.sqrt(((fits - mean) ** 2).sum(axis=2).mean(axis=0)) / max(interocular(mean), 1e-6)
    spread = {region: float(scatter[where].mean()) for region, where in REGIONS.items()}
    return (mean + 0.5) * scale + corner - 0.5, spread


def sharpness(crop: np.ndarray) -> float:
    """Return the standard deviation of a face's Laplacian over that of its grey values, at 112 px; 0 for a flat one."""
    small = Image.fromarray(crop).convert("L").resize((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float64)
    inside = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inside
    contrast = inside.std()
    return float(laplacian.std() / contrast) if contrast > 0 else 0.0
