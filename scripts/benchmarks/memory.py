#!/usr/bin/env python
"""The memory of training, as `llava-faba estimate` has it, beside what torch's MemTracker counts in real training steps.

python scripts/benchmarks/memory.py                    # every case, a few minutes on two cores
python scripts/benchmarks/memory.py --only "LoRA r=16" # one of them
"""

import argparse
import json
import random
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from llava_faba.files import write_json

P = 16
WIDE = {"hidden": 256, "layers": 4, "vocabulary": 2000}
SMALL = {"hidden": 128, "layers": 2, "vocabulary": 2000}
CASES: dict[str, dict[str, Any]] = {
    "LoRA r=16": {"size": WIDE, "lora_r": 16},
    "LoRA r=16, batch 8": {"size": WIDE, "lora_r": 16, "per_device_train_batch_size": 8},
    "LoRA r=16, 512 tokens": {"size": WIDE, "lora_r": 16, "model_max_length": 512},
    "LoRA r=16, no checkpoints": {"size": WIDE, "lora_r": 16, "gradient_checkpointing": False},
    "LoRA r=128, bf16": {"size": WIDE, "lora_r": 128, "bf16": True},
    "QLoRA 4 bits": {"size": WIDE, "lora_r": 16, "bits": 4, "bf16": True},
    "QLoRA 8 bits": {"size": WIDE, "lora_r": 16, "bits": 8, "bf16": True},
    "full": {"size": WIDE, "lora_enable": False},
    "full, 512 tokens": {"size": WIDE, "lora_enable": False, "model_max_length": 512},
    "full, batch 8": {"size": WIDE, "lora_enable": False, "per_device_train_batch_size": 8},
    "full, bf16": {"size": WIDE, "lora_enable": False, "bf16": True},
    "full, no checkpoints": {"size": WIDE, "lora_enable": False, "gradient_checkpointing": False},
    "full, narrow": {"size": SMALL, "lora_enable": False},
}
PLAIN = {
    "lora_enable": True, "per_device_train_batch_size": 2, "model_max_length": 256,
    "gradient_checkpointing": True, "bf16": False, "bits": 16,
}  # fmt: skip


class Workplace:
    """The tiny models and the training data, made once, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.models = folder, {}
        draw = random.Random(0)
        words = ["".join(draw.choices("abcdefghijklmnoprstuvw", k=6)) for _ in range(800)]
        self.texts = [" ".join(draw.choices(words, k=40)) for _ in range(200)]
        self.data = self._data()

    def model(self, size: dict[str, int]) -> Path:
        """The folder of a tiny LLaVA of that size."""
        from llava_faba.model.tiny import TinySize, make_tiny_llava

        name = "llava-v1.5-" + "-".join(map(str, size.values()))
        if name not in self.models:
            self.models[name] = make_tiny_llava(self.folder / name, self.texts, size=TinySize(**size))
        return self.models[name]

    def _data(self) -> Path:
        """Pictures of noise with priors, and texts so long that every sequence has the greatest length."""
        noise, entries = np.random.default_rng(0), []
        folder = self.folder / "faces"
        folder.mkdir(parents=True)
        for number in range(32):
            image, landmark = f"{number}.png", f"{number}.npy"
            Image.fromarray(noise.integers(0, 255, (112, 112, 3), dtype=np.uint8)).save(folder / image)
            np.save(folder / landmark, noise.normal(50, 3, P).astype(np.float32))
            turns = (("human", "What emotions are conveyed by this face?\n<image>"), ("gpt", " ".join(self.texts[:20])))
            talk = [{"from": role, "value": value} for role, value in turns]
            entries.append({"id": str(number), "image": image, "landmark": landmark, "conversations": talk})
        return write_json(folder / "train.json", entries)


class TensorBytes(TorchDispatchMode):
    """Counts the bytes of the tensors that are alive, and their peak; what a kernel uses inside itself is not seen.

    MemTracker counts the same, but its hooks on modules stop where peft, gradient checkpointing and LLaVA's hook on the
    token embeddings meet.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, Any] = {}
        self.now = self.peak = 0

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage, once however many tensors share it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive or not size:
            return

        def drop(_: Any) -> None:
            del self._alive[key]
            self.now -= size

        self._alive[key] = weakref.ref(storage, drop)
        self.now += size
        self.peak = max(self.peak, self.now)

    def add_model(self, model: torch.nn.Module) -> None:
        """Count what a model holds already: parameters, quantisation's own tensors and buffers."""
        for parameter in model.parameters():
            self.add(parameter.data)
            state = getattr(parameter, "quant_state", None)
            for part in (state, getattr(state, "state2", None)):
                for value in vars(part).values() if part is not None else ():
                    if isinstance(value, torch.Tensor):
                        self.add(value)
        for buffer in model.buffers():
            self.add(buffer)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self.add, result)
        return result


def measure(place: Workplace, flags: dict[str, Any], out: Path) -> dict[str, int]:
    """Train three steps as a user does, under MemTracker; bytes of tensors at the peak, by MemTracker's kinds."""
    from llava_faba.plugin import attach

    attach()
    from llava_faba.train.train import train
    from llava_faba.train.trainer import FabaTrainer

    base, data = flags["model_name_or_path"], place.data
    wanted = {
        "lora_alpha": 32, "version": "v1", "data_path": data, "image_folder": data.parent,
        "vision_tower": Path(base) / "clip", "mm_projector_type": "mlp2x_gelu", "mm_vision_select_layer": -2,
        "mm_use_im_patch_token": False, "image_aspect_ratio": "pad", "output_dir": out, "save_strategy": "no",
        "lazy_preprocess": True, "report_to": "none", "max_steps": 3, "disable_tqdm": True,
        "facial_prior_tower": "precomputed", "facial_prior_hidden_size": P, **flags,
    }  # fmt: skip
    tracker = TensorBytes()
    stock, start = FabaTrainer.train, []

    def watched(self: Any, *arguments: Any, **keywords: Any) -> Any:
        tracker.add_model(self.model)
        start.append(tracker.now)
        with tracker:
            return stock(self, *arguments, **keywords)

    FabaTrainer.train = watched
    argv, sys.argv = sys.argv, ["train", *(part for name, value in wanted.items() for part in (f"--{name}", str(value)))]
    try:
        train()
    finally:
        FabaTrainer.train, sys.argv = stock, argv
    return {"start": start[0], "peak": tracker.peak}


def main(only: str | None) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="llava-faba-memory-") as folder:
        place = Workplace(Path(folder))
        rows = []
        for number, (name, case) in enumerate(CASES.items()):
            if only is not None and only != name:
                continue
            case = dict(case)
            flags = {"model_name_or_path": place.model(case.pop("size")), **PLAIN, **case}
            found = measure(place, flags, Path(folder) / f"out{number}")
            print(name, {k: round(v / 1e6, 2) for k, v in found.items()}, flush=True)
            rows.append({"name": name, **found})
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one case, by its name")
    parser.add_argument("--json", metavar="OUT", help="write the rows as JSON")
    args = parser.parse_args()
    main(args.only)
