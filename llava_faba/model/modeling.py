"""Prior -> token -> LLM: LLaVA's Llama model with one more token, made from the facial prior.

Both classes extend LLaVA's by their seams: `initialize_vision_modules` builds the prior's modules beside the visual
ones, `encode_images` joins the prior's token to the visual tokens. Without a prior each of them is LLaVA's, bit for
bit.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM, LlavaLlamaModel
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, LlamaForCausalLM

from llava_faba.errors import InputError
from llava_faba.faces import FaceBatch
from llava_faba.host import compat
from llava_faba.model.classify import KINDS, classify
from llava_faba.model.config import FabaLlavaConfig, read_config, reset_sampling
from llava_faba.model.fields import check_facial_prior
from llava_faba.model.initialise import initialise_facial_prior
from llava_faba.model.prior_modules import build_facial_prior_projector, build_facial_prior_tower, normalise
from llava_faba.model.weights import require_fit, require_loaded


class FabaLlavaLlamaModel(LlavaLlamaModel):
    """LLaVA's model with `facial_prior_projector` and `facial_prior_tower`, where the configuration names a prior."""

    config_class = FabaLlavaConfig

    def __init__(self, config: FabaLlavaConfig):
        super().__init__(config)
        if config.facial_prior_tower:
            self.build_facial_prior()

    def build_facial_prior(self) -> None:
        """Build the prior's modules as the configuration says, with fresh weights."""
        check_facial_prior(self.config)
        self.facial_prior_projector = build_facial_prior_projector(self.config)
        self.facial_prior_tower = build_facial_prior_tower(self.config)

    def initialize_vision_modules(self, model_args: Any, fsdp: Any = None) -> None:
        """LLaVA's, then the same for the prior; LLaVA calls it after LoRA, with the parsed flags."""
        # transformers 5 makes fsdp a bool, of which LLaVA would take the length.
        super().initialize_vision_modules(model_args, fsdp=fsdp if isinstance(fsdp, list | str) else None)
        if getattr(model_args, "facial_prior_tower", None) or self.config.facial_prior_tower:
            initialise_facial_prior(self, model_args)

    def prior_tokens(
        self, priors: Float[Tensor, "B P"], valid: Bool[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B T D"]:
        """Normalise the priors by the training set's mean and spread, and project them."""
        config = self.config
        priors = priors.float()
        if self.training and config.facial_prior_dropout > 0:
            kept = torch.rand(len(priors), device=priors.device) >= config.facial_prior_dropout
            valid = kept if valid is None else valid & kept
        if valid is not None and not config.facial_prior_is_learned_empty and not bool(valid.all()):
            rows = (~valid).nonzero().flatten().tolist()
            raise InputError(
                f"No face was read in image {', '.join(map(str, rows))} of the batch (counted from 0).",
                "A model trained without facial_prior_dropout has no empty prior to put in its place.",
                "Give a picture with one clear face, or a model trained with --facial_prior_dropout.",
            )
        return self.facial_prior_projector(normalise(priors, config), valid)


class FabaLlavaLlamaForCausalLM(LlavaLlamaForCausalLM):
    """LLaVA for causal language modelling, with a facial prior where the configuration names one."""

    config_class = FabaLlavaConfig
    inner_class = FabaLlavaLlamaModel
    # A model that was finetuned whole holds its vision tower too, which LLaVA loads from the tower's own folder.
    # Models saved by a transformers before 4.32 hold the frequencies of the rotary embedding, which are computed now.
    _keys_to_ignore_on_load_unexpected = (r"^model\.vision_tower\.", r"rotary_emb\.inv_freq$")
    _no_split_modules = ("LlamaDecoderLayer", "FacialPriorProjector")  # each whole on one device

    def __init__(self, config: FabaLlavaConfig):
        # LLaVA's own __init__ would build LLaVA's inner model first, and a 7B one twice.
        super(LlamaForCausalLM, self).__init__(config)
        self.model = self.inner_class(config)
        self.pretraining_tp = config.pretraining_tp
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_pretrained(
        cls, path: Any, *arguments: Any, elsewhere: Collection[str] = (), revision: str | None = None, **keywords: Any
    ) -> Any:
        """transformers' from_pretrained, for a whole or a language model that `classify` knows, a folder or a hub name.

        Every weight must be there and fit, but those that the caller supplies from `elsewhere`, by name.
        """
        checkpoint = classify(path, revision)
        config = keywords.pop("config", None) or read_config(checkpoint, cls.config_class)
        if checkpoint.kind not in ("whole", "language"):
            raise InputError(
                f"The model {path} is no whole model: it holds {KINDS[checkpoint.kind]}.",
                "A whole model holds all its weights; an adapter or a projector is loaded onto one.",
                "Give the base model here; llava_faba.load and --model-base load both.",
            )
        with torch.device("meta"):
            expected = {name: tuple(weight.shape) for name, weight in cls(config).state_dict().items()}
        require_fit(expected, checkpoint.shapes(), elsewhere, checkpoint.folder, cls._keys_to_ignore_on_load_unexpected)
        with compat.loading(checkpoint.key_map):
            model, report = super().from_pretrained(
                checkpoint.folder,
                *arguments,
                config=config,
                output_loading_info=True,
                **compat.from_pretrained_arguments(keywords, checkpoint.key_map),
            )
        require_loaded(report, elsewhere, checkpoint.folder)
        model._weight_conversions = []  # transformers 5 would save EmoLA's names again
        reset_sampling(model.generation_config)
        return model

    @classmethod
    def from_base(cls, base: Path, folder: Path, config: FabaLlavaConfig, **keywords: Any) -> Any:
        """Load the base model of the adapter in `folder`, with the adapter's configuration.

        A class with weights of its own beside the adapter loads them here.
        """
        return cls.from_pretrained(base, config=config, **keywords)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        images: Any = None,
        image_sizes: list[list[int]] | None = None,
        return_dict: bool | None = None,
        facial_priors: Tensor | None = None,
        facial_prior_valid: Tensor | None = None,
    ) -> Any:
        """LLaVA's forward; `facial_priors` (B, P) float32 belong to the images, row by row.

        Without `facial_priors` a model with a tower reads them from the pixels. `facial_prior_valid` (B,) says where
        a face was read.
        """
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            images=self.with_priors(images, facial_priors, facial_prior_valid),
            image_sizes=image_sizes,
            return_dict=return_dict,
        )

    def generate(
        self,
        inputs: Tensor | None = None,
        images: Tensor | None = None,
        image_sizes: Sequence[Any] | None = None,
        facial_priors: Tensor | None = None,
        facial_prior_valid: Tensor | None = None,
        **keywords: Any,
    ) -> Any:
        """LLaVA's generate, with `facial_priors` as in forward; the new tokens only."""
        images = self.with_priors(images, facial_priors, facial_prior_valid)
        return super().generate(inputs, images=images, image_sizes=image_sizes, **keywords)

    def encode_images(self, images: Tensor | FaceBatch) -> Tensor:
        """The tokens that stand in for `<image>`: visual ones with the prior's after or before them, or only it."""
        if not isinstance(images, FaceBatch):
            return super().encode_images(self._in_own_dtype(images))
        priors, valid = images.priors, images.valid
        if priors is None:
            processor = self.get_vision_tower().image_processor
            tower = self.get_model().facial_prior_tower
            priors, valid = tower.read(images.pixels, processor.image_mean, processor.image_std)
        tokens = self.get_model().prior_tokens(priors, valid)  # (B, T, D)
        position = self.config.facial_prior_position
        if position == "only":
            return tokens
        visual = super().encode_images(self._in_own_dtype(images.pixels))  # (B, N, D)
        tokens = tokens.to(visual)  # with a device_map the two projectors may be on different devices
        return torch.cat((tokens, visual) if position == "before" else (visual, tokens), dim=1)  # (B, N + T, D)

    def _in_own_dtype(self, pixels: Tensor) -> Tensor:
        """LLaVA's tools send float16 pixels to a float32 model too, whose projector then stops."""
        weight = next(self.get_model().mm_projector.parameters(), None)
        if weight is None or weight.dtype == pixels.dtype or torch.is_autocast_enabled(pixels.device.type):
            return pixels
        return pixels.to(weight.dtype) if weight.dtype.is_floating_point else pixels  # quantised by someone else

    def with_priors(
        self, images: Any, facial_priors: Tensor | None = None, facial_prior_valid: Tensor | None = None
    ) -> Any:
        """Put the priors beside the pixels they belong to; images of a model without a prior pass as they are."""
        priors, valid = facial_priors, facial_prior_valid
        if not self.config.facial_prior_tower:
            if priors is not None:
                raise InputError(
                    "facial_priors were given to a model without a facial prior.",
                    "Only a model whose config.json names a facial_prior_tower takes them.",
                    "Leave them out, or load a model that was trained with --facial_prior_tower.",
                )
            return images
        if images is None:
            return None
        pixels = torch.stack(list(images)) if _is_list_of_pictures(images) else images
        if not isinstance(pixels, Tensor) or pixels.ndim != 4:
            raise InputError(
                "An any-resolution input (several tiles an image) was given to a model with a facial prior.",
                "A facial prior belongs to one picture of a face: images are one tensor (B, 3, height, width).",
                "Set image_aspect_ratio to pad or square, as in LLaVA-1.5.",
            )
        size = self.config.facial_prior_hidden_size
        if priors is not None and tuple(priors.shape) != (len(pixels), size):
            raise InputError(
                f"facial_priors have the shape {tuple(priors.shape)}.",
                f"For {len(pixels)} images and the prior {self.config.facial_prior_tower} it is {(len(pixels), size)}.",
                "Extract the priors with the tower that the model was trained with.",
            )
        return FaceBatch(pixels, priors, valid)


def _is_list_of_pictures(images: Any) -> bool:
    return isinstance(images, list) and all(x.ndim == 3 and x.shape == images[0].shape for x in images)


AutoConfig.register(FabaLlavaConfig.model_type, FabaLlavaConfig, exist_ok=True)
AutoModelForCausalLM.register(FabaLlavaConfig, FabaLlavaLlamaForCausalLM, exist_ok=True)
