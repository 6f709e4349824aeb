"""Does the severity path learn, and what does it learn from? A synthetic set with a planted answer says so.

    python scripts/benchmarks/severity_learns.py [--clips 2400] [--json]

The corners of the mouth of a real face (its landmarks read from a picture that scikit-image ships) move out and up by a
known amplitude; severity, 0..4, falls with it. Meanwhile the head wanders by at least one inter-ocular distance, tilts
by 20 degrees and changes size by 20 %; frame rates run from 12 to 60, and every subject has a face of its own. A sixth
of the subjects is held out. Printed is Spearman's correlation on them: with head motion removed, with TraMP-Former's
constant shift, and without the trajectory. These numbers say that the code can learn, and nothing about patients.
"""

import argparse
import json
import time

import numpy as np
import torch
from scipy.stats import spearmanr

from llava_faba.face.crop import find_faces
from llava_faba.face.landmarks import to_eye_frame
from llava_faba.motion.trajectory import CHANNELS, trajectory_of
from llava_faba.video.network import SeverityPath
from llava_faba.video.severity import severity_loss

FRAMES, VISUAL = 16, 16
SUBJECT_CLIPS = 20
LARGEST = 0.32  # inter-ocular distances that a healthy smile's corner moves
NOISE = 0.008  # of the landmarks, about what dlib's fits scatter
CORNERS = {48: (-0.8, -0.6), 54: (0.8, -0.6), 59: (-0.3, -0.3), 55: (0.3, -0.3), 49: (-0.4, -0.4), 53: (0.4, -0.4)}
CORNERS |= {60: (-0.7, -0.5), 64: (0.7, -0.5)}
WORDS = ("normal", "slightly reduced", "mildly reduced", "moderately reduced", "severely reduced")


def plant(face: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int, str]:
    """One clip of a subject's face (68, 2): landmarks in pixels, times in s, severity, and a report by template."""
    fps, seconds = rng.uniform(12, 60), rng.uniform(2.0, 5.0)
    steps = rng.uniform(0.7, 1.3, int(fps * seconds)) / fps  # a changing frame rate
    times = np.cumsum(steps) - steps[0]
    reach = rng.uniform(0.0, LARGEST)
    severity = int(np.clip(np.floor(5 * (1 - reach / LARGEST)), 0, 4))
    start, rise, hold = rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.25), rng.uniform(0.1, 0.3)
    part = times / times[-1]
    smile = np.clip((part - start) / rise, 0, 1) - np.clip((part - start - rise - hold) / rise, 0, 1)
    shapes = np.repeat(face[None], len(times), axis=0)
    balance = rng.uniform(0.85, 1.0, 2)
    for point, way in CORNERS.items():
        shapes[:, point] += reach * balance[int(way[0] > 0)] * smile[:, None] * np.array(way)
    wave = lambda: np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * part + rng.uniform()))  # noqa: E731
    spread = lambda x: (x - x.min()) / max(np.ptp(x), 1e-9)  # noqa: E731
    angle = np.radians(20) * spread(wave()) + rng.uniform(-0.2, 0.2)
    scale = 60 * (1 + 0.2 * spread(wave())) * rng.uniform(0.7, 1.5)
    way = np.exp(2j * np.pi * rng.uniform()) * spread(wave()) * rng.uniform(1.0, 1.6) * 60
    noisy = shapes + NOISE * rng.standard_normal(shapes.shape)
    plane = noisy @ (1, 1j) * (scale * np.exp(1j * angle))[:, None] + way[:, None] + 300 + 200j
    report = f"The corners of the mouth move by {reach:.2f}; the smile is {WORDS[severity]}."
    return np.stack([plane.real, plane.imag], axis=-1), times, severity, report


def make_set(clips: int, seed: int) -> dict[str, np.ndarray]:
    """Plant `clips` clips of subjects with 20 clips each, normalised both ways."""
    from skimage import data

    rng = np.random.default_rng(seed)
    face = to_eye_frame(find_faces(data.astronaut(), "largest", quality=False)[0].landmarks_px)
    columns: dict[str, list] = {name: [] for name in ("head_free", "constant_shift", "times", "visual", "rated", "who")}
    for who in range(clips // SUBJECT_CLIPS):
        own = face * rng.uniform(0.9, 1.1, 2) + 0.03 * rng.standard_normal(face.shape)
        looks = rng.standard_normal(VISUAL)
        for _ in range(SUBJECT_CLIPS):
            landmarks, times, severity, _ = plant(own, rng)
            seen = np.ones(landmarks.shape[:2], bool)
            for how in ("head_free", "constant_shift"):
                trajectory = trajectory_of(landmarks, seen, times, FRAMES, how)
                columns[how].append(trajectory.motion)
            columns["times"].append(trajectory.times)
            columns["visual"].append(looks + 0.3 * rng.standard_normal((4, VISUAL)))
            columns["rated"].append(severity)
            columns["who"].append(who)
    return {name: np.array(values) for name, values in columns.items()}


def learn(data: dict[str, np.ndarray], motion: np.ndarray, epochs: int, seed: int = 0) -> float:
    """Train on all subjects but the last sixth; return Spearman's correlation on that."""
    torch.manual_seed(seed)
    columns = [torch.tensor(array, dtype=torch.float32) for array in (motion, data["times"], data["visual"])]
    rated = torch.tensor(data["rated"], dtype=torch.float32)
    held_out = torch.tensor(data["who"] >= data["who"].max() + 1 - (data["who"].max() + 1) // 6)
    training = (~held_out).nonzero().flatten()
    path = SeverityPath(68, CHANNELS, FRAMES, VISUAL, width=32, depth=1, heads=4)
    optimiser = torch.optim.AdamW(path.parameters(), lr=3e-3, weight_decay=0.01)
    steps = epochs * (len(training) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(epochs):
        for batch in training[torch.randperm(len(training))][: len(training) // 32 * 32].split(32):
            outputs = path(*(column[batch] for column in columns)).outputs
            optimiser.zero_grad()
            severity_loss("balanced_mse", outputs, rated[batch]).backward()
            torch.nn.utils.clip_grad_norm_(path.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    path.eval()
    with torch.inference_mode():
        predicted = torch.cat(
            [
                path(*(column[rows] for column in columns)).outputs[:, 0]
                for rows in held_out.nonzero().flatten().split(64)
            ]
        )
    if predicted.std() < 1e-6:
        return 0.0
    return float(spearmanr(predicted.numpy(), rated[held_out].numpy()).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    data = make_set(args.clips, args.seed)
    planted = time.perf_counter() - began
    result = {
        "head_free": learn(data, data["head_free"], args.epochs),
        "constant_shift": learn(data, data["constant_shift"], args.epochs),
        "without_trajectory": learn(data, np.zeros_like(data["head_free"]), args.epochs),
        "clips": args.clips,
        "planting_s": planted,
        "seconds": time.perf_counter() - began,
    }
    if args.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:<20} {value:8.3f}")


if __name__ == "__main__":
    main()
