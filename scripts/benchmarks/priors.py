"""How fast and how lean priors are read, end to end from JPEG files, against what the machine's cores allow.

All figures are ratios of two measurements of one run on one machine. Pictures of 160 to 1024 px are made from a photo
that an installed package carries (scikit-image's astronaut) or from --photo. Run it on an otherwise idle machine:

    python scripts/benchmarks/priors.py --json priors.json
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from figures import keep, row
from PIL import Image

from llava_faba.face.detectors import DlibDetector, FaceBox
from llava_faba.face.images import read_pixels
from llava_faba.face.landmarks import interocular
from llava_faba.prior import FacialPrior, build_prior
from llava_faba.prior.store import PriorStore

SIDES = (160, 320, 640, 1024)  # px
WIDTHS = (16, 32, 64, 128, 256, 384, 384)  # channels of the stand-in network: 1.3 million parameters with its heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photo", help="a photo of one face (default: scikit-image's astronaut)")
    parser.add_argument("--pictures", type=int, default=600, help="pictures of each size (default: 600)")
    parser.add_argument("--many", type=int, default=10_000, help="pictures for the memory test; 0 leaves it out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", metavar="OUT", help="write the figures here as well")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print("making pictures ...", file=sys.stderr)
        make_pictures(read_pixels(args.photo) if args.photo else astronaut(), root / "images", args.pictures)
        parameters = write_network(root / "network.onnx")
        priors = {
            "dlib_68": None,
            "emola_2d106": str(root / "network.onnx"),
            "insightface_2d106": str(root / "network.onnx"),
        }
        figures: dict[str, Any] = {"workers": args.workers, "network_parameters": parameters}
        figures["throughput"] = [
            throughput(name, file, root, side, args.pictures, args.workers)
            for name, file in priors.items()
            for side in SIDES
        ]
        figures["large_photos"] = large_photos(sorted((root / "images" / "1024").glob("*.jpg"))[:60])
        if args.many:
            figures["memory"] = memory(root, args.many, args.workers)
    print_figures(figures)
    keep(args.json, rows_of(figures), **figures)


def rows_of(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The lines of the table of docs/performance.md."""
    rows = []
    for name in dict.fromkeys(line["prior"] for line in figures["throughput"]):
        shares = [line["share_of_the_cpu_time_used"] for line in figures["throughput"] if line["prior"] == name]
        measured = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of the CPU time used went into the pictures"
        rows.append(row(f"`{name}` from JPEG files of {SIDES[0]} to {SIDES[-1]} px", measured, float(np.mean(shares))))
    large = figures["large_photos"]
    rows.append(
        row(
            "a face found in a photo of 1024 px",
            f"{large['times_faster']:.1f} x dlib at full size, landmarks within "
            f"{large['landmarks_apart_percent']:.1f} % of the distance between the eyes",
            large["times_faster"],
        )
    )
    if "memory" in figures:
        share = figures["memory"]["share_of_everything_first"]
        what = f"memory of reading {figures['memory']['pictures']:,} pictures"
        rows.append(row(what, f"{100 * share:.1f} % of decoding them first", share))
    return rows


def throughput(name: str, file: str | None, root: Path, side: int, pictures: int, workers: int) -> dict[str, Any]:
    """Pictures a second by the store with `workers`, as a share of what they allow: workers / CPU seconds a picture."""
    paths = sorted((root / "images" / str(side)).glob("*.jpg"))
    prior = build_prior(name, file)
    cost = cpu_seconds(prior, paths[:: max(1, len(paths) // 100)])
    data = root / f"{name}-{side}.json"
    data.write_text(json.dumps([{"image": f"{side}/{path.name}"} for path in paths]))
    store = PriorStore(data, root / "images", build_prior(name, file), root / f"out-{name}-{side}")
    moments: list[tuple[float, int]] = []
    before, start = processor_seconds(), time.perf_counter()
    progress = store.extract(
        workers=workers, on_progress=lambda progress: moments.append((time.perf_counter(), progress.done))
    )
    whole, used = time.perf_counter() - start, processor_seconds() - before
    (first, done), (last, all_done) = moments[1], moments[-1]
    steady = (all_done - done) / (last - first)  # from the first result on, without opening the models
    return {
        "prior": name,
        "side": side,
        "cpu_ms": 1e3 * cost,
        "pictures_per_s": steady,
        "share_of_what_the_cores_allow": steady * cost / workers,
        "share_with_start_up": pictures / whole * cost / workers,
        "share_of_the_cpu_time_used": pictures * cost / used,  # what a busy machine cannot spoil
        "read": progress.read,
    }


def processor_seconds() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def cpu_seconds(prior: FacialPrior, paths: list[Path]) -> float:
    """CPU seconds that one picture costs in decoding, preparation and model, in this process alone."""
    prior.extract([read_pixels(paths[0])])
    rounds = []
    for _ in range(3):
        start = time.process_time()
        for path in paths:
            prior.extract([read_pixels(path)])
        rounds.append((time.process_time() - start) / len(paths))
    return statistics.median(rounds)


def large_photos(paths: list[Path]) -> dict[str, float]:
    """Finding and fitting the face of 1024-px photos, against dlib detecting at full size; and how far both agree."""
    detector, whole = DlibDetector(), DlibDetector()
    ours, full, distances = [], [], []
    for path in paths:
        pixels = read_pixels(path)
        start = time.perf_counter()
        box = detector.find_one(pixels)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        found: list[FaceBox] = whole.find(pixels, side=max(pixels.shape))
        full.append(time.perf_counter() - start)
        if box is not None and found:
            mine, theirs = detector.fit(pixels, box), whole.fit(pixels, max(found, key=lambda face: face.area))
            distances.append(np.hypot(*(mine - theirs).T).mean() / interocular(theirs))
    return {
        "times_faster": statistics.median(full) / statistics.median(ours),
        "landmarks_apart_percent": 100 * statistics.median(distances),
        "compared": len(distances),
    }


def memory(root: Path, many: int, workers: int) -> dict[str, float]:
    """Peak memory of the command over a tenth of the pictures and over all, and of decoding everything first."""
    originals = sorted((root / "images" / "160").glob("*.jpg"))
    folder = root / "images" / "many"
    folder.mkdir()
    for number in range(many):
        os.link(originals[number % len(originals)], folder / f"{number:06d}.jpg")
    peaks = {}
    for count in (many // 10, many):
        data = root / f"many-{count}.json"
        data.write_text(json.dumps([{"image": f"many/{number:06d}.jpg"} for number in range(count)]))
        command = [sys.executable, "-c", "from llava_faba.cli import main; main()", "priors", str(data)]
        command += ["--image-root", str(root / "images"), "--prior", "dlib_68", "--workers", str(workers)]
        peaks[count] = peak_megabytes([*command, "--out", str(root / f"out-{count}")])
    emola = everything_first(originals, many)
    return {
        "pictures": many,
        "peak_mb_of_a_tenth": peaks[many // 10],
        "peak_mb": peaks[many],
        "everything_first_mb": emola,
        "share_of_everything_first": peaks[many] / emola,
        "growth": peaks[many] / peaks[many // 10],
    }


def everything_first(paths: list[Path], many: int) -> float:
    """Megabytes that EmoLA's way of decoding all pictures first takes for `many`: measured on a few, and multiplied.

    Each picture is squashed to 192 x 192 and divided by 255, which makes float64 of it, and all are stacked
    (EmoLA feature_extraction/landmark/landmark_features.py, commit 0cd4a12).
    """
    stack = np.stack([np.asarray(Image.open(path).resize((192, 192))) / 255.0 for path in paths[:50]])
    return stack.nbytes / len(stack) * many / 2**20


def peak_megabytes(command: list[str]) -> float:
    """Run a command; return the largest memory of it and its children at one moment, shared pages counted once."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_kilobytes, family(process.pid))) / 1024)
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return peak


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def proportional_kilobytes(pid: int) -> int:
    """A process's memory, each page divided by how many share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def make_pictures(photo: np.ndarray, folder: Path, count: int) -> None:
    """Write `count` JPEG files of each size: the face of the photo, a little rolled, moved and lit differently."""
    rng = np.random.default_rng(0)
    detector = DlibDetector()
    box = detector.find_one(photo)
    if box is None:
        raise SystemExit("There is no face in the photo.")
    image = Image.fromarray(photo)
    for side in SIDES:
        (folder / str(side)).mkdir(parents=True)
        for number in range(count):
            span = (box.right - box.left) * rng.uniform(1.6, 2.6)
            x = (box.left + box.right) / 2 + rng.uniform(-0.1, 0.1) * span
            y = (box.top + box.bottom) / 2 + rng.uniform(-0.1, 0.1) * span
            cut = image.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC, center=(x, y)).resize(
                (side, side), Image.Resampling.BICUBIC, box=clipped(x - span / 2, y - span / 2, span, image.size)
            )
            lit = Image.fromarray((np.asarray(cut) * rng.uniform(0.7, 1.0)).astype(np.uint8))
            lit.save(folder / str(side) / f"{number:05d}.jpg", quality=90)


def clipped(left: float, top: float, span: float, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The square of `span` px moved into the picture."""
    span = min(span, *size)
    left, top = min(max(0.0, left), size[0] - span), min(max(0.0, top), size[1] - span)
    return left, top, left + span, top + span


def astronaut() -> np.ndarray:
    """NASA's portrait of Eileen Collins, public domain, from scikit-image."""
    import skimage

    return read_pixels(Path(skimage.__file__).parent / "data" / "astronaut.png")


def write_network(path: Path) -> int:
    """Write a network of 2d106det.onnx's signature and about its size, with random weights; return its parameters."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, tensors = [], []

    def weight(shape: tuple[int, ...], spread: float) -> str:
        tensors.append(numpy_helper.from_array(rng.normal(0, spread, shape).astype(np.float32), f"w{len(tensors)}"))
        return tensors[-1].name

    def layer(kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"x{len(nodes)}"], name=name, **attributes))
        return nodes[-1].output[0]

    def convolve(x: str, taken: int, given: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        shape = (given, taken // groups, kernel, kernel)
        w, b = weight(shape, (2 / np.prod(shape[1:])) ** 0.5), weight((given,), 0.1)
        padding = [kernel // 2] * 4
        return layer("Relu", [layer("Conv", [x, w, b], strides=[stride] * 2, pads=padding, group=groups)])

    for value in (127.5, 1 / 128):
        tensors.append(numpy_helper.from_array(np.array([value], np.float32), f"w{len(tensors)}"))
    x = layer("Mul", [layer("Sub", ["data", "w0"], "_minusscalar0"), "w1"], "_mulscalar0")
    x, channels = convolve(x, 3, WIDTHS[0], 3, stride=2), WIDTHS[0]
    for number, width in enumerate(WIDTHS[1:]):
        x = convolve(x, channels, channels, 3, stride=2 if number < 5 else 1, groups=channels)
        x, channels = convolve(x, channels, width, 1), width
        x = convolve(convolve(x, channels, channels, 3, groups=channels), channels, channels, 1)
    x = layer("Flatten", [layer("GlobalAveragePool", [x])])
    x = layer("Relu", [layer("Gemm", [x, weight((channels, 1024), 0.02), weight((1024,), 0.1)])])
    nodes.append(helper.make_node("Gemm", [x, weight((1024, 212), 0.03), weight((212,), 0.1)], ["fc1"]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 192, 192])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 212])],
        tensors,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return sum(int(np.prod(tensor.dims)) for tensor in tensors)


def print_figures(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    workers = figures["workers"]
    print(
        f"{'prior':<20} {'px':>5} {'CPU ms':>7} {'pict/s':>7}  "
        f"share of {workers} cores (with start-up), of the CPU time used"
    )
    for line in figures["throughput"]:
        print(
            f"{line['prior']:<20} {line['side']:>5} {line['cpu_ms']:>7.2f} {line['pictures_per_s']:>7.1f}  "
            f"{100 * line['share_of_what_the_cores_allow']:.0f} % ({100 * line['share_with_start_up']:.0f} %), "
            f"{100 * line['share_of_the_cpu_time_used']:.0f} %"
        )
    large = figures["large_photos"]
    print(
        f"1024-px photos: {large['times_faster']:.1f} x dlib at full size, landmarks apart by "
        f"{large['landmarks_apart_percent']:.2f} % of the inter-ocular distance (median of {large['compared']})"
    )
    if memory := figures.get("memory"):
        print(
            f"memory at {memory['pictures']} pictures: {memory['peak_mb']:.0f} MB, "
            f"{100 * memory['share_of_everything_first']:.1f} % of decoding everything first "
            f"({memory['everything_first_mb']:.0f} MB); {memory['growth']:.2f} x that at a tenth of the pictures"
        )


if __name__ == "__main__":
    main()
