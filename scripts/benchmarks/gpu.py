#!/usr/bin/env python
"""Train, load, describe and serve on one GPU, or at a small size on a CPU; see gpu.sh.

python scripts/benchmarks/gpu.py --small --only describe
"""

import argparse
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from llava_faba.files import write_json
from llava_faba.host import compat

REPOSITORY = Path(__file__).resolve().parents[2]
CUDA = torch.cuda.is_available()
TEXTS = ["USER: What emotions are conveyed by this face? ASSISTANT: The face shows happiness; AU6 and AU12."] * 32
QUESTIONS = ["What emotions are conveyed by this face?", "What AUs are conveyed by this face?"]
STEPS = 4
SHAPE_7B = {  # of liuhaotian/llava-v1.5-7b, and of openai/clip-vit-large-patch14-336 below
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096, "mm_hidden_size": 1024,
}  # fmt: skip
TRAINED = {"hidden": 2048, "layers": 8, "heads": 16, "image_size": 336, "vision_hidden": 1024, "vision_layers": 24}
SMALL = {"hidden": 64, "layers": 2, "heads": 4, "image_size": 112, "vision_hidden": 32, "vision_layers": 3}


def free_port() -> int:
    """A port that nobody listens on, so that other runs on this machine are not met."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Benchmark:
    """The rows, the folder they work in, and the models they share."""

    def __init__(self, folder: Path, small: bool):
        from llava_faba.model.tiny import TinySize, make_tiny_llava

        self.folder, self.small, self.rows = folder, small, []
        self.base = make_tiny_llava(
            folder / "llava-v1.5-trained", TEXTS, size=TinySize(**(SMALL if small else TRAINED))
        )
        self.data = make_data(folder / "faces", 8 if small else 32)

    def run(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        """Do one row's work, and print it with its seconds and the peak of the GPU's memory."""
        gc.collect()
        if CUDA:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        found = work()
        row = {"name": name, "seconds": round(time.perf_counter() - start, 1), **found}
        if CUDA and "peak_gb" not in row:
            row["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
        self.rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)

    def train(self, name: str, zero: str, **settings: str) -> dict[str, Any]:
        """A few steps of LoRA by the script that users run; the loss must be finite."""
        out = self.folder / "trained" / name
        shutil.rmtree(out, ignore_errors=True)
        variables = {
            "MODEL": self.base, "VISION_TOWER": self.base / "clip", "DATA": self.data, "IMAGES": self.data.parent,
            "OUT": out, "PRIOR": "precomputed", "ZERO": REPOSITORY / "scripts" / zero, "BATCH": "4", "GPUS": "1",
            "GPU": str(CUDA), "LORA_R": "8", "MASTER_PORT": str(free_port()), **settings,
        }  # fmt: skip
        flags = ["--max_steps", str(STEPS), "--model_max_length", "1024", "--disable_tqdm", "True"]
        flags += ["--dataloader_num_workers", "0", *(["--fp16", "True", "--bf16", "False"] if "fp16" in name else [])]
        python = Path(sys.executable).parent
        environment = {**os.environ, **{key: str(value) for key, value in variables.items()}}
        environment |= {"PATH": f"{python}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
        script = REPOSITORY / "scripts" / "finetune_faba_lora.sh"
        ran = subprocess.run(["bash", script, *flags], env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(f"{name}: {(ran.stdout + ran.stderr)[-3000:]}")
        log = json.loads((out / "trainer_state.json").read_text())["log_history"]
        losses = [entry["loss"] for entry in log if "loss" in entry]
        assert len(losses) == STEPS and np.isfinite(losses).all(), f"{name}: losses {losses}"
        per_second = next(entry["train_samples_per_second"] for entry in log if "train_samples_per_second" in entry)
        return {"loss": round(losses[-1], 3), "samples_per_s": per_second}

    def big_model(self) -> Path:
        """A model of the shape of LLaVA-1.5-7B with random weights, in float16; the small one with --small."""
        folder = self.folder / "llava-v1.5-7b-shape"
        if self.small or folder.is_dir():
            return self.base if self.small else folder
        from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM

        from llava_faba.model.checkpoint import load

        config = load(self.base, device="cpu")[1].config
        fields = {**config.to_dict(), **SHAPE_7B, "mm_vision_tower": str(self.base / "clip")}
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float16)
        try:
            with torch.device("cuda" if CUDA else "cpu"):
                model = LlavaLlamaForCausalLM(type(config).from_dict(fields))
        finally:
            torch.set_default_dtype(dtype)
        kept = {name: weight for name, weight in model.state_dict().items() if "vision_tower" not in name}
        model.save_pretrained(folder, state_dict=kept, max_shard_size="5GB")
        for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
            shutil.copy(self.base / name, folder)
        return folder

    def describe(self, autocast: torch.dtype | None = None, **loading: Any) -> dict[str, Any]:
        """Two questions about each of the faces, in one batch; the logits must be finite."""
        from llava_faba.inference.describer import Describer

        begin = time.perf_counter()
        describer = Describer.from_pretrained(self.big_model(), **loading)
        loaded = time.perf_counter() - begin
        pictures = [Image.open(path).convert("RGB") for path in sorted(self.data.parent.glob("images/*.png"))[:16]]
        faces, new = describer.prepare_faces(pictures), 8 if self.small else 64
        device = next(describer.model.parameters()).device
        context = torch.autocast(device.type, autocast) if autocast else nullcontext()
        with context:
            ids = torch.tensor([describer.prompt.before_question + describer.prompt.question_ids(QUESTIONS[0])])
            with torch.no_grad():
                pixels = faces[0].pixels[None].to(device)
                logits = describer.model(ids.to(device), images=pixels).logits
            assert torch.isfinite(logits).all(), "logits are not finite"
            start = time.perf_counter()
            answers = describer.describe_faces(faces, QUESTIONS, max_new_tokens=new)
            seconds = time.perf_counter() - start
        assert len(answers) == len(faces)
        return {"load_s": round(loaded, 1), "answers_per_s": round(len(faces) * len(QUESTIONS) / seconds, 2)}

    def demo(self) -> dict[str, Any]:
        """The page, asked over its API as a visitor's browser asks."""
        try:
            from gradio_client import Client, handle_file
        except ImportError:
            return {"skipped": "gradio is not installed: pip install 'llava-faba[demo]'"}
        from llava_faba.demo.launch import launch
        from llava_faba.demo.models import service_of

        service = service_of(str(self.big_model()), None, dtype="bfloat16" if CUDA else None, max_new_tokens=16)
        page, address = launch(service, block=False)
        try:
            client = Client(address, verbose=False)
            picture = Image.fromarray(np.full((128, 128, 3), 200, np.uint8))
            picture.save(self.folder / "visitor.png")
            client.predict(handle_file(str(self.folder / "visitor.png")), api_name="/faces")
        finally:
            page.close()
        return {"address": address}


def make_data(folder: Path, samples: int) -> Path:
    """Write pictures of noise with stored priors, and a training file over them; return the file."""
    random, entries = np.random.default_rng(0), []
    for part in ("images", "landmarks"):
        (folder / part).mkdir(parents=True)
    for number in range(samples):
        image, landmark = f"images/{number:03}.png", f"landmarks/{number:03}.npy"
        Image.fromarray(random.integers(0, 255, (336, 336, 3), dtype=np.uint8)).save(folder / image)
        np.save(folder / landmark, random.normal(50, 3, 212).astype(np.float32))
        turns = (("human", f"{QUESTIONS[0]}\n<image>"), ("gpt", "The face shows happiness; AU6 and AU12."))
        conversations = [{"from": role, "value": value} for role, value in turns]
        entries.append({"id": str(number), "image": image, "landmark": landmark, "conversations": conversations})
    return write_json(folder / "train.json", entries)


def main(small: bool, only: list[str] | None) -> list[dict[str, Any]]:
    compat.apply()
    quantised = CUDA or compat.transformers_version() >= (5, 0, 0)  # 4.37 quantises on CUDA only
    with tempfile.TemporaryDirectory(prefix="llava-faba-gpu-") as folder:
        bench = Benchmark(Path(folder), small)
        rows: dict[str, Callable[[], dict[str, Any]]] = {
            "train bf16 ZeRO-2": lambda: bench.train("bf16", "zero2.json", BF16="True", TF32=str(CUDA)),
            "train bf16 ZeRO-3": lambda: bench.train("zero3", "zero3.json", BF16="True", TF32=str(CUDA)),
            "describe bf16": lambda: bench.describe(dtype="bfloat16"),
            "describe fp16": lambda: bench.describe(dtype="float16"),
            "describe autocast": lambda: bench.describe(torch.bfloat16, dtype="float32" if small else "float16"),
            "demo": bench.demo,
        }
        if CUDA:  # transformers trains in float16 on CUDA only
            rows["train fp16 ZeRO-2"] = lambda: bench.train("fp16", "zero2.json", TF32="True")
        if quantised:
            rows["train QLoRA"] = lambda: bench.train("qlora", "zero2.json", BITS="4", BF16="True", TF32=str(CUDA))
            rows["describe 4 bits"] = lambda: bench.describe(load_4bit=True)
            rows["describe 8 bits"] = lambda: bench.describe(load_8bit=True)
        for name, work in sorted(rows.items(), reverse=True):
            if only is None or any(part in name for part in only):
                bench.run(name, work)
        return bench.rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a tiny model: the same code paths, on a CPU too")
    parser.add_argument("--only", nargs="+", metavar="PART", help="rows whose names hold one of these")
    parser.add_argument("--json", metavar="OUT", help="write the rows as JSON")
    args = parser.parse_args()
    if not CUDA and not args.small:
        sys.exit("gpu.py: torch finds no CUDA device here. --small (SMALL=1) runs the same code paths on the CPU.")
    start = time.perf_counter()
    found = main(args.small, args.only)
    place = torch.cuda.get_device_name() if CUDA else "cpu"
    print(f"{len(found)} rows on {place} in {time.perf_counter() - start:.0f} s, torch {torch.__version__}")
    if args.json:
        write_json(args.json, {"device": place, "torch": torch.__version__, "rows": found})
