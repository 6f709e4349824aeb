"""The training flags that decide how much memory a run takes, checked, and the sizes of numbers that follow."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from llava_faba.errors import InputError

SAME_NAMES = (  # fields whose names are those of LLaVA's training flags
    "lora_enable",
    "lora_r",
    "lora_dropout",
    "bits",
    "per_device_train_batch_size",
    "model_max_length",
    "gradient_checkpointing",
    "bf16",
    "fp16",
)


@dataclass(frozen=True)
class Recipe:
    """The training flags that decide the memory, by LLaVA's names, as scripts/finetune_faba_lora.sh has them.

    `zero` is DeepSpeed's stage, 0 without DeepSpeed; `offload` says that the optimiser's states are in the machine's
    own memory. Raises InputError for flags that no run takes.
    """

    lora_enable: bool = True
    lora_r: int = 128
    lora_dropout: float = 0.05
    bits: int = 16
    zero: int = 3
    gpus: int = 1
    per_device_train_batch_size: int = 16
    model_max_length: int = 2048
    gradient_checkpointing: bool = True
    bf16: bool = True
    fp16: bool = False
    tune_mm_mlp_adapter: bool = False
    offload: bool = False
    on_cpu: bool = False
    float32_adapters: bool = True
    copied_logits: bool = False

    def __post_init__(self) -> None:
        allowed = {"bits": (4, 8, 16), "zero": (0, 1, 2, 3)}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InputError(
                    f"--{name} is {getattr(self, name)}.",
                    f"It is {', '.join(map(str, values[:-1]))} or {values[-1]}.",
                    "Correct the flag.",
                )
        for name in ("gpus", "per_device_train_batch_size", "model_max_length", "lora_r"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name} is {getattr(self, name)}.", "It is at least 1.", "Correct the flag.")
        if self.bf16 and self.fp16:
            raise InputError("--bf16 and --fp16 are both True.", "A run has one precision.", "Leave one out.")
        if self.bits != 16 and not self.lora_enable:
            raise InputError(
                f"--bits is {self.bits} without --lora_enable True.",
                "Quantised weights are frozen; adapters are what is trained then.",
                "Give --lora_enable True, or leave --bits out.",
            )
        if self.bits != 16 and self.zero == 3:
            raise InputError(
                f"--bits is {self.bits} under ZeRO-3.",
                "ZeRO-3 splits weights over the ranks, and quantised ones cannot be split.",
                "Use --zero 2.",
            )

    @property
    def method(self) -> str:
        if self.tune_mm_mlp_adapter:
            return "projectors"
        return ("LoRA" if self.bits == 16 else "QLoRA") if self.lora_enable else "full"

    @property
    def half(self) -> bool:
        return self.bf16 or self.fp16

    @property
    def compute(self) -> int:
        """Bytes of a number in the matrix products."""
        return 2 if self.half else 4

    @property
    def weight(self) -> int:
        """Bytes of a weight that is not quantised; LLaVA trains whole models in fp16 on float32 weights."""
        return 2 if self.bf16 or (self.fp16 and (self.zero or self.lora_enable)) else 4

    @property
    def stream(self) -> int:
        """Bytes of a number in the residual stream, which has the type of the token embeddings."""
        return 2 if self.half and self.zero else 4 if self.bits != 16 and not self.bf16 else self.weight


def installed() -> dict[str, bool]:
    """Return the fields that the installed peft and transformers decide; current ones where there are none.

    peft makes adapters of 16-bit weights float32 from 0.12 on (its docs, developer_guides/troubleshooting);
    transformers 4.37 copies the logits once more (models/llama/modeling_llama.py, `shift_logits`).
    """
    return {"float32_adapters": _version("peft") >= (0, 12), "copied_logits": _version("transformers") < (5, 0)}


def _version(package: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in re.findall(r"\d+", version(package))[:2])
    except PackageNotFoundError:
        return (999,)


def recipe_of_run(model_args: Any, training_args: Any, on_cpu: bool = False) -> Recipe:
    """Return the recipe of a run's parsed flags and of the DeepSpeed configuration that they name."""
    deepspeed = getattr(training_args, "hf_deepspeed_config", None)
    stage, offload = 0, None
    if deepspeed is not None:
        stage = deepspeed.get_value("zero_optimization.stage", 0)
        offload = deepspeed.get_value("zero_optimization.offload_optimizer.device")
    return Recipe(
        **{name: getattr(training_args, name) for name in SAME_NAMES},
        zero=int(stage),
        gpus=training_args.world_size,
        tune_mm_mlp_adapter=bool(model_args.tune_mm_mlp_adapter),
        offload=offload not in (None, "none"),
        on_cpu=on_cpu,
        **installed(),
    )
