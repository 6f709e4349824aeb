"""Clip -> severity and report: TraMP-LLaMA's figure on LLaVA's Llama.

    pictures  -> vision tower (frozen) -> t_v -> pooled to a budget -> mm_projector ----------------> E_v -+
    landmarks -> motion encoder -> t_m -> | stop-gradient | -> motion_projection ------------------> E_m -+-> LLM + LoRA
                     (t_m, t_v) -> cross-fusion -> t_f -> | stop-gradient | -> fusion_projection ---> E_f -+   -> report
                                                   t_f -> head -> severity            instruction --> E_t -+

The first working code of it, after the paper's figure (arXiv 2606.26942); what the figure leaves open is ours. The
language loss cannot reach the severity path: not by its gradient, which stops here, and not by a common gradient norm,
loss scaler or dropout stream, because the path is trained by an optimiser of its own (learner.py). From the landmarks
to the head the path computes in float32, whatever the rest of the model does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from llava.model.language_model.llava_llama import LlavaLlamaForCausalLM
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from llava_faba.errors import InputError
from llava_faba.model.classify import classify
from llava_faba.model.config import read_config
from llava_faba.model.modeling import FabaLlavaLlamaForCausalLM, FabaLlavaLlamaModel
from llava_faba.model.prior_modules import PriorLinear
from llava_faba.motion.trajectory import channels_of
from llava_faba.video.config import FIELDS, TRAINING_FIELDS, FeqaLlavaConfig, check_clips
from llava_faba.video.network import Assessed, SeverityPath
from llava_faba.video.severity import severity_loss
from llava_faba.video.weights import (
    CLIP_MODULES,
    PATH,
    PROJECTIONS,
    assign_clip_weights,
    load_clip_modules,
    read_clip_weights,
)


@dataclass(frozen=True)
class ClipTokens:
    """The tokens (B, N, D) that stand in for `<image>`, in a shape that travels through LLaVA (see faces.FaceBatch)."""

    tokens: Tensor
    ndim: int = 4


@dataclass
class FeqaOutput(CausalLMOutputWithPast):
    """LLaVA's output with the severity (B,), the two losses and the pictures' mean features."""

    past_key_values: Any = None  # transformers 4.37 annotates a tuple of one layer, and returns one of all
    hidden_states: Any = None
    severity: Tensor | None = None
    unbounded: Tensor | None = None  # (B,) the severity before it is held within 0..4
    language_loss: Tensor | None = None
    regression_loss: Tensor | None = None
    visual: Tensor | None = None  # (B, Fv, Dv): what the severity path saw of the pictures


class FeqaLlavaModel(FabaLlavaLlamaModel):
    """LLaVA's model with the severity path and the projections of its tokens, where the configuration has them."""

    config_class = FeqaLlavaConfig

    def __init__(self, config: FeqaLlavaConfig):
        super().__init__(config)
        if config.motion_frames:
            self.build_severity_path()

    def build_severity_path(self) -> None:
        """Build the modules of clips as the configuration says, with fresh weights in float32."""
        config = self.config
        check_clips(config)
        path = SeverityPath(
            config.motion_points,
            channels_of(config.motion_colour),
            config.motion_frames,
            config.mm_hidden_size,
            expressions=len(config.expressions),
            width=config.motion_width,
            depth=config.motion_depth,
            heads=config.motion_heads,
            loss=config.regression_loss,
            dropout=config.motion_dropout,
        )
        setattr(self, PATH, path)
        for name in PROJECTIONS:
            layers = PriorLinear(config.motion_width, config.hidden_size), nn.GELU()
            setattr(self, name, nn.Sequential(*layers, PriorLinear(config.hidden_size, config.hidden_size)))

    @property
    def idle_weight(self) -> nn.Parameter:
        """A weight outside the severity path that a severity-only run gives a gradient of 0.

        Trainer, DDP and DeepSpeed each need one trained weight; a bias has no weight decay, so it stays as it is.
        """
        return self.motion_projection[0].bias

    def initialize_vision_modules(self, model_args: Any, fsdp: Any = None) -> None:
        """LLaVA's, then the severity path as the flags say; a base model that has one keeps it."""
        super().initialize_vision_modules(model_args, fsdp)
        if not hasattr(self, PATH):
            for field in FIELDS:
                setattr(self.config, field, getattr(model_args, field))
            self.build_severity_path()
        for field in TRAINING_FIELDS:
            setattr(self.config, field, getattr(model_args, field))
        self.config.feqa_objective = model_args.feqa_objective
        check_clips(self.config)


class FeqaLlavaForCausalLM(FabaLlavaLlamaForCausalLM):
    """LLaVA that reads clips: pictures, landmarks over time, and which expression was asked for."""

    config_class = FeqaLlavaConfig
    inner_class = FeqaLlavaModel
    # They are read from severity.safetensors, or from these files by `read_clip_weights`, always in float32.
    _keys_to_ignore_on_load_unexpected = (
        *FabaLlavaLlamaForCausalLM._keys_to_ignore_on_load_unexpected,
        *(rf"^model\.{name}\." for name in CLIP_MODULES),
    )

    @classmethod
    def from_pretrained(cls, path: Any, *arguments: Any, revision: str | None = None, **keywords: Any) -> Any:
        """Load the model, then its severity path in float32; a base without one gets fresh weights.

        transformers would cast the path to the model's dtype, and ZeRO-3 would split it over the ranks.
        """
        stored = classify(path, revision)
        config = keywords.pop("config", None) or read_config(stored, cls.config_class)
        frames, config.motion_frames = config.motion_frames, None
        model = super().from_pretrained(path, *arguments, revision=revision, config=config, **keywords)
        if frames:
            model.config.motion_frames = frames
            model.get_model().build_severity_path()
            if stored.config.get("motion_frames"):
                assign_clip_weights(model, read_clip_weights(stored.folder), stored.folder)
            for name in CLIP_MODULES:
                getattr(model.get_model(), name).to(model.device)
        return model

    @classmethod
    def from_base(cls, base: Path, folder: Path, config: FeqaLlavaConfig, **keywords: Any) -> Any:
        """Load the base model of the adapter in `folder`, and the severity path that was trained beside the adapter."""
        model = cls.from_pretrained(base, config=config, **keywords)
        load_clip_modules(model, folder)
        return model

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
        motion: Tensor | None = None,
        motion_times: Tensor | None = None,
        expressions: Tensor | None = None,
        severity: Tensor | None = None,
    ) -> Any:
        """LLaVA's forward; clips are pictures (B, Fv, 3, height, width), motion (B, F, V, C) and its times (B, F).

        `severity` (B,) is what was rated, nan where nothing was. The loss is that of `feqa_objective`: language plus
        regression_weight times regression, or one of the two. Without `severity` no loss reaches the severity path.
        """
        assessed, clips, visual = None, images, None
        if motion is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and severity is not None):
                visual = self._see(images)  # (B, Fv, N, Dv)
                assessed = self._assess(visual, motion, motion_times, expressions)
            clips = self._clip_tokens(assessed, visual)
            visual = visual.mean(dim=2).detach()
        objective = self.config.feqa_objective if labels is not None else None
        regression = self._regression_loss(assessed, severity) if objective in ("joint", "severity") else None
        if objective == "severity" and assessed is not None:
            loss = self._no_loss() if regression is None else self.config.regression_weight * regression
            kept = None if regression is None else regression.detach()
            return FeqaOutput(loss=loss, **self._severity(assessed), regression_loss=kept, visual=visual)
        output = LlavaLlamaForCausalLM.forward(
            self,
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            images=clips,
            image_sizes=image_sizes,
            return_dict=True,
        )
        if assessed is None:
            return output
        loss = output.loss
        if regression is not None and loss is not None:
            loss = loss + self.config.regression_weight * regression
        return FeqaOutput(
            loss=loss,
            logits=output.logits,
            past_key_values=output.past_key_values,
            **self._severity(assessed),
            language_loss=None if output.loss is None else output.loss.detach(),
            regression_loss=None if regression is None else regression.detach(),
            visual=visual,
        )

    def read_clips(
        self, pictures: Tensor, motion: Tensor, times: Tensor, expressions: Tensor | None = None
    ) -> tuple[Assessed, ClipTokens]:
        """Assess B clips, and make the tokens that the LLM reads of them: E_m, E_f and E_v, in this order."""
        visual = self._see(pictures)
        assessed = self._assess(visual, motion, times, expressions)
        return assessed, self._clip_tokens(assessed, visual)

    def _see(self, pictures: Tensor) -> Float[Tensor, "B Fv N Dv"]:
        return self.get_vision_tower()(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    def _assess(self, visual: Tensor, motion: Tensor, times: Tensor, expressions: Tensor | None) -> Assessed:
        """Run the severity path in float32; motion and times in anything less have lost small movements already."""
        if torch.finfo(motion.dtype).bits < 32 or torch.finfo(times.dtype).bits < 32:
            raise InputError(
                f"motion is {motion.dtype} and motion_times {times.dtype}.",
                "Both are float32: bfloat16 would round a tremor of 0.006 inter-ocular distances away.",
                "Hand them over as float32, whatever the model's dtype.",
            )
        path = getattr(self.get_model(), PATH)
        device = next(path.parameters()).device
        seen = visual.mean(dim=2).detach().to(device, torch.float32)  # (B, Fv, Dv)
        with torch.autocast(device.type, enabled=False):
            return path(motion.to(device, torch.float32), times.to(device, torch.float32), seen, expressions)

    def _clip_tokens(self, assessed: Assessed, visual: Tensor) -> ClipTokens:
        inner = self.get_model()
        width = next(inner.mm_projector.parameters())
        seen = inner.mm_projector(self._pooled(visual.detach()).to(width.dtype))  # (B, Nv, D)
        moved = self._project(inner.motion_projection, assessed.motion.detach())  # (B, K, D)
        fused = self._project(inner.fusion_projection, assessed.fused.detach()[:, None])  # (B, 1, D)
        return ClipTokens(torch.cat((moved.to(seen), fused.to(seen), seen), dim=1))

    def _no_loss(self) -> Tensor:
        """A loss of 0 that leaves every weight as it is, for a trainer that needs one to run backwards from."""
        layer = self.get_model().motion_projection[0]  # called as a module, for which ZeRO-3 gathers its weights
        weight = layer.weight
        return 0.0 * layer(torch.zeros(1, self.config.motion_width, device=weight.device, dtype=weight.dtype)).sum()

    def encode_images(self, images: Any) -> Tensor:
        """The tokens that stand in for `<image>`: a clip's, or LLaVA's own for a picture."""
        return images.tokens if isinstance(images, ClipTokens) else super().encode_images(images)

    def _pooled(self, visual: Float[Tensor, "B Fv N Dv"]) -> Float[Tensor, "B Nv Dv"]:
        """Average the patches of each picture on a grid, as fine as the budget of tokens allows."""
        batch, frames, patches, width = visual.shape
        side = int(patches**0.5)
        grid = min(side, int((self.config.visual_token_budget // frames) ** 0.5))
        square = visual.flatten(0, 1).transpose(1, 2).unflatten(2, (side, side))
        pooled = functional.adaptive_avg_pool2d(square, grid)  # (B Fv, Dv, grid, grid)
        return pooled.flatten(2).transpose(1, 2).reshape(batch, frames * grid * grid, width)

    def _project(self, projection: nn.Module, tokens: Tensor) -> Tensor:
        return projection(tokens.to(next(projection.parameters()).dtype))

    def _severity(self, assessed: Assessed) -> dict[str, Tensor]:
        head = getattr(self.get_model(), PATH).head
        outputs = assessed.outputs.detach()
        return {"severity": head.severity(outputs), "unbounded": head.unbounded(outputs)}

    def _regression_loss(self, assessed: Assessed | None, severity: Tensor | None) -> Tensor | None:
        if assessed is None or severity is None:
            return None
        rated = severity.isfinite()
        outputs = assessed.outputs.float()
        if not rated.any():
            return 0.0 * outputs.sum()  # in the graph: DDP stops at a weight without a gradient
        return severity_loss(self.config.regression_loss, outputs[rated], severity[rated].to(outputs))


AutoConfig.register(FeqaLlavaConfig.model_type, FeqaLlavaConfig, exist_ok=True)
AutoModelForCausalLM.register(FeqaLlavaConfig, FeqaLlavaForCausalLM, exist_ok=True)
