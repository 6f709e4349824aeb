"""A shape and a recipe -> the range of memory a GPU needs, whether it fits one, and which other recipes would.

Without torch. A run's start, run.json and `llava-faba estimate` all say what is said here.
"""

from dataclasses import dataclass, replace
from typing import Any

from llava_faba.errors import InputError
from llava_faba.train.memory import Peak, peak
from llava_faba.train.recipe import Recipe, recipe_of_run
from llava_faba.train.shape import ModelShape, shape_of

GIB = 2**30
# Tokens of a sample beside its image: LLaVA's v1 prompt and a question, about 60, and the answer. FABA-Instruct's have
# 121 words on average (data/statistics.py, over both tasks), of about 1.4 Llama tokens each.
TYPICAL_TEXT = 230
# What no tensor accounts for: CUDA's context, the libraries' workspaces, NCCL's buffers, gaps in the allocator. A rule
# of thumb of ours: not measured, and no part of what is compared with torch.cuda.max_memory_allocated.
LEAST_ALLOWANCE, MOST_ALLOWANCE, GAPS = 0.5 * GIB, 1.5 * GIB, 0.05
BATCHES = (1, 2, 4, 8, 16, 32, 64)
COMBINATIONS = ((16, 0), (16, 2), (16, 3), (8, 0), (8, 2), (4, 0), (4, 2))  # bits and ZeRO that a run takes


@dataclass(frozen=True)
class Estimate:
    """What one GPU needs: `least` with sequences of typical length, `most` with all at --model_max_length."""

    recipe: Recipe
    length: int
    least: Peak
    most: Peak

    @property
    def low(self) -> float:
        """Bytes on the GPU at the least, with what no tensor accounts for."""
        return self.least.total + LEAST_ALLOWANCE

    @property
    def high(self) -> float:
        """Bytes on the GPU at the most."""
        return self.most.total * (1 + GAPS) + MOST_ALLOWANCE

    def verdict(self, memory: float) -> str:
        """Return "fits", "may fit" or "does not fit", for a GPU of so many bytes."""
        return "fits" if self.high <= memory else "may fit" if self.low <= memory else "does not fit"

    def line(self, memory: float | None = None) -> str:
        """Return the estimate in one line."""
        recipe = self.recipe
        how = f"{recipe.method}, {recipe.bits} bits, ZeRO {recipe.zero}, {recipe.gpus} rank(s)"
        batch = f"batch {recipe.per_device_train_batch_size}, {self.length} to {recipe.model_max_length} tokens"
        here = "" if memory is None else f"; this GPU has {_short(memory)}: {self.verdict(memory)}"
        place = "rank" if recipe.on_cpu else "GPU"
        return f"estimated memory, each {place}: {_short(self.low)} to {_short(self.high)} GiB ({how}, {batch}){here}"

    def as_json(self, memory: float | None = None) -> dict[str, Any]:
        """Return the estimate for JSON, in GiB."""
        return {
            "low_gib": _gib(self.low),
            "high_gib": _gib(self.high),
            "tensors_low_gib": _gib(self.least.total),
            "tensors_high_gib": _gib(self.most.total),
            "moment": self.most.moment,
            "tokens": [self.length, self.recipe.model_max_length],
            "parts_gib": {name: [_gib(self.least.parts.get(name, 0)), _gib(n)] for name, n in self.most.parts.items()},
            "gpu_gib": None if memory is None else _gib(memory),
            "verdict": None if memory is None else self.verdict(memory),
        }


@dataclass(frozen=True)
class Choice:
    """A combination of bits and ZeRO, the largest batch that fits, and the largest that may; 0: none."""

    bits: int
    zero: int
    fits: int
    may_fit: int


def estimate(shape: ModelShape, recipe: Recipe) -> Estimate:
    """Return what a run of `recipe` needs on each GPU."""
    length = min(shape.image_tokens + TYPICAL_TEXT, recipe.model_max_length)
    return Estimate(
        recipe, length, peak(shape, recipe, length), peak(shape, recipe, recipe.model_max_length, generous=True)
    )


def choices(shape: ModelShape, recipe: Recipe, memory: float) -> list[Choice]:
    """Return what would fit a GPU of `memory` bytes, for each combination of bits and ZeRO that the method takes."""
    rows = []
    for bits, zero in COMBINATIONS:
        if bits != 16 and recipe.method not in ("LoRA", "QLoRA"):
            continue
        largest = {"fits": 0, "may fit": 0, "does not fit": 0}
        for batch in BATCHES:
            other = replace(recipe, bits=bits, zero=zero, per_device_train_batch_size=batch)
            largest[estimate(shape, other).verdict(memory)] = batch
        rows.append(Choice(bits, zero, largest["fits"], max(largest["fits"], largest["may fit"])))
    return rows


def estimate_of_run(model_args: Any, training_args: Any, prior_size: int | None, on_cpu: bool) -> Estimate | None:
    """Return the estimate of a training run from its parsed flags; None where the model's sizes are not known."""
    try:
        shape = shape_of(str(model_args.model_name_or_path), model_args.vision_tower, prior_size)
        return estimate(shape, recipe_of_run(model_args, training_args, on_cpu))
    except InputError:  # an estimate is a help, and no reason to stop a run
        return None


def _short(size: float) -> str:
    return f"{size / GIB:.1f}"


def _gib(size: float) -> float:
    return round(size / GIB, 3)
