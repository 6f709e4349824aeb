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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_faba.data.convert import RECORD
from llava_faba.data.prompts import QUESTIONS
from llava_faba.errors import InputError
from llava_faba.eval.answers import read_answers
from llava_faba.eval.bench import score
from llava_faba.eval.labels import dataset_named
from llava_faba.files import existing_file, read_json
from llava_faba.inference.validation import METRICS
from llava_faba.model.tiny import TinySize, make_tiny_llava
from llava_faba.vocabulary import RUN_RECORD

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
BATCH, LONGEST = 32, 16  # faces answered at once, tokens of an answer
PRIOR_FLAGS = {"facial_prior_dropout": 0.05}  # keeps the faces in that the prior cannot read


def learn_faces(
    train: Path,
    evaluation: Path,
    prior: str,
    seeds: Sequence[int],
    folder: Path | None = None,
    validation: float = 0.0,
    validation_steps: int | None = None,
) -> dict[str, Any]:
    """Train one tiny model a seed and score its answers; `prior` is a name of PRIORS or "none".

    Returns `accuracy` (mean, percent), `per_seed`, `n_eval` and `seconds`. `folder` keeps the runs. `validation` is the
    share of the training faces that each run is validated on; `validation` in the result then holds, for each seed, the
    curve, its best point, the same model scored again by the commands, and the best model's accuracy on `evaluation`.
    """
    start = time.monotonic()
    for file in (train, evaluation):
        existing_file(file, "CSV of faces")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(folder or temporary)
        data = _prepare(train, evaluation, prior, folder, validation)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        folders = [folder / f"seed{seed}" for seed in seeds]
        for seed, place in zip(seeds, folders, strict=True):
            make_tiny_llava(place / BASE, _texts(data.train), size=SIZE, seed=seed)
        with ThreadPoolExecutor(min(cores, len(seeds))) as pool:  # of processes: one core each
            runs = pool.map(lambda seed, place: _answers(seed, prior, data, place, validation_steps), seeds, folders)
            answers = list(runs)
        scores = [_score(file) for file in answers]
        watched = [_watched(seed, place) for seed, place in zip(seeds, folders, strict=True)] if validation else None
    return {
        "accuracy": round(sum(each["s_re"] for each in scores) / len(scores), 2),
        "per_seed": [each["s_re"] for each in scores],
        "n_eval": scores[0]["n"],
        "seconds": round(time.monotonic() - start, 1),
        **({} if watched is None else {"validation": watched}),
    }


def _score(answers: Path) -> dict[str, Any]:
    return score(read_answers([answers]), dataset_named("faba"), ["strict"])[0].as_json()


def _watched(seed: int, folder: Path) -> dict[str, Any]:
    """What a run saw of itself, and its best model scored by the commands."""
    record = read_json(folder / f"{BASE}-faces" / RUN_RECORD, "run record")["validation"]
    again = _score(folder / "best.jsonl")
    return {
        "seed": seed,
        "n": again["n"],
        "curve": [{"step": point["step"], **_numbers(point["scores"][0])} for point in record["curve"]],
        "best": record["best"],
        "best_again": _numbers(again),
        "best_accuracy": _score(folder / "best_eval.jsonl")["s_re"],
        "share_of_time": record["share"],
    }


def _numbers(scored: dict[str, Any]) -> dict[str, Any]:
    return {name: scored[name] for name in METRICS} | {"ci95": {name: list(scored["ci95"][name]) for name in METRICS}}


@dataclass(frozen=True)
class Data:
    """FABA-Instruct files, with priors where they are asked for."""

    train: Path
    evaluation: Path
    image_root: Path
    validation: Path | None


def _prepare(train: Path, evaluation: Path, prior: str, folder: Path, validation: float) -> Data:
    data, csvs = folder / "data", ["--train", train, "--eval", evaluation]
    convert = [*CLI, "convert", "csv", *csvs, "--task", "emotion", "--questions", "fixed", "--out", data]
    _process("convert the CSVs", convert, dict(os.environ))
    root = Path(read_json(data / RECORD, "conversion's record")["image_root"])
    files = [data / "train.json", data / "eval.json"]
    if validation:
        out = ["--validation", validation, "--test", 0, "--out", data / "split"]
        _process("split", [*CLI, "split", files[0], "--image-root", root, *out], dict(os.environ))
        files = [data / "split" / "train.json", files[1], data / "split" / "validation.json"]
    if prior != "none":
        for number, file in enumerate(files):
            out = folder / "priors" / file.stem
            priors = [*CLI, "priors", file, "--image-root", root, "--prior", prior, "--out", out]
            _process(f"read the {file.stem} faces' priors", priors, dict(os.environ))
            files[number] = out / "data.json"
    return Data(files[0], files[1], root, files[2] if validation else None)


def _texts(train: Path) -> list[str]:
    samples = read_json(train, "training file")
    return [turn["value"] for sample in samples for turn in sample["conversations"]] + list(QUESTIONS.values())


def _answers(seed: int, prior: str, data: Data, folder: Path, validation_steps: int | None) -> Path:
    """Train the model of one seed and let it answer; return its answers file."""
    base, out, answers = folder / BASE, folder / f"{BASE}-faces", folder / "answers.jsonl"
    flags = FLAGS | {
        "model_name_or_path": base,
        "vision_tower": base / "clip",
        "data_path": data.train,
        "image_folder": data.image_root,
        "output_dir": out,
        "seed": seed,
    }
    if prior != "none":
        flags |= PRIOR_FLAGS | {"facial_prior_tower": prior}
    if data.validation is not None:
        limits = {"validation_size": 0, "validation_max_new_tokens": LONGEST, "validation_batch_size": BATCH}
        flags |= {"validation": data.validation, **limits}
        flags |= {} if validation_steps is None else {"validation_steps": validation_steps}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "llava_faba.train.train"]
    words = [*command, *(part for name, value in flags.items() for part in (f"--{name}", value))]
    _process(f"train seed {seed}", words, environment)
    asked = [(out, data.evaluation, answers)]
    if data.validation is not None:
        best = out / "checkpoint-best"
        asked += [(best, out / "validation" / "emotion.json", folder / "best.jsonl")]
        asked += [(best, data.evaluation, folder / "best_eval.jsonl")]
    for model, faces, written in asked:
        options = ["--image-root", data.image_root, "--task", "emotion", "--out", written]
        limits = ["--max-new-tokens", LONGEST, "--batch-size", BATCH]
        words = [*CLI, "describe", "--model-path", model, "--data", faces, *options, *limits]
        _process(f"describe with seed {seed}: {written.name}", words, environment)
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
