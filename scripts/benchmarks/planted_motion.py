"""How far off are amplitude, peak speed and onset? Movements of known size, planted on a real face's noisy landmarks.

    python scripts/benchmarks/planted_motion.py [--fps 12 30 120] [--seconds 0.8 0.4] [--seeds 12] [--json OUT.json]

The corner of the mouth goes out and up and comes back, the left one by `size` inter-ocular distances, the right one
half as far, in directions from 0 to 180 degrees, begun between two frames. Every coordinate of every landmark scatters
by 0.005. A row is a frame rate, a duration and a size; printed are the median and the 95th percentile of the errors in
per cent of the truth, and in how many cases of a hundred an error is within two of the standard errors that are printed
beside the value. Speeds are compared with the true mean over a sixth of a second, which is what is measured.
"""

import argparse
import itertools
import json
import sys

import numpy as np

from llava_faba.face.crop import find_faces
from llava_faba.face.landmarks import to_eye_frame
from llava_faba.motion.clips import Clip
from llava_faba.motion.measures import measure_motion
from llava_faba.motion.movement import SPEED_SECONDS

NOISE = 0.005  # inter-ocular distances
DIRECTIONS = (0, 45, 90, 135, 180)  # degrees above outwards
REST, HOLD, AFTER = 1.2, 0.8, 1.2  # s before, between and after the two movements
FIGURES = ("amplitude", "peak_speed", "onset_time")
STEPS = {  # shape -> the course from 0 to 1, its time from a tenth to nine tenths
    "cubic": (lambda u: u**2 * (3 - 2 * u), 0.6084),
    "least_jerk": (lambda u: u**3 * (10 - 15 * u + 6 * u**2), 0.5048),
}


def plant(
    face: np.ndarray, fps: float, degrees: float, size: float, seconds: float, shape: str, rng: np.random.Generator
) -> Clip:
    """A clip in which both corners move; the face (68, 2) is in the frame of the eyes."""
    times = np.arange(int((REST + HOLD + AFTER + 2 * seconds) * fps)) / fps
    start = REST + rng.uniform(0, 1 / fps)
    step = lambda begin: STEPS[shape][0](np.clip((times - begin) / seconds, 0, 1))  # noqa: E731
    way = size * np.array([np.cos(np.radians(degrees)), -np.sin(np.radians(degrees))])
    path = (step(start) - step(start + seconds + HOLD))[:, None] * way
    shapes = np.repeat(face[None], len(times), axis=0)
    shapes[:, 48] += path * (-1, 1)
    shapes[:, 54] += path / 2
    shapes += rng.normal(0, NOISE, shapes.shape)
    valid = {region: np.ones(len(times), bool) for region in ("brows", "eyes", "mouth")}
    return Clip(None, times, 100 * shapes, np.ones(len(times), bool), valid, {})


def truth(size: float, seconds: float, shape: str) -> dict[str, float]:
    """What FIGURES are of a movement."""
    course, onset = STEPS[shape]
    half = min(0.5, SPEED_SECONDS / 2 / seconds)
    speed = size * (course(0.5 + half) - course(0.5 - half)) / SPEED_SECONDS
    return {"amplitude": size, "peak_speed": speed, "onset_time": onset * seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fps", type=float, nargs="+", default=[12, 25, 30, 60, 120, 240])
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.8, 0.4], help="durations of a movement")
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.3, 0.1], help="of the left side")
    parser.add_argument("--shape", choices=STEPS, default="cubic")
    parser.add_argument("--seeds", type=int, default=8, help="of each direction")
    parser.add_argument("--json", help="also write the rows there")
    args = parser.parse_args()
    from skimage import data

    face = to_eye_frame(find_faces(data.astronaut(), "largest", quality=False)[0].landmarks_px)
    rows = []
    print(f"{'fps':>4} {'s':>5} {'size':>6}" + "".join(f"{name:>22}" for name in FIGURES))
    for fps, seconds in itertools.product(args.fps, args.seconds):
        found: dict[float, dict[str, list[tuple[float, float]]]] = {}
        for size, degrees, seed in itertools.product(args.sizes, DIRECTIONS, range(args.seeds)):
            rng = np.random.default_rng([seed, degrees])
            motion = measure_motion(plant(face, fps, degrees, size, seconds, args.shape, rng))
            for side, own in (("left", size), ("right", size / 2)):
                errors = found.setdefault(own, {name: [] for name in FIGURES})
                for name, true in truth(own, seconds, args.shape).items():
                    key = f"mouth_corner_{side}_{name}"
                    value, doubt = motion.values[key]["value"], motion.uncertainty.get(key, np.nan)
                    errors[name].append((value / true - 1, doubt / true) if value is not None else (np.nan, np.nan))
        for own, errors in sorted(found.items(), reverse=True):
            row = {"fps": fps, "seconds": seconds, "size": own, "shape": args.shape}
            for name, pairs in errors.items():
                off, doubt = np.abs(np.array(pairs)).T
                row[name] = {
                    "median": float(np.nanmedian(off)),
                    "p95": float(np.nanpercentile(off, 95)),
                    "within_two_errors": float(np.nanmean(off <= 2 * doubt)),
                    "unmeasured": float(np.isnan(off).mean()),
                }
            rows.append(row)
            cells = [
                f"{100 * one['median']:7.1f} {100 * one['p95']:6.1f} {100 * one['within_two_errors']:6.0f}"
                for one in (row[name] for name in FIGURES)
            ]
            print(f"{fps:4.0f} {seconds:5.2f} {own:6.3f}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    unmeasured = sum(row[name]["unmeasured"] > 0 for row in rows for name in FIGURES)
    print(f"{len(rows)} rows; figures with unmeasured cases: {unmeasured}", file=sys.stderr)


if __name__ == "__main__":
    main()
