"""Sixty-eight landmarks of a face: their names, the frame in which faces are compared, and how they are drawn.

The numbering is that of iBUG 300-W, which dlib's shape predictor writes
(https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/): jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth
48-67. Left and right are as seen in the picture.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

N_LANDMARKS = 68
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
NOSE_TIP = 30
MOUTH_CORNERS = [48, 54]
# The landmark that each becomes in the mirror image: left and right change places, the middle line stays.
MIRRORED = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *range(27, 31),  # bridge of the nose
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(*range(54, 47, -1), *range(59, 54, -1)),  # outer lips
    *(*range(64, 59, -1), *range(67, 64, -1)),  # inner lips
)
REGIONS = {"brows": slice(17, 27), "eyes": slice(36, 48), "mouth": slice(48, 68)}  # judged apart: see crop.py

# Seven points that expressions leave still, on a generic head: the corners of the eyes, the root, tip and base of the
# nose. In cm, x to the right, y down, z towards the camera. Source: vertices 33, 133, 362, 263, 168, 4 and 2 of
# https://github.com/google/mediapipe/blob/v0.10.9/mediapipe/modules/face_geometry/data/canonical_face_model.obj
HEAD_POINTS = [36, 39, 42, 45, 27, 30, 33]
HEAD = np.array(
    [
        (-4.446, -2.664, 3.173),
        (-1.856, -2.585, 3.758),
        (1.856, -2.585, 3.758),
        (4.446, -2.664, 3.173),
        (0.0, -3.271, 5.236),
        (0.0, 0.463, 7.587),
        (0.0, 2.089, 6.058),
    ]
)

# The side of a face and its centre, in units of the distance between the eyes, or of 0.9 times that from the eyes to
# the mouth where a turned head shortens the first: medians of dlib's boxes on 230 faces.
FACE_SIDE = 2.2
FACE_CENTRE = 0.38  # below the eye line
EYES_TO_MOUTH = 0.9

MARKS = {"brows": "#ffb000", "eyes": "#00d0ff", "mouth": "#ff4fa0"}  # colours of the regions; the rest is green
PLAIN_MARK = "#40ff40"


def eye_centres(landmarks_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres (x, y) of the left and the right eye of 68 landmarks."""
    return landmarks_px[LEFT_EYE].mean(axis=0), landmarks_px[RIGHT_EYE].mean(axis=0)


def interocular(landmarks_px: np.ndarray) -> float:
    """Return the distance between the eye centres, in pixels."""
    left, right = eye_centres(landmarks_px)
    return float(np.hypot(*(right - left)))


def mouth_centre(landmarks_px: np.ndarray) -> np.ndarray:
    """Return the point (x, y) between the corners of the mouth."""
    return landmarks_px[MOUTH_CORNERS].mean(axis=0)


def head_pose(landmarks_px: np.ndarray) -> tuple[float, float, float]:
    """Return pitch, yaw and roll in degrees: above 0 the face looks down, to the picture's right, and tilts clockwise.

    A scaled orthographic camera is fitted to HEAD_POINTS of a generic head by least squares: good to some ten degrees,
    and changes of one person's head to a few. The mouth and the chin are left out: a smile would read as a nod.
    """
    design = np.concatenate([HEAD, np.ones((len(HEAD), 1))], axis=1)
    camera = np.linalg.lstsq(design, np.asarray(landmarks_px, dtype=float)[HEAD_POINTS], rcond=None)[0][:3].T  # (2, 3)
    x, y = camera / np.maximum(np.linalg.norm(camera, axis=1, keepdims=True), 1e-9)
    roll = np.arctan2(y[0], x[0])
    cosine, sine = np.cos(roll), np.sin(roll)
    facing = np.clip([cosine * x[2] + sine * y[2], cosine * y[2] - sine * x[2]], -1, 1)  # right and down, roll undone
    yaw, pitch = np.degrees(np.arcsin(facing))
    return float(pitch), float(yaw), float(np.degrees(roll))


@dataclass(frozen=True)
class FaceFrame:
    """Where a face lies in its picture: an upright square of the face's own, and its axes in the picture."""

    centre: np.ndarray  # (x, y) in pixels
    side: float  # px: about from the brows' upper edge to the chin, as dlib's boxes are
    along: np.ndarray  # unit vector from the left eye to the right one
    down: np.ndarray  # unit vector from the eyes towards the mouth


def face_frame(points: np.ndarray) -> FaceFrame:
    """Return the frame of a face from 68 landmarks, or from five points (eyes, nose tip, mouth corners)."""
    points = np.asarray(points, dtype=float)
    left, right = eye_centres(points) if len(points) == N_LANDMARKS else points[:2]
    mouth = mouth_centre(points) if len(points) == N_LANDMARKS else points[3:5].mean(axis=0)
    eyes, line = (left + right) / 2, right - left
    distance = max(float(np.hypot(*line)), 1e-6)
    along = line / distance
    down = np.array([-along[1], along[0]])
    unit = max(distance, EYES_TO_MOUTH * float(np.hypot(*(mouth - eyes))))
    return FaceFrame(eyes + FACE_CENTRE * unit * down, FACE_SIDE * unit, along, down)


def to_eye_frame(landmarks_px: np.ndarray) -> np.ndarray | None:
    """Move 68 landmarks (68, 2) into the frame of the eyes; None where both eyes fall on one point.

    Origin between the eye centres, x along the eye line, y down, unit = inter-ocular distance: the eye centres come
    out as (-0.5, 0) and (0.5, 0), whatever the place, size and roll of the face in its picture.
    """
    landmarks_px = np.asarray(landmarks_px, dtype=np.float64)
    left, right = eye_centres(landmarks_px)
    distance = np.hypot(*(right - left))
    if distance < 1e-6:
        return None
    cosine, sine = (right - left) / distance
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    return (landmarks_px - (left + right) / 2) @ rotation.T / distance


def draw_landmarks(image: Image.Image, landmarks_px: np.ndarray, box: np.ndarray | None = None) -> Image.Image:
    """Return a copy of `image` with landmarks (k, 2) drawn on it, and a box (x0, y0, x1, y1) if given.

    Sixty-eight landmarks are coloured by region, any other number is drawn in one colour.
    """
    picture = image.convert("RGB")
    draw = ImageDraw.Draw(picture)
    span = np.ptp(landmarks_px, axis=0).max() if len(landmarks_px) else max(picture.size)
    radius = max(1.0, min(span / 90, max(picture.size) / 100))
    if box is not None:
        draw.rectangle([float(edge) for edge in box], outline=PLAIN_MARK, width=max(1, round(radius)))
    colours = [PLAIN_MARK] * len(landmarks_px)
    if len(landmarks_px) == N_LANDMARKS:
        for region, where in REGIONS.items():
            colours[where] = [MARKS[region]] * len(colours[where])
    for (x, y), colour in zip(landmarks_px, colours, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture


def five_points(landmarks_px: np.ndarray) -> np.ndarray:
    """Return eye centres, nose tip and mouth corners (5, 2) of 68 landmarks: the points ArcFace is aligned by."""
    return np.stack([*eye_centres(landmarks_px), landmarks_px[NOSE_TIP], *landmarks_px[MOUTH_CORNERS]])
