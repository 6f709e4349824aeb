"""llava-faba's trainer for clips: clips bound to the model, gradients clipped by part, order of its own, intervals."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import Sampler

from llava_faba.data.clips import refuse_shared_patients
from llava_faba.errors import InputError
from llava_faba.model.weights import canonical_name, read_weights
from llava_faba.train.saving import gather
from llava_faba.train.trainer import FabaTrainer
from llava_faba.video.dataset import ClipCollator, ClipDataset
from llava_faba.video.modeling import PATH, PROJECTIONS, clip_by_part
from llava_faba.video.network import OwnDropout
from llava_faba.vocabulary import SEVERITY_WEIGHTS

PREFIXES = tuple(f"model.{name}." for name in (PATH, *PROJECTIONS))


class SeededOrder(Sampler):
    """An order of samples that depends on the seed and the epoch only: dropout draws from the global generator."""

    def __init__(self, size: int, seed: int):
        self.size, self.seed, self.epoch = size, seed, 0

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        self.epoch += 1
        return iter(torch.randperm(self.size, generator=generator).tolist())


class FeqaTrainer(FabaTrainer):
    """LLaVA's trainer on clips."""

    def __init__(self, model: Any = None, args: Any = None, train_dataset: Any = None, **keywords: Any):
        config = model.config
        train_dataset.bind(config)
        choose_trained(model, config.feqa_objective)
        if train_dataset.data_args.pretrain_severity_path:
            load_clip_modules(model, Path(train_dataset.data_args.pretrain_severity_path))
        super().__init__(model=model, args=args, train_dataset=train_dataset, **keywords)
        if not self.is_deepspeed_enabled:
            self._stock_clip = self.accelerator.clip_grad_norm_
            self.accelerator.clip_grad_norm_ = partial(self._clip_by_part)

    def _clip_by_part(self, parameters: Any, max_norm: float, norm_type: float = 2) -> Tensor:
        if max_norm == float("inf"):  # transformers asks for the norm only
            return self._stock_clip(parameters, max_norm, norm_type)
        self.accelerator.unscale_gradients()
        return clip_by_part(self.model, max_norm)

    def _get_train_sampler(self, *dataset: Any) -> Any:
        return SeededOrder(len(self.train_dataset), self.args.seed)

    def _beside_adapter(self) -> dict[str, Tensor]:
        """Also how many masks the severity path's dropout has drawn, so that a resumed run goes on with the next."""
        kept = super()._beside_adapter()
        if kept:
            modules = ((name, module) for name, module in self.model.named_modules() if isinstance(module, OwnDropout))
            kept |= {f"{canonical_name(name)}.calls": module.calls for name, module in modules}
        return kept

    def save_state(self) -> None:
        """The state, the clip modules, and the residuals of the validation set, which become the interval."""
        super().save_state()
        config = self.model.config
        config.trained_steps = int(config.trained_steps or 0) + self.state.global_step
        if self.train_dataset.data_args.validation_path and config.feqa_objective != "report":
            config.severity_residuals = self._residuals()
        modules = gather(clip_modules(self.model))
        if self.args.should_save:
            state = {name: tensor.contiguous() for name, tensor in modules.items()}
            save_file(state, Path(self.args.output_dir) / SEVERITY_WEIGHTS)

    def _residuals(self) -> list[float]:
        """|rated - predicted| on the validation set; every rank runs all of it, as ZeRO-3 must."""
        training, args = self.train_dataset, self.train_dataset.data_args
        validation = ClipDataset([args.validation_path], training.tokenizer, args)
        refuse_shared_patients(training.samples, validation.samples, "validation set")
        objective, self.model.config.feqa_objective = self.model.config.feqa_objective, "severity"
        validation.bind(self.model.config)
        collate, residuals = ClipCollator(training.tokenizer), []
        self.model.eval()
        with torch.no_grad():
            for index in range(len(validation)):
                if validation.samples[index].severity is None:
                    continue
                batch = self._prepare_inputs(collate([validation[index]]))
                severity = self.model(**batch).severity
                residuals.append(float((severity - batch["severity"]).abs()))
        self.model.train()
        self.model.config.feqa_objective = objective
        return residuals


def choose_trained(model: Any, objective: str) -> None:
    """Train what the objective names: `severity` the path alone, `report` everything but it, `joint` both."""
    inner = model.get_model()
    if objective == "severity":
        model.requires_grad_(False)
    for name in PROJECTIONS:
        getattr(inner, name).requires_grad_(objective != "severity")
    getattr(inner, PATH).requires_grad_(objective != "report")


def clip_modules(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of the clip modules, frozen ones too, by their names in a plain model."""
    named = ((canonical_name(name), weight) for name, weight in model.named_parameters())
    return {name: weight for name, weight in named if name.startswith(PREFIXES)}


def load_clip_modules(model: nn.Module, file: Path) -> None:
    """Load what `save_state` wrote; every weight must be there and fit."""
    stored, own = read_weights(file), clip_modules(model)
    wrong = sorted(
        stored.keys() ^ own.keys() | {name for name in stored.keys() & own if stored[name].shape != own[name].shape}
    )
    if wrong:
        raise InputError(
            f"The file {file} does not fit this model: {', '.join(wrong[:4])}.",
            "It holds the severity path and its projections, name by name and shape by shape.",
            "Use the motion_* flags and the base model that it was trained with.",
        )
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(stored[name])
