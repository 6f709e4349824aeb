"""A model in training -> the same model as it answers, and back: not a bit of it, nor of the random states, changes."""

import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from llava_faba.errors import InputError
from llava_faba.train.ranks import all_parts


@contextmanager
def answering(model: Any, args: Any) -> Iterator[Any]:
    """Within it the model's LLaVA, without peft's wrapper, is whole on every rank and in eval mode.

    Every rank must enter and leave it. Under ZeRO-3 each GPU then holds all weights, and ranks may run for different
    lengths. Modes, hooks, split weights and random states are those of before when it is left.
    """
    modes = [(module, module.training) for module in model.modules()]
    with keep_random_states():
        model.eval()
        try:
            with _whole(model), _precision(args):
                yield model.get_base_model() if hasattr(model, "get_base_model") else model
        finally:
            for module, mode in modes:
                module.training = mode


@contextmanager
def keep_random_states() -> Iterator[None]:
    """Restore the random states of Python, numpy and torch, as they were, at the end."""
    python, arrays = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)


def refuse_if_whole_is_too_large(model: Any) -> None:
    """Raise InputError, on every rank, where a model that ZeRO-3 has split does not fit one of the GPUs whole."""
    split = [parameter for parameter in model.parameters() if hasattr(parameter, "ds_numel")]
    if not split or not torch.cuda.is_available():
        return
    needed = sum(parameter.ds_numel * parameter.element_size() for parameter in split)
    reserved = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    free = min(all_parts(torch.cuda.mem_get_info()[0] + reserved))
    if needed > free:
        raise InputError(
            f"The model takes {needed / 2**30:.1f} GiB whole, and a GPU has {free / 2**30:.1f} GiB free.",
            "Under ZeRO-3 a run that is validated gathers the whole model on each GPU while it answers.",
            "Leave --validation out and describe the checkpoints afterwards, or train with ZeRO-2 and --bits 4.",
        )


@contextmanager
def _whole(model: Any) -> Iterator[None]:
    """Gather what ZeRO-3 has split, and keep DeepSpeed's hooks, which would split it again, from running.

    Weights that are whole, because they are small, stay as they are. The hooks also note the order of a training
    step's modules, by which weights are fetched ahead; without them that order stays that of training.
    """
    parameters = list(model.parameters())
    if not any(hasattr(parameter, "ds_id") for parameter in parameters):
        yield
        return
    from deepspeed import zero

    split = [parameter for parameter in parameters if parameter.ds_status.name != "AVAILABLE"]
    hooks = [(module, module._forward_pre_hooks, module._forward_hooks) for module in model.modules()]
    with zero.GatheredParameters(split) if split else nullcontext():
        for module, before, after in hooks:
            module._forward_pre_hooks, module._forward_hooks = _others(before), _others(after)
        try:
            yield
        finally:
            for module, before, after in hooks:
                module._forward_pre_hooks, module._forward_hooks = before, after


def _others(hooks: Mapping[int, Any]) -> OrderedDict[int, Any]:
    """The hooks that are not DeepSpeed's: transformers 5 collects the vision tower's layers by some of its own."""
    kept = (
        (key, hook) for key, hook in hooks.items() if not str(getattr(hook, "__module__", "")).startswith("deepspeed")
    )
    return OrderedDict(kept)


def _precision(args: Any) -> Any:
    """The mixed precision that the Trainer runs the model in; under DeepSpeed all weights have one dtype."""
    if getattr(args, "deepspeed", None) or not (args.bf16 or args.fp16):
        return nullcontext()
    return torch.autocast(args.device.type, torch.bfloat16 if args.bf16 else torch.float16)
