"""Weight files: read them without running anything in them, and hold the prior's weights against its configuration.

LLaVA loads with `strict=False`, so a missing projector stays random without a word; here every missing, extra or
misshapen weight of the prior is an error that names it.
"""

import dataclasses
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json
from llava_faba.model.prior_modules import build_facial_prior_projector

PRIOR_PREFIX = "model.facial_prior_projector."
PRIOR_FILE = "facial_prior_projector.safetensors"


def read_weights(file: Path, match: str = "") -> dict[str, Tensor]:
    """Read the tensors whose name contains `match`, on the CPU; a pickle is read with `weights_only=True`."""
    file = Path(file)
    if not file.is_file():
        raise MissingFileError(
            f"The weight file {file} does not exist.", "A checkpoint keeps all its files.", "Copy it again, whole."
        )
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as stored:
                return {name: stored.get_tensor(name) for name in stored.keys() if match in name}
        # Mapped into memory, so that looking for a few weights in a large file does not read it whole.
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"The weight file {file} cannot be read as tensors: {reason}",
            "It holds named tensors and nothing else; a pickle that holds code is never run.",
            "Get the file again from where it was made, best as safetensors.",
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"The weight file {file} holds no state dict.",
            "It must map the names of weights to tensors.",
            "Save it with torch.save(model.state_dict(), ...) or as safetensors.",
        )
    return {name: tensor for name, tensor in state.items() if match in name}


def weight_files(folder: Path) -> list[Path]:
    """Return the files of a full checkpoint that hold its weights; empty where there are none."""
    folder = Path(folder)
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        files = sorted(folder.glob(pattern))
        if files:
            return files
    return []


def canonical_name(name: str) -> str:
    """Return a weight's name in our model, from the names that peft, LLaVA's saver and EmoLA give it."""
    if name.startswith("base_model."):
        name = name.removeprefix("base_model.")
    if name.startswith("model.model."):
        name = name.removeprefix("model.")
    return name.replace("landmark_feature_projector.", "facial_prior_projector.")


def require_prior_weights(config: Any, found: Mapping[str, Any], where: Path | str) -> None:
    """Compare the prior's weights in `found` (name -> tensor, canonical names) with what `config` describes."""
    expected = _expected_shapes(config)
    shapes = {name: tuple(weight.shape) for name, weight in found.items() if name.startswith(PRIOR_PREFIX)}
    defects = [f"{name} is missing" for name in sorted(expected.keys() - shapes.keys())]
    defects += [f"{name} is there and not expected" for name in sorted(shapes.keys() - expected.keys())]
    defects += [
        f"{name} has the shape {shapes[name]}, expected {expected[name]}"
        for name in sorted(expected.keys() & shapes.keys())
        if shapes[name] != expected[name]
    ]
    if defects:
        prior = config.facial_prior_tower or "none"
        raise InputError(
            f"The checkpoint {where} does not hold the weights of its facial prior ({prior}): {'; '.join(defects)}.",
            "config.json and the weights of facial_prior_projector belong together, name by name and shape by shape.",
            "Use the files of one training run, whole; without its projector a model with a prior answers at random.",
        )


def check_stored_prior(config: Any, folder: Path | str) -> None:
    """Hold the weight files of a full checkpoint against its configuration, before it is loaded; a hub name passes."""
    files = weight_files(Path(folder))
    if not files:
        return
    found: dict[str, Tensor] = {}
    for file in files:
        found |= {canonical_name(name): tensor for name, tensor in read_weights(file, match="_projector.").items()}
    require_prior_weights(config, found, folder)


def _expected_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    if not config.facial_prior_tower:
        return {}
    with torch.device("meta"):
        projector = build_facial_prior_projector(config)
    return {PRIOR_PREFIX + name: tuple(weight.shape) for name, weight in projector.state_dict().items()}


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
