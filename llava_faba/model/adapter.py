"""A LoRA adapter -> its base model: merged into the weights in place, or beside them where they are quantised.

Merging is W + scaling * B A (arXiv 2106.09685, section 4.1), one matrix at a time, so that nothing is held twice.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json
from llava_faba.model.weights import canonical_name, read_weights

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
NEVER_ADAPTED = ("vision_tower", "mm_projector", "facial_prior_projector")  # as LLaVA's find_all_linear_names
OTHER_METHODS = ("use_dora", "modules_to_save", "fan_in_fan_out", "use_qalora", "layer_replication")
AT_ONCE = 2**20  # numbers of a matrix that are merged at a time: 4 MB in float32
PAIR = re.compile(r"(.+)\.lora_([AB])\.(?:default\.)?weight")


def read_adapter(folder: Path) -> tuple[dict[str, Any], dict[str, tuple[Tensor, Tensor]]]:
    """Read a LoRA adapter: its configuration, and for each module's canonical name the matrices A and B.

    Raises InputError where it holds anything but pairs, and MissingFileError where its weights are missing.
    """
    config = read_json(folder / "adapter_config.json", "adapter config")
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)
    if file is None:
        raise MissingFileError(
            f"The adapter {folder} has no weights: none of {', '.join(ADAPTER_FILES)} is there.",
            "adapter_config.json and the adapter's weights belong together.",
            "Copy the folder again, whole.",
        )
    other = [name for name in OTHER_METHODS if config.get(name)]
    if other or config.get("peft_type", "LORA") != "LORA":
        raise InputError(
            f"The adapter {folder} is not plain LoRA: {', '.join(other) or config.get('peft_type')}.",
            "llava-faba loads LoRA adapters of linear layers, as LLaVA's and EmoLA's training write them.",
            "Merge it with the tool that trained it, and load the merged model.",
        )
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_weights(file).items():
        matched = PAIR.fullmatch(name)
        if matched is None:
            raise InputError(
                f"The adapter {file} holds {name}, which is no LoRA matrix.",
                "It holds lora_A and lora_B for every module that adapter_config.json names.",
                "Merge it with the tool that trained it, and load the merged model.",
            )
        halves.setdefault(canonical_name(matched[1]), {})[matched[2]] = tensor
    alone = [name for name, half in halves.items() if set(half) != {"A", "B"}]
    if alone:
        raise _misfit(file, [f"{name} has only one of lora_A and lora_B" for name in alone])
    return config, {name: (half["A"], half["B"]) for name, half in halves.items()}


def apply_adapter(model: nn.Module, folder: Path, *, merge: bool = True) -> None:
    """Put a LoRA adapter into the model it was trained on: merged, or with `merge` False beside the weights.

    Raises InputError where a module or a shape does not fit.
    """
    config, pairs = read_adapter(folder)
    modules = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    wanted = {name for name in modules if _is_target(config, name)}
    defects = [f"{name} is adapted and no linear layer of the model" for name in sorted(pairs.keys() - modules.keys())]
    defects += [f"{name} has no weights in the adapter" for name in sorted(wanted - pairs.keys())]
    for name in sorted(pairs.keys() & modules.keys()):
        shape, (a, b) = (modules[name].out_features, modules[name].in_features), pairs[name]
        if (b.shape[0], a.shape[1]) != shape or a.shape[0] != b.shape[1]:
            defects.append(f"{name} is {shape}, the adapter's B A is {(b.shape[0], a.shape[1])}")
    if defects:
        raise _misfit(folder, defects)
    if not merge:
        _inject(model, config, pairs)
        return
    with torch.no_grad():
        while pairs:
            name, (a, b) = pairs.popitem()
            _merge(modules[name].weight, a, b, _scaling(config, name, a.shape[0]))


def _merge(weight: Tensor, a: Tensor, b: Tensor, scaling: float) -> None:
    """W + scaling * B A in float32 on the weight's device, some rows at a time; each sum is rounded once."""
    a = a.to(weight.device, torch.float32)  # (r, in)
    rows = max(1, AT_ONCE // weight.shape[1])
    for part, b_rows in zip(weight.split(rows), b.split(rows), strict=True):
        change = b_rows.to(weight.device, torch.float32) @ a
        part.copy_(change.mul_(scaling).add_(part))


def _inject(model: nn.Module, config: Mapping[str, Any], pairs: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Let peft put its layers around the quantised ones, which keep their weights as they are."""
    from peft import LoraConfig, inject_adapter_in_model

    known = {field.name for field in fields(LoraConfig)}  # another peft's extra keys are refused by 0.8
    kept = {key: value for key, value in config.items() if key in known and key != "peft_type"}
    inject_adapter_in_model(LoraConfig(**{**kept, "target_modules": list(pairs), "inference_mode": True}), model)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, matrices in pairs.items():
            for half, matrix in zip("AB", matrices, strict=True):
                parameters[f"{name}.lora_{half}.default.weight"].copy_(matrix)
    model.requires_grad_(False)


def _is_target(config: Mapping[str, Any], name: str) -> bool:
    """Whether adapter_config.json names this module: by a regular expression, or by a list of endings."""
    targets = config.get("target_modules") or []
    if any(part in name for part in NEVER_ADAPTED):
        return False
    if isinstance(targets, str):
        return targets != "all-linear" and re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _scaling(config: Mapping[str, Any], name: str, rank: int) -> float:
    """alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA (arXiv 2312.03732)."""
    patterns = config.get("alpha_pattern") or {}
    own = next((patterns[key] for key in patterns if re.match(rf"(.*\.)?{key}$", name)), None)
    alpha = own if own is not None else config.get("lora_alpha", rank)
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _misfit(where: Path, defects: list[str]) -> InputError:
    more = f"; and {len(defects) - 1} more" if len(defects) > 1 else ""
    return InputError(
        f"The adapter {where} does not fit its base model: {defects[0]}{more}.",
        "It holds lora_A and lora_B for every module that adapter_config.json names.",
        "Check that --model-base is the model that this adapter was trained on.",
    )
