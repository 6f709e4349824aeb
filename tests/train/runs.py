"""Training runs as a user starts them: LLaVA's flags, a tiny base, a handful of pictures with recorded priors."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from llava_faba.files import write_json
from llava_faba.model.weights import canonical_name, read_weights
from tests.tiny import P

REPOSITORY = Path(__file__).resolve().parents[2]
N_SAMPLES = 12


def make_data(folder: Path) -> Path:
    """Twelve small pictures, their priors as `landmark` files, and a FABA-Instruct training file; return the file."""
    random = np.random.default_rng(0)
    samples = []
    for n in range(N_SAMPLES):
        image, landmark = f"images/{n}.png", f"landmarks/{n}.npy"
        for name in (image, landmark):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (120, 100, 3), dtype=np.uint8)).save(folder / image)
        np.save(folder / landmark, random.normal(50, 3, P).astype(np.float32))
        answer = ["The face shows happiness; the corners are raised.", "AU6 and AU12 are present."][n % 2]
        turns = [("human", "What emotions are conveyed by this face?\n<image>"), ("gpt", answer)]
        conversations = [{"from": who, "value": text} for who, text in turns]
        samples.append({"source": "made", "image": image, "id": str(n), "conversations": conversations})
        samples[-1]["landmark"] = landmark
    write_json(folder / "landmarks" / "manifest.json", {"prior": "made", "version": "1", "P": P, "counts": {}})
    return write_json(folder / "train.json", samples)


def make_validation(train: Path, n: int = 5) -> tuple[Path, Path]:
    """Evaluation files of `n` other pictures beside a training file: emotions and AUs; return both."""
    random = np.random.default_rng(1)
    emotions, units = [], []
    for number in range(n):
        image, landmark = f"images/v{number}.png", f"landmarks/v{number}.npy"
        Image.fromarray(random.integers(0, 255, (110, 90, 3), dtype=np.uint8)).save(train.parent / image)
        np.save(train.parent / landmark, random.normal(50, 3, P).astype(np.float32))
        shared = {"image": image, "landmark": landmark}
        text = "The face shows happiness; the corners are raised."
        emotions.append({**shared, "label": "Happiness", "gpt4": text})
        units.append({**shared, "label": "6, 12", "gpt4": "AU6 and AU12 are present."})
    folder = train.parent
    return write_json(folder / "emotion.json", emotions), write_json(folder / "au.json", units)


def flags(base: Path, data: Path, out: Path, prior: bool = True, **changes) -> list[str]:
    """LLaVA's LoRA flags for a run of a few steps on a CPU; `changes` replace or add."""
    wanted = {
        "lora_enable": True,
        "lora_r": 4,
        "lora_alpha": 8,
        "mm_projector_lr": 2e-5,
        "model_name_or_path": base,
        "version": "v1",
        "data_path": data,
        "image_folder": data.parent,
        "vision_tower": base / "clip",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "pad",
        "group_by_modality_length": True,
        "bf16": False,
        "output_dir": out,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "evaluation_strategy": "no",
        "save_strategy": "no",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "warmup_ratio": 0.03,
        "lr_scheduler_type": "cosine",
        "logging_steps": 1,
        "tf32": False,
        "model_max_length": 512,
        "gradient_checkpointing": True,
        "dataloader_num_workers": 0,
        "lazy_preprocess": True,
        "report_to": "none",
        "max_steps": 5,
        "disable_tqdm": True,
        "facial_prior_tower": "precomputed" if prior else None,
        "facial_prior_hidden_size": P if prior else None,
        "facial_prior_normalisation": "fit" if prior else None,
        **changes,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    words = {name: value if isinstance(value, list | tuple) else [value] for name, value in given.items()}
    return [part for name, values in words.items() for part in (f"--{name}", *map(str, values))]


def run(
    command: Sequence[Any], timeout: float = 600, cwd: Path = REPOSITORY, **environment: str
) -> subprocess.CompletedProcess:
    """Run a command, from the repository if not told otherwise; after `timeout` seconds nothing of it is left."""
    variables = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        **environment,
    }
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        env=variables,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(words, process.returncode, output)


LAUNCHERS = {  # how a run is started -> its launcher's words in front of the module
    "plain": ["-m"],
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--module"],
    "zero2": ["-m", "deepspeed.launcher.runner", "--num_accelerators", "2", "--module"],
    "zero3": ["-m", "deepspeed.launcher.runner", "--num_accelerators", "2", "--module"],
    "one rank": ["-m", "deepspeed.launcher.runner", "--num_accelerators", "1", "--module"],
}


def train(
    arguments: Sequence[str],
    launcher: str = "plain",
    module: str = "llava_faba.train.train",
    timeout: float = 600,
    **environment: str,
) -> subprocess.CompletedProcess:
    """Train as `launcher` starts it; the process group's port is a free one."""
    words = list(LAUNCHERS[launcher])
    if launcher != "plain":
        words[2:2] = ["--master_port", str(free_port())]
    return run([sys.executable, *words, module, *arguments], timeout, **environment)


def lines(ran: subprocess.CompletedProcess, start: str) -> list[str]:
    """The lines of a run's output that begin so, each as short as a test shows it."""
    return [line[:200] for line in ran.stdout.splitlines() if line.startswith(start)]


def deepspeed_flag(launcher: str) -> dict[str, str]:
    """The flag with which a launcher's run uses DeepSpeed, if it does."""
    return {"deepspeed": f"scripts/{launcher}.json"} if launcher.startswith("zero") else {}


def losses(out: Path) -> list[float]:
    """The logged losses of a finished run."""
    state = json.loads((out / "trainer_state.json").read_text())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]


def weights(out: Path) -> dict[str, Tensor]:
    """All weights that a finished run wrote, by canonical names."""
    names = ("adapter_model.safetensors", "non_lora_trainables.bin", "facial_prior_projector.safetensors")
    files = [out / name for name in names if (out / name).is_file()]
    return {canonical_name(name): tensor for file in files for name, tensor in read_weights(file).items()}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest absolute difference between two sets of weights with the same names."""
    assert one.keys() == other.keys() and one
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
