"""LLaVA's trainer, which also binds the prior to the data, fits its normalisation, and saves and resumes all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from llava.train.llava_trainer import LLaVATrainer
from safetensors.torch import load_file, save_file
from transformers import Trainer

from llava_faba.errors import MissingFileError
from llava_faba.model.weights import canonical_name
from llava_faba.prior import build_prior
from llava_faba.train.arguments import MODERN
from llava_faba.train.saving import gather, save_prior
from llava_faba.train.summary import print_start

TRAINABLES_FILE = "non_lora_trainables.safetensors"  # in checkpoint-N, beside the adapter
KEPT_FLOAT32 = ("facial_priors",)


class FabaTrainer(LLaVATrainer):
    """LLaVA's trainer on both transformers; with a prior it keeps the prior in float32 and in every checkpoint."""

    def __init__(self, model: Any = None, args: Any = None, tokenizer: Any = None, **keywords: Any):
        self._bind_prior(model, keywords.get("train_dataset"))
        named = "processing_class" if MODERN else "tokenizer"
        super().__init__(model=model, args=args, **{named: tokenizer}, **keywords)
        if self.is_world_process_zero():
            print_start(model)

    def _bind_prior(self, model: Any, dataset: Any) -> None:
        """Let the data set read the model's prior, and fit the normalisation on what it read."""
        config = model.config
        if not getattr(config, "facial_prior_tower", None):
            return
        prior = build_prior(config.facial_prior_tower, config.facial_prior_model)
        prior.dim = prior.dim or config.facial_prior_hidden_size
        dataset.bind_prior(prior, keep_unread=config.facial_prior_dropout > 0)
        if config.facial_prior_normalisation == "fit" and config.facial_prior_mean is None:
            config.facial_prior_mean, config.facial_prior_std = fit_normalisation(dataset.prior_matrix())

    def _get_train_sampler(self, *dataset: Any) -> Any:
        return super()._get_train_sampler()  # transformers 4.53 hands the data set over, LLaVA's takes none

    def create_optimizer(self, *model: Any) -> Any:
        return super().create_optimizer()  # transformers 5 may hand the model over, LLaVA's takes none

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """DeepSpeed's bf16 casts every float input; a prior stays float32 up to its normalisation."""
        kept = {name: inputs[name] for name in KEPT_FLOAT32 if name in inputs}
        prepared = super()._prepare_inputs({name: value for name, value in inputs.items() if name not in kept})
        return {**prepared, **{name: value.to(self.args.device, torch.float32) for name, value in kept.items()}}

    def _save_checkpoint(self, model: Any, trial: Any, metrics: Any = None) -> None:
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        if not MODERN or getattr(self.args, "tune_mm_mlp_adapter", False):
            super()._save_checkpoint(model, trial, metrics)
        else:
            Trainer._save_checkpoint(self, model, trial)  # transformers 4.47 takes no metrics, LLaVA's hands them on
        trainables = gather(self._non_lora_trainables())
        if trainables and self.args.should_save:
            save_file({name: tensor.contiguous() for name, tensor in trainables.items()}, folder / TRAINABLES_FILE)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """An adapter's checkpoint alone would leave fresh random projectors; these are restored with it."""
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        wanted = self._non_lora_trainables()
        if not wanted:
            return
        file = Path(resume_from_checkpoint) / TRAINABLES_FILE
        if not file.is_file():
            raise MissingFileError(
                f"{resume_from_checkpoint} has no {TRAINABLES_FILE}.",
                f"Resuming needs the trained projectors ({len(wanted)} weights) beside the adapter.",
                "Remove that checkpoint folder to start over, or resume from a whole one.",
            )
        stored = load_file(file)
        with torch.no_grad():
            for name, parameter in wanted.items():
                parameter.copy_(stored[name])

    def save_state(self) -> None:
        """The trainer's state and the prior; LLaVA calls it on every rank when training ends."""
        super().save_state()
        save_prior(self.model, self.args.output_dir, self.args.should_save)

    def _non_lora_trainables(self) -> dict[str, Any]:
        """Trained weights outside the adapter, where there is one; a full model's checkpoint holds them anyway."""
        named = list(self.model.named_parameters())
        if not any("lora_" in name for name, _ in named):
            return {}
        return {
            canonical_name(name): parameter
            for name, parameter in named
            if parameter.requires_grad and "lora_" not in name
        }


def fit_normalisation(priors: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the mean and spread of the training set's priors (n, P), a spread of 1 where a number never changes."""
    mean = priors.mean(axis=0, dtype=np.float64)
    std = priors.std(axis=0, dtype=np.float64)
    return mean.tolist(), np.where(std > 1e-8, std, 1.0).tolist()
