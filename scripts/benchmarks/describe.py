#!/usr/bin/env python
"""How fast faces are described beside what people would use instead; ratios within one run, the same weights and texts.

Three ways answer the same questions about the same faces, in turn: LLaVA's own loop, one face and one question at a
time through `generate`; transformers' `generate` in batches; and ours. In float32 they must give the same texts.

    python scripts/benchmarks/describe.py
    python scripts/benchmarks/describe.py --image-size 112 --hidden 512 --layers 8 --tokens 96
    python scripts/benchmarks/describe.py --json scripts/benchmarks/results/describe.json
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from figures import keep, row
from PIL import Image

from llava_faba.host import compat
from llava_faba.inference.describer import Describer, Face
from llava_faba.model.checkpoint import load
from llava_faba.model.tiny import TinySize, make_tiny_llava

QUESTIONS = ["What emotions are conveyed by this face?", "What AUs are conveyed by this face?", "What stands out?"]
TEXTS = [f"USER: {question} ASSISTANT: The lip corners are raised and the cheeks are lifted." for question in QUESTIONS]


def one_at_a_time(describer: Describer, faces: list[Face], questions: list[str], n_tokens: int) -> list[str]:
    """What users of LLaVA do: one prompt, one call of generate."""
    return [generate(describer, [face], question, n_tokens)[0] for face in faces for question in questions]


def in_batches(describer: Describer, faces: list[Face], questions: list[str], n_tokens: int) -> list[str]:
    """One call of generate a question, over all faces."""
    columns = [generate(describer, faces, question, n_tokens) for question in questions]
    return [text for texts in zip(*columns, strict=True) for text in texts]


def generate(describer: Describer, faces: list[Face], question: str, n_tokens: int) -> list[str]:
    ids = torch.tensor([describer.prompt.before_question + describer.prompt.question_ids(question)] * len(faces))
    pixels = torch.stack([face.pixels for face in faces])
    new = describer.model.generate(ids, images=pixels, do_sample=False, max_new_tokens=n_tokens)
    return [text.strip() for text in describer.tokenizer.batch_decode(new, skip_special_tokens=True)]


def ours(describer: Describer, faces: list[Face], questions: list[str], n_tokens: int) -> list[str]:
    """One batch over shared prefixes."""
    answers = describer.describe_faces(faces, questions, max_new_tokens=n_tokens)
    return [text for texts in answers for text in texts]


LOOP = "LLaVA's loop"
WAYS: dict[str, Callable[..., list[str]]] = {
    LOOP: one_at_a_time,
    "generate in batches": in_batches,
    "ours": ours,
}


def seconds(run: Callable[[], list[str]]) -> tuple[float, list[str]]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument(
    "--image-size", type=int, default=112, help="pixels; patches of 14 (default: 112, 64 visual tokens)"
)
parser.add_argument("--hidden", type=int, default=256)
parser.add_argument("--layers", type=int, default=6)
parser.add_argument("--faces", type=int, default=16)
parser.add_argument("--tokens", type=int, default=16, help="new tokens an answer")
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--json", metavar="OUT", help="write the figures here as well")
args = parser.parse_args()

compat.apply()
random = np.random.default_rng(0)
pictures = [Image.fromarray(random.integers(0, 255, (200, 200, 3), dtype=np.uint8)) for _ in range(args.faces)]
with tempfile.TemporaryDirectory() as folder:
    size = TinySize(hidden=args.hidden, layers=args.layers, heads=8, image_size=args.image_size)
    describer = Describer(*load(make_tiny_llava(f"{folder}/llava-v1.5-tiny", TEXTS * 8, size=size))[:3])
    faces = describer.prepare_faces(pictures)
    n = sum(parameter.numel() for parameter in describer.model.parameters())
    shape = f"{n / 1e6:.0f} M weights, {(args.image_size // 14) ** 2} + {args.tokens} tokens, float32"
    rows, figures = [], {}
    for questions in (QUESTIONS[:1], QUESTIONS):
        taken: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(args.repeats):
            texts = {}
            for name, way in WAYS.items():
                spent, texts[name] = seconds(lambda way=way, asked=questions: way(describer, faces, asked, args.tokens))
                taken[name].append(spent)
            assert len(set(map(tuple, texts.values()))) == 1, "all ways must answer alike"
        medians = {name: statistics.median(times) for name, times in taken.items()}
        ratios = {name: statistics.median(np.array(taken[name]) / taken["ours"]) for name in WAYS}
        about = f"{args.faces} faces, {len(questions)} question{'s' if len(questions) > 1 else ''}; {shape}"
        rows.append(
            row(
                f"describe {about}",
                f"{ratios[LOOP]:.1f} x LLaVA's loop, "
                f"{ratios['generate in batches']:.1f} x transformers' generate in batches; "
                f"{args.faces * len(questions) / medians['ours']:.1f} answers a second",
                ratios[LOOP],
            )
        )
        figures[about] = {"seconds": medians, "ratios": ratios}
    keep(args.json, rows, runs=figures)
