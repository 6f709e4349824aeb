"""A request's picture -> the tensors that go to the model, and how many tokens stand in the prompt for it.

Everything that a caller can do wrong is refused here, where vLLM answers with status 400: an error in the model itself
would end the engine.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
)

from llava_faba.serving.config import ServedConfig
from llava_faba.serving.reading import FaceReader, as_picture
from llava_faba.serving.tokenizer import IMAGE
from llava_faba.vocabulary import GIVEN_PRIOR


class FaceInfo(BaseProcessingInfo):
    """What vLLM asks about pictures before it has one."""

    def get_hf_config(self) -> ServedConfig:
        """Return the model's configuration."""
        return self.ctx.get_hf_config(ServedConfig)

    @cached_property
    def reader(self) -> FaceReader:
        """What reads pictures in this process."""
        return FaceReader(self.get_hf_config())

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        """A question is about one face."""
        return {"image": 1}

    @property
    def n_tokens(self) -> int:
        """How many tokens a picture takes: N visual ones and T of the prior, or only these."""
        config = self.get_hf_config()
        vision, n_prior = config.vision_config, config.n_prior_tokens
        if n_prior and config.facial_prior_position == "only":
            return n_prior
        with_class = config.vision_feature_select_strategy == "full"
        return (vision.image_size // vision.patch_size) ** 2 + with_class + n_prior


class FaceDummies(BaseDummyInputsBuilder[FaceInfo]):
    """What vLLM measures its memory with."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """Return a prompt with so many pictures."""
        return IMAGE * mm_counts.get("image", 0)

    def get_dummy_mm_data(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Any) -> Mapping[str, Any]:
        """Return the pictures; their size does not matter, CLIP's processor makes all alike."""
        return {"image": self._get_dummy_images(width=224, height=224, num_images=mm_counts.get("image", 0))}


class FaceProcessor(BaseMultiModalProcessor[FaceInfo]):
    """Pixels in the model's dtype; priors in float32, which they keep until they are normalised."""

    def get_dummy_inputs(self, *args: Any, **keywords: Any) -> Any:
        """Give a prior along with what memory is measured with, since that shows no face."""
        inputs = super().get_dummy_inputs(*args, **keywords)
        config = self.info.get_hf_config()
        if config.facial_prior_tower:
            inputs.hf_processor_mm_kwargs = {GIVEN_PRIOR: [0.0] * config.facial_prior_hidden_size}
        return inputs

    def _call_hf_processor(self, hf_data: Mapping[str, Any], hf_kwargs: Mapping[str, Any]) -> BatchFeature:
        reader, config = self.info.reader, self.info.get_hf_config()
        pictures = [as_picture(image) for image in hf_data["images"]]
        dtype = self.info.ctx.model_config.dtype
        made: dict[str, Any] = {"pixel_values": torch.stack([reader.pixels(one) for one in pictures]).to(dtype)}
        if config.facial_prior_tower:
            read = [reader.read_prior(one, hf_kwargs.get(GIVEN_PRIOR)) for one in pictures]
            made["facial_priors"] = torch.from_numpy(np.stack([vector for vector, _ in read]))
            made["facial_prior_valid"] = torch.tensor([is_read for _, is_read in read])
        return BatchFeature(made)

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {name: MultiModalFieldConfig.batched("image") for name in hf_inputs}

    def _get_prompt_updates(self, mm_items: Any, hf_processor_mm_kwargs: Any, out_mm_kwargs: Any) -> list[Any]:
        image = self.info.get_hf_config().image_token_index
        return [PromptReplacement(modality="image", target=[image], replacement=[image] * self.info.n_tokens)]
