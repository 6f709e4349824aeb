"""LoRA checkpoints: the adapter of LLaVA's saver and the projectors that were trained with it, ours and EmoLA's."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json
from llava_faba.model.weights import PRIOR_FILE, PRIOR_PREFIX, canonical_name, read_weights, require_prior_weights

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
PROJECTOR_FILES = (  # later ones win: EmoLA's loader ignores the prior in non_lora_trainables.bin for its own file
    "mm_projector.bin",
    "non_lora_trainables.bin",
    "non_lora_trainables.safetensors",  # in a checkpoint-N of training
    "landmark_feature_projector.bin",
    PRIOR_FILE,
)


def load_projectors(model: Any, folder: Path, prior_in_base: bool) -> None:
    """Load the projectors that were trained with an adapter; a prior's weights must all be there, or in the base."""
    files = [folder / name for name in PROJECTOR_FILES if (folder / name).is_file()]
    state: dict[str, torch.Tensor] = {}
    for file in files:
        state |= {canonical_name(name): tensor for name, tensor in read_weights(file).items()}
    prior = {name: tensor for name, tensor in state.items() if name.startswith(PRIOR_PREFIX)}
    if prior or not prior_in_base:
        require_prior_weights(model.config, prior, folder)
    own = model.state_dict()
    strangers = [name for name in state if name not in own or own[name].shape != state[name].shape]
    if strangers:
        raise InputError(
            f"The files {', '.join(file.name for file in files)} in {folder} do not fit: {', '.join(strangers)}.",
            "They hold weights of the base model's architecture, name by name and shape by shape.",
            "Check that --model-base is the model that this checkpoint was trained on.",
        )
    model.load_state_dict(state, strict=False)


def merge_adapter(model: Any, folder: Path) -> Any:
    """Put a LoRA adapter's weights into the model they were trained on; return the merged model."""
    from peft import LoraConfig, get_peft_model
    from peft.utils import set_peft_model_state_dict

    stored = read_json(folder / "adapter_config.json", "adapter config")
    known = {field.name for field in dataclasses.fields(LoraConfig)}  # another peft's extra keys are refused by 0.8
    adapter = LoraConfig(**{key: value for key, value in stored.items() if key in known and key != "peft_type"})
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)
    if file is None:
        raise MissingFileError(
            f"The adapter {folder} has no weights: none of {', '.join(ADAPTER_FILES)} is there.",
            "adapter_config.json and the adapter's weights belong together.",
            "Copy the folder again, whole.",
        )
    weights = read_weights(file)
    peft_model = get_peft_model(model, adapter)
    wanted = {name.replace(".default", "") for name, _ in peft_model.named_parameters() if "lora_" in name}
    if wanted != {name for name in weights if "lora_" in name}:
        difference = sorted(wanted ^ {name for name in weights if "lora_" in name})
        raise InputError(
            f"The adapter {file} does not fit its base model: {len(difference)} weights differ, first {difference[0]}.",
            "It holds lora_A and lora_B for every module that adapter_config.json names.",
            "Check that --model-base is the model that this adapter was trained on.",
        )
    set_peft_model_state_dict(peft_model, weights)
    return peft_model.merge_and_unload()
