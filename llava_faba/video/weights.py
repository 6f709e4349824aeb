"""The weights of the clip modules: read, checked and written by themselves, always in float32.

severity.safetensors holds the severity path and its two projections; its metadata says what shaped and trained them, so
that a second stage takes the first one's counts and interval over.
"""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from llava_faba.errors import InputError, MissingFileError
from llava_faba.model.weights import canonical_name, read_weights, weight_files
from llava_faba.vocabulary import SEVERITY_WEIGHTS

PATH = "severity_path"  # the module that the regression loss trains
PROJECTIONS = ("motion_projection", "fusion_projection")  # the modules that the language loss trains
CLIP_MODULES = (PATH, *PROJECTIONS)
PREFIXES = tuple(f"model.{name}." for name in CLIP_MODULES)
# What a severity.safetensors remembers: how the path is built, and what its training and its validation left.
SHAPING = ("motion_frames", "motion_points", "motion_colour", "motion_normalisation", "motion_sampling")
SHAPING += ("motion_width", "motion_depth", "motion_heads", "picture_frames", "regression_loss", "expressions")
LEFT = ("severity_steps", "severity_residuals", "severity_patients", "clips_seen")


def clip_weights(model: Any) -> dict[str, Tensor]:
    """Return the weights of the clip modules, frozen ones too, by their names in a plain model."""
    inner = model.get_model()
    modules = ((name, getattr(inner, name)) for name in CLIP_MODULES)
    return {f"model.{name}.{key}": weight for name, module in modules for key, weight in module.named_parameters()}


def read_clip_weights(folder: Path) -> dict[str, Tensor]:
    """Read the clip modules' weights of a model folder: from severity.safetensors, else from its weight files."""
    files = [folder / SEVERITY_WEIGHTS] if (folder / SEVERITY_WEIGHTS).is_file() else weight_files(folder)
    found: dict[str, Tensor] = {}
    for file in files:
        for part in CLIP_MODULES:
            found |= {canonical_name(name): tensor for name, tensor in read_weights(file, match=f"{part}.").items()}
    if not found:
        raise MissingFileError(
            f"The model {folder} has no weights of its severity path: there is no {SEVERITY_WEIGHTS} in it.",
            "Training and merging write them beside the model.",
            "Copy the folder again, whole.",
        )
    return found


def load_clip_modules(model: Any, file: Path) -> dict[str, Any]:
    """Load a severity.safetensors into a model's clip modules; return what it remembers (SHAPING and LEFT).

    `file` may be the folder that holds it. Raises InputError where a weight does not fit, or where the model reads
    clips in another way than the one that the weights were trained on, naming the field.
    """
    file = file / SEVERITY_WEIGHTS if file.is_dir() else file
    weights, remembered = read_weights(file), read_memory(file)
    differ = [
        f"{name} was {remembered[name]!r} and is {_plain(getattr(model.config, name))!r}"
        for name in SHAPING
        if name in remembered and remembered[name] != _plain(getattr(model.config, name))
    ]
    if differ:
        raise InputError(
            f"The file {file} was trained with other flags: {'; '.join(differ)}.",
            "A severity path reads clips as it was trained to.",
            "Give the flags of its training.",
        )
    assign_clip_weights(model, weights, file)
    return remembered


def assign_clip_weights(model: Any, stored: Mapping[str, Tensor], where: Path) -> None:
    """Copy weights into a model's clip modules; every weight must be there and fit."""
    own = clip_weights(model)
    shapes = {name: tuple(getattr(weight, "ds_shape", weight.shape)) for name, weight in own.items()}
    wrong = sorted(
        stored.keys() ^ own.keys() | {name for name in stored.keys() & own if tuple(stored[name].shape) != shapes[name]}
    )
    if wrong:
        raise InputError(
            f"The file {where} does not fit this model: {', '.join(wrong[:4])}.",
            "It holds the severity path and its projections, name by name and shape by shape.",
            "Use the motion_* flags and the base model that it was trained with.",
        )
    for name, weight in own.items():
        with _whole(weight), torch.no_grad():
            weight.copy_(stored[name])


def save_clip_modules(weights: Mapping[str, Tensor], config: Any, file: Path) -> None:
    """Write clip modules that lie on the CPU, with what the configuration knows of them."""
    memory = {name: _plain(getattr(config, name, None)) for name in (*SHAPING, *LEFT)}
    state = {name: tensor.float().contiguous() for name, tensor in weights.items()}
    save_file(state, file, metadata={"llava_faba": json.dumps(memory)})


def read_memory(file: Path) -> dict[str, Any]:
    """Return what a severity.safetensors remembers; empty for one that was written without it."""
    with safe_open(file, framework="pt") as stored:
        return json.loads((stored.metadata() or {}).get("llava_faba", "{}"))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _whole(weight: Tensor) -> Any:
    """Within it a weight that ZeRO-3 has split is whole on every rank, and what is written into it is kept."""
    if not hasattr(weight, "ds_id"):
        return nullcontext()
    from deepspeed import zero

    return zero.GatheredParameters([weight], modifier_rank=0)
