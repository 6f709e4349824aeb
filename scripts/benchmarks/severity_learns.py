"""Does the severity path learn, and what does it learn from? A synthetic set with a planted answer says so.

    python scripts/benchmarks/severity_learns.py [--clips 2400] [--rows batch_8 batch_1x8 ...] [--json]

The corners of the mouth of a real face (its landmarks read from a picture that scikit-image ships) move out and up by a
known amplitude; severity, 0..4, falls with it. The skin beside them darkens with the movement, as a fold does, under a
light that changes. Meanwhile the head wanders by at least one inter-ocular distance, tilts by 20 degrees and changes
size by 20 %; frame rates run from 12 to 60, and every subject has a face of its own. A sixth of the subjects is held
out, another sixth makes the interval. Printed is Spearman's correlation on the held-out ones, a row a variant, trained
by the learner that training uses, and how many of their ratings the 90 % interval holds. In the rows `tremor` the jaw
trembles at 5 Hz instead, by 0 to 0.006 inter-ocular distances: in float32, as landmarks go through every recipe, and
rounded to bfloat16, as they would in a model of that dtype. These numbers say that the code can learn, and nothing
about patients.
"""

import argparse
import json
import math
import sys
import time

import numpy as np
import torch
from scipy.stats import spearmanr

from llava_faba.face.crop import find_faces
from llava_faba.face.landmarks import to_eye_frame
from llava_faba.motion.trajectory import channels_of, trajectory_of
from llava_faba.video.interval import ConformalInterval, residual_of
from llava_faba.video.learner import Recipe, SeverityLearner
from llava_faba.video.network import SeverityPath

FRAMES, TREMOR_FRAMES, VISUAL = 16, 64, 16
SUBJECT_CLIPS = 20
LARGEST = 0.32  # inter-ocular distances that a healthy smile's corner moves
NOISE = 0.008  # of the landmarks, about what dlib's fits scatter
CORNERS = {48: (-0.8, -0.6), 54: (0.8, -0.6), 59: (-0.3, -0.3), 55: (0.3, -0.3), 49: (-0.4, -0.4), 53: (0.4, -0.4)}
CORNERS |= {60: (-0.7, -0.5), 64: (0.7, -0.5)}
FOLD = 0.25  # of the skin's brightness, that the largest smile takes beside the corners
LIGHT, GRAIN = 0.15, 0.03  # how far the light wanders in a clip, and the noise of a pixel; of the brightness
TREMOR, TREMOR_HZ, TREMOR_NOISE = 0.006, 5.0, 0.001  # inter-ocular distances, Hz, and the scatter of tracked points
JAW = [*range(2, 15), *range(55, 60), *range(65, 68)]  # of dlib's 68 points: the jaw line and the lower lip
LEARNING_RATE, LEVEL = 1.5e-3, 0.9
TREMOR_EPOCHS = 2.5  # a tremor is learned more slowly: times as many epochs
ROWS = {  # row -> (normalisation or none, colour, clips a micro-batch, micro-batches a step)
    "batch_8": ("head_free", False, 8, 1),
    "batch_1x8": ("head_free", False, 1, 8),
    "colour": ("head_free", True, 8, 1),
    "constant_shift": ("constant_shift", False, 8, 1),
    "constant_shift_colour": ("constant_shift", True, 8, 1),
    "without_trajectory": (None, False, 8, 1),
    "tremor": ("tremor", False, 8, 1),
    "tremor_bfloat16": ("tremor_bfloat16", False, 8, 1),
}


def plant(face: np.ndarray, skin: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """One clip of a subject's face (68, 2): landmarks in pixels, their colours, times in s, severity."""
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
    wave = lambda: np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * part + rng.uniform()))  # noqa: E731
    light = 1 + LIGHT * wave()
    colours = skin[None, None] * light[:, None, None] * np.ones((1, len(face), 1))
    for point, way in CORNERS.items():
        own = balance[int(way[0] > 0)] * smile[:, None]
        shapes[:, point] += reach * own * np.array(way)
        colours[:, point] *= 1 - FOLD * reach / LARGEST * own
    colours = np.clip(colours * (1 + GRAIN * rng.standard_normal(colours.shape)), 0, 1)
    spread = lambda x: (x - x.min()) / max(np.ptp(x), 1e-9)  # noqa: E731
    angle = np.radians(20) * spread(wave()) + rng.uniform(-0.2, 0.2)
    scale = 60 * (1 + 0.2 * spread(wave())) * rng.uniform(0.7, 1.5)
    way = np.exp(2j * np.pi * rng.uniform()) * spread(wave()) * rng.uniform(1.0, 1.6) * 60
    noisy = shapes + NOISE * rng.standard_normal(shapes.shape)
    plane = noisy @ (1, 1j) * (scale * np.exp(1j * angle))[:, None] + way[:, None] + 300 + 200j
    return np.stack([plane.real, plane.imag], axis=-1), colours, times, severity


def make_set(clips: int, seed: int) -> dict[str, np.ndarray]:
    """Plant `clips` clips of subjects with 20 clips each, normalised both ways, with colours."""
    from skimage import data

    rng = np.random.default_rng(seed)
    face = to_eye_frame(find_faces(data.astronaut(), "largest", quality=False)[0].landmarks_px)
    columns: dict[str, list] = {name: [] for name in ("head_free", "constant_shift", "times", "visual", "rated", "who")}
    for who in range(clips // SUBJECT_CLIPS):
        own = face * rng.uniform(0.9, 1.1, 2) + 0.03 * rng.standard_normal(face.shape)
        skin = rng.uniform(0.2, 0.75) * np.array([1.0, 0.8, 0.7])
        looks = rng.standard_normal(VISUAL)
        for _ in range(SUBJECT_CLIPS):
            landmarks, colours, times, severity = plant(own, skin, rng)
            seen = np.ones(landmarks.shape[:2], bool)
            for how in ("head_free", "constant_shift"):
                trajectory = trajectory_of(landmarks, seen, times, FRAMES, how, colours=colours)
                columns[how].append(trajectory.motion)
            columns["times"].append(trajectory.times)
            columns["visual"].append(looks + 0.3 * rng.standard_normal((4, VISUAL)))
            columns["rated"].append(severity)
            columns["who"].append(who)
    return {name: np.array(values) for name, values in columns.items()}


def make_tremor_set(clips: int, seed: int) -> dict[str, np.ndarray]:
    """Plant clips of a trembling jaw, of subjects with 20 clips each: severity 0 to 4 is how far it trembles."""
    from skimage import data

    rng = np.random.default_rng(seed)
    face = to_eye_frame(find_faces(data.astronaut(), "largest", quality=False)[0].landmarks_px)
    columns: dict[str, list] = {name: [] for name in ("tremor", "times", "visual", "rated", "who")}
    for number in range(clips):
        own = face * np.random.default_rng([seed, number // SUBJECT_CLIPS]).uniform(0.9, 1.1, 2)
        times, severity = np.arange(75) / rng.choice([25, 30]), int(rng.integers(5))
        shapes = np.repeat(own[None], len(times), axis=0) + TREMOR_NOISE * rng.standard_normal((75, 68, 2))
        wave = np.sin(2 * np.pi * (TREMOR_HZ * times + rng.uniform()))
        shapes[:, JAW, 1] += TREMOR * severity / 4 * wave[:, None]
        trajectory = trajectory_of(80 * shapes + 300, np.ones((75, 68), bool), times, TREMOR_FRAMES, "head_free")
        columns["tremor"].append(trajectory.motion)
        columns["times"].append(trajectory.times)
        columns["visual"].append(rng.standard_normal((4, VISUAL)))
        columns["rated"].append(severity)
        columns["who"].append(number // SUBJECT_CLIPS)
    found = {name: np.array(values) for name, values in columns.items()}
    return found | {"tremor_bfloat16": torch.tensor(found["tremor"]).bfloat16().float().numpy()}


def learn(data: dict[str, np.ndarray], row: str, epochs: int, seed: int = 0) -> dict[str, float]:
    """Train on four sixths of the subjects; return Spearman's correlation and the interval's coverage on the last."""
    how, colour, size, accumulated = ROWS[row]
    motion = np.zeros_like(data["head_free"]) if how is None else data[how]
    motion = motion if colour else motion[..., [0, 1, -1]]
    frames = motion.shape[1]
    if how and how.startswith("tremor"):
        epochs = round(epochs * TREMOR_EPOCHS)
    torch.manual_seed(seed)
    columns = {name: torch.tensor(data[name], dtype=torch.float32) for name in ("visual", "rated")}
    columns |= {"motion": torch.tensor(motion), "motion_times": torch.tensor(data["times"])}
    columns["expressions"] = torch.zeros(len(motion), dtype=torch.long)
    subjects = data["who"].max() + 1
    part = data["who"] * 6 // subjects  # 0 to 3 train, 4 makes the interval, 5 is held out
    training = torch.tensor(np.flatnonzero(part < 4))
    path = SeverityPath(68, channels_of(colour), frames, VISUAL, width=32, depth=1, heads=4)
    steps = epochs * (len(training) // (size * accumulated))
    schedule = lambda step: min((step + 1) / (0.1 * steps), 0.5 + 0.5 * math.cos(math.pi * step / steps))  # noqa: E731
    learner = SeverityLearner(path, Recipe(learning_rate=LEARNING_RATE, schedule=schedule, weight_decay=0.01))
    number = 0
    for _ in range(epochs):
        order = training[torch.randperm(len(training))]
        for step in order[: steps // epochs * size * accumulated].split(size * accumulated):
            for clips in step.split(size):
                learner.take({name: column[clips] for name, column in columns.items()}, columns["rated"][clips])
            learner.step(number)
            number += 1
    unbounded = np.concatenate([predict(path, columns, rows) for rows in torch.arange(len(motion)).split(64)])
    rated, validation, test = data["rated"], part == 4, part == 5
    predicted = unbounded.clip(0, 4)
    away = np.array([residual_of(*pair) for pair in zip(unbounded, rated, strict=True)])
    interval = ConformalInterval(tuple(away[validation]), LEVEL, tuple(map(str, data["who"][validation])))
    constant = predicted[test].std() < 1e-6
    return {
        "spearman": 0.0 if constant else float(spearmanr(predicted[test], rated[test]).statistic),
        "coverage": float((away[test] <= interval.half_width).mean()),
        "half_width": float(interval.half_width),
    }


def predict(path: SeverityPath, columns: dict[str, torch.Tensor], rows: torch.Tensor) -> np.ndarray:
    """The severities of some clips, not yet held within the scale."""
    with torch.inference_mode():
        inputs = (columns[name][rows] for name in ("motion", "motion_times", "visual", "expressions"))
        return path.head.unbounded(path(*inputs).outputs).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2400)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="variants to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    trembling = [row for row in args.rows if row.startswith("tremor")]
    data = make_set(args.clips, args.seed) if len(trembling) < len(args.rows) else {}
    tremors = make_tremor_set(args.clips, args.seed) if trembling else {}
    planted = time.perf_counter() - began
    learned = {}
    for row in args.rows:
        learned[row] = learn(tremors if row in trembling else data, row, args.epochs, args.seed)
        print(f"{row}: {learned[row]}", file=sys.stderr, flush=True)
    result = {row: values["spearman"] for row, values in learned.items()}
    if "batch_8" in learned:  # the name under which this row was first published
        result["head_free"] = result["batch_8"]
    result |= {"rows": learned, "clips": args.clips, "planting_s": planted, "seconds": time.perf_counter() - began}
    if args.json:
        print(json.dumps(result))
        return
    print(f"{'':<24}{'spearman':>10}{'coverage':>10}{'half width':>12}")
    for row, values in learned.items():
        print(f"{row:<24}{values['spearman']:10.3f}{values['coverage']:10.3f}{values['half_width']:12.3f}")
    print(f"{args.clips} clips, {result['seconds']:.0f} s")


if __name__ == "__main__":
    main()
