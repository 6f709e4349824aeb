"""CSV of labelled faces -> accuracy: a tiny LLaVA trained from scratch, with or without a prior, to compare the two.

It goes the product's own way: convert, priors, LLaVA's train(), greedy answers, the `strict` rules (the released ones crash on a bare "Happiness"). A tiny model on a small
set is no result about faces; what it shows is what a prior adds to the same model on the same data.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from llava_faba import cli
from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.files import existing_file, read_json
from llava_faba.model.tiny import TinySize, make_tiny_llava

SIZE = TinySize(hidden=64, layers=2, image_size=112)
FLAGS = {
    "version": "v1",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "pad",
    "num_train_epochs": 16,
    "per_device_train_batch_size": 16,
    "learning_rate": 2e-3,
    "warmup_ratio": 0.1,
    "lr_scheduler_type": "cosine",
    "model_max_length": 256,
    "save_strategy": "no",
    "logging_steps": 20,
    "dataloader_num_workers": 0,
    "report_to": "none",
    "disable_tqdm": True,
}
PRIOR_FLAGS = {"facial_prior_dropout": 0.05}  # keeps the faces in that the prior cannot read


def learn_faces(
    train: Path, evaluation: Path, prior: str, seeds: Sequence[int], folder: Path | None = None
) -> dict[str, Any]:
    """Train one tiny model a seed and score its answers; `prior` is a name of PRIORS or "none".

    Returns `accuracy` (mean, percent), `per_seed`, `n_eval` and `seconds`. `folder` keeps the runs.
    """
    start = time.monotonic()
    for file in (train, evaluation):
        existing_file(file, "CSV of faces")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(folder or temporary)
        data = _prepare(train, evaluation, prior, folder)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        with ThreadPoolExecutor(min(cores, len(seeds))) as pool:
            scores = list(pool.map(lambda seed: _one_seed(seed, prior, *data, folder / f"seed{seed}"), seeds))
    return {
        "accuracy": round(sum(score["s_re"] for score in scores) / len(scores), 2),
        "per_seed": [score["s_re"] for score in scores],
        "n_eval": scores[0]["n"],
        "seconds": round(time.monotonic() - start, 1),
    }


def _prepare(train: Path, evaluation: Path, prior: str, folder: Path) -> tuple[Path, Path, Path]:
    """FABA-Instruct files, with priors where they are asked for; (training file, evaluation file, image root)."""
    data, root = folder / "data", Path(os.path.commonpath([train.resolve().parent, evaluation.resolve().parent]))
    csvs = ["--train", train, "--eval", evaluation, "--image-root", root]
    _command("convert", "csv", *csvs, "--task", "emotion", "--questions", "fixed", "--out", data)
    files = [data / "train.json", data / "eval.json"]
    if prior != "none":
        for number, file in enumerate(files):
            _command("priors", file, "--image-root", root, "--prior", prior, "--out", folder / "priors" / file.stem)
            files[number] = folder / "priors" / file.stem / "data.json"
    return files[0], files[1], root


def _one_seed(seed: int, prior: str, train: Path, evaluation: Path, root: Path, folder: Path) -> dict[str, Any]:
    """Make, train and score the model of one seed in processes of their own, on one core each."""
    base, out, answers = folder / "llava-v1.5-tiny", folder / "llava-v1.5-tiny-faces", folder / "answers.jsonl"
    texts = [turn["value"] for sample in read_json(train, "training file") for turn in sample["conversations"]]
    make_tiny_llava(base, [*texts, *QUESTIONS.values()], size=SIZE, seed=seed)
    flags = FLAGS | {
        "model_name_or_path": base,
        "vision_tower": base / "clip",
        "data_path": train,
        "image_folder": root,
        "output_dir": out,
        "seed": seed,
    }
    if prior != "none":
        flags |= PRIOR_FLAGS | {"facial_prior_tower": prior}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "llava_faba.train.train"]
    _process([*command, *(part for name, value in flags.items() for part in (f"--{name}", value))], environment)
    command = [sys.executable, "-m", "llava_faba.cli", "describe", "--model-path", out, "--data", evaluation]
    options = ["--image-root", root, "--task", "emotion", "--out", answers, "--max-new-tokens", 16]
    _process([*command, *options, "--batch-size", 32], environment)
    scored = folder / "score.json"
    _command("score", answers, "--rules", "strict", "--json", scored)
    return read_json(scored, "score")[0]


def _command(*arguments: Any) -> None:
    status = cli.main([str(argument) for argument in arguments])
    if status:
        raise InputError(
            f"llava-faba {arguments[0]} ended with {status}.", "Each step must succeed.", "See its message above."
        )


def _process(command: Sequence[Any], environment: dict[str, str]) -> None:
    ran = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise InputError(
            f"A step of the trial ended with {ran.returncode}: {' '.join(ran.stderr.strip().splitlines()[-3:])}",
            "Each step must succeed.",
            "Run it by itself: " + " ".join(str(part) for part in command),
        )
