#!/usr/bin/env python
"""Make the LLaVA that the starter is trained from: fresh weights, a tokenizer, a vision tower."""

import argparse
import sys
from pathlib import Path

from llava_faba.data.prompts import INSTRUCTIONS, QUESTIONS
from llava_faba.errors import InputError
from llava_faba.files import read_json
from llava_faba.model.tiny import TinySize, make_tiny_llava
from llava_faba.vocabulary import AU_NAMES, EMOTIONS

SIZE = TinySize(
    hidden=128, layers=3, heads=4, vocabulary=700, image_size=64, patch_size=16, vision_hidden=64, vision_layers=3
)

SPARSE = 20  # every so many-th sample suffices for the tokenizer

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("data", type=Path, help="what the starter is trained on")
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
try:
    texts = [turn["value"] for sample in read_json(args.data, "data")[::SPARSE] for turn in sample["conversations"]]
    texts += [question for task in INSTRUCTIONS.values() for question in task] + list(QUESTIONS.values()) * 20
    texts += [f"The expression reads as {word.lower()}. {word}." for word in EMOTIONS] * 100  # each one piece
    texts += [f"AU{number}, the {name}." for number, name in AU_NAMES.items()] * 5
    make_tiny_llava(args.out, texts, size=SIZE, seed=args.seed)
except InputError as error:
    sys.exit(f"error: {error}")
