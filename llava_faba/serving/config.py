"""config.json of a LLaVA with a facial prior -> the nested configuration that vLLM builds its models from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

from llava_faba.errors import InputError
from llava_faba.model.classify import refuse_tiles
from llava_faba.model.fields import PriorFields, check_facial_prior, find_vision_tower
from llava_faba.serving import ARCHITECTURE, MODEL_TYPE

STRATEGIES = {"patch": "default", "cls_patch": "full"}  # LLaVA's mm_vision_select_feature -> vLLM's name for it
PRIOR_FIELDS = tuple(name for name in vars(PriorFields) if name.startswith("facial_prior_") and "is_" not in name)


class ServedConfig(PriorFields, LlavaConfig):
    """transformers' LlavaConfig with the prior's fields, made from LLaVA's own flat config.json."""

    model_type = MODEL_TYPE

    @classmethod
    def from_dict(cls, stored: dict[str, Any], **keywords: Any) -> Any:
        """Take LLaVA's flat fields apart; what is nested already passes as it is.

        Raises InputError for what vLLM cannot serve, and MissingFileError for a vision tower that is not there.
        """
        if "text_config" not in stored:
            stored = _nested(stored, Path(str(keywords.get("name_or_path") or stored.get("_name_or_path") or ".")))
        return super().from_dict(stored, **keywords)

    @property
    def n_prior_tokens(self) -> int:
        """T: how many tokens the facial prior has."""
        return len(self.facial_prior_sizes or [1]) if self.facial_prior_tower else 0


def _nested(flat: dict[str, Any], folder: Path) -> dict[str, Any]:
    refuse_unservable(flat, folder)
    prior = {name: flat[name] for name in PRIOR_FIELDS if name in flat}
    fields = SimpleNamespace(**{**{name: getattr(PriorFields, name) for name in PRIOR_FIELDS}, **prior})
    if fields.facial_prior_tower:
        check_facial_prior(fields)
    tower = SimpleNamespace(mm_vision_tower=flat.get("mm_vision_tower"))
    find_vision_tower(tower, folder)
    text = {name: value for name, value in flat.items() if not name.startswith(("mm_", "facial_prior", "tune_"))}
    text |= {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    return {
        "model_type": MODEL_TYPE,
        "architectures": [ARCHITECTURE],
        "text_config": LlamaConfig.from_dict(text),
        "vision_config": CLIPVisionConfig.from_pretrained(tower.mm_vision_tower),
        "image_token_index": 0,  # <unk>, which no text becomes; see tokenizer.py
        "vision_feature_layer": flat.get("mm_vision_select_layer", -2),
        "vision_feature_select_strategy": STRATEGIES[flat.get("mm_vision_select_feature", "patch")],
        "mm_projector_type": flat.get("mm_projector_type", "linear"),
        "mm_vision_tower": tower.mm_vision_tower,
        "image_aspect_ratio": flat.get("image_aspect_ratio"),
        "dtype": flat.get("dtype") or flat.get("torch_dtype"),
        **prior,
    }


def refuse_unservable(config: dict[str, Any], folder: Path) -> None:
    """Raise InputError for a model of ours, by its config.json, that answers here but not through vLLM."""
    refuse_tiles(config, folder)
    if config.get("motion_frames"):
        raise InputError(
            f"The model {folder} assesses clips: its config.json has motion_frames.",
            "Through vLLM go models that describe faces in pictures.",
            "Use it with `llava-faba assess`.",
        )
    if config.get("mm_use_im_start_end"):
        raise InputError(
            f"The model {folder} marks pictures with tokens of its own: mm_use_im_start_end is on in its config.json.",
            "Through vLLM go models without them, as LLaVA-1.5 and EmoLA.",
            "Use it with `llava-faba describe` or `llava-faba demo`.",
        )
    if not config.get("mm_vision_tower"):
        raise InputError(
            f"The model {folder} has no vision tower: its config.json names no mm_vision_tower.",
            "A LLaVA sees pictures through one, e.g. openai/clip-vit-large-patch14-336.",
            "Use the config.json that was saved with this model.",
        )
