"""llava-faba's trainer for clips: the severity path held apart and trained by itself, an order of its own, intervals.

LLaVA's Trainer, under DeepSpeed or not, trains the language: LoRA and the projections. The severity path is taken out
of the model that it sees and trained by a `SeverityLearner` at the end of every optimiser step.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from transformers import TrainerCallback, get_scheduler

from llava_faba.data.leakage import join_marks, marks_of, patient_hash, refuse_leaks
from llava_faba.errors import InputError
from llava_faba.train.saving import gather
from llava_faba.train.trainer import FabaTrainer
from llava_faba.video.dataset import ClipCollator, ClipDataset
from llava_faba.video.interval import patients_needed, residual_of
from llava_faba.video.learner import Recipe, SeverityLearner
from llava_faba.video.parts import choose_trained, hold_apart
from llava_faba.video.weights import LEFT, PATH, clip_weights, load_clip_modules, save_clip_modules
from llava_faba.vocabulary import SEVERITY_WEIGHTS

KEPT_FLOAT32 = ("motion", "motion_times", "severity")


class SeededOrder(Sampler):
    """An order of samples that depends on the seed and the epoch only: dropout draws from the global generator."""

    def __init__(self, dataset: ClipDataset, seed: int):
        self.dataset, self.seed, self.epoch = dataset, seed, 0

    def __len__(self) -> int:
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        if self.dataset.augmentation is not None:
            self.dataset.augmentation = (self.seed, self.epoch)
        self.epoch += 1
        return iter(torch.randperm(len(self.dataset), generator=generator).tolist())


class FeqaTrainer(FabaTrainer):
    """LLaVA's trainer on clips."""

    def __init__(self, model: Any = None, args: Any = None, train_dataset: Any = None, **keywords: Any):
        config, data_args = model.config, train_dataset.data_args
        train_dataset.bind(config)
        if config.feqa_objective != "severity":
            train_dataset.require_reports()
        if config.motion_augmentation == "published":
            train_dataset.augmentation = (args.seed, 0)
        if data_args.pretrain_severity_path:
            remembered = load_clip_modules(model, Path(data_args.pretrain_severity_path))
            for name in LEFT:
                setattr(config, name, remembered.get(name) or getattr(config, name))
        choose_trained(model, config.feqa_objective)
        self.learner: SeverityLearner | None = None
        super().__init__(model=model, args=args, train_dataset=train_dataset, **keywords)
        path = hold_apart(model).to(args.device).eval()
        path.seed_dropout(args.seed)
        if config.feqa_objective != "report":
            self.learner = SeverityLearner(path, self._recipe(config, args))
            self.add_callback(_TrainPath(self))

    @staticmethod
    def _recipe(config: Any, args: Any) -> Recipe:
        return Recipe(
            loss=config.regression_loss,
            weight=config.regression_weight,
            learning_rate=args.learning_rate,
            weight_decay=args.weight_decay,
            betas=(args.adam_beta1, args.adam_beta2),
            epsilon=args.adam_epsilon,
            max_norm=args.max_grad_norm or 0.0,
        )

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **keywords: Any) -> Any:
        """The language loss alone; what the severity path learns from is handed to the learner."""
        severity = inputs.pop("severity")
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **keywords)
        if self.learner is not None and model.training:
            self.learner.take({**inputs, "visual": outputs["visual"]}, severity)
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *more: Any, **keywords: Any) -> None:
        """The logged loss is that of both: language plus the latest step's regression."""
        if "loss" in logs and self.learner is not None and self.learner.last_loss is not None:
            regression = self.learner.last_loss
            logs = {**logs, "loss": logs["loss"] + regression, "regression_loss": regression}
        super().log(logs, *more, **keywords)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """DeepSpeed's bf16 and fp16 cast every float input; landmarks, times and ratings stay float32."""
        kept = {name: inputs[name] for name in KEPT_FLOAT32 if name in inputs}
        prepared = super()._prepare_inputs({name: value for name, value in inputs.items() if name not in kept})
        return {**prepared, **{name: value.to(self.args.device, torch.float32) for name, value in kept.items()}}

    def _get_train_sampler(self, *dataset: Any) -> Any:
        return SeededOrder(self.train_dataset, self.args.seed)

    def _beside_adapter(self) -> dict[str, Tensor]:
        """Also the severity path with its optimiser and its dropout's counters, which no other file holds."""
        kept = super()._beside_adapter()
        own = {} if self.learner is None else self.learner.state()
        return kept | {f"model.{PATH}.{name}": tensor for name, tensor in own.items()}

    def save_state(self) -> None:
        """The state, the clip modules, and the residuals of the validation set, which become the interval."""
        super().save_state()
        config, args = self.model.config, self.train_dataset.data_args
        before = config.clips_seen or {}
        seen = {"training": join_marks(before.get("training", {}), marks_of(self.train_dataset.samples))}
        config.severity_steps = int(config.severity_steps)
        config.report_steps = int(config.report_steps)
        if self.learner is not None:
            config.severity_steps += int(self.learner.steps)
            config.severity_residuals = config.severity_patients = None  # of the path as it was
        if config.feqa_objective != "severity":
            config.report_steps += self.state.global_step
        if args.validation_path:
            seen["validation"] = self._validate(args.validation_path)
        elif self.learner is None:
            seen["validation"] = before.get("validation", {})  # of which the first stage's interval is made
        config.clips_seen = {name: marks for name, marks in seen.items() if marks}
        weights = gather(clip_weights(self.model))
        if self.args.should_save:
            save_clip_modules(weights, config, Path(self.args.output_dir) / SEVERITY_WEIGHTS)

    def _validate(self, file: str) -> dict[str, list[str]]:
        """Keep the residuals on the validation set; every rank runs all of it, as ZeRO-3 must."""
        training, config = self.train_dataset, self.model.config
        validation = ClipDataset([file], training.tokenizer, training.data_args)
        refuse_leaks({"training set": training.samples, "validation set": validation.samples})
        objective, config.feqa_objective = config.feqa_objective, "severity"
        validation.bind(config)
        collate, residuals, patients = ClipCollator(training.tokenizer), [], []
        self.model.eval()
        with torch.no_grad():
            for index, sample in enumerate(validation.samples):
                if sample.severity is None:
                    continue
                batch = self._prepare_inputs(collate([validation[index]]))
                rated = batch.pop("severity")
                residuals.append(residual_of(float(self.model(**batch).unbounded), float(rated)))
                patients.append(patient_hash(sample.patient))
        self.model.train()
        config.feqa_objective, config.severity_residuals = objective, residuals
        config.severity_patients = patients if all(patients) else None
        known = len(set(patients))
        if config.severity_patients and known < patients_needed() and self.is_world_process_zero():
            print(
                f"The validation set has {known} patients: the 90 % interval is the whole scale. It needs "
                f"{patients_needed()} or more.",
                file=sys.stderr,
            )
        return marks_of(validation.samples)


class _TrainPath(TrainerCallback):
    """Train the severity path at the end of every optimiser step, on the learning rate's schedule of the run."""

    def __init__(self, trainer: FeqaTrainer):
        self.trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        recipe = self.trainer.learner.recipe
        self.trainer.learner.recipe = type(recipe)(**{**vars(recipe), "schedule": _schedule(args, state.max_steps)})

    def on_step_end(self, args: Any, state: Any, control: Any, **keywords: Any) -> None:
        self.trainer.learner.step(state.global_step - 1)


def _schedule(args: Any, steps: int) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step, from 0, by the flags of the run."""
    clock = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    wanted = get_scheduler(args.lr_scheduler_type, clock, args.get_warmup_steps(steps), steps)
    if not hasattr(wanted, "lr_lambdas"):
        raise InputError(
            f"--lr_scheduler_type is {args.lr_scheduler_type}.",
            "The severity path's learning rate is a function of the step.",
            "Choose cosine, linear, constant or constant_with_warmup.",
        )
    return wanted.lr_lambdas[0]
