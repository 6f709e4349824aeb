"""Load a medium model with random weights and print the peak of host memory, as a multiple of the model's weights.

usage: python scripts/benchmarks/loading.py [--megabytes 300]

Each kind is loaded in a process of its own, on the CPU. The peak is that of memory that the process holds by itself
(anonymous memory); pages of weight files that are mapped into it can be dropped by the system at any time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from figures import keep, row

TEXTS = ["USER: What emotions are conveyed by this face? ASSISTANT: The face shows happiness."] * 16
KINDS = {  # kind -> dtype; the releases are float16
    "whole, float16": "float16",
    "whole, float32": "float32",
    "lora, float16": "float16",
}


def held() -> int:
    """Bytes of anonymous memory that this process holds."""
    for line in Path("/proc/self/status").read_text().split("\n"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise SystemExit("This benchmark reads /proc/self/status, which only Linux has.")


def make(folder: Path, megabytes: int) -> None:
    """Write a model of about `megabytes` in float16, in two .bin shards as LLaVA's releases, and an adapter of it."""
    import torch

    from llava_faba.host import compat
    from llava_faba.model.tiny import TinySize, make_tiny_llava

    compat.apply()
    layers = 8
    hidden = int((megabytes * 1e6 / 2 / (10 * layers)) ** 0.5) // 64 * 64  # a layer has about 10 hidden^2 weights
    base = make_tiny_llava(folder / "base", TEXTS, size=TinySize(hidden=hidden, layers=layers, heads=8))
    from safetensors.torch import load_file

    weights = {name: w.half() for name, w in load_file(base / "model.safetensors").items()}
    (base / "model.safetensors").unlink()
    names = sorted(weights)
    halves = names[: len(names) // 2], names[len(names) // 2 :]
    files = {n: f"pytorch_model-0000{i}-of-00002.bin" for i, half in enumerate(halves, 1) for n in half}
    for half in halves:
        torch.save({name: weights[name] for name in half}, base / files[half[0]])
    (base / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    lora = folder / "lora"
    lora.mkdir()
    (lora / "config.json").write_bytes((base / "config.json").read_bytes())
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapter = {"peft_type": "LORA", "r": 32, "lora_alpha": 64, "target_modules": targets}
    (lora / "adapter_config.json").write_text(json.dumps({**adapter, "base_model_name_or_path": str(base)}))
    matrices = {}
    for name, weight in weights.items():
        if any(f".{target}." in name for target in targets):
            stem = f"base_model.model.{name.removesuffix('.weight')}"
            matrices[f"{stem}.lora_A.weight"] = torch.randn(32, weight.shape[1]).half()
            matrices[f"{stem}.lora_B.weight"] = torch.randn(weight.shape[0], 32).half()
    torch.save(matrices, lora / "adapter_model.bin")


def measure(folder: Path, kind: str) -> dict[str, float]:
    """Load one kind and return {"ratio", "megabytes", "seconds"}."""
    from llava_faba.host import compat
    from llava_faba.model.checkpoint import load

    compat.apply()
    load(folder / "tiny", device="cpu")  # libraries and their caches are not the model's
    before, peak, done = held(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            peak[0] = max(peak[0], held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    path = folder / ("lora" if kind.startswith("lora") else "base")
    model = load(path, device="cpu", dtype=KINDS[kind])[1]
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    size = sum(w.numel() * w.element_size() for w in model.parameters())
    return {"ratio": (max(peak[0], held()) - before) / size, "megabytes": size / 1e6, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300, help="size of the model in float16 (default: 300)")
    parser.add_argument("--json", metavar="OUT", help="write the figures here as well")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # one kind, in this process
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(Path(args.measure[0]), args.measure[1])))
        return
    from llava_faba.model.tiny import make_tiny_llava

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tiny_llava(folder / "tiny", TEXTS)
        make(folder, args.megabytes)
        rows = []
        for kind in KINDS:
            ran = subprocess.run([sys.executable, __file__, "--measure", name, kind], capture_output=True, text=True)
            if ran.returncode:
                raise SystemExit(ran.stderr)
            found = json.loads(ran.stdout.strip().split("\n")[-1])
            what = f"memory of loading a model of {found['megabytes']:.0f} MB ({kind}), beside its weights"
            rows.append(row(what, f"{found['ratio']:.2f} x; {found['seconds']:.1f} s", found["ratio"]))
        keep(args.json, rows)


if __name__ == "__main__":
    main()
