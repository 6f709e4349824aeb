"""LLaVA's trainer, which also binds the prior to the data, fits its normalisation, and saves and resumes all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from llava.train.llava_trainer import LLaVATrainer
from safetensors.torch import load_file, save_file
from transformers import Trainer
from transformers.integrations import is_deepspeed_zero3_enabled

from llava_faba.errors import InputError
from llava_faba.files import read_json
from llava_faba.model.tokenizer import keep_tokenizer
from llava_faba.prior import build_prior
from llava_faba.processes import say
from llava_faba.train import saving as checkpoints
from llava_faba.train.arguments import MODERN
from llava_faba.train.inputs import KEY, RunInputs
from llava_faba.train.order import LikeLengths, RepeatableOrder
from llava_faba.train.peak import PeakMemory
from llava_faba.train.ranks import wait_for_all
from llava_faba.train.record import print_start, write_record
from llava_faba.train.saving import assign, gather, non_lora_weights, save_prior
from llava_faba.train.validation import Validation

TRAINABLES_FILE = "non_lora_trainables.safetensors"  # in checkpoint-N, beside the adapter
ORDER_FILE = "epoch_order.safetensors"  # in checkpoint-N: the generator's state from which the epoch's order was drawn
LEAST_SPREAD = 0.01  # of the median spread
KEPT_FLOAT32 = ("facial_priors",)
FITTED = ("facial_prior_mean", "facial_prior_std")
NUMPY_STATE = [np.core.multiarray._reconstruct, np.ndarray, np.dtype, type(np.dtype(np.uint32))] if not MODERN else []


class FabaTrainer(LLaVATrainer):
    """LLaVA's trainer on both transformers; with a prior it keeps the prior in float32 and in every checkpoint."""

    def __init__(self, model: Any = None, args: Any = None, tokenizer: Any = None, **keywords: Any):
        self._order: RepeatableOrder | None = None
        self._draw_from: torch.Tensor | None = None  # while resuming: where the present epoch's order came from
        self._bind_prior(model, args, keywords.get("train_dataset"))
        allow_saving(model)
        named = "processing_class" if MODERN else "tokenizer"
        super().__init__(model=model, args=args, **{named: tokenizer}, **keywords)
        self.add_callback(PeakMemory())
        self._validation = None
        if (inputs := self.run_inputs) is not None and inputs.validation is not None:
            self._validation = Validation(self, inputs.validation)
            self.add_callback(self._validation)
        if self.is_world_process_zero():
            print_start(model)

    @property
    def run_inputs(self) -> RunInputs | None:
        """What the run's flags named, read before the model was loaded; None for a script that parsed no flags."""
        return getattr(getattr(self.train_dataset, "data_args", None), KEY, None)

    @property
    def run_tokenizer(self) -> Any:
        """The tokenizer, whatever this transformers calls it."""
        return self.processing_class if MODERN else self.tokenizer

    def _bind_prior(self, model: Any, args: Any, dataset: Any) -> None:
        """Let the data set read the model's prior, and fit the normalisation on what it read."""
        config = model.config
        if not getattr(config, "facial_prior_tower", None):
            return
        inner = model.get_model()
        # LLaVA freezes all of the model but mm_projector for tune_mm_mlp_adapter; the prior has a flag of its own.
        inner.facial_prior_projector.requires_grad_(config.tune_facial_prior_projector)
        if args.tune_only_facial_prior_projector:
            model.requires_grad_(False)
            inner.facial_prior_projector.requires_grad_(True)
        if config.facial_prior_position == "only":
            inner.mm_projector.requires_grad_(False)  # out of the graph
        if args.bits in (4, 8):  # the Trainer moves no quantised model, and LLaVA its own projector only
            inner.facial_prior_projector.to(args.device)
        inputs = getattr(dataset.data_args, KEY, None)
        prior = inputs.prior if inputs is not None else None
        if prior is None:  # the trainer of a script that parsed no flags
            prior = build_prior(config.facial_prior_tower, config.facial_prior_model, config.facial_prior_hidden_size)
        dataset.bind_prior(prior, keep_unread=config.facial_prior_dropout > 0)
        n_visual = 0 if config.facial_prior_position == "only" else model.get_vision_tower().num_patches
        dataset.reserve(image_positions=n_visual + len(config.facial_prior_sizes or [prior.dim]))
        if config.facial_prior_normalisation == "fit" and config.facial_prior_mean is None:
            config.facial_prior_mean, config.facial_prior_std = fit_normalisation(dataset.prior_matrix())

    def train(self, resume_from_checkpoint: str | bool | None = None, **keywords: Any) -> Any:
        """Train, from the newest whole checkpoint where LLaVA's train() asks to resume."""
        checkpoint = None
        use_one_dtype(self.model, self.args)
        if resume_from_checkpoint:
            checkpoint, passed_over = self._choose_checkpoint(resume_from_checkpoint)
            for line in passed_over:
                say(line)
        if checkpoint is not None and self._validation is not None:
            self._validation.go_on(self.args.output_dir)
        record = getattr(self.args, "faba_record", None)
        if record is not None and self.args.should_save:
            write_record(self.args.output_dir, record, checkpoint and checkpoint.name)
        if checkpoint is not None:
            say(f"resuming from {checkpoint}")
            self._restore(checkpoint)
        return super().train(resume_from_checkpoint=checkpoint and str(checkpoint), **keywords)

    def _choose_checkpoint(self, wanted: str | bool) -> tuple[Path | None, list[str]]:
        if getattr(self.args, "tune_mm_mlp_adapter", False):
            raise InputError(
                f"The output folder {self.args.output_dir} holds checkpoints of a run with --tune_mm_mlp_adapter.",
                "LLaVA keeps only the projector in them, without the optimiser, so such a run cannot be resumed.",
                "Remove the checkpoint folders to start over, or choose another --output_dir.",
            )
        if wanted is True:
            return checkpoints.newest_complete(self.args.output_dir)
        reason = checkpoints.defect(Path(wanted))
        if reason:
            raise InputError(
                f"The checkpoint {wanted} cannot be resumed from: {reason}.",
                "A whole checkpoint holds the adapter, the trained projectors, the optimiser and their list.",
                "Resume from another one, or start over in another --output_dir.",
            )
        return Path(wanted), []

    def _get_train_sampler(self, *dataset: Any) -> Any:
        if self.args.group_by_length_steps > 0:
            step = self.args.train_batch_size * self.args.world_size * self.args.gradient_accumulation_steps
            lengths = self.train_dataset.modality_lengths
            sampler: Any = LikeLengths(lengths, step, self.args.group_by_length_steps)
        else:
            sampler = super()._get_train_sampler()  # transformers 4.53 hands the data set over, LLaVA's takes none
            if MODERN and not self.args.group_by_modality_length:
                return sampler  # accelerate seeds it by the epoch
        self._order = RepeatableOrder(sampler, self.args.device)
        self._order.draw_from = self._draw_from
        return self._order

    def create_optimizer(self, *model: Any) -> Any:
        optimizer = super().create_optimizer()  # transformers 5 may hand the model over, LLaVA's takes none
        # LLaVA's groups may be empty; DeepSpeed drops such a one, and the scheduler of 4.37 then counts one too many.
        optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
        return optimizer

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """DeepSpeed's bf16 casts every float input; a prior stays float32 up to its normalisation."""
        kept = {name: inputs[name] for name in KEPT_FLOAT32 if name in inputs}
        prepared = super()._prepare_inputs({name: value for name, value in inputs.items() if name not in kept})
        return {**prepared, **{name: value.to(self.args.device, torch.float32) for name, value in kept.items()}}

    def _save_checkpoint(self, model: Any, trial: Any, metrics: Any = None) -> None:
        """Save a checkpoint whole: its list of files is written last, and only then older ones are removed."""
        folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            checkpoints.make_room(folder)
        wait_for_all()
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            if not MODERN or getattr(self.args, "tune_mm_mlp_adapter", False):
                super()._save_checkpoint(model, trial, metrics)
            else:
                Trainer._save_checkpoint(self, model, trial)  # 4.47 takes no metrics, LLaVA's hands them on
        finally:
            self.args.save_total_limit = limit
        self._save_beside_adapter(folder)
        if self.args.should_save and self._order is not None:
            save_file({"torch": self._order.drawn_from}, folder / ORDER_FILE)
        if getattr(self.args, "tune_mm_mlp_adapter", False):
            save_prior(self.model, folder, self.args.should_save)
        wait_for_all()
        if self.args.should_save:
            checkpoints.mark_complete(folder)
            checkpoints.prune(folder.parent, limit)

    def _save_beside_adapter(self, folder: Path) -> None:
        trainables = gather(self._beside_adapter())
        if self.args.should_save and trainables:
            save_file({name: tensor.contiguous() for name, tensor in trainables.items()}, folder / TRAINABLES_FILE)
            self.model.config.save_pretrained(folder)

    def _beside_adapter(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds beside the adapter, by canonical names."""
        return non_lora_weights(self.model)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        super()._save(output_dir, state_dict)
        if self.args.should_save and not getattr(self.args, "tune_mm_mlp_adapter", False):
            keep_tokenizer(self.run_tokenizer, output_dir or self.args.output_dir)

    def keep_model(self, name: str) -> None:
        """Save the model, as it is, in OUT/NAME, whole or not at all: what answers, without what resuming needs.

        Every rank must call it.
        """
        folder = Path(self.args.output_dir) / name
        partial = folder.with_name(f"tmp-{name}")
        if self.args.should_save:
            checkpoints.make_room(partial)
        wait_for_all()
        self.save_model(str(partial), _internal_call=True)
        self._save_beside_adapter(partial)
        save_prior(self.model, partial, self.args.should_save)
        wait_for_all()
        if self.args.should_save:
            checkpoints.replace_folder(partial, folder)

    def discard_model(self, name: str) -> None:
        """Remove what `keep_model` kept."""
        if self.args.should_save:
            checkpoints.make_room(Path(self.args.output_dir) / name)

    def _restore(self, checkpoint: Path) -> None:
        """Load what an adapter's checkpoint alone would leave fresh: the projectors, the normalisation, the order."""
        wanted = self._beside_adapter()
        if wanted:
            assign(wanted, checkpoint / TRAINABLES_FILE)
            stored = read_json(checkpoint / "config.json", "checkpoint's config")
            for field in FITTED:
                setattr(self.model.config, field, stored.get(field))
        if (checkpoint / ORDER_FILE).is_file():
            self._draw_from = load_file(checkpoint / ORDER_FILE)["torch"]

    def _load_rng_state(self, checkpoint: Any) -> None:
        """The generators' states; they are restored when the resumed epoch's order has been drawn."""
        self._draw_from = None
        if self._order is not None:
            self._order.draw_from = None
        # torch 2.6 refuses numpy's part of the file to transformers 4.37, which does not name it as harmless.
        with torch.serialization.safe_globals(NUMPY_STATE):
            super()._load_rng_state(checkpoint)

    def save_state(self) -> None:
        """The trainer's state and the prior; LLaVA calls it on every rank when training ends."""
        super().save_state()
        save_prior(self.model, self.args.output_dir, self.args.should_save)


def fit_normalisation(priors: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the mean and spread of the training set's priors (n, P), a spread of 1 where a number never changes.

    A number that hardly ever changes gets a hundredth of the median spread: by its own one a face that does move it
    would be a hundred thousand spreads away, which is NaN in float16.
    """
    mean = priors.mean(axis=0, dtype=np.float64)
    std = priors.std(axis=0, dtype=np.float64)
    changing = std > 1e-8
    floor = LEAST_SPREAD * float(np.median(std[changing])) if changing.any() else 0.0
    return mean.tolist(), np.where(changing, np.maximum(std, floor), 1.0).tolist()


def use_one_dtype(model: Any, args: Any) -> None:
    """Give all weights of a ZeRO-3 run in bf16 or fp16 that dtype, as ZeRO-3 keeps them in one buffer.

    Current peft makes adapters float32 whatever their base is, LLaVA leaves them so, and fresh projectors are float32
    too. DeepSpeed's optimiser has its own float32 copy of each weight. Weights that are split already have the dtype.
    """
    if not is_deepspeed_zero3_enabled() or not (args.bf16 or args.fp16):
        return
    dtype = torch.bfloat16 if args.bf16 else torch.float16
    for parameter in model.parameters():
        if parameter.is_floating_point() and not hasattr(parameter, "ds_id"):
            parameter.data = parameter.data.to(dtype)


def allow_saving(model: Any) -> None:
    """Reset Vicuna's temperature and top_p, which without do_sample mean nothing: transformers saves no such pair.

    The model goes on answering greedily, as it did with them.
    """
    generation = getattr(model, "generation_config", None)
    if generation is not None and not generation.do_sample:
        defaults = type(generation)()
        generation.temperature, generation.top_p = defaults.temperature, defaults.top_p
