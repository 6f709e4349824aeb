#!/usr/bin/env python
"""Where the time of `describe` goes: its phases, and the kinds of work within each, from torch's profiler on a CPU.

python scripts/benchmarks/phases.py
python scripts/benchmarks/phases.py --image-size 112 --layers 12 --tokens 96 --json phases.json
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from figures import keep, row
from PIL import Image
from torch.profiler import ProfilerActivity, profile

from llava_faba.host import compat
from llava_faba.inference.decoding import answer_greedily
from llava_faba.inference.describer import Describer
from llava_faba.model.checkpoint import load
from llava_faba.model.tiny import TinySize, make_tiny_llava
from llava_faba.processes import keep_memory

QUESTION = "What emotions are conveyed by this face?"
TEXTS = [f"USER: {QUESTION} ASSISTANT: The lip corners are raised and the cheeks are lifted."]
KINDS = {  # kind of work -> torch's operations
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::mkldnn_convolution"),
    "attention": ("aten::_scaled_dot_product_flash_attention_for_cpu",),
    "copies": ("aten::copy_", "aten::cat"),
}


def measured(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The result, the seconds, and the share of each kind of work; what is left is "small operations and Python"."""
    run()  # memory that is asked for the first time costs much more
    start = time.perf_counter()
    result = run()
    wall = time.perf_counter() - start
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        start = time.perf_counter()
        run()
        traced = time.perf_counter() - start
    spent = {event.key: event.self_cpu_time_total / 1e6 for event in watched.key_averages()}
    shares = {kind: sum(spent.get(name, 0.0) for name in names) / traced for kind, names in KINDS.items()}
    return result, {"seconds": wall, **shares, "small operations and Python": 1 - sum(shares.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=336, help="pixels; patches of 14 (default: 336)")
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=19)
    parser.add_argument("--faces", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens an answer")
    parser.add_argument("--json", metavar="OUT", help="write the figures here as well")
    args = parser.parse_args()
    compat.apply()
    keep_memory()  # as the command does
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (200, 200, 3), dtype=np.uint8)) for _ in range(args.faces)]
    with tempfile.TemporaryDirectory() as folder:
        size = TinySize(hidden=args.hidden, layers=args.layers, heads=8, image_size=args.image_size)
        describer = Describer(*load(make_tiny_llava(f"{folder}/llava-v1.5-tiny", TEXTS * 8, size=size))[:3])
        model = describer.model
        faces, prepare = measured(lambda: describer.prepare_faces(pictures))
        prefix, read = measured(lambda: describer.prefill(faces))
        asked = [describer.prompt.question_ids(QUESTION)]

        def answer() -> Any:
            return answer_greedily(model, prefix, asked, end=-1, max_new_tokens=args.tokens)

        _, decode = measured(answer)
    weights = sum(parameter.numel() for parameter in model.parameters())
    phases = {"pictures to pixels": prepare, "reading the prefix": read, "question and answer": decode}
    total = sum(phase["seconds"] for phase in phases.values())
    # What a new token must at least read: the language model's weights, and the keys and values of each face.
    config = model.config
    cache = 2 * config.num_hidden_layers * config.hidden_size * args.faces * (prefix.length + args.tokens / 2)
    gigabytes = 4 * (weights + cache) * args.tokens / 1e9
    about = f"{args.faces} faces, {weights / 1e6:.0f} M weights, {prefix.length} + {args.tokens} tokens"
    rows = []
    for name, phase in phases.items():
        if phase is prepare and phase["seconds"] < 0.01 * total:
            continue  # without a prior it is next to nothing
        kinds = ", ".join(f"{kind} {100 * phase[kind]:.0f} %" for kind in [*KINDS, "small operations and Python"])
        more = f"; {gigabytes / phase['seconds']:.1f} GB/s of weights and cache" if phase is decode else ""
        share = phase["seconds"] / total
        rows.append(row(f"describe, {about}: {name}", f"{100 * share:.0f} % of the time ({kinds}{more})", share))
    keep(args.json, rows, phases=phases, gigabytes_of_decoding=gigabytes)


if __name__ == "__main__":
    main()
