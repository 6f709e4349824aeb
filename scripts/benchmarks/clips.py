"""Frames a second of `llava_faba.motion.clips.read_clip` on a clip, with one worker and with two, in turns.

    python scripts/benchmarks/clips.py CLIP.mp4 [--repeats 3]

Printed are the medians, and the processor time a frame takes in one process, which other work on the machine disturbs
less than the wall clock.
"""

import argparse
import statistics
import time

from llava_faba.motion.clips import read_clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", metavar="CLIP.mp4")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    path, repeats = args.clip, args.repeats
    rates: dict[int, list[float]] = {1: [], 2: []}
    costs = []
    for _ in range(repeats):
        for workers, seen in rates.items():
            wall, processor = time.perf_counter(), time.process_time()
            frames = read_clip(path, workers=workers).frames
            seen.append(frames / (time.perf_counter() - wall))
            if workers == 1:
                costs.append(1e3 * (time.process_time() - processor) / frames)
    print(f"{path}: {frames} frames")
    for workers, seen in rates.items():
        print(f"{workers} worker(s): {statistics.median(seen):.1f} frames a second")
    print(f"one process: {statistics.median(costs):.1f} ms of processor time a frame")


if __name__ == "__main__":
    main()
