"""Training flags -> the facial prior of a model: a new one, or the one that the base model carries."""

import dataclasses
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

DESCRIBING = ("facial_prior_projector_type", "facial_prior_position", "facial_prior_normalisation")
FIELDS = ("facial_prior_model", *DESCRIBING, "facial_prior_dropout")  # flags that are fields of the configuration


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
    else:
        _refuse_other_prior(config, flags)
        if flags.facial_prior_model:  # where its file is on this machine
            config.facial_prior_model = flags.facial_prior_model
            model.facial_prior_tower = build_facial_prior_tower(config)
        config.facial_prior_dropout = _kept_dropout(config, flags.facial_prior_dropout)
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
    require_prior_weights(model.config, prior, file)
    for name, parameter in model.facial_prior_projector.named_parameters():
        with whole(parameter), torch.no_grad():
            parameter.copy_(prior[PRIOR_PREFIX + name])


def _refuse_other_prior(config: FabaLlavaConfig, flags: Any) -> None:
    """Refuse flags that describe another prior than the one that the base model carries.

    A flag at its default is not compared: it cannot be told from one that was not given.
    """
    defaults = (
        {field.name: field.default for field in dataclasses.fields(flags)} if dataclasses.is_dataclass(flags) else {}
    )
    differ = []
    for field in ("facial_prior_tower", "facial_prior_hidden_size", *DESCRIBING):
        wanted, carried = getattr(flags, field), getattr(config, field)
        if wanted is not None and wanted != defaults.get(field) and wanted != carried:
            differ.append(f"--{field} is {wanted}, the base model has {carried}")
    if differ:
        raise InputError(
            f"The base model carries the prior {config.facial_prior_tower}, and the flags name another: "
            f"{'; '.join(differ)}.",
            "A model keeps the prior it was trained with; only the place of its file, --facial_prior_model, is free.",
            "Leave these flags out, or start from a base model without a prior.",
        )


def _take_sizes(config: FabaLlavaConfig, flags: Any) -> None:
    """The prior's length comes from the tower; a flag may only confirm it."""
    prior = build_prior(config.facial_prior_tower, config.facial_prior_model)
    prior.dim = prior.dim or flags.facial_prior_hidden_size  # `precomputed` has no length of its own
    if prior.dim is None:
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


def _kept_dropout(config: FabaLlavaConfig, wanted: float) -> float:
    if (wanted > 0) != (config.facial_prior_dropout > 0) and wanted != 0:
        raise InputError(
            f"--facial_prior_dropout is {wanted}, and the base model was trained without it.",
            "Its projector has no learned empty prior, which the dropout puts in place of a prior.",
            "Leave the flag out, or start from a base model without a prior.",
        )
    return wanted or config.facial_prior_dropout
