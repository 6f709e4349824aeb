"""LLaVA-1.5 with a facial prior, of vLLM's parts, reading LLaVA's own weight files."""

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader
from vllm.model_executor.models.clip import CLIPVisionModel
from vllm.model_executor.models.interfaces import SupportsLoRA, SupportsMultiModal, SupportsPP
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    get_layer_index,
    init_vllm_registered_model,
    maybe_prefix,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from llava_faba.errors import InputError
from llava_faba.model.prior_modules import FacialPriorProjector, normalise
from llava_faba.serving.config import ServedConfig
from llava_faba.serving.processor import FaceDummies, FaceInfo, FaceProcessor
from llava_faba.serving.tokenizer import IMAGE

CLIP = "vision_tower.vision_model."


@MULTIMODAL_REGISTRY.register_processor(FaceProcessor, info=FaceInfo, dummy_inputs=FaceDummies)
class ServedFabaLlava(nn.Module, SupportsLoRA, SupportsMultiModal, SupportsPP):
    """A CLIP tower, two projectors and vLLM's Llama.

    vLLM's own LLaVA is no base for it: its module imports Pixtral, which needs torchvision.
    """

    packed_modules_mapping: ClassVar[dict[str, list[str]]] = {
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }
    # Prefixes apply one after the other, also to what the ones before made: "model." comes behind those within it.
    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_substr={".position_ids": None, "rotary_emb.inv_freq": None},
        orig_to_new_prefix={
            "model.vision_tower.": None,  # of a model that was finetuned whole; LLaVA takes the tower's own folder too
            "model.mm_projector.": "mm_projector.",
            "model.facial_prior_projector.": "facial_prior_projector.",
            "model.": "language_model.model.",
            "lm_head.": "language_model.lm_head.",
            # The tower's folder: a whole CLIP's other half, and names as transformers 5.8 writes them.
            **{f"vision_tower.{name}": None for name in ("text_", "visual_projection", "logit_scale")},
            **{f"vision_tower.{name}": f"{CLIP}{name}" for name in ("embeddings.", "encoder.", "pre_", "post_")},
        },
    )

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        """Return what stands for a picture in a chat's text."""
        return IMAGE

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = ""):
        super().__init__()
        config: ServedConfig = vllm_config.model_config.hf_config
        self.config = config
        vision, width = config.vision_config, config.text_config.hidden_size
        with self._mark_tower_model(vllm_config, "image"):
            self.vision_tower = CLIPVisionModel(
                vision,
                num_hidden_layers_override=get_layer_index(config.vision_feature_layer, vision.num_hidden_layers),
                require_post_norm=False,
                prefix=maybe_prefix(prefix, "vision_tower"),
            )
            self.mm_projector = visual_projector(config.mm_projector_type, vision.hidden_size, width)
            if config.facial_prior_tower:
                self.facial_prior_projector = FacialPriorProjector(
                    config.facial_prior_sizes or [config.facial_prior_hidden_size],
                    width,
                    config.facial_prior_projector_type,
                    learn_empty=config.facial_prior_is_learned_empty,
                )
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=config.text_config,
                prefix=maybe_prefix(prefix, "language_model"),
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors
        self.secondary_weights = [
            DefaultModelLoader.Source(config.mm_vision_tower, revision=None, prefix="vision_tower.")
        ]

    def embed_multimodal(
        self, pixel_values: Tensor, facial_priors: Tensor | None = None, facial_prior_valid: Tensor | None = None
    ) -> Tensor:
        """The tokens (B, N + T, D) that stand in for `<image>`: as FabaLlavaLlamaForCausalLM.encode_images."""
        config, tokens = self.config, None
        if facial_priors is not None:
            tokens = self.facial_prior_projector(normalise(facial_priors, config), facial_prior_valid)  # (B, T, D)
            if config.facial_prior_position == "only":
                return tokens
        strategy = config.vision_feature_select_strategy
        visual = self.mm_projector(self.vision_tower(pixel_values, feature_select_strategy=strategy))  # (B, N, D)
        if tokens is None:
            return visual
        return torch.cat((tokens, visual) if config.facial_prior_position == "before" else (visual, tokens), dim=1)

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **_: Any,
    ) -> Any:
        """Run vLLM's Llama over embeddings in which pictures stand already."""
        if intermediate_tensors is not None:
            inputs_embeds = None
        return self.language_model.model(input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds)

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """Return the logits of the last hidden states."""
        return self.language_model.compute_logits(hidden_states)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load LLaVA's weights and the tower's; vLLM refuses, by name, what is missing."""
        return AutoWeightsLoader(self).load_weights(weights, mapper=self.hf_to_vllm_mapper)

    def get_mm_mapping(self) -> MultiModelKeys:
        """Say which parts a LoRA adapter may not touch."""
        return MultiModelKeys.from_string_field(
            language_model="language_model", connector="mm_projector", tower_model="vision_tower"
        )


def visual_projector(kind: str, n_in: int, n_out: int) -> nn.Module:
    """Build what LLaVA's build_vision_projector builds."""
    if kind == "linear":
        return nn.Linear(n_in, n_out)
    depth = re.fullmatch(r"mlp([1-9]\d*)x_gelu", kind)
    if not depth:
        raise InputError(
            f"mm_projector_type is {kind!r}.", "Through vLLM go linear and mlpNx_gelu.", "Use it with describe."
        )
    layers: list[nn.Module] = [nn.Linear(n_in, n_out)]
    for _ in range(1, int(depth.group(1))):
        layers += [nn.GELU(), nn.Linear(n_out, n_out)]
    return nn.Sequential(*layers)
