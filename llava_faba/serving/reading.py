"""A picture from a request -> what the model reads of it: CLIP's pixels and the facial prior, as describe does."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from llava_faba.errors import InputError
from llava_faba.face.images import upright_rgb
from llava_faba.prior import build_prior
from llava_faba.serving.config import ServedConfig
from llava_faba.vocabulary import GIVEN_PRIOR, NO_FACE


class FaceReader:
    """Reads pictures for one served model; the prior's networks are opened at the first picture."""

    def __init__(self, config: ServedConfig):
        self.config = config
        # The PIL one: LLaVA's models were trained on its pixels, and transformers 5 resizes otherwise by default.
        self.images = CLIPImageProcessorPil.from_pretrained(config.mm_vision_tower)

    @cached_property
    def prior(self) -> Any:
        """The model's facial prior."""
        config = self.config
        return build_prior(config.facial_prior_tower, config.facial_prior_model, config.facial_prior_hidden_size)

    def pixels(self, picture: Image.Image) -> torch.Tensor:
        """Prepare a picture as LLaVA's process_images does: (3, height, width) float32."""
        if self.config.image_aspect_ratio == "pad" and picture.width != picture.height:
            side = max(picture.size)
            square = Image.new("RGB", (side, side), tuple(int(255 * mean) for mean in self.images.image_mean))
            square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
            picture = square
        return self.images.preprocess(picture, return_tensors="pt")["pixel_values"][0]

    def read_prior(self, picture: Image.Image, given: Any = None) -> tuple[np.ndarray, bool]:
        """Return the prior (P,) float32 and whether a face was read; `given` is a prior that the caller knows already.

        Raises InputError for a given one that is none, and where no face was read and the model has no empty prior.
        """
        if given is not None:
            return self._checked(given), True
        priors, valid = self.prior.extract([np.asarray(picture)])
        if not valid[0] and not self.config.facial_prior_is_learned_empty:
            raise InputError(
                f"{NO_FACE[0].upper()}{NO_FACE[1:]}.",
                "This model was trained without facial_prior_dropout and has no empty prior to put in its place.",
                "Send a picture with one clear face.",
            )
        return priors[0], bool(valid[0])

    def _checked(self, given: Any) -> np.ndarray:
        size = self.config.facial_prior_hidden_size
        try:
            vector = np.asarray(given, dtype=np.float32)
        except (TypeError, ValueError):
            vector = np.empty(0, dtype=np.float32)
        if vector.shape != (size,) or not np.isfinite(vector).all():
            raise InputError(
                f"mm_processor_kwargs holds a {GIVEN_PRIOR} of shape {vector.shape}, or one with numbers not finite.",
                f"It is a list of {size} finite numbers, as the prior {self.config.facial_prior_tower} measures them.",
                "Leave it out to have the prior read from the picture.",
            )
        return vector


def as_picture(image: Any) -> Image.Image:
    """Return what vLLM hands over, a PIL image or an array, as upright RGB."""
    if isinstance(image, Image.Image):
        return upright_rgb(image)
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    return upright_rgb(Image.fromarray(pixels))
