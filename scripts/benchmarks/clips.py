"""Frames a second of `llava_faba.video.clips.read_clip` on a clip, with one worker and with two, in turns.

    python scripts/benchmarks/clips.py CLIP.mp4 [repeats]

Printed are the medians, and the processor time a frame takes in one process, which other work on the machine disturbs
less than the wall clock.
"""

import statistics
import sys
import time

from llava_faba.video.clips import read_clip


def main() -> None:
    path, repeats = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
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
