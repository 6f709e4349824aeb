"""What LLaVA's train() saves at its end, made whole: the prior's projector is always among it.

Each entry of REPLACEMENTS takes LLaVA's function and returns ours around it.
"""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from llava_faba.model.weights import PRIOR_FILE, PRIOR_PREFIX, canonical_name


def prior_parameters(model: Any) -> dict[str, Tensor]:
    """Return the parameters of the model's prior by their canonical names."""
    named = ((canonical_name(name), parameter) for name, parameter in model.named_parameters())
    return {name: parameter for name, parameter in named if name.startswith(PRIOR_PREFIX)}


def gather(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy parameters to the CPU, whole under ZeRO-3 too; every rank must call it."""
    from llava.train.train import maybe_zero_3

    if not any(hasattr(parameter, "ds_id") for parameter in parameters.values()):
        return {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}
    return {name: maybe_zero_3(parameter, ignore_status=True) for name, parameter in parameters.items()}


def save_prior(model: Any, folder: str | Path, is_writer: bool) -> None:
    """Write the prior's projector into `folder` as safetensors; every rank must call it, one writes."""
    parameters = gather(prior_parameters(model))
    if parameters and is_writer:
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in parameters.items()}, Path(folder) / PRIOR_FILE)


def _non_lora_state(stock: Callable[..., dict[str, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    """A frozen projector of a prior is saved too: nobody else has its weights."""

    @functools.wraps(stock)
    def get_peft_state_non_lora_maybe_zero_3(
        named_params: Iterable[tuple[str, Tensor]], require_grad_only: bool = True
    ) -> dict[str, Tensor]:
        chosen = {
            name: parameter
            for name, parameter in named_params
            if "lora_" not in name
            and (parameter.requires_grad or not require_grad_only or canonical_name(name).startswith(PRIOR_PREFIX))
        }
        return gather(chosen)

    return get_peft_state_non_lora_maybe_zero_3


def _whole_model(stock: Callable[..., None]) -> Callable[..., None]:
    """LLaVA's synchronises CUDA under DeepSpeed, which a machine without CUDA does not have."""

    @functools.wraps(stock)
    def safe_save_model_for_hf_trainer(trainer: Any, output_dir: str) -> None:
        if getattr(trainer, "deepspeed", None) and not torch.cuda.is_available():
            if not getattr(trainer.args, "tune_mm_mlp_adapter", False):
                trainer.save_model(output_dir)
                return
        stock(trainer, output_dir)

    return safe_save_model_for_hf_trainer


REPLACEMENTS = {
    "get_peft_state_non_lora_maybe_zero_3": _non_lora_state,
    "safe_save_model_for_hf_trainer": _whole_model,
}
