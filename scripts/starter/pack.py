#!/usr/bin/env python
"""Pack a trained starter into the folder that the package brings along: half precision, no path of this machine."""

import argparse
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from llava_faba.errors import InputError
from llava_faba.files import existing_file, read_json, write_json
from llava_faba.vocabulary import CALIBRATION

KEPT = ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json", CALIBRATION)
WEIGHTS = "model.safetensors"

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path, help="the folder that training wrote")
parser.add_argument("--priors", type=Path, required=True, help="the folder that learn_expression.py wrote")
parser.add_argument("--out", type=Path, required=True)
args = parser.parse_args()


def halved(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }


try:
    config = read_json(args.run / "config.json", "config")
    tower = Path(config["mm_vision_tower"])
    (args.out / "clip").mkdir(parents=True, exist_ok=True)
    model = load_file(existing_file(args.run / WEIGHTS, "weights"))
    model = {name: tensor for name, tensor in model.items() if "vision_tower" not in name}
    save_file(halved(model), args.out / WEIGHTS, metadata={"format": "pt"})
    save_file(halved(load_file(tower / WEIGHTS)), args.out / "clip" / WEIGHTS, metadata={"format": "pt"})
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(tower / name, args.out / "clip" / name)
    for name in KEPT:
        shutil.copy(args.run / name, args.out / name)
    shutil.copy(args.priors / "expression.safetensors", args.out.parent / "expression.safetensors")
    rounded = {key: [round(number, 6) for number in config[key]] for key in ("facial_prior_mean", "facial_prior_std")}
    for key in ("facial_prior_model", "_name_or_path"):
        config.pop(key, None)
    write_json(args.out / "config.json", config | rounded | {"mm_vision_tower": "clip", "facial_prior_model": None})
except InputError as error:
    sys.exit(f"error: {error}")
