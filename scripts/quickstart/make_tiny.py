"""Make the quickstart's base model: a tiny LLaVA whose tokenizer knows the words of a training file.

python scripts/quickstart/make_tiny.py runs/quickstart/data/train.json runs/quickstart/llava-v1.5-tiny
"""

import sys

from llava_faba.files import read_json
from llava_faba.host import compat
from llava_faba.model.tiny import TinySize, make_tiny_llava

annotations, out = sys.argv[1:3]
compat.apply()
texts = [turn["value"] for sample in read_json(annotations, "training file") for turn in sample["conversations"]]
size = TinySize(hidden=128, heads=4, vocabulary=900)
print(f"tiny LLaVA: {make_tiny_llava(out, texts, size=size)}")
