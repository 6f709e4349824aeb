#!/usr/bin/env python
"""Faces a second of vLLM beside describe, the same model and pictures, in turn; the texts must be equal (float32).

It runs in the modern environment and starts vLLM's interpreter. Both read the pictures and the prior dlib_68; loading
and a first question are not counted. CPU seconds are said too: they do not depend on what else the machine does.

    python scripts/benchmarks/serving.py --vllm .venvs/vllm/bin/python --pictures FACES
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import keep, row

SELF = Path(__file__).resolve()
QUESTION = "What emotions are conveyed by this face?"


def with_vllm(job: dict[str, Any]) -> list[str]:
    """Answer by vLLM, in its environment."""
    from PIL import Image
    from vllm import LLM, SamplingParams

    options = {"dtype": "float32", "max_model_len": 1024, "enforce_eager": True, "gpu_memory_utilization": 0.2}
    llm = LLM(job["model"], **options, max_num_seqs=job["batch"], distributed_executor_backend="uni")

    def ask(pictures: list[str], tokens: int) -> list[str]:
        chats = [
            [{"role": "user", "content": [{"type": "image_pil", "image_pil": Image.open(picture)}, text]}]
            for picture in pictures
            for text in [{"type": "text", "text": QUESTION}]
        ]
        outputs = llm.chat(chats, SamplingParams(temperature=0, max_tokens=tokens), use_tqdm=False)
        # Random weights write bytes that are no UTF-8, which vLLM shows otherwise as an answer grows: decoded whole.
        decode = llm.get_tokenizer().decode
        return [decode(output.outputs[0].token_ids, skip_special_tokens=True).strip() for output in outputs]

    return timed(ask, job)


def with_describe(job: dict[str, Any]) -> list[str]:
    """Answer by describe's own batches."""
    from llava_faba.inference.describer import Describer
    from llava_faba.processes import keep_memory

    keep_memory()  # as the command does
    describer = Describer.from_pretrained(job["model"], device="cpu", dtype="float32", batch_size=job["batch"])

    def ask(pictures: list[str], tokens: int) -> list[str]:
        return [texts[0] or "" for texts in describer.describe(pictures, [QUESTION], max_new_tokens=tokens)]

    return timed(ask, job)


def timed(ask: Any, job: dict[str, Any]) -> Any:
    """Ask once to warm up, then about all pictures; wall and CPU seconds and the texts."""
    ask(job["pictures"][:1], 2)
    wall, cpu = time.perf_counter(), time.process_time()
    texts = ask(job["pictures"], job["tokens"])
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "texts": texts}


def in_process(interpreter: str, way: str, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run one way in an interpreter of its own."""
    (folder / "job.json").write_text(json.dumps(job))
    environment = {**os.environ, "PYTHONPATH": str(SELF.parents[2]), "OMP_NUM_THREADS": str(job["threads"])}
    environment |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    command = [interpreter, str(SELF), "--way", way, str(folder / "job.json"), str(folder / "out.json")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr[-3000:])
    return json.loads((folder / "out.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", required=True, help="the interpreter of vLLM's environment")
    parser.add_argument("--pictures", required=True, help="a folder of photos of faces")
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64, help="new tokens an answer")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", metavar="OUT", help="write the figures here as well")
    args = parser.parse_args()
    sys.path.insert(0, str(SELF.parents[2]))
    from llava_faba.model.tiny import TinySize, make_tiny_llava
    from tests.serving.models import make_merged
    from tests.tiny import TEXTS

    pictures = sorted(map(str, Path(args.pictures).glob("*.jpg")))[: args.faces]
    job = {"pictures": pictures, "tokens": args.tokens, "batch": args.batch, "threads": args.threads}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = TinySize(hidden=512, layers=19, heads=8, image_size=336)
        base = make_tiny_llava(folder / "base", TEXTS, size=size)
        job["model"] = str(make_merged(base, folder / "model", facial_prior_dropout=0.1))  # unread faces are answered
        weights = (folder / "model" / "model.safetensors").stat().st_size / 4e6
        ours = in_process(sys.executable, "describe", job, folder)
        theirs = in_process(args.vllm, "vllm", job, folder)
    equal = sum(a == b for a, b in zip(ours["texts"], theirs["texts"], strict=True))
    n, wall, cpu = len(pictures), ours["wall"] / theirs["wall"], ours["cpu"] / theirs["cpu"]
    what = f"vLLM beside describe: {n} faces, {weights:.0f} M weights, 577 + {args.tokens} tokens, float32"
    said = (
        f"{wall:.2f} x describe by wall time, {cpu:.2f} x by CPU time; {n / theirs['wall']:.2f} and "
        f"{n / ours['wall']:.2f} faces a second, {theirs['cpu']:.0f} and {ours['cpu']:.0f} CPU s; "
        f"{equal} of {n} texts equal"
    )
    keep(args.json, [row(what, said, cpu)], describe=ours, vllm=theirs, load=os.getloadavg())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        way, source, out = sys.argv[2:5]
        run = {"vllm": with_vllm, "describe": with_describe}[way]
        Path(out).write_text(json.dumps(run(json.loads(Path(source).read_text()))))
    else:
        main()
