"""The configuration of a LLaVA with a facial prior: LLaVA's own plus the fields of fields.py, training flags too."""

from typing import Any

from llava.model.language_model.llava_llama import LlavaConfig

from llava_faba.host.fingerprints import LLAVA_TYPES
from llava_faba.model.classify import Checkpoint
from llava_faba.model.fields import PriorFields, check_facial_prior, find_vision_tower


class FabaLlavaConfig(PriorFields, LlavaConfig):
    """LLaVA's configuration with the facial prior's fields."""

    model_type = "llava_faba_llama"

    @classmethod
    def get_config_dict(cls, *arguments: Any, **keywords: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read a config.json; a LLaVA's is one of ours, and EmoLA's names become ours."""
        stored, rest = super().get_config_dict(*arguments, **keywords)
        if stored.get("model_type") in (*LLAVA_TYPES, "llama"):
            stored = _in_our_names({**stored, "model_type": cls.model_type})
        return stored, rest

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as they are saved: a model without a prior is a LLaVA, and saved under LLaVA's names."""
        fields = super().to_dict()
        if fields.get("model_type") == FabaLlavaConfig.model_type and not self.facial_prior_tower:
            fields["model_type"] = LlavaConfig.model_type
            if fields.get("architectures"):
                fields["architectures"] = ["LlavaLlamaForCausalLM"]
        return fields


def _in_our_names(stored: dict[str, Any]) -> dict[str, Any]:
    """EmoLA's projector follows mm_projector_type and reads the raw prior; its token stands after the visual ones."""
    size = stored.pop("landmark_feature_hidden_size", None)
    if size is not None:
        stored |= {
            "facial_prior_tower": "emola_2d106",
            "facial_prior_hidden_size": size,
            "facial_prior_projector_type": stored.get("mm_projector_type", "linear"),
            "facial_prior_normalisation": "none",
        }
    return stored


def read_config(checkpoint: Checkpoint, config_class: type[FabaLlavaConfig] = FabaLlavaConfig) -> FabaLlavaConfig:
    """Read a checkpoint's config.json as our configuration, its vision tower found and its prior checked."""
    config = config_class.from_pretrained(checkpoint.folder)
    if config.facial_prior_tower:
        check_facial_prior(config)
    find_vision_tower(config, checkpoint.folder)
    return config


def reset_sampling(generation: Any) -> None:
    """Drop a temperature and a top_p that nothing samples with.

    Vicuna's generation_config has both without do_sample: it decodes greedily, and transformers refuses to save it.
    """
    if not generation.do_sample:
        default = type(generation)()
        generation.temperature, generation.top_p = default.temperature, default.top_p
