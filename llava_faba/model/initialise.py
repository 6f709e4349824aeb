"""Training flags -> the facial prior of a model: a new one, or the one that the base model carries."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from llava_faba.errors import InputError
from llava_faba.files import existing_file
from llava_faba.model.config import FabaLlavaConfig
from llava_faba.model.prior_modules import build_facial_prior_tower
from llava_faba.model.weights import PRIOR_PREFIX, canonical_name, read_weights, require_prior_weights, whole
from llava_faba.prior import build_prior

FIELDS = (  # flags that are config fields, and which a base model that carries a prior decides itself
    "facial_prior_model",
    "facial_prior_projector_type",
    "facial_prior_position",
    "facial_prior_normalisation",
    "facial_prior_dropout",
)


def initialise_facial_prior(model: nn.Module, flags: Any) -> None:
    """Give `model` (the inner LLaVA model) the prior that the flags name, or keep the one it carries.

    Raises InputError when the base model carries another prior than the flags name.
    """
    config = model.config
    if getattr(model, "facial_prior_projector", None) is None:
        config.facial_prior_tower = flags.facial_prior_tower
        for field in FIELDS:
            setattr(config, field, getattr(flags, field))
        _take_sizes(config, flags)
        model.build_facial_prior()
    elif flags.facial_prior_tower not in (None, config.facial_prior_tower):
        raise InputError(
            f"The base model carries the prior {config.facial_prior_tower}, the flags name {flags.facial_prior_tower}.",
            "A model keeps the prior it was trained with.",
            "Leave --facial_prior_tower out, or start from a base model without a prior.",
        )
    else:
        if flags.facial_prior_dropout:
            config.facial_prior_dropout = flags.facial_prior_dropout
            model.facial_prior_projector.learn_empty()
        if flags.facial_prior_model:  # the path of whoever trained the base is not this machine's
            config.facial_prior_model = flags.facial_prior_model
            model.facial_prior_tower = build_facial_prior_tower(config)
    config.tune_facial_prior_projector = flags.tune_facial_prior_projector
    if flags.pretrain_facial_prior_projector:
        load_projector(model, existing_file(flags.pretrain_facial_prior_projector, "projector file"))
    model.facial_prior_projector.requires_grad_(config.tune_facial_prior_projector)
    if config.facial_prior_position == "only":
        model.mm_projector.requires_grad_(False)  # out of the graph: DDP stops at a trainable weight without a gradient


def load_projector(model: nn.Module, file: Path) -> None:
    """Start the model's projector from a file (safetensors or .bin, ours or EmoLA's names)."""
    state = {canonical_name(name): tensor for name, tensor in read_weights(file).items()}
    state = {name if name.startswith("model.") else PRIOR_PREFIX + name: tensor for name, tensor in state.items()}
    prior = {name: tensor for name, tensor in state.items() if name.startswith(PRIOR_PREFIX)}
    if model.facial_prior_projector.empty is not None:  # a projector that was trained without one starts from zeros
        prior.setdefault(f"{PRIOR_PREFIX}empty", torch.zeros(sum(model.facial_prior_projector.sizes)))
    require_prior_weights(model.config, prior, file)
    for name, parameter in model.facial_prior_projector.named_parameters():
        with whole(parameter), torch.no_grad():
            parameter.copy_(prior[PRIOR_PREFIX + name])


def _take_sizes(config: FabaLlavaConfig, flags: Any) -> None:
    """The prior's length comes from the tower; a flag may only confirm it."""
    prior = getattr(flags, "built_prior", None)  # the run's own, built when its flags were checked
    if prior is None:
        prior = build_prior(config.facial_prior_tower, config.facial_prior_model, flags.facial_prior_hidden_size)
    if not prior.dim:
        raise InputError(
            f"The prior {prior.name} has no length of its own, and --facial_prior_hidden_size is not given.",
            "Vectors from files have the length that the tool which wrote them gave them.",
            "Give --facial_prior_hidden_size.",
        )
    if flags.facial_prior_hidden_size not in (None, prior.dim):
        raise InputError(
            f"--facial_prior_hidden_size is {flags.facial_prior_hidden_size}.",
            f"The prior {config.facial_prior_tower} has the length {prior.dim}.",
            "Leave the flag out: the tower knows its length.",
        )
    config.facial_prior_hidden_size = prior.dim
    sizes = getattr(prior, "sizes", None)
    config.facial_prior_sizes = list(sizes) if sizes and len(sizes) > 1 else None
    if config.facial_prior_normalisation is None:
        config.facial_prior_normalisation = prior.normalisation
