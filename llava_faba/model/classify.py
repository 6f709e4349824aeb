"""A model's folder or hub name -> what kind of checkpoint it is, before any weight is loaded.

What people have comes in four kinds: a whole LLaVA (stock, EmoLA's or ours), a LoRA adapter with the trained
projectors beside it, a pretrained visual projector, and a plain Llama, on which the two before can be loaded.
Everything else is refused by name, with what to take instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_faba.errors import InputError, MissingFileError
from llava_faba.files import read_json
from llava_faba.host.fingerprints import LLAVA_TYPES
from llava_faba.model.hub import resolve
from llava_faba.model.weights import KEY_MAP, WEIGHTS, canonical_name, stored_shapes, weight_files

LLAVA_15 = "Take liuhaotian/llava-v1.5-7b or -13b, which are LLaVA's own releases of 1.5."
CLIP_MODELS = "llava_feqa_llama"  # model type of a model that assesses clips
KINDS = {
    "whole": "a whole LLaVA",
    "lora": "a LoRA adapter",
    "projector": "a pretrained projector",
    "language": "a plain language model",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a model's folder holds.

    >>> classify("lmsys/vicuna-7b-v1.5").kind  # doctest: +SKIP
    'language'
    """

    folder: Path
    kind: str  # a key of KINDS
    config: dict[str, Any]  # config.json as it is stored
    weights: tuple[Path, ...]  # files of a whole or a language model's weights
    key_map: dict[str, str]  # part of a stored weight's name -> what our model calls it
    base: str | None  # the model that a LoRA adapter names as its base
    commit: str | None  # of the hub; None for a folder of the user's own

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Read name and shape of every stored weight, by our names; a damaged file is an error that names it."""
        shapes = {name: shape for file in self.weights for name, shape in stored_shapes(file).items()}
        return {canonical_name(name): shape for name, shape in shapes.items()}


def classify(model: str | Path, revision: str | None = None, what: str = "model") -> Checkpoint:
    """Say what kind of checkpoint `model` is, a folder or OWNER/NAME of the hub; `what` names its role in errors.

    Raises InputError for a model that llava-faba cannot load, and MissingFileError where a file is missing.
    """
    folder, commit = resolve(model, revision, what)
    if not (folder / "config.json").is_file():
        raise MissingFileError(
            f"The {what} {model} is no model folder: there is no config.json in it.",
            "It is the folder that training or merging wrote, or a released checkpoint, with all its files.",
            "Check the path, or fetch the model again.",
        )
    config = read_json(folder / "config.json", "config")
    refuse_foreign(config, model, what)
    weights = weight_files(folder)
    base = None
    if (folder / "adapter_config.json").is_file():
        kind = "lora"
        base = read_json(folder / "adapter_config.json", "adapter config").get("base_model_name_or_path") or None
    elif weights:
        kind = "language" if config.get("model_type") == "llama" else "whole"
    elif (folder / "mm_projector.bin").is_file():
        kind = "projector"
    else:
        raise MissingFileError(
            f"The {what} {model} has no weights: none of {', '.join(WEIGHTS)} is in {folder}.",
            "Beside config.json a model's folder holds its weights.",
            "Fetch the model again, whole.",
        )
    key_map = KEY_MAP if config.get("landmark_feature_hidden_size") else {}
    return Checkpoint(folder, kind, config, weights if kind in ("whole", "language") else (), key_map, base, commit)


def refuse_foreign(config: Mapping[str, Any], model: str | Path, what: str = "model") -> None:
    """Refuse a configuration that is no LLaVA on Llama, saying what to take instead."""
    kind = str(config.get("model_type"))
    if "text_config" in config:
        raise InputError(
            f"The {what} {model} is a LLaVA in transformers' own format (llava-hf): its config.json has a text_config.",
            "llava-faba extends haotian-liu LLaVA, whose weights have other names.",
            LLAVA_15,
        )
    for part in ("mistral", "mpt"):
        if part in kind:
            raise InputError(
                f"The {what} {model} is on {part.capitalize() if part == 'mistral' else 'MPT'}: its model_type is "
                f"{kind}.",
                "llava-faba loads LLaVA on Llama and Vicuna.",
                LLAVA_15,
            )
    if kind not in (*LLAVA_TYPES, CLIP_MODELS, "llama"):
        raise InputError(
            f"The {what} {model} is not a LLaVA's: its model_type {kind} is none of {', '.join(LLAVA_TYPES)}.",
            "llava-faba loads LLaVA models on Llama: stock LLaVA, EmoLA's and its own.",
            LLAVA_15,
        )


def reads_tiles(config: Mapping[str, Any]) -> bool:
    """Whether a model reads a picture in several tiles, as LLaVA 1.6 does."""
    return "anyres" in str(config.get("image_aspect_ratio")) or "spatial" in str(config.get("mm_patch_merge_type"))


def refuse_tiles(config: Mapping[str, Any], model: str | Path) -> None:
    """Refuse LLaVA 1.6: several tiles a picture, while a face is one picture with one prior."""
    if reads_tiles(config):
        raise InputError(
            f"The model {model} reads a picture at any resolution, in several tiles (LLaVA 1.6).",
            "llava-faba shows a model one picture of a face, at one resolution.",
            LLAVA_15,
        )
