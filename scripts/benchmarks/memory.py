#!/usr/bin/env python
"""The memory of training, as `llava-faba estimate` has it, beside the tensors that real training steps keep.

Tiny models are trained for three steps by the command that users run, on a CPU, under ZeRO on two ranks; models of 7B
shape are stepped on fake tensors, which have sizes and no content. Exit status 1 if an estimate is off by
more than 15 %.

python scripts/benchmarks/memory.py                    # every case, about eight minutes on two cores
python scripts/benchmarks/memory.py --only "LoRA r=16" # some of them
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from llava_faba.files import write_json
from llava_faba.train.memory import Peak, peak
from llava_faba.train.recipe import SAME_NAMES, Recipe, installed
from llava_faba.train.shape import KNOWN, shape_from, shape_of

GOAL = 0.15
P = 16
WIDE = {"hidden": 256, "layers": 4, "vocabulary": 2000}
PLAIN = {
    "lora_enable": True, "lora_r": 16, "per_device_train_batch_size": 2, "model_max_length": 256,
    "gradient_checkpointing": True, "bf16": False, "bits": 16, "size": WIDE,
}  # fmt: skip
REPOSITORY = Path(__file__).resolve().parents[2]
WATCHED = "LLAVA_FABA_WATCHED"  # in the environment of a training run: the file for its peak
RANKS = 2  # of the cases under DeepSpeed
BATCH, LENGTH, CHECKPOINTS = "per_device_train_batch_size", "model_max_length", "gradient_checkpointing"
CASES: dict[str, dict[str, Any]] = {
    "LoRA r=16": {},
    "LoRA r=16, batch 8": {BATCH: 8},
    "LoRA r=16, 512 tokens": {LENGTH: 512},
    "LoRA r=16, no checkpoints": {CHECKPOINTS: False},
    "LoRA r=128, bf16": {"lora_r": 128, "bf16": True},
    "QLoRA 4 bits": {"bits": 4, "bf16": True},
    "QLoRA 8 bits": {"bits": 8, "bf16": True},
    "full": {"lora_enable": False},
    "full, batch 8": {"lora_enable": False, BATCH: 8},
    "full, 512 tokens": {"lora_enable": False, LENGTH: 512},
    "full, no checkpoints": {"lora_enable": False, CHECKPOINTS: False},
    "full, bf16": {"lora_enable": False, "bf16": True},
    "ZeRO-2, LoRA": {"zero": 2, "bf16": True},
    "ZeRO-2, full": {"zero": 2, "bf16": True, "lora_enable": False, "size": {**WIDE, "hidden": 512}},
    "ZeRO-3, LoRA": {"zero": 3, "bf16": True},
    "ZeRO-3, full": {"zero": 3, "bf16": True, "lora_enable": False, "size": {**WIDE, "hidden": 512}},
    "full, narrow": {"lora_enable": False, "size": {"hidden": 128, "layers": 2, "vocabulary": 2000}},
}
FAKE_CASES: dict[str, dict[str, Any]] = {
    "7B full, bf16": {"lora_enable": False, BATCH: 16, LENGTH: 2048},
    "7B full, bf16, short": {"lora_enable": False, BATCH: 2, LENGTH: 512},
    "7B LoRA r=128, bf16": {"lora_r": 128, BATCH: 16, LENGTH: 2048},
    "7B LoRA r=128, bf16, short": {"lora_r": 128, BATCH: 4, LENGTH: 800},
    "7B LoRA r=128, bf16, no checkpoints": {"lora_r": 128, BATCH: 4, LENGTH: 800, CHECKPOINTS: False},
}


class Workplace:
    """The tiny models and the training data, made once, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.models, self.runs = folder, {}, 0
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

    torch's MemTracker counts the same way, but its hooks on modules stop where peft, gradient checkpointing and LLaVA's
    hook on the token embeddings meet. tests/train/test_memory.py sets the two side by side where both run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, Any] = {}
        self.now = self.peak = 0

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor's storage, once however many tensors share it."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive or not size or tensor.device.type == "meta":
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
            if hasattr(parameter, "ds_tensor"):  # the rank's share under ZeRO-3
                self.add(parameter.ds_tensor.data)
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


def train_tiny(place: Workplace, case: dict[str, Any]) -> tuple[Peak, int]:
    """Train three steps as a user does; the estimate, and the bytes of tensors at the peak of the first rank.

    A case with `zero` runs on two ranks under DeepSpeed.
    """
    flags = {**PLAIN, **case}
    base, zero = place.model(flags.pop("size")), flags.pop("zero", 0)
    place.runs += 1
    peak_file = place.folder / f"peak{place.runs}.json"
    wanted = {
        "model_name_or_path": base, "lora_alpha": 32, "version": "v1", "data_path": place.data,
        "image_folder": place.data.parent, "vision_tower": base / "clip", "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_use_im_patch_token": False, "image_aspect_ratio": "pad",
        "output_dir": place.folder / f"out{place.runs}", "save_strategy": "no", "lazy_preprocess": True,
        "report_to": "none", "max_steps": 3, "disable_tqdm": True, "facial_prior_tower": "precomputed",
        "facial_prior_hidden_size": P, **flags,
    }  # fmt: skip
    launcher = []
    if zero:
        wanted["deepspeed"] = REPOSITORY / "scripts" / f"zero{zero}.json"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        launcher = ["-m", "deepspeed.launcher.runner", "--num_accelerators", RANKS, "--master_port", port]
    words = [
        sys.executable,
        *launcher,
        __file__,
        *(part for pair in wanted.items() for part in (f"--{pair[0]}", pair[1])),
    ]
    environment = {**os.environ, WATCHED: str(peak_file), "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run([str(word) for word in words], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{case}: {(ran.stdout + ran.stderr)[-3000:]}")
    known = {name: flags[name] for name in SAME_NAMES if name in flags}
    recipe = Recipe(**known, zero=zero, gpus=RANKS if zero else 1, on_cpu=True, **installed())
    return peak(shape_of(str(base), prior_size=P), recipe, flags["model_max_length"]), json.loads(peak_file.read_text())


def watch_training(peak_file: Path) -> None:
    """Run the training that the command line asks for, and write the bytes of the first rank's tensors at the peak."""
    from llava_faba.plugin import attach

    attach()
    from llava_faba.train.lifecycle import end_process
    from llava_faba.train.train import train
    from llava_faba.train.trainer import FabaTrainer

    stock = FabaTrainer.train

    def watched(self: Any, *arguments: Any, **keywords: Any) -> Any:
        counter = TensorBytes()
        counter.add_model(self.model)
        with counter:
            result = stock(self, *arguments, **keywords)
        if self.is_world_process_zero():
            write_json(peak_file, counter.peak)
        return result

    FabaTrainer.train = watched
    train()
    end_process()


def step_fake(case: dict[str, Any], counter: Any = None, **sizes: int) -> tuple[Peak, int]:
    """Two steps of a language model of 7B shape on fake tensors, in bf16 as a run without DeepSpeed has them.

    `counter` is TensorBytes or MemTracker, `sizes` replace those of the 7B shape.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers import LlamaConfig, LlamaForCausalLM

    counter = counter or TensorBytes()
    fields = {name: value for name, value in KNOWN["vicuna-7b-v1.5"].items()} | sizes
    recipe = Recipe(**case, zero=0, on_cpu=True, **installed())  # masks of dropout as a CPU has them
    batch, length = recipe.per_device_train_batch_size, recipe.model_max_length
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**fields, use_cache=False, attn_implementation="sdpa")).bfloat16()
        model = _adapt(model, recipe.lora_r) if recipe.lora_enable else model
    with FakeTensorMode(allow_non_fake_inputs=True):
        _make_fake(model)
        if recipe.gradient_checkpointing:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
        embedded = torch.empty(batch, length, fields["hidden_size"], dtype=torch.bfloat16)
        labels = torch.zeros(batch, length, dtype=torch.long)
        (counter.add_model if isinstance(counter, TensorBytes) else counter.track_external)(model)
        with counter:
            for _ in range(2):
                with torch.autocast("cpu", torch.bfloat16):
                    loss = model(inputs_embeds=embedded, labels=labels).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                getattr(counter, "reset_mod_stats", lambda: None)()  # MemTracker's, between iterations
    if isinstance(counter, TensorBytes):
        measured = counter.peak
    else:
        measured = counter.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    return peak(shape_from(fields), recipe, length), measured


def _adapt(model: Any, r: int) -> Any:
    """LoRA on every linear layer but the head, as LLaVA has it; current peft makes it float32."""
    from peft import LoraConfig, get_peft_model

    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=r, lora_alpha=2 * r, lora_dropout=0.05, target_modules=names, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def _make_fake(model: torch.nn.Module) -> None:
    """Put fake tensors of a CPU in the place of a model's, which are on no device; peft's casts fail on fakes."""
    for module in model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            fake = torch.empty(weight.shape, dtype=weight.dtype)
            setattr(module, name, torch.nn.Parameter(fake, requires_grad=weight.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def main(only: list[str] | None) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="llava-faba-memory-") as folder:
        place = Workplace(Path(folder))
        work: dict[str, Callable[[], tuple[Peak, int]]] = {
            **{name: lambda case=case: train_tiny(place, case) for name, case in CASES.items()},
            **{name: lambda case=case: step_fake(case) for name, case in FAKE_CASES.items()},
        }
        for name, measure in work.items():
            if only is None or name in only:
                estimate, measured = measure()
                rows.append(
                    {
                        "name": name,
                        "estimate_mb": round(estimate.total / 1e6, 1),
                        "measured_mb": round(measured / 1e6, 1),
                        "ratio": round(estimate.total / measured, 3),
                        "moment": estimate.moment,
                    }
                )
    return rows


if __name__ == "__main__":
    if WATCHED in os.environ:
        watch_training(Path(os.environ[WATCHED]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*CASES, *FAKE_CASES], metavar="CASE", help="some, by name")
    parser.add_argument("--json", metavar="OUT", help="write the rows as JSON")
    args = parser.parse_args()
    found = main(args.only)
    print(f"\n{'case':<38}{'estimate, MB':>14}{'measured, MB':>14}{'ratio':>8}")
    for row in found:
        print(f"{row['name']:<38}{row['estimate_mb']:>14,.1f}{row['measured_mb']:>14,.1f}{row['ratio']:>8.3f}")
    if args.json:
        write_json(args.json, {"torch": torch.__version__, "rows": found})
    sys.exit(any(abs(row["ratio"] - 1) > GOAL for row in found))
