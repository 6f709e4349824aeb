"""CSV of labelled faces -> accuracy: a tiny LLaVA trained from scratch, with or without a prior, to compare the two.

It goes the product's own way: convert, priors, LLaVA's train(), greedy answers, the `strict` rules (the released ones
crash on a bare "Happiness"). A tiny model on a small set is no result about faces; what it shows is what a prior adds
to the same model on the same data.
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

from llava_faba.data.convert import RECORD
from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.eval.answers import read_answers
from llava_faba.eval.bench import score
from llava_faba.eval.labels import dataset_named
from llava_faba.files import existing_file, read_json
from llava_faba.model.tiny import TinySize, make_tiny_llava

BASE = "llava-v1.5-tiny"
CLI = (sys.executable, "-m", "llava_faba.cli")
SIZE = TinySize(hidden=96, image_size=56)
FLAGS = {
    "version": "v1",
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "pad",
    "num_train_epochs": 10,
    "per_device_train_batch_size": 16,
    "learning_rate": 1e-3,
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
        folders = [folder / f"seed{seed}" for seed in seeds]
        for seed, place in zip(seeds, folders, strict=True):
            make_tiny_llava(place / BASE, _texts(data[0]), size=SIZE, seed=seed)
        with ThreadPoolExecutor(min(cores, len(seeds))) as pool:  # of processes: one core each
            answers = list(pool.map(lambda seed, place: _answers(seed, prior, *data, place), seeds, folders))
        scores = [score(read_answers([file]), dataset_named("faba"), ["strict"])[0].as_json() for file in answers]
    return {
        "accuracy": round(sum(each["s_re"] for each in scores) / len(scores), 2),
        "per_seed": [each["s_re"] for each in scores],
        "n_eval": scores[0]["n"],
        "seconds": round(time.monotonic() - start, 1),
    }


def _prepare(train: Path, evaluation: Path, prior: str, folder: Path) -> tuple[Path, Path, Path]:
    """FABA-Instruct files, with priors where they are asked for; (training file, evaluation file, image root)."""
    data, csvs = folder / "data", ["--train", train, "--eval", evaluation]
    convert = [*CLI, "convert", "csv", *csvs, "--task", "emotion", "--questions", "fixed", "--out", data]
    _process("convert the CSVs", convert, dict(os.environ))
    root = Path(read_json(data / RECORD, "conversion's record")["image_root"])
    files = [data / "train.json", data / "eval.json"]
    if prior != "none":
        for number, file in enumerate(files):
            out = folder / "priors" / file.stem
            priors = [*CLI, "priors", file, "--image-root", root, "--prior", prior, "--out", out]
            _process(f"read the {file.stem} faces' priors", priors, dict(os.environ))
            files[number] = out / "data.json"
    return files[0], files[1], root


def _texts(train: Path) -> list[str]:
    samples = read_json(train, "training file")
    return [turn["value"] for sample in samples for turn in sample["conversations"]] + list(QUESTIONS.values())


def _answers(seed: int, prior: str, train: Path, evaluation: Path, root: Path, folder: Path) -> Path:
    """Train the model of one seed and let it answer; return its answers file."""
    base, out, answers = folder / BASE, folder / f"{BASE}-faces", folder / "answers.jsonl"
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
    words = [*command, *(part for name, value in flags.items() for part in (f"--{name}", value))]
    _process(f"train seed {seed}", words, environment)
    options = ["--image-root", root, "--task", "emotion", "--out", answers, "--max-new-tokens", 16]
    words = [*CLI, "describe", "--model-path", out, "--data", evaluation, *options, "--batch-size", 32]
    _process(f"describe with seed {seed}", words, environment)
    return answers


def _process(step: str, command: Sequence[Any], environment: dict[str, str]) -> None:
    """Run one step, named on standard error when it begins; InputError with its last lines where it fails."""
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)
    ran = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise InputError(
            f"A step of the trial ended with {ran.returncode}: {' '.join(ran.stderr.strip().splitlines()[-3:])}",
            "Each step must succeed.",
            "Run it by itself: " + " ".join(str(part) for part in command),
        )
