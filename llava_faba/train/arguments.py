"""LLaVA's training flags, plus the facial prior's, and the old names that LLaVA's own scripts use.

One command line serves both transformers: flags that 5.x removed are taken and put into its terms.
"""

import dataclasses
import datetime
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from llava.train import train as llava_train

from llava_faba.errors import InputError, missing_extra
from llava_faba.files import existing_file, read_json
from llava_faba.host.compat import transformers_version
from llava_faba.model.fields import NORMALISATIONS, POSITIONS

MODERN = transformers_version() >= (5, 0, 0)
REMOVED = {  # flags of LLaVA's scripts that transformers 5 no longer has -> type; None is "not given"
    "evaluation_strategy": str,
    "warmup_ratio": float,
    "logging_dir": str,
    "overwrite_output_dir": bool,
    "save_safetensors": bool,
    "no_cuda": bool,
}


class LlamaPath(str):
    """The path of a Llama base in which LLaVA's train() does not find the letters "mpt".

    It takes every base for an MPT model whose path holds them, as prompts/llava-v1.5-7b and /tmp/tmpt3x do
    (llava-torch 1.2.2.post1, llava/train/train.py, lines 817 and 878).
    """

    def __contains__(self, letters: str) -> bool:  # type: ignore[override]
        return letters != "mpt" and super().__contains__(letters)


@dataclass
class FabaModelArguments(llava_train.ModelArguments):
    """LLaVA's model flags and the facial prior's; the latter are also fields of the model's config.json."""

    facial_prior_tower: str | None = field(
        default=None, metadata={"help": "the facial prior, e.g. dlib_68 or emola_2d106; none: stock LLaVA"}
    )
    facial_prior_model: str | None = field(
        default=None, metadata={"help": "path of the tower's model file, when it needs one"}
    )
    facial_prior_hidden_size: int | None = field(
        default=None, metadata={"help": "length of the prior vector; the tower knows it"}
    )
    facial_prior_projector_type: str = field(
        default="mlp2x_gelu", metadata={"help": "linear, mlpNx_gelu or identity, as --mm_projector_type"}
    )
    facial_prior_position: str = field(
        default="after", metadata={"help": "where the prior's token stands: after, before or only (no visual tokens)"}
    )
    tune_facial_prior_projector: bool = field(default=True, metadata={"help": "train the prior's projector"})
    pretrain_facial_prior_projector: str | None = field(
        default=None, metadata={"help": "file with a projector to start from (safetensors or .bin, EmoLA's too)"}
    )
    facial_prior_normalisation: str | None = field(
        default=None,
        metadata={"help": "fit: standardise by the training set's mean and spread; none: raw; default: the tower's"},
    )
    facial_prior_dropout: float = field(
        default=0.0,
        metadata={"help": "chance that a sample's prior is replaced by the learned empty one; keeps unread faces in"},
    )

    def __post_init__(self) -> None:
        choices = {"facial_prior_position": POSITIONS, "facial_prior_normalisation": (*NORMALISATIONS, None)}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"--{name} is {getattr(self, name)!r}.",
                    f"It is one of {', '.join(choice for choice in allowed if choice)}.",
                    "Correct the flag.",
                )
        # Written into the checkpoint's configuration: a relative path would be looked for wherever it is loaded.
        for name in ("model_name_or_path", "vision_tower", "facial_prior_model"):
            setattr(self, name, _absolute(getattr(self, name)))
        config = Path(self.model_name_or_path or "", "config.json")
        if config.is_file() and "mpt" not in str(read_json(config, "configuration").get("model_type")):
            self.model_name_or_path = LlamaPath(self.model_name_or_path)


def _absolute(path: str | None) -> str | None:
    """A path of this disk from its root; a name of the hub, and what is nowhere, as it is."""
    if not path or not os.path.exists(os.path.expanduser(path)):
        return path
    return os.path.abspath(os.path.expanduser(path))


@dataclass
class FabaDataArguments(llava_train.DataArguments):
    """LLaVA's data flags; `--data_path` takes several files."""

    data_path: list[str] = field(
        default_factory=list, metadata={"help": "FABA-Instruct training files; several for multi-task training"}
    )
    validation: list[str] = field(
        default_factory=list,
        metadata={"help": "FABA-Instruct evaluation files, one a task, on which the run is validated"},
    )
    validation_steps: int | None = field(
        default=None,
        metadata={"help": "validate every so many steps; default: every tenth of the run, under 5 %% of its time"},
    )
    validation_size: int = field(default=64, metadata={"help": "faces of each validation file, drawn once; 0: all"})
    validation_seed: int = field(default=0, metadata={"help": "of drawing them"})
    validation_metric: str = field(
        default="rege", metadata={"help": "what the best checkpoint is chosen by: rege, s_re or s_ge"}
    )
    validation_patience: int = field(
        default=0, metadata={"help": "stop after so many validations without a better one; 0: never"}
    )
    validation_batch_size: int | None = field(
        default=None, metadata={"help": "faces answered at once on each device; default: the training batch"}
    )
    validation_max_new_tokens: int = field(default=512, metadata={"help": "length of an answer at most"})
    validation_allow_overlap: bool = field(
        default=False, metadata={"help": "only warn where validation and training share pictures or people"}
    )


def _with_removed_flags(base: type) -> type:
    """Give transformers' TrainingArguments the flags it lost; where it still has them nothing changes."""
    lost = {name: kind for name, kind in REMOVED.items() if name not in {f.name for f in dataclasses.fields(base)}}
    notes = {"help": "an older transformers' flag, as LLaVA's scripts give it"}
    fields: list[Any] = [(name, kind | None, field(default=None, metadata=notes)) for name, kind in lost.items()]
    return dataclasses.make_dataclass("TrainingArgumentsOfBothLegs", fields, bases=(base,), namespace={})


@dataclass
class FabaTrainingArguments(_with_removed_flags(llava_train.TrainingArguments)):  # type: ignore[misc]
    """LLaVA's training flags on either transformers, on a GPU or a CPU, under DeepSpeed, torchrun or plain."""

    tune_only_facial_prior_projector: bool = field(
        default=False, metadata={"help": "freeze all but the prior's projector, the output head too (paper, Table 9)"}
    )

    group_by_length_steps: int = field(
        default=0,
        metadata={"help": "batches of samples of like length, sorted within so many steps, e.g. 50; 0: LLaVA's order"},
    )

    def __post_init__(self) -> None:
        if MODERN:
            self._translate_removed_flags()
        on_cpu = not torch.cuda.is_available()
        if on_cpu:
            self._prepare_cpu()
        if self.deepspeed:
            self._start_deepspeed(on_cpu)
        try:
            super().__post_init__()
        except ValueError as error:
            raise InputError(
                f"The training flags cannot be used: {str(error).rstrip('.')}.",
                "Training flags fit each other and this machine; fp16 and tf32 need a CUDA device.",
                "Correct the flag that the reason names.",
            ) from error
        # LLaVA builds its modules before the Trainer sets the seed; a prior's first weights must not differ from run
        # to run.
        transformers.set_seed(self.seed)
        if self.world_size > 1:
            # LLaVA writes where local_rank is 0 or -1: that is every rank on transformers 5, which leaves it at -1, and
            # one rank of each machine on 4.37. Nothing but LLaVA reads it from here on.
            self.local_rank = self.process_index
        if not MODERN and self.gradient_checkpointing and self.gradient_checkpointing_kwargs is None:
            # Re-entrant checkpoints under DDP stop with "marked ready twice".
            self.gradient_checkpointing_kwargs = {"use_reentrant": False}

    def _translate_removed_flags(self) -> None:
        if self.evaluation_strategy is not None:
            self.eval_strategy = self.evaluation_strategy
        if self.warmup_ratio:
            self.warmup_steps = self.warmup_steps or self.warmup_ratio  # 5.x reads a number under 1 as a share
        if self.no_cuda:
            self.use_cpu = True
        if getattr(self, "activation_checkpointing", False) is None:  # 5.22's name for gradient_checkpointing
            self.activation_checkpointing = self.gradient_checkpointing

    def _prepare_cpu(self) -> None:
        if self.tf32:
            raise InputError(
                "--tf32 is True, and there is no CUDA device here.",
                "TF32 is arithmetic of NVIDIA GPUs.",
                "Give --tf32 False (TF32=False for scripts/finetune_faba_lora.sh).",
            )
        if MODERN:
            self.use_cpu = True  # without it accelerate sees a world of one rank
        elif self.deepspeed:
            # use_cpu would turn DeepSpeed off there.
            from accelerate.state import AcceleratorState

            os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
            self.dataloader_pin_memory = False
            AcceleratorState.use_ipex = False
        else:
            self.use_cpu = True

    def _start_deepspeed(self, on_cpu: bool) -> None:
        """Start the process group: ZeRO-3 splits the model while it is loaded, before the Trainer would start it."""
        if isinstance(self.deepspeed, str) and not self.deepspeed.lstrip().startswith("{"):
            existing_file(
                self.deepspeed, "DeepSpeed configuration --deepspeed", "Use scripts/zero2.json or zero3.json."
            )
        try:
            import deepspeed
        except ImportError as error:
            raise missing_extra("deepspeed", "train", "--deepspeed") from error
        if on_cpu:
            # An all-reduce for inference, which DeepSpeed would compile here: half a minute and a C++ compiler, and a
            # run that is killed meanwhile leaves a lock on which every later run waits for ever.
            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        timeout = datetime.timedelta(seconds=self.ddp_timeout)
        deepspeed.init_distributed(dist_backend="gloo" if on_cpu else None, timeout=timeout)
