"""A made-up set in the layout of PFED5's releases: csv, folders of frames, 73-point trajectories and their colours."""

from pathlib import Path

import numpy as np
from PIL import Image

from llava_faba.motion.trajectory import EYE_CENTRES_73, PFED5_73
from llava_faba.vocabulary import EXPRESSIONS

PLACES = {  # part -> its middle in inter-ocular distances, the nose tip the origin, y down
    "left_eye": (-0.5, -0.5),
    "left_brow": (-0.5, -0.8),
    "right_eye": (0.5, -0.5),
    "right_brow": (0.5, -0.8),
    "nose": (0.0, -0.1),
    "lower_lip": (0.0, 0.6),
    "upper_lip": (0.0, 0.4),
}
UNIT = 80.0  # px between the eyes in a crop of 256
FPS = 25.0


def a_shape(rng: np.random.Generator) -> np.ndarray:
    """73 landmarks of somebody's face, in inter-ocular distances."""
    shape = np.zeros((73, 2))
    for part, points in PFED5_73.parts.items():
        turn = np.linspace(0, 2 * np.pi, len(points), endpoint=False)
        shape[points] = np.array(PLACES[part]) + 0.15 * np.stack([np.cos(turn), 0.5 * np.sin(turn)], axis=1)
    shape[list(EYE_CENTRES_73)] = [PLACES["left_eye"], PLACES["right_eye"]]
    shape[PFED5_73.nose_tip] = (0, 0)
    return shape * rng.uniform(0.95, 1.05, 2)


def shaken(shape: np.ndarray, amplitude: float, rng: np.random.Generator, frames: int = 64) -> np.ndarray:
    """A clip (F, 73, 2), in pixels, of a face whose lower lip shakes at 5 Hz, `amplitude` from peak to peak."""
    wave = 0.5 * amplitude * np.sin(2 * np.pi * (5 * np.arange(frames) / FPS + rng.uniform()))
    clip = np.repeat(shape[None], frames, axis=0)
    clip[:, PFED5_73.parts["lower_lip"], 1] += wave[:, None]
    clip += 0.0003 * rng.standard_normal(clip.shape)
    return UNIT * clip + (128, 140)


def write_released(
    folder: Path, grades: dict[str, list[float]], amplitudes: dict[float, float], seed: int = 0, expression: int = 4
) -> tuple[Path, Path, Path, Path]:
    """Write clips of patients (name -> rated grades); return csv, frames, trajectories and colours.

    Every frame's picture is the same: what can be learned stands in the trajectories.
    """
    rng = np.random.default_rng(seed)
    frames, tracks, colours = folder / "frames", folder / "detect_73_crop", folder / "RGB_1x1_fromLK"
    picture = Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).resize((256, 256))
    rows = []
    for patient, rated in grades.items():
        shape = a_shape(rng)
        for number, grade in enumerate(rated):
            video = f"{EXPRESSIONS[expression][:5]}_{len(rows):05d}"
            place = frames / patient / video
            place.mkdir(parents=True)
            clip = shaken(shape, amplitudes[grade], rng)
            picture.save(place / "0000.jpg")
            for index in range(1, len(clip)):
                (place / f"{index:04d}.jpg").write_bytes((place / "0000.jpg").read_bytes())
            for root, array in (
                (tracks, np.concatenate([clip[:, :1], clip], axis=1) if number % 2 else clip),  # 74 points, or 73
                (colours, rng.integers(60, 200, (len(clip), 71, 3)).astype(np.uint8)),
            ):
                (root / patient).mkdir(parents=True, exist_ok=True)
                np.save(root / patient / f"{video}-{patient}.npy", array)
            rows.append(f"{video}_{patient},{grade:g},{len(clip)},{expression}")
    csv = folder / f"set{seed}.csv"
    csv.write_text("\n".join(["id,label,num_frames,class", *rows]) + "\n")
    return csv, frames, tracks, colours
