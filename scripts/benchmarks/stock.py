#!/usr/bin/env python
"""Training beside stock LLaVA's: step time and peak memory of a LoRA run, and how long a large data set takes to start.

The same flags, base and samples; the runs take turns, and a ratio is the median over the rounds. Without a prior both
must log the same losses. What stock means on transformers 5 is said in tests/train/stock.py. All is made here: random
weights, noise as pictures, answers as long as FABA-Instruct's.

    python scripts/benchmarks/stock.py
    python scripts/benchmarks/stock.py --rounds 5 --steps 40 --samples 100000 --json stock.json
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import keep, row
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
from llava_faba.prior.table import TABLE, write_table  # noqa: E402

P = 136
PICTURES = 64
WORDS = ("the", "brows", "are", "drawn", "together", "and", "lip", "corners", "raised", "her", "eyes", "narrowed")
QUESTION = "What emotions are conveyed by this face?\n<image>"
PRIOR = ["--facial_prior_tower", "precomputed", "--facial_prior_hidden_size", str(P)]
WAYS = {
    "stock": ("tests.train.stock", []),
    "none": ("llava_faba.train.train", []),
    "prior": ("llava_faba.train.train", PRIOR),
}


def make_data(root: Path, samples: int) -> Path:
    """A training file of `samples` faces over a few pictures, with their priors as rows of one file."""
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        Image.fromarray(random.integers(0, 255, (160, 160, 3), dtype=np.uint8)).save(root / f"{number}.jpg")
    store = root / f"priors{samples}"
    store.mkdir()
    write_table(store / TABLE, random.normal(size=(samples, P)).astype(np.float32), samples, P)
    (store / "manifest.json").write_text(json.dumps({"prior": "made", "version": "1", "P": P, "counts": {}}))
    lengths = np.maximum(5, random.normal(1, 1 / 3, samples) * np.where(np.arange(samples) % 2, 207, 50)).astype(int)
    entries = []
    for number, length in enumerate(lengths):
        answer = " ".join(random.choice(WORDS, length))
        turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": answer}]
        entry = {"id": str(number), "image": f"{number % PICTURES}.jpg", "conversations": turns}
        entries.append({**entry, "landmark": f"{store.name}/{TABLE}#{number}"})
    file = root / f"train{samples}.json"
    file.write_text(json.dumps(entries))
    return file


def run(way: str, base: Path, data: Path, out: Path, steps: int, threads: int) -> dict[str, Any]:
    """Train one way in a process of its own; whole and per-step seconds, peak memory and the losses."""
    from tests.train.runs import flags

    module, more = WAYS[way]
    changes = {"max_steps": steps, "lora_r": 16, "lora_alpha": 32, "per_device_train_batch_size": 8}
    told = flags(base, data, out, prior=False, num_train_epochs=1000, seed=0, **changes)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    start = time.perf_counter()
    log = out.with_suffix(".log")
    with open(log, "w") as printed:
        command = [sys.executable, "-m", module, *told, *more]
        process = subprocess.Popen(command, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    text = log.read_text()
    if status:
        sys.exit(text[-3000:])
    trained = float(re.findall(r"'train_runtime': '?([\d.]+)", text)[-1])
    losses = re.findall(r"'loss': '?([\d.]+)", text)
    return {"wall": wall, "step": trained / steps, "peak_mib": used.ru_maxrss / 1024, "losses": losses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="of a run (default: 20)")
    parser.add_argument("--samples", type=int, default=100_000, help="of the run whose start is timed")
    parser.add_argument("--hidden", type=int, default=256, help="width of the model (default: 256)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="OUT", help="write the figures as JSON")
    args = parser.parse_args()
    from llava_faba.model.tiny import TinySize, make_tiny_llava

    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        texts = [" ".join(WORDS)] * 8 + [QUESTION, "USER: ASSISTANT: "] * 8
        size = TinySize(hidden=args.hidden, layers=8, heads=4, image_size=112)
        base = make_tiny_llava(root / "llava-tiny", texts, size=size)
        data = make_data(root, 8 * args.steps)
        runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for number in range(args.rounds):
            for way in list(WAYS) if number % 2 == 0 else reversed(WAYS):
                runs[way].append(run(way, base, data, root / f"llava-{way}-{number}-lora", args.steps, args.threads))
        large = make_data(root, args.samples)
        start = run("prior", base, large, root / "llava-large-lora", 1, args.threads)
    if any(ours["losses"] != stock["losses"] for ours, stock in zip(runs["none"], runs["stock"], strict=True)):
        sys.exit("error: without a prior the losses are not those of stock LLaVA.")

    def beside_stock(way: str, figure: str) -> float:
        pairs = zip(runs[way], runs["stock"], strict=True)
        return statistics.median(ours[figure] / stock[figure] for ours, stock in pairs)

    stock_step = statistics.median(each["step"] for each in runs["stock"])
    rows = []
    for way, name in (("none", "without a prior, the same losses"), ("prior", "with one, 65 instead of 64 tokens")):
        step, peak = beside_stock(way, "step"), beside_stock(way, "peak_mib")
        what = f"a LoRA step beside stock LLaVA's, batch 8, {name}"
        rows.append(row(what, f"{step:.3f} of the time ({stock_step:.2f} s), {peak:.3f} of the peak memory", step))
    what = f"a run over {args.samples:,} samples with stored priors, from the command to the end of its first step"
    rows.append(row(what, f"{start['wall']:.0f} s, Python's imports included", start["wall"]))
    keep(args.json, rows, runs=runs, start=start, load=os.getloadavg())


if __name__ == "__main__":
    main()
