#!/usr/bin/env python
"""How much faster faces are described in batches, and three questions over one shared prefix; ratios within one run.

Both ways answer the same questions about the same faces with the same model, in turn, and must give the same texts. The
comparison is with one face, and one question, at a time through the library's own `generate`.

    python scripts/benchmarks/describe.py
    python scripts/benchmarks/describe.py --image-size 336 --hidden 512 --layers 8 --faces 16
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from llava_faba.host import compat
from llava_faba.inference.describer import Describer, Face
from llava_faba.model.checkpoint import load
from llava_faba.model.tiny import TinySize, make_tiny_llava

QUESTIONS = ["What emotions are conveyed by this face?", "What AUs are conveyed by this face?", "What stands out?"]
TEXTS = [f"USER: {question} ASSISTANT: The lip corners are raised and the cheeks are lifted." for question in QUESTIONS]


def one_at_a_time(describer: Describer, faces: list[Face], questions: list[str], n_tokens: int) -> list[str]:
    """What users of LLaVA do: one prompt, one call of generate."""
    texts = []
    for face in faces:
        for question in questions:
            before, behind = describer.prompt.before_question, describer.prompt.question_ids(question)
            new = describer.model.generate(
                torch.tensor([before + behind]), images=face.pixels[None], do_sample=False, max_new_tokens=n_tokens
            )
            texts.append(describer.tokenizer.decode(new[0], skip_special_tokens=True).strip())
    return texts


def together(describer: Describer, faces: list[Face], questions: list[str], n_tokens: int) -> list[str]:
    """One batch over shared prefixes."""
    answers = describer.describe_faces(faces, questions, max_new_tokens=n_tokens)
    return [text for texts in answers for text in texts]


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
args = parser.parse_args()

compat.apply()
random = np.random.default_rng(0)
pictures = [Image.fromarray(random.integers(0, 255, (200, 200, 3), dtype=np.uint8)) for _ in range(args.faces)]
with tempfile.TemporaryDirectory() as folder:
    size = TinySize(hidden=args.hidden, layers=args.layers, heads=8, image_size=args.image_size)
    describer = Describer(*load(make_tiny_llava(f"{folder}/llava-v1.5-tiny", TEXTS * 8, size=size))[:3])
    faces = describer.prepare_faces(pictures)
    n = sum(parameter.numel() for parameter in describer.model.parameters())
    print(
        f"{n / 1e6:.1f} M parameters, {(args.image_size // 14) ** 2} visual tokens, {args.tokens} new tokens, float32"
    )
    for name, questions in (("batch", QUESTIONS[:1]), ("batch and shared prefix", QUESTIONS)):
        pairs = []
        for _ in range(args.repeats):
            slow, expected = seconds(lambda q=questions: one_at_a_time(describer, faces, q, args.tokens))
            fast, answers = seconds(lambda q=questions: together(describer, faces, q, args.tokens))
            assert answers == expected, "both ways must answer alike"
            pairs.append((slow, fast))
        ratio = statistics.median(slow / fast for slow, fast in pairs)
        print(
            f"{name}: {args.faces} faces x {len(questions)} questions, {ratio:.1f} times as fast "
            f"(median of {args.repeats}; {statistics.median(p[0] for p in pairs):.2f} s -> "
            f"{statistics.median(p[1] for p in pairs):.2f} s), the same texts"
        )
